"""Names of MnasNet's tensors."""

import math

DEPTHS = (1, 3, 3, 3, 2, 4, 1)  # blocks of each width


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    for stage, blocks in enumerate(DEPTHS):
        for block in range(math.ceil(blocks * a["depth"])):
            place = {"stage": stage, "block": block, "module": stage + 7}
            yield ("block" if stage else "plain"), place  # the first does not expand
    yield "last", {}
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
    "stem": "conv layers.0, norm layers.1",
    "at": "layers.{module}.{block}.layers",
    "plain": "depthwise layers.3, norm layers.4, conv layers.6, norm layers.7",
    "block": "conv {at}.0, norm {at}.1, depthwise {at}.3, norm {at}.4, conv {at}.6, norm {at}.7",
    "last": "conv layers.14, norm layers.15",
    "head": "linear@logits classifier.1",
}
TABLES = {"timm": TIMM, "torchvision": TORCHVISION}
