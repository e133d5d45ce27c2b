"""Random changes of training images.

An operation is called as ``op(image, rng)``: ``image`` is an array ``(H, W, C)``, uint8, that it
must not write into; ``rng`` is the generator of this sample in this epoch. Any callable of that
form may stand beside the operations of this module.

Pixels are made by Pillow, and by OpenCV where it gives the same (``operations``, ``geometry``).
Whole operations of a library are not used:

- torchvision's draw from torch's generator, not from that of a sample, and are slower: 1,311 images
  a second and core against 1,690 for crop and flip, 600 against 1,231 with RandAugment, 741 against
  1,220 with AutoAugment (docs/pipeline.md).
- albumentations' crop is not antialiased (1,614 a second; by area 1,179), and it has no policies.
- Keras's layers want batches of one size; its RandAugment makes 12 images a second and core on
  torch (Keras 3.15.1, a CPU with AVX-512).
"""

import difflib
import re
from collections.abc import Callable, Sequence

import numpy as np

from kcv.data.augmix import AugMix
from kcv.data.colour import Blur, ColourJitter, Greyscale
from kcv.data.geometry import HorizontalFlip, RandomResizedCrop, RandomShift, VerticalFlip
from kcv.data.holes import Cutout, GridMask, RandomErasing
from kcv.data.policies import AutoAugment, RandAugment, TrivialAugmentWide
from kcv.data.timm_pairs import from_timm as pairs_of_timm
from kcv.data.timm_pairs import is_policy
from kcv.data.timm_policy import from_timm
from kcv.data.warps import RandomAffine, RandomPerspective

Operation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


SETS: dict[str, Callable[[tuple[int, int]], tuple[Operation, ...]]] = {
    "none": lambda size: (),
    "shift": lambda size: (RandomShift(),),
    "flip_shift": lambda size: (HorizontalFlip(), RandomShift()),
    "crop_flip": lambda size: (RandomResizedCrop(size), HorizontalFlip()),
}
"""Named sets: ``shift`` for digits and letters, ``flip_shift`` for other small images,
``crop_flip`` for photographs. Each is a function of the image size (height, width)."""


PARTS: dict[str, Callable[..., Operation]] = {
    "crop": lambda size, low=0.08, high=1.0, quality="bilinear": RandomResizedCrop(
        size, (low, high), interpolation=quality
    ),
    "flip": lambda size, rate=0.5: HorizontalFlip(rate),
    "vflip": lambda size, rate=0.5: VerticalFlip(rate),
    "shift": lambda size, pixels=2: RandomShift(pixels),
    "affine": lambda size, degrees=10.0, translate=0.1, low=0.9, high=1.1, shear=0.0: RandomAffine(
        degrees, (translate, translate), (low, high), shear
    ),
    "perspective": lambda size, distortion=0.5, rate=0.5: RandomPerspective(distortion, rate),
    "jitter": lambda size, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.0, rate=1.0: (
        ColourJitter(brightness, contrast, saturation, hue, rate)
    ),
    "grey": lambda size, rate=0.1: Greyscale(rate),
    "blur": lambda size, rate=0.5, low=0.1, high=2.0: Blur(rate, (low, high)),
    "randaugment": lambda size, count=2, magnitude=9: RandAugment(count, magnitude),
    "trivialaugment": lambda size: TrivialAugmentWide(),
    "autoaugment": lambda size, policy="imagenet": AutoAugment(policy),
    "augmix": lambda size, severity=3, width=3, depth=0: AugMix(severity, width, depth),
    "cutout": lambda size, edge=8: Cutout(edge),
    "erase": lambda size, rate=0.25, *fill: RandomErasing(rate, fill=fill),
    "gridmask": lambda size, rate=0.8, keep=0.6: GridMask(rate, keep=keep),
}
"""What may be joined with ``+``, as in ``crop+flip+randaugment(2,9)+erase(0.25)``, besides timm's
own texts (``rand-m9-mstd0.5-inc1``, ``original-mstd0.5``, ``v0r``, ``3a``). Each is a function of
the image size and of what stands in its brackets."""


def build(augment: str | Sequence[Operation], image_size: tuple[int, int]) -> tuple[Operation, ...]:
    """Return the operations of a named set; a sequence of operations is returned as a tuple.

    Args:
        augment: a key of ``SETS``, keys of ``PARTS`` joined with ``+``, or operations.
        image_size: ``(height, width)`` of the images that the network is given.

    Raises:
        ValueError: there is no set or part of that name, what stands in the brackets of a part
            does not fit it, or an operation cannot be called.
    """
    if isinstance(augment, str):
        if augment in SETS:
            return SETS[augment](image_size)
        return tuple(_part(part, augment, image_size) for part in augment.split("+"))
    for operation in augment:
        if not callable(operation):
            raise ValueError(
                f"augment needs the name of a set or operations that can be called as "
                f"op(image, rng). Received: {operation!r}"
            )
    return tuple(augment)


def _part(part: str, augment: str, image_size: tuple[int, int]) -> Operation:
    """Build one part: ``name``, ``name(argument, ...)``, or a text of timm."""
    if part.startswith("rand-"):
        return from_timm(part)
    if is_policy(part):
        return pairs_of_timm(part)
    found = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", part)
    if found is None or found[1] not in PARTS:
        names = [*SETS, *PARTS] if part == augment else list(PARTS)
        near = difflib.get_close_matches(found[1] if found else part, names)
        advice = f". Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"augment needs one of {', '.join(SETS)}, or parts joined with '+': "
            f"{', '.join(PARTS)}. Received: {augment=}{advice}"
        )
    name, inside = found.groups()
    arguments = [_argument(one.strip()) for one in inside.split(",")] if inside else []
    try:
        return PARTS[name](image_size, *arguments)
    # Too many arguments, or a word where a number belongs.
    except TypeError:
        raise ValueError(
            f"augment needs brackets as in crop(0.35,1), erase(0.25) or autoaugment(cifar10). "
            f"Received: {part!r} in {augment=}"
        ) from None


def _argument(text: str) -> int | float | str:
    """Return a whole number, a number or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
