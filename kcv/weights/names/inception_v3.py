"""Names of Inception v3's tensors."""

FIRST, SECOND, THIRD = ("5b", "5c", "5d"), ("6b", "6c", "6d", "6e"), ("7b", "7c")


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    for block in FIRST:
        yield "mixed", {"block": block}
    yield "reduce_first", {"block": "6a"}
    for block in SECOND:
        yield "mixed_factorised", {"block": block}
    if a["aux"]:
        yield "aux", {}
    yield "reduce_second", {"block": "7a"}
    for block in THIRD:
        yield "mixed_wide", {"block": block}
    yield "head", {}


def _convs(at: str, *names: str) -> str:
    return ", ".join(f"conv {at}{name}.conv, norm {at}{name}.bn" for name in names)


TIMM = {
    "stem": _convs("Conv2d_", "1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"),
    "at": "Mixed_{block}.branch",
    "mixed": _convs("{at}", "1x1", "5x5_1", "5x5_2", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3", "_pool"),
    "reduce_first": _convs("{at}", "3x3", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3"),
    "mixed_factorised": _convs(
        "{at}",
        "1x1",
        "7x7_1",
        "7x7_2",
        "7x7_3",
        "7x7dbl_1",
        "7x7dbl_2",
        "7x7dbl_3",
        "7x7dbl_4",
        "7x7dbl_5",
        "_pool",
    ),
    "reduce_second": _convs("{at}", "3x3_1", "3x3_2", "7x7x3_1", "7x7x3_2", "7x7x3_3", "7x7x3_4"),
    "mixed_wide": _convs(
        "{at}",
        "1x1",
        "3x3_1",
        "3x3_2a",
        "3x3_2b",
        "3x3dbl_1",
        "3x3dbl_2",
        "3x3dbl_3a",
        "3x3dbl_3b",
        "_pool",
    ),
    "aux": _convs("AuxLogits.", "conv0", "conv1") + ", linear@logits_aux1 AuxLogits.fc",
    "head": "linear@logits fc",
}


def _under(prefix: str, table: dict) -> dict:
    """Return a table whose names all stand under a prefix."""
    return {
        part: ", ".join(
            " ".join((kind, prefix + name if "{at}" not in name else name))
            for kind, name in (row.split(" ") for row in text.split(", "))
        )
        for part, text in table.items()
        if part != "at"
    } | {"at": prefix + table["at"]}


TABLES = {"timm": TIMM, "torchvision": TIMM, "mmpretrain": _under("backbone.", TIMM)}
TABLES["mmpretrain"]["head"] = "linear@logits backbone.fc"
UNUSED = ("AuxLogits.", "backbone.AuxLogits.")
