"""Names of GoogLeNet's tensors."""

BLOCKS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
AUXILIARY = {"4a": 1, "4d": 2}


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    for block in BLOCKS:
        yield "block", {"block": block}
        if a["aux"] and block in AUXILIARY:
            yield f"aux{AUXILIARY[block]}", {}
    yield "head", {}


TORCHVISION = {
    "stem": "conv conv1.conv, norm conv1.bn, conv conv2.conv, norm conv2.bn, "
    "conv conv3.conv, norm conv3.bn",
    "at": "inception{block}",
    "block": "conv {at}.branch1.conv, norm {at}.branch1.bn, "
    "conv {at}.branch2.0.conv, norm {at}.branch2.0.bn, "
    "conv {at}.branch2.1.conv, norm {at}.branch2.1.bn, "
    "conv {at}.branch3.0.conv, norm {at}.branch3.0.bn, "
    "conv {at}.branch3.1.conv, norm {at}.branch3.1.bn, "
    "conv {at}.branch4.1.conv, norm {at}.branch4.1.bn",
    "aux1": "conv aux1.conv.conv, norm aux1.conv.bn, flat aux1.fc1, linear@logits_aux1 aux1.fc2",
    "aux2": "conv aux2.conv.conv, norm aux2.conv.bn, flat aux2.fc1, linear@logits_aux2 aux2.fc2",
    "head": "linear@logits fc",
}
TABLES = {"torchvision": TORCHVISION}
UNUSED = ("aux1.", "aux2.")  # heads that only training needs
