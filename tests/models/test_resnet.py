"""ResNet: what its arguments choose."""

import pytest

from kcv.layers import Conv2D
from kcv.models.resnet import VARIANTS, resnet


@pytest.mark.parametrize("shortcut", ["project", "pool_project", "zero_pad"])
def test_shortcuts_are_chosen_by_name(shortcut):
    options = {"depths": (1, 1, 1, 1), "width": 0.125, "image_size": 33, "num_classes": 4}
    net = resnet(block="basic", shortcut=shortcut, **options)
    extra = len([n for n in net.layers if isinstance(n, Conv2D)]) - 9
    assert extra == (0 if shortcut == "zero_pad" else 3)


def test_deep_stems_have_three_convolutions():
    options = {"depths": (1, 1, 1, 1), "width": 0.125, "image_size": 32, "num_classes": 4}
    for name, first in (("resnet50", [7]), ("resnet50c", [3, 3, 3])):
        net = VARIANTS[name](**options)
        stem = net.layers[: net.layers.index(net.get_layer("stage1"))]
        assert [n.kernel_size[0] for n in stem if isinstance(n, Conv2D)] == first


@pytest.mark.parametrize("changes", [{"block": "wide"}, {"shortcut": "none"}], ids=str)
def test_words_that_are_unknown_are_refused(changes):
    ((name, word),) = changes.items()
    with pytest.raises(ValueError, match=f"ResNet needs {name} to be .*Received: {name}='{word}'"):
        resnet(**changes)
