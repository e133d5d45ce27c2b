"""From an architecture to a network, made of the blocks of `kcv.layers`."""

from functools import partial

from kcv.engine import Model
from kcv.layers import (
    BatchNorm,
    basic_block,
    bottleneck_block,
    classify,
    conv_norm,
    depthwise_separable,
    fewer_halvings,
    image_input,
    inverted_residual,
    squeeze_excite,
    tap,
)
from kcv.nas.architecture import Architecture, Stage

GATE_SHARE = 4  # channels over those between the two layers of a gate, as in MobileNetV3


def build(
    architecture: Architecture,
    *,
    num_classes: int | None = 10,
    image_size: int | tuple[int, int] = 32,
    channels: int = 3,
    normalize=None,
    stem: str = "medium",
    dropout: float = 0.0,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    name: str = "searched",
) -> Model:
    """Build an architecture: images `(B, H, W, channels)` to logits `(B, num_classes)`.

    Args:
        architecture: of any space.
        num_classes: classes, or None for the feature map.
        image_size: pixels, a number or (height, width).
        channels: 1 or 3.
        normalize: see `kcv.layers.image_input`.
        stem: `"standard"` halves the image in the first convolution and in each stage, `"medium"`
            not in the convolution, `"small"` not in the first stage either.
        dropout: rate before the classifier.
        bn_momentum, bn_epsilon: of the batch normalisations.
    """
    conv = partial(conv_norm, norm=partial(BatchNorm, bn_momentum, bn_epsilon))
    image, x = image_input(image_size, channels, normalize)
    fewer = fewer_halvings(stem)
    x = conv(x, architecture.stem, 3, 1 if fewer else 2)
    level = 1
    for number, stage in enumerate(architecture.stages):
        stride = 1 if fewer == 2 and number == 0 else 2
        if stride == 2:
            x, level = tap(x, f"stage{level}"), level + 1
        for block in range(stage.depth):
            x = _block(x, stage, stride if block == 0 else 1, conv)
    x = tap(tap(x, f"stage{level}"), "features")
    return Model(image, classify(x, num_classes, dropout), name=name)


def _block(x, stage: Stage, stride: int, conv):
    if stage.operation == "residual":
        return basic_block(x, stage.width, stride, se=stage.gate, conv=conv)
    if stage.operation == "bottleneck":
        inner = max(1, stage.width // 4)
        return bottleneck_block(x, stage.width, stride, inner=inner, se=stage.gate, conv=conv)
    if stage.operation == "inverted":
        inner = x.shape[-1] * stage.expansion
        gate = partial(squeeze_excite, width=max(1, inner // GATE_SHARE)) if stage.gate else None
        options = {"inner": inner, "kernel": stage.kernel, "gate": gate, "conv": conv}
        return inverted_residual(x, stage.width, stride, **options)
    make = conv if stage.operation == "conv" else partial(depthwise_separable, conv=conv)
    y = make(x, stage.width, stage.kernel, stride)
    return squeeze_excite(y, max(1, stage.width // GATE_SHARE)) if stage.gate else y
