"""An architecture is a plain value."""

import pytest

from kcv.nas import Architecture, Stage

TWO = Architecture(
    16, (Stage("inverted", 24, 2, kernel=5, expansion=6, gate=True), Stage("residual", 32, 1))
)


def test_json_out_and_in_is_the_same_architecture():
    again = Architecture.from_json(TWO.to_json())
    assert again == TWO
    assert hash(again) == hash(TWO)
    assert "\n" not in TWO.to_json()


def test_its_text_says_what_each_operation_has():
    assert str(TWO) == "16 | inverted5x6+se 24*2 | residual 32*1"


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        (("warp", 8, 1), "operation of conv, separable, .*Received: operation='warp'"),
        (("conv", 0, 1), "positive integers, an odd kernel.*width=0"),
        (("conv", 8, 1.5), "positive integers, an odd kernel.*depth=1.5"),
        (("conv", 8, 1, 4), "positive integers, an odd kernel.*kernel=4"),
        (("conv", 8, 1, 3, 1, "yes"), "gate of true or false.*gate='yes'"),
        (("residual", 8, 1, 5), "residual has no choice of kernel: it is 3. Received: kernel=5"),
        (("conv", 8, 1, 3, 6), "conv has no choice of expansion: it is 1. Received: expansion=6"),
    ],
)
def test_a_stage_that_does_not_fit_is_refused(stage, says):
    with pytest.raises(ValueError, match=says):
        Architecture(16, (stage,))


def test_an_architecture_without_stages_is_refused():
    with pytest.raises(ValueError, match="at least one stage. Received: stem=16 with 0 stages"):
        Architecture(16, ())


@pytest.mark.parametrize("content", [{}, {"stem": 8, "stages": [{"op": "conv"}]}, {"stem": 8}])
def test_a_dict_of_another_form_is_refused(content):
    with pytest.raises(ValueError, match="needs stem and stages, each stage with the fields oper"):
        Architecture.from_dict(content)


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError, match="is written as JSON: Expecting value"):
        Architecture.from_json("stem=16")
