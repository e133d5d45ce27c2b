"""How images are prepared for a checkpoint: it travels with the weights.

Pixels are those of torchvision, timm, transformers and mmpretrain on Pillow images. What these do
elsewhere is not followed, as kcv antialiases on every machine alike: transformers' tensors differ
by a level (bicubic: by up to 9 in 2 of 10,000 values; nearest, in what is nearest); mmpretrain's
OpenCV does not antialias, and is 13 to 75 levels away in the worst place of a photograph that
shrinks, 0.2 to 1.5 in the mean (``tests/weights/test_processors.py``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras

INTERPOLATIONS = ("nearest", "box", "bilinear", "bicubic", "lanczos")
PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
MODES = ("crop", "crop_floor", "crop_first", "squash", "squash_crop", "squash_crop_floor")
TIMM_MODES = {"center": "crop", "crop": "crop", "squash": "squash"}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@keras.saving.register_keras_serializable("kcv")
@dataclass(frozen=True)
class Preprocessing:
    """What turns an image file into what a network was trained on.

    Attributes:
        mean, std: of each channel, for pixels of 0..1.
        image_size: pixels, one number for a square or (height, width).
        interpolation: how images are resized, a name of `kcv.data.resize_image`.
        crop_pct: share of the resized edge that the centre crop keeps, 0..1.
        mode: how the image comes to that size, a name of `kcv.data.resize_image`.
        class_names: names of the classes, empty where the checkpoint has none.

    Raises:
        ValueError: if a value is outside its range.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int | tuple[int, int] = 224
    interpolation: str = "bilinear"
    crop_pct: float = 0.875
    mode: str = "crop"
    class_names: tuple[str, ...] = ()

    def __post_init__(self):
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"Preprocessing needs interpolation to be one of {', '.join(INTERPOLATIONS)}. "
                f"Received: interpolation={self.interpolation!r}."
            )
        if self.mode not in MODES:
            raise ValueError(
                f"Preprocessing needs mode to be one of {', '.join(MODES)}. "
                f"Received: mode={self.mode!r}."
            )
        if not 0 < self.crop_pct <= 1:
            raise ValueError(
                f"Preprocessing needs 0 < crop_pct <= 1. Received: crop_pct={self.crop_pct!r}."
            )
        if len(self.mean) != len(self.std) or not all(s > 0 for s in self.std):
            raise ValueError(
                "Preprocessing needs as many standard deviations above 0 as means. "
                f"Received: mean={self.mean}, std={self.std}."
            )

    def normalize(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return (mean, std) in grey levels, as the `normalize` argument of a network takes them.

        A network with another number of channels gets the mean over the channels, as timm does.
        """
        return _grey_levels(self.mean, channels), _grey_levels(self.std, channels)

    @property
    def resize(self) -> dict[str, Any]:
        """The arguments of `kcv.data.resize_image`."""
        return {
            "mode": self.mode,
            "crop_pct": self.crop_pct,
            "interpolation": self.interpolation,
        }

    def get_config(self) -> dict[str, Any]:
        """Return what Keras writes into a saved model."""
        return self.to_dict()

    from_config = classmethod(lambda cls, config: cls.from_dict(config))

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Preprocessing":
        """Read what `to_dict` gave."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.items()
        }
        return cls(**values)


def _grey_levels(values: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(values) != channels:
        values = [sum(values) / len(values)] * channels
    return tuple(255.0 * value for value in values)


def from_timm(config: Mapping[str, Any]) -> Preprocessing:
    """Read the `config.json` of a checkpoint in timm's form.

    Raises:
        ValueError: if it crops in a way that kcv does not know.
    """
    # uploads of 2022 and before are flat
    about = {**config, **config.get("pretrained_cfg", {})}
    mode = TIMM_MODES.get(about.get("crop_mode", "center"))
    if mode is None:
        raise ValueError(
            "The checkpoint's crop_mode must be center or squash. "
            f"Received: {about['crop_mode']!r}."
        )
    interpolation, crop_pct = about.get("interpolation", "bicubic"), about.get("crop_pct", 0.875)
    if mode == "squash" and crop_pct < 1:
        mode = "squash_crop"
    return Preprocessing(
        tuple(about.get("mean", IMAGENET[0])),
        tuple(about.get("std", IMAGENET[1])),
        _size(about.get("input_size", (3, 224, 224))[-2:]),
        interpolation if interpolation in INTERPOLATIONS else "bicubic",
        crop_pct,
        mode,
        _timm_names(config, about),
    )


def _size(pair: Sequence[int]) -> int | tuple[int, int]:
    height, width = pair
    return height if height == width else (height, width)


def _timm_names(config: Mapping[str, Any], about: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("label_names", about.get("label_names", config.get("labels", ())))
    said = config.get("label_descriptions", about.get("label_descriptions", {}))
    if isinstance(names, Mapping):
        names = [names[key] for key in sorted(names, key=int)]
    return tuple(str(said.get(name, name)) for name in names)


def from_hf(config: Mapping[str, Any], processor: Mapping[str, Any] | None) -> Preprocessing:
    """Read `config.json` and `preprocessor_config.json` of a checkpoint of transformers.

    Without the second file ImageNet's mean and deviation and a bilinear squash are taken.
    """
    mean, std = _hf_statistics(processor) if processor else IMAGENET
    processor = processor or {}
    size, crop_pct, mode = _hf_geometry(config, processor)
    labels = config.get("id2label", {})
    return Preprocessing(
        mean,
        std,
        size,
        PILLOW.get(processor.get("resample", 2), "bilinear"),
        crop_pct,
        mode,
        tuple(str(labels[key]) for key in sorted(labels, key=int)),
    )


def _hf_statistics(processor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation for pixels of 0..1, whatever the processor makes of 0..255."""
    mean, std = (processor.get(f"image_{name}", HALF[0]) for name in ("mean", "std"))
    top = std if processor.get("include_top") else (1,) * len(std)  # EfficientNet divides twice
    if not processor.get("do_normalize", True):
        mean, std = (0.0,) * len(mean), (1.0,) * len(std)
    factor = processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 1
    white = 255 * factor
    less = 1.0 if processor.get("rescale_offset") else 0.0
    return (
        tuple((m + less) / white for m in mean),
        tuple(s * t / white for s, t in zip(std, top, strict=True)),
    )


def _hf_geometry(config, processor) -> tuple[int | tuple[int, int], float, str]:
    """Return image size, crop fraction and mode."""
    size = processor.get("size", config.get("image_size", 224))
    if isinstance(size, int):  # older files: what it means depends on the class that reads them
        kind = processor.get("image_processor_type", processor.get("feature_extractor_type", ""))
        short = "crop_pct" in processor or kind.startswith("MobileNet")
        size = {"shortest_edge": size} if short else {"height": size, "width": size}
    edge = size.get("shortest_edge")
    if "crop_pct" in processor and edge:  # ConvNeXt's rule
        large = edge >= 384
        return edge, 1.0 if large else processor["crop_pct"], "squash" if large else "crop_floor"
    crop = processor.get("crop_size") if processor.get("do_center_crop") else None
    if crop is None:
        whole = _size((size["height"], size["width"])) if edge is None else edge
        return whole, 1.0, "squash" if edge is None else "crop"
    inner = (crop, crop) if isinstance(crop, int) else (crop["height"], crop["width"])
    if edge is None:
        return _size(inner), fraction(inner[0], size["height"]), "squash_crop_floor"
    return _size(inner), fraction(inner[0], edge), "crop_floor"


def fraction(crop: int, resized: int) -> float:
    """Return `crop / resized`, rounded so that `floor(crop / fraction)` is `resized` again."""
    value = min(1.0, crop / resized)
    while math.floor(crop / value) < resized:
        value = math.nextafter(value, 0)
    return value
