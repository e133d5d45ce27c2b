"""Names of ShuffleNetV2's tensors."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    for stage, depth in enumerate(a["depths"]):
        for block in range(depth):
            yield (
                ("unit" if block else "halving"),
                {
                    "stage": stage,
                    "number": stage + 2,
                    "block": block,
                },
            )
    yield "last", {"stages": len(a["depths"])}
    yield "head", {}


_UNIT = (
    "conv {at}.branch2.0, norm {at}.branch2.1, depthwise {at}.branch2.3, norm {at}.branch2.4, "
    "conv {at}.branch2.5, norm {at}.branch2.6"
)
TORCHVISION = {
    "stem": "conv conv1.0, norm conv1.1",
    "at": "stage{number}.{block}",
    "halving": "depthwise {at}.branch1.0, norm {at}.branch1.1, conv {at}.branch1.2, "
    "norm {at}.branch1.3, " + _UNIT,
    "unit": _UNIT,
    "last": "conv conv5.0, norm conv5.1",
    "head": "linear@logits fc",
}
_MM_UNIT = (
    "conv {at}.branch2.0.conv, norm {at}.branch2.0.bn, "
    "depthwise {at}.branch2.1.conv, norm {at}.branch2.1.bn, "
    "conv {at}.branch2.2.conv, norm {at}.branch2.2.bn"
)
MMPRETRAIN = {
    "stem": "conv backbone.conv1.conv, norm backbone.conv1.bn",
    "at": "backbone.layers.{stage}.{block}",
    "halving": "depthwise {at}.branch1.0.conv, norm {at}.branch1.0.bn, "
    "conv {at}.branch1.1.conv, norm {at}.branch1.1.bn, " + _MM_UNIT,
    "unit": _MM_UNIT,
    "last": "conv backbone.layers.{stages}.conv, norm backbone.layers.{stages}.bn",
    "head": "linear@logits head.fc",
}
TABLES = {"torchvision": TORCHVISION, "mmpretrain": MMPRETRAIN}
