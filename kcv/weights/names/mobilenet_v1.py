"""Names of MobileNet's tensors."""

import math

DEPTHS = (1, 2, 2, 6, 2)  # blocks of each width


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    index = 0
    for stage, blocks in enumerate(DEPTHS):
        for block in range(math.ceil(blocks * a["depth"])):
            place = {"stage": stage, "block": block, "index": index}
            place |= {"first": 2 * index, "second": 2 * index + 1, "number": index + 1}
            yield "block", place
            index += 1
    yield "head", {}


TIMM = {
    "stem": "conv conv_stem, norm bn1",
    "at": "blocks.{stage}.{block}",
    "block": "depthwise {at}.conv_dw, norm {at}.bn1, conv {at}.conv_pw, norm {at}.bn2",
    "head": "linear@logits classifier",
}
HF = {
    "stem": "conv mobilenet_v1.conv_stem.convolution, norm mobilenet_v1.conv_stem.normalization",
    "at": "mobilenet_v1.layer",
    "block": "depthwise {at}.{first}.convolution, norm {at}.{first}.normalization, "
    "conv {at}.{second}.convolution, norm {at}.{second}.normalization",
    "head": "linear@logits classifier",
}
KERAS = {
    "stem": "conv conv1, norm conv1_bn",
    "at": "conv",
    "block": "depthwise {at}_dw_{number}, norm {at}_dw_{number}_bn, "
    "conv {at}_pw_{number}, norm {at}_pw_{number}_bn",
    "head": "pointwise@logits conv_preds",
}
TABLES = {"timm": TIMM, "hf": HF, "keras": KERAS}
# TensorFlow's padding and epsilon came with its weights
NUMERICS = {"hf/.*|keras/.*": {"padding": "same", "bn_epsilon": 1e-3}}
