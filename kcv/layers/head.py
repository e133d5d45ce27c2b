"""The two ends of every network: an image that comes in, scores that go out."""

import keras

from kcv.layers.init import fresh
from kcv.layers.linear import Linear


def image_input(image_size: int | tuple[int, int], channels: int, normalize=None):
    """Return (input tensor, tensor to start from), both `(B, H, W, channels)`.

    Args:
        image_size: pixels, one number for a square or (height, width).
        channels: 1 or 3 (any number works).
        normalize: None for images that are normalised already, or (mean, standard deviation), one
            number or one for each channel, in grey levels 0..255: the network then takes `uint8`
            or float pixels of 0..255 and carries its preprocessing with it.

    Raises:
        ValueError: if a size or the number of channels is not a positive integer.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):
        raise ValueError(
            "A network needs image_size to be one or two positive integers (height, width). "
            f"Received: image_size={image_size!r}."
        )
    if not isinstance(channels, int) or channels < 1:
        raise ValueError(f"A network needs channels >= 1. Received: channels={channels!r}.")
    image = keras.Input((*size, channels), name="image")
    if normalize is None:
        return image, image
    mean, std = (_each_channel(values, channels) for values in normalize)
    scale = [1.0 / s for s in std]
    offset = [-m / s for m, s in zip(mean, std, strict=True)]
    return image, keras.layers.Rescaling(scale, offset, name="normalize")(image)


def _each_channel(values, channels: int) -> list[float]:
    numbers = [float(values)] if isinstance(values, int | float) else [float(v) for v in values]
    numbers = numbers * channels if len(numbers) == 1 else numbers
    if len(numbers) != channels:
        raise ValueError(
            f"normalize needs one number or one for each of the {channels} channels. "
            f"Received: {numbers}."
        )
    return numbers


def tap(x, name: str):
    """Name a tensor, so that people can fetch it: `kcv.models.features(model, [name])`."""
    return keras.layers.Identity(name=name)(x)


def classify(x, num_classes: int | None, dropout: float = 0.0, init="glorot_uniform", pool=True):
    """Pool the feature map, drop out, and score the classes: `(B, H, W, C) -> (B, num_classes)`.

    The output is named `logits`; with `num_classes=None` the feature map is returned as it is.

    Args:
        dropout: rate before the last layer.
        init: initialiser of its kernel.
        pool: whether to average over rows and columns first.
    """
    if num_classes is None:
        return x
    check_classes(num_classes)
    if pool:
        x = keras.layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return Linear(num_classes, kernel_initializer=fresh(init), name="logits")(x)


def check_classes(num_classes: int | None) -> None:
    """Refuse a number of classes that is no positive integer; None is the feature map."""
    if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 1):
        raise ValueError(
            "A classifier needs num_classes >= 1, or None for the feature map. "
            f"Received: num_classes={num_classes!r}."
        )


def is_small(stem: str) -> bool:
    """Return whether a network keeps early resolution: `stem="small"`, not `"standard"`.

    Raises:
        ValueError: for any other word.
    """
    if stem not in ("standard", "small"):
        raise ValueError(f'stem must be "standard" or "small". Received: stem={stem!r}.')
    return stem == "small"


def fewer_halvings(stem: str) -> int:
    """Return how many of its halvings a network leaves out: 0, 1 or 2.

    `"standard"`, `"medium"` and `"small"`: two fewer keep most resolution and cost up to sixteen
    times as much for the same image; one fewer suits images of about 28 to 64 pixels on a CPU.

    Raises:
        ValueError: for any other word.
    """
    words = ("standard", "medium", "small")
    if stem not in words:
        raise ValueError(f'stem must be "standard", "medium" or "small". Received: stem={stem!r}.')
    return words.index(stem)
