"""The pipelines of other libraries, each as its documentation builds it, up to a uint8 batch."""

import contextlib
import importlib.metadata
import re
import sys
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

_KEPT = []
LIBRARIES = (
    *("torch", "pillow", "simplejpeg", "opencv-python-headless"),
    *("torchvision", "timm", "albumentations"),
)


def versions() -> dict[str, str]:
    """Return the versions of what is installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _torchvision() -> bool:
    """Import torchvision, also one whose compiled operators do not fit this torch."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    _KEPT.append(library)
    for _ in range(40):
        try:
            import torchvision.transforms.v2  # noqa: F401

            return True
        except ImportError:
            return False
        # No transform needs the operators that it misses: named, they will do.
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+)", str(error))
            if missing is None:
                return False
            library.define(f"{missing[1]}(Tensor x) -> Tensor")
            for name in [one for one in sys.modules if one.split(".")[0] == "torchvision"]:
                del sys.modules[name]
    return False


class _Files(torch.utils.data.Dataset):
    def __init__(self, paths: list[str], load: Callable):
        self.paths, self.load = paths, load

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        return self.load(self.paths[index]), 0


def _by_pillow(path: str) -> Image.Image:
    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


def epochs(paths: list[str], policy: str, size: int, batch: int) -> dict[str, Callable]:
    """Return name -> one epoch; ``policy`` is empty, ``randaugment`` or ``autoaugment``."""
    loads: dict[str, Callable] = {}
    if _torchvision():
        loads |= _of_torchvision(policy, size)
        with contextlib.suppress(ImportError):
            loads |= _of_timm(policy, size)
    with contextlib.suppress(ImportError):
        loads |= _of_albumentations(policy, size)

    def epoch_of(load: Callable) -> Callable:
        files = _Files(paths, load)

        def epoch() -> None:
            for _ in torch.utils.data.DataLoader(files, batch, shuffle=True, drop_last=True):
                pass

        return epoch

    return {name: epoch_of(load) for name, load in loads.items()}


def _of_timm(policy: str, size: int) -> dict[str, Callable]:
    from timm.data import create_transform

    # No mstd: at strength 10, to which a deviation leads, its posterize fails on Pillow 13.
    names = {"": None, "randaugment": "rand-m9-inc1", "autoaugment": "original"}
    transform = create_transform(
        *(size, True),
        use_prefetcher=True,
        color_jitter=None,
        auto_augment=names[policy],
        interpolation="bilinear",
    )
    return {"timm": lambda path: transform(_by_pillow(path))}


def _of_torchvision(policy: str, size: int) -> dict[str, Callable]:
    from torchvision.transforms import v2

    chosen = {"": [], "randaugment": [v2.RandAugment()], "autoaugment": [v2.AutoAugment()]}[policy]
    steps = [v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip(), *chosen]
    on_pictures, on_tensors = v2.Compose([*steps, v2.PILToTensor()]), v2.Compose(steps)
    made = {"torchvision v2, Pillow": lambda path: on_pictures(_by_pillow(path))}
    try:
        import simplejpeg
    except ImportError:
        return made

    def load(path: str) -> torch.Tensor:
        with open(path, "rb") as file:
            image = simplejpeg.decode_jpeg(file.read())
        return on_tensors(torch.from_numpy(image).permute(2, 0, 1))

    return {**made, "torchvision v2, simplejpeg and tensors": load}


def _of_albumentations(policy: str, size: int) -> dict[str, Callable]:
    import albumentations
    import cv2
    import simplejpeg

    # It has neither of the two policies.
    if policy:
        return {}
    cv2.setNumThreads(0)
    made = {}
    for name, area in (
        ("albumentations, simplejpeg, not antialiased", False),
        ("albumentations, simplejpeg, by area", True),
    ):
        crop = albumentations.RandomResizedCrop(
            (size, size), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR
        )
        transform = albumentations.Compose([crop, albumentations.HorizontalFlip()])

        def load(path: str, transform=transform) -> np.ndarray:
            with open(path, "rb") as file:
                image = simplejpeg.decode_jpeg(file.read())
            return transform(image=image)["image"]

        made[name] = load
    return made
