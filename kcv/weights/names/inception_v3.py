"""Names of Inception v3's tensors."""

FIRST, SECOND, THIRD = ("5b", "5c", "5d"), ("6b", "6c", "6d", "6e"), ("7b", "7c")


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    first = 0
    for part, block in _blocks(a):
        yield part, {"block": block, **_numbers(first)}
        first += KERAS.get(part, "").count("conv ")


def _blocks(a):
    yield "stem", ""
    for block in FIRST:
        yield "mixed", block
    yield "reduce_first", "6a"
    for block in SECOND:
        yield "mixed_factorised", block
    if a["aux"]:
        yield "aux", ""
    yield "reduce_second", "7a"
    for block in THIRD:
        yield "mixed_wide", block
    yield "head", ""


def _numbers(first: int) -> dict[str, str]:
    """Return the ends of Keras's automatic names: `n0` of the first of a part, and so on."""
    return {f"n{i}": f"_{first + i}" if first + i else "" for i in range(10)}


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


def _automatic(count: int) -> str:
    """Return the rows of convolutions that keras.applications left to number themselves."""
    row = "conv conv2d{{n{0}}}, norm batch_normalization{{n{0}}}"
    return ", ".join(row.format(n) for n in range(count))


KERAS = {
    "stem": _automatic(5),
    "mixed": _automatic(7),
    "reduce_first": _automatic(4),
    "mixed_factorised": _automatic(10),
    "reduce_second": _automatic(6),
    "mixed_wide": _automatic(9),
    "head": "linear@logits predictions",
}
TABLES = {
    "timm": TIMM,
    "torchvision": TIMM,
    "mmpretrain": _under("backbone.", TIMM),
    "keras": KERAS,
}
TABLES["mmpretrain"]["head"] = "linear@logits backbone.fc"
UNUSED = ("AuxLogits.", "backbone.AuxLogits.")
NUMERICS = {
    "keras/.*": {"bn_scale": False, "count_pad": False},
    ".*": {"bn_scale": True, "count_pad": True},
}
