"""Names of MobileNetV2's tensors."""

import math

DEPTHS = (1, 2, 3, 4, 3, 3, 1)  # blocks of each width


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    index = 0
    for stage, blocks in enumerate(DEPTHS):
        for block in range(math.ceil(blocks * a["depth"])):
            place = {"stage": stage, "number": stage + 1, "block": block}
            place |= {"before": index - 1, "index": index, "after": index + 1}
            yield ("block" if stage else "plain"), place  # the first does not expand
            index += 1
    yield "last", {"after": index + 1}
    yield "head", {}


TIMM = {
    "stem": "conv conv_stem, norm bn1",
    "at": "blocks.{stage}.{block}",
    "plain": "depthwise {at}.conv_dw, norm {at}.bn1, conv {at}.conv_pw, norm {at}.bn2",
    "block": "conv {at}.conv_pw, norm {at}.bn1, depthwise {at}.conv_dw, norm {at}.bn2, "
    "conv {at}.conv_pwl, norm {at}.bn3",
    "last": "conv conv_head, norm bn2",
    "head": "linear@logits classifier",
}
TORCHVISION = {
    "stem": "conv features.0.0, norm features.0.1",
    "at": "features.{after}",
    "plain": "depthwise {at}.conv.0.0, norm {at}.conv.0.1, conv {at}.conv.1, norm {at}.conv.2",
    "block": "conv {at}.conv.0.0, norm {at}.conv.0.1, "
    "depthwise {at}.conv.1.0, norm {at}.conv.1.1, conv {at}.conv.2, norm {at}.conv.3",
    "last": "conv {at}.0, norm {at}.1",
    "head": "linear@logits classifier.1",
}
MMPRETRAIN = {
    "stem": "conv backbone.conv1.conv, norm backbone.conv1.bn",
    "at": "backbone.layer{number}.{block}.conv",
    "plain": "depthwise {at}.0.conv, norm {at}.0.bn, conv {at}.1.conv, norm {at}.1.bn",
    "block": "conv {at}.0.conv, norm {at}.0.bn, depthwise {at}.1.conv, norm {at}.1.bn, "
    "conv {at}.2.conv, norm {at}.2.bn",
    "last": "conv backbone.conv2.conv, norm backbone.conv2.bn",
    "head": "linear@logits head.fc",
}
HF = {
    "stem": "conv {at}.conv_stem.first_conv.convolution, "
    "norm {at}.conv_stem.first_conv.normalization",
    "at": "mobilenet_v2",
    "plain": "depthwise {at}.conv_stem.conv_3x3.convolution, "
    "norm {at}.conv_stem.conv_3x3.normalization, "
    "conv {at}.conv_stem.reduce_1x1.convolution, norm {at}.conv_stem.reduce_1x1.normalization",
    "block": "conv {at}.layer.{before}.expand_1x1.convolution, "
    "norm {at}.layer.{before}.expand_1x1.normalization, "
    "depthwise {at}.layer.{before}.conv_3x3.convolution, "
    "norm {at}.layer.{before}.conv_3x3.normalization, "
    "conv {at}.layer.{before}.reduce_1x1.convolution, "
    "norm {at}.layer.{before}.reduce_1x1.normalization",
    "last": "conv {at}.conv_1x1.convolution, norm {at}.conv_1x1.normalization",
    "head": "linear@logits classifier",
}
KERAS = {
    "stem": "conv Conv1, norm bn_Conv1",
    "at": "block_{index}",
    "plain": "depthwise expanded_conv_depthwise, norm expanded_conv_depthwise_BN, "
    "conv expanded_conv_project, norm expanded_conv_project_BN",
    "block": "conv {at}_expand, norm {at}_expand_BN, depthwise {at}_depthwise, "
    "norm {at}_depthwise_BN, conv {at}_project, norm {at}_project_BN",
    "last": "conv Conv_1, norm Conv_1_bn",
    "head": "linear@logits predictions",
}
TABLES = {
    "timm": TIMM,
    "torchvision": TORCHVISION,
    "mmpretrain": MMPRETRAIN,
    "hf": HF,
    "keras": KERAS,
}
# TensorFlow's padding and epsilon came with its weights
NUMERICS = {"hf/.*|keras/.*": {"padding": "same", "bn_epsilon": 1e-3}}
