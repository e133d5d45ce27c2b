"""Names of MobileNetV3's tensors."""

import math


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    index = 0
    for stage, row in enumerate(a["stages"]):
        for block in range(math.ceil(len(row.expansions) * a["depth"])):
            place = {"stage": stage, "block": block, "number": index + 1}
            place["suffix"] = f"_{index}" if index else ""
            expansion = row.expansions[min(block, len(row.expansions) - 1)]
            yield ("plain" if expansion == 1 else "block") + ("_se" if row.se else ""), place
            index += 1
    yield "last", {"stage": len(a["stages"]), "block": 0, "number": index + 1}
    yield "head", {}


TIMM = {
    "stem": "conv conv_stem, norm bn1",
    "at": "blocks.{stage}.{block}",
    "plain": "depthwise {at}.conv_dw, norm {at}.bn1, conv {at}.conv_pw, norm {at}.bn2",
    "plain_se": "depthwise {at}.conv_dw, norm {at}.bn1, "
    "conv {at}.se.conv_reduce, conv {at}.se.conv_expand, conv {at}.conv_pw, norm {at}.bn2",
    "block": "conv {at}.conv_pw, norm {at}.bn1, depthwise {at}.conv_dw, norm {at}.bn2, "
    "conv {at}.conv_pwl, norm {at}.bn3",
    "block_se": "conv {at}.conv_pw, norm {at}.bn1, depthwise {at}.conv_dw, norm {at}.bn2, "
    "conv {at}.se.conv_reduce, conv {at}.se.conv_expand, conv {at}.conv_pwl, norm {at}.bn3",
    "last": "conv {at}.conv, norm {at}.bn1",
    "head": "pointwise conv_head, linear@logits classifier",
}
TORCHVISION = {
    "stem": "conv features.0.0, norm features.0.1",
    "at": "features.{number}",
    "plain": "depthwise {at}.block.0.0, norm {at}.block.0.1, "
    "conv {at}.block.1.0, norm {at}.block.1.1",
    "plain_se": "depthwise {at}.block.0.0, norm {at}.block.0.1, "
    "conv {at}.block.1.fc1, conv {at}.block.1.fc2, conv {at}.block.2.0, norm {at}.block.2.1",
    "block": "conv {at}.block.0.0, norm {at}.block.0.1, "
    "depthwise {at}.block.1.0, norm {at}.block.1.1, conv {at}.block.2.0, norm {at}.block.2.1",
    "block_se": "conv {at}.block.0.0, norm {at}.block.0.1, "
    "depthwise {at}.block.1.0, norm {at}.block.1.1, "
    "conv {at}.block.2.fc1, conv {at}.block.2.fc2, conv {at}.block.3.0, norm {at}.block.3.1",
    "last": "conv {at}.0, norm {at}.1",
    "head": "linear classifier.0, linear@logits classifier.3",
}
_MM_DEPTHWISE = "depthwise {at}.depthwise_conv.conv, norm {at}.depthwise_conv.bn, "
_MM_SE = "conv {at}.se.conv1.conv, conv {at}.se.conv2.conv, "
_MM_LINEAR = "conv {at}.linear_conv.conv, norm {at}.linear_conv.bn"
_MM_EXPAND = "conv {at}.expand_conv.conv, norm {at}.expand_conv.bn, "
MMPRETRAIN = {
    "stem": "conv backbone.layer0.conv, norm backbone.layer0.bn",
    "at": "backbone.layer{number}",
    "plain": _MM_DEPTHWISE + _MM_LINEAR,
    "plain_se": _MM_DEPTHWISE + _MM_SE + _MM_LINEAR,
    "block": _MM_EXPAND + _MM_DEPTHWISE + _MM_LINEAR,
    "block_se": _MM_EXPAND + _MM_DEPTHWISE + _MM_SE + _MM_LINEAR,
    "last": "conv {at}.conv, norm {at}.bn",
    "head": "linear head.layers.0.fc, linear@logits head.layers.1.fc",
}
_KERAS_DEPTHWISE = "depthwise {at}_depthwise, norm {at}_depthwise_bn, "
_KERAS_SE = "conv {at}_squeeze_excite_conv, conv {at}_squeeze_excite_conv_1, "
_KERAS_PROJECT = "conv {at}_project, norm {at}_project_bn"
_KERAS_EXPAND = "conv {at}_expand, norm {at}_expand_bn, "
KERAS = {
    "stem": "conv conv, norm conv_bn",
    "at": "expanded_conv{suffix}",
    "plain": _KERAS_DEPTHWISE + _KERAS_PROJECT,
    "plain_se": _KERAS_DEPTHWISE + _KERAS_SE + _KERAS_PROJECT,
    "block": _KERAS_EXPAND + _KERAS_DEPTHWISE + _KERAS_PROJECT,
    "block_se": _KERAS_EXPAND + _KERAS_DEPTHWISE + _KERAS_SE + _KERAS_PROJECT,
    "last": "conv conv_1, norm conv_1_bn",
    "head": "pointwise conv_2, pointwise@logits logits",
}
TABLES = {"timm": TIMM, "torchvision": TORCHVISION, "mmpretrain": MMPRETRAIN, "keras": KERAS}
# the first pattern that fits counts; timm's own weights were trained with PyTorch's default epsilon
NUMERICS = {
    "timm/tf_.*|keras/.*": {"padding": "same", "bn_epsilon": 1e-3},
    "timm/.*": {"padding": "symmetric", "bn_epsilon": 1e-5},
    "torchvision/.*|mmpretrain/.*": {"padding": "symmetric", "bn_epsilon": 1e-3},
}
