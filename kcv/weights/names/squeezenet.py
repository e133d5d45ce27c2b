"""Names of the SqueezeNets' tensors."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    index = 2  # convolution and ReLU
    for row in a["squeezes"]:
        index += 1  # the pooling counts too
        for _ in row:
            yield "fire", {"index": index}
            index += 1
    yield "head", {}


TORCHVISION = {
    "stem": "conv features.0",
    "at": "features.{index}",
    "fire": "conv {at}.squeeze, conv {at}.expand1x1, conv {at}.expand3x3",
    "head": "conv@logits_map classifier.1",
}
TABLES = {"torchvision": TORCHVISION}
