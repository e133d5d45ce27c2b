"""How images are prepared for a checkpoint: it travels with the weights."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras

INTERPOLATIONS = ("nearest", "box", "bilinear", "bicubic", "lanczos")
PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
MODES = {"center": "crop", "crop": "crop", "squash": "squash"}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@keras.saving.register_keras_serializable("kcv")
@dataclass(frozen=True)
class Preprocessing:
    """What turns an image file into what a network was trained on.

    Attributes:
        mean, std: of each channel, for pixels of 0..1.
        image_size: pixels, one number for a square or (height, width).
        interpolation: how images are resized, a name of `kcv.data.resize_image`.
        crop_pct: share of the resized edge that the centre crop keeps, 0..1.
        mode: `"crop"`, or `"squash"` which ignores the aspect ratio.
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
        if self.mode not in ("crop", "squash"):
            raise ValueError(
                f'Preprocessing needs mode="crop" or mode="squash". Received: mode={self.mode!r}.'
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
    mode = MODES.get(about.get("crop_mode", "center"))
    if mode is None:
        raise ValueError(
            "The checkpoint's crop_mode must be center or squash. "
            f"Received: {about['crop_mode']!r}."
        )
    interpolation = about.get("interpolation", "bicubic")
    return Preprocessing(
        tuple(about.get("mean", IMAGENET[0])),
        tuple(about.get("std", IMAGENET[1])),
        _size(about.get("input_size", (3, 224, 224))[-2:]),
        interpolation if interpolation in INTERPOLATIONS else "bicubic",
        about.get("crop_pct", 0.875),
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

    Without the second file ImageNet's mean and deviation and a bilinear crop of 0.875 are taken.
    """
    processor = processor or {}
    mean = tuple(processor.get("image_mean", IMAGENET[0]))
    std = tuple(processor.get("image_std", IMAGENET[1]))
    if processor.get("include_top"):  # EfficientNet's processor divides by it twice
        std = tuple(s * s for s in std)
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


def _hf_geometry(config, processor) -> tuple[int | tuple[int, int], float, str]:
    """Return image size, crop fraction and mode."""
    size = processor.get("size", config.get("image_size", 224))
    if isinstance(size, int):
        size = {"height": size, "width": size}
    edge = size.get("shortest_edge")
    if "crop_pct" in processor and edge:  # ConvNeXt's rule
        large = edge >= 384
        return edge, 1.0 if large else processor["crop_pct"], "squash" if large else "crop"
    crop = processor.get("crop_size") if processor.get("do_center_crop") else None
    if crop is None:
        whole = _size((size["height"], size["width"])) if edge is None else edge
        return whole, 1.0, "squash" if edge is None else "crop"
    inner = (crop, crop) if isinstance(crop, int) else (crop["height"], crop["width"])
    outer = edge or size["height"]
    return _size(inner), fraction(inner[0], outer), "crop"


def fraction(crop: int, resized: int) -> float:
    """Return `crop / resized`, rounded so that `floor(crop / fraction)` is `resized` again."""
    value = min(1.0, crop / resized)
    while math.floor(crop / value) < resized:
        value = math.nextafter(value, 0)
    return value
