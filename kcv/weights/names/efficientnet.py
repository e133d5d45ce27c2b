"""Names of the EfficientNets' tensors."""

import math

DEPTHS = (1, 2, 2, 3, 3, 4, 1)  # blocks of each width
# mmpretrain numbers blocks through widths of one stride: (group, first stage of the group)
GROUPS = ((1, 0), (2, 1), (3, 2), (4, 3), (4, 3), (5, 5), (5, 5))


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    depths = [math.ceil(blocks * a["depth"]) for blocks in DEPTHS]
    index = 0
    for stage, blocks in enumerate(depths):
        group, start = GROUPS[stage]
        for block in range(blocks):
            place = {"stage": stage, "number": stage + 1, "block": block, "index": index}
            place |= {"letter": chr(ord("a") + block)}
            place |= {"group": group, "member": sum(depths[start:stage]) + block}
            yield ("block" if stage else "plain"), place  # the first does not expand
            index += 1
    yield "last", {}
    yield "head", {}


_SE = "conv {at}.se.conv_reduce, conv {at}.se.conv_expand, "
TIMM = {
    "stem": "conv conv_stem, norm bn1",
    "at": "blocks.{stage}.{block}",
    "plain": "depthwise {at}.conv_dw, norm {at}.bn1, " + _SE + "conv {at}.conv_pw, norm {at}.bn2",
    "block": "conv {at}.conv_pw, norm {at}.bn1, depthwise {at}.conv_dw, norm {at}.bn2, "
    + _SE
    + "conv {at}.conv_pwl, norm {at}.bn3",
    "last": "conv conv_head, norm bn2",
    "head": "linear@logits classifier",
}
TORCHVISION = {
    "stem": "conv features.0.0, norm features.0.1",
    "at": "features.{number}.{block}.block",
    "plain": "depthwise {at}.0.0, norm {at}.0.1, conv {at}.1.fc1, conv {at}.1.fc2, "
    "conv {at}.2.0, norm {at}.2.1",
    "block": "conv {at}.0.0, norm {at}.0.1, depthwise {at}.1.0, norm {at}.1.1, "
    "conv {at}.2.fc1, conv {at}.2.fc2, conv {at}.3.0, norm {at}.3.1",
    "last": "conv features.8.0, norm features.8.1",
    "head": "linear@logits classifier.1",
}
_MM = (
    "depthwise {at}.depthwise_conv.conv, norm {at}.depthwise_conv.bn, "
    "conv {at}.se.conv1.conv, conv {at}.se.conv2.conv, "
    "conv {at}.linear_conv.conv, norm {at}.linear_conv.bn"
)
MMPRETRAIN = {
    "stem": "conv backbone.layers.0.conv, norm backbone.layers.0.bn",
    "at": "backbone.layers.{group}.{member}",
    "plain": _MM,
    "block": "conv {at}.expand_conv.conv, norm {at}.expand_conv.bn, " + _MM,
    "last": "conv backbone.layers.6.conv, norm backbone.layers.6.bn",
    "head": "linear@logits head.fc",
}
_HF = (
    "depthwise {at}.depthwise_conv.depthwise_conv, norm {at}.depthwise_conv.depthwise_norm, "
    "conv {at}.squeeze_excite.reduce, conv {at}.squeeze_excite.expand, "
    "conv {at}.projection.project_conv, norm {at}.projection.project_bn"
)
HF = {
    "stem": "conv efficientnet.embeddings.convolution, norm efficientnet.embeddings.batchnorm",
    "at": "efficientnet.encoder.blocks.{index}",
    "plain": _HF,
    "block": "conv {at}.expansion.expand_conv, norm {at}.expansion.expand_bn, " + _HF,
    "last": "conv efficientnet.encoder.top_conv, norm efficientnet.encoder.top_bn",
    "head": "linear@logits classifier",
}
_KERAS = (
    "depthwise {at}_dwconv, norm {at}_bn, conv {at}_se_reduce, conv {at}_se_expand, "
    "conv {at}_project_conv, norm {at}_project_bn"
)
KERAS = {
    "stem": "conv stem_conv, norm stem_bn",
    "at": "block{number}{letter}",
    "plain": _KERAS,
    "block": "conv {at}_expand_conv, norm {at}_expand_bn, " + _KERAS,
    "last": "conv top_conv, norm top_bn",
    "head": "linear@logits predictions",
}
TABLES = {
    "timm": TIMM,
    "torchvision": TORCHVISION,
    "mmpretrain": MMPRETRAIN,
    "hf": HF,
    "keras": KERAS,
}
# the first pattern that fits counts; timm's tf_ rows and three libraries hold Google's weights
NUMERICS = {
    "timm/tf_.*|mmpretrain/.*|hf/.*|keras/.*": {"padding": "same", "bn_epsilon": 1e-3},
    "timm/.*": {"padding": "symmetric", "bn_epsilon": 1e-5},
    "torchvision/.*b[0-4]([._].*)?": {"padding": "symmetric", "bn_epsilon": 1e-5},
    "torchvision/.*": {"padding": "symmetric", "bn_epsilon": 1e-3},
}
