"""Names of the VGGs' tensors."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    index = unit = 0
    for stage, (depth, _) in enumerate(a["conv_arch"], start=1):
        for block in range(1, depth + 1):
            place = {"index": index, "next": index + 1, "unit": unit}
            place |= {"stage": stage, "block": block}
            plain = "conv" if index else "first"
            yield ("conv_norm" if a["batch_norm"] else plain), place
            index, unit = index + (3 if a["batch_norm"] else 2), unit + 1
        index, unit = index + 1, unit + 1  # the pooling counts too
    yield "head", {}


TORCHVISION = {
    "first": "conv features.{index}",
    "conv": "conv features.{index}",
    "conv_norm": "conv features.{index}, norm features.{next}",
    "head": "flat classifier.0, linear classifier.3, linear@logits classifier.6",
}
TIMM = {
    "first": TORCHVISION["first"],
    "conv": TORCHVISION["conv"],
    "conv_norm": TORCHVISION["conv_norm"],
    "head": "flat_conv pre_logits.fc1, pointwise pre_logits.fc2, linear@logits head.fc",
}
MMPRETRAIN = {
    "at": "backbone.features.{unit}",
    "first": "conv {at}.conv",
    "conv": "conv {at}.conv",
    "conv_norm": "conv {at}.conv, norm {at}.bn",
    "head": "flat backbone.classifier.0, linear backbone.classifier.3, "
    "linear@logits backbone.classifier.6",
}
KERAS = {
    "first": "conv_bgr block1_conv1",
    "conv": "conv block{stage}_conv{block}",
    "head": "linear fc1, linear fc2, linear@logits predictions",
}
TABLES = {"torchvision": TORCHVISION, "timm": TIMM, "mmpretrain": MMPRETRAIN, "keras": KERAS}
