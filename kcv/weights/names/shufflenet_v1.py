"""Names of ShuffleNet's tensors."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    for stage, depth in enumerate(a["depths"]):
        for block in range(depth):
            yield "unit", {"stage": stage, "block": block}
    yield "head", {}


MMPRETRAIN = {
    "stem": "conv backbone.conv1.conv, norm backbone.conv1.bn",
    "at": "backbone.layers.{stage}.{block}",
    "unit": "conv {at}.g_conv_1x1_compress.conv, norm {at}.g_conv_1x1_compress.bn, "
    "depthwise {at}.depthwise_conv3x3_bn.conv, norm {at}.depthwise_conv3x3_bn.bn, "
    "conv {at}.g_conv_1x1_expand.conv, norm {at}.g_conv_1x1_expand.bn",
    "head": "linear@logits head.fc",
}
TABLES = {"mmpretrain": MMPRETRAIN}
