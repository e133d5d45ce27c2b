"""Names of AlexNet's tensors. The network of 2012 has no published weights here."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield a["design"], {}
    yield "head", {}


TORCHVISION = {
    "one_tower": "conv features.0, conv features.3, conv features.6, conv features.8, "
    "conv features.10",
    "head": "flat classifier.1, linear classifier.4, linear@logits classifier.6",
}
MMPRETRAIN = {
    "one_tower": "conv backbone.features.0, conv backbone.features.3, conv backbone.features.6, "
    "conv backbone.features.8, conv backbone.features.10",
    "head": "flat backbone.classifier.1, linear backbone.classifier.4, "
    "linear@logits backbone.classifier.6",
}
TABLES = {"torchvision": TORCHVISION, "mmpretrain": MMPRETRAIN}
