"""Names of the NASNets' tensors."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {}
    yield "reduction_first", {"cell": "cell_stem_0", "block": "stem_1"}
    yield "reduction_path", {"cell": "cell_stem_1", "block": "stem_2"}
    number = 0
    for stage in range(3):
        if stage:
            cell = f"reduction_cell_{stage - 1}"
            yield "reduction", {"cell": cell, "block": f"reduce_{stage * a['depth']}"}
        for index in range(a["depth"]):
            # keras.applications leaves out the number after the first stage
            place = {"cell": f"cell_{number}", "block": number + min(stage, 1)}
            yield ("normal" if index else "normal_path"), place
            number += 1
    yield "head", {}


def _separable(*branches: str) -> str:
    """Return the rows of separable convolutions, each of which is two in a row."""
    row = (
        "depthwise {{at}}_{0}.separable_{1}.depthwise_conv2d, "
        "conv {{at}}_{0}.separable_{1}.pointwise_conv2d, norm {{at}}_{0}.bn_sep_{1}"
    )
    return ", ".join(row.format(branch, step) for branch in branches for step in (1, 2))


PATH = "conv {cell}.path_1.conv, conv {cell}.path_2.conv, norm {cell}.final_path_bn, "
BEFORE = "conv {cell}.conv_prev_1x1.conv, norm {cell}.conv_prev_1x1.bn, "
INPUT = "conv {cell}.conv_1x1.conv, norm {cell}.conv_1x1.bn, "
NORMAL = _separable("0_left", "0_right", "1_left", "1_right", "4_left")
REDUCTION = _separable("0_left", "0_right", "1_right", "2_right", "4_left")
TIMM = {
    "stem": "conv conv0.conv, norm conv0.bn",
    "at": "{cell}.comb_iter",
    "reduction_first": INPUT + REDUCTION,
    "reduction_path": PATH + INPUT + REDUCTION,
    "reduction": BEFORE + INPUT + REDUCTION,
    "normal_path": PATH + INPUT + NORMAL,
    "normal": BEFORE + INPUT + NORMAL,
    "head": "linear@logits last_linear",
}


def _keras_separable(kind: str, *branches: str) -> str:
    row = (
        "depthwise_half separable_conv_{1}_{2}_{0}_{{block}}, "
        "pointwise_half separable_conv_{1}_{2}_{0}_{{block}}, "
        "norm separable_conv_{1}_bn_{2}_{0}_{{block}}"
    )
    return ", ".join(row.format(branch, step, kind) for branch in branches for step in (1, 2))


KERAS_PATH = "conv adjust_conv_1_{block}, conv adjust_conv_2_{block}, norm adjust_bn_{block}, "
KERAS_BEFORE = "conv adjust_conv_projection_{block}, norm adjust_bn_{block}, "
KERAS_NORMAL = "conv normal_conv_1_{block}, norm normal_bn_1_{block}, " + _keras_separable(
    "normal", "left1", "right1", "left2", "right2", "left5"
)
KERAS_REDUCTION = "conv reduction_conv_1_{block}, norm reduction_bn_1_{block}, " + _keras_separable(
    "reduction", "left1", "right1", "right2", "right3", "left4"
)
KERAS = {
    "stem": "conv stem_conv1, norm stem_bn1",
    "reduction_first": KERAS_REDUCTION,
    "reduction_path": KERAS_PATH + KERAS_REDUCTION,
    "reduction": KERAS_BEFORE + KERAS_REDUCTION,
    "normal_path": KERAS_PATH + KERAS_NORMAL,
    "normal": KERAS_BEFORE + KERAS_NORMAL,
    "head": "linear@logits predictions",
}
TABLES = {"timm": TIMM, "keras": KERAS}
# timm leaves the zeros around a map out of the maxima
NUMERICS = {"timm/.*": {"max_over_zeros": False}, ".*": {"max_over_zeros": True}}
