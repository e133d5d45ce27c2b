"""EfficientNet: drop-connect, squeeze-and-excite and the sizes of the rows."""

import keras
import pytest

from kcv.layers import Conv2D, DropPath
from kcv.models.efficientnet import VARIANTS, efficientnet, mbconv


def test_drop_rates_grow_linearly_over_all_blocks():
    net = efficientnet(width=0.25, drop_rate=0.16, num_classes=4)
    rates = [layer.rate for layer in net.layers if isinstance(layer, DropPath)]
    # 16 blocks; those that change stride or width have no shortcut to fall back on
    assert rates == pytest.approx([0.02, 0.04, 0.06, 0.07, 0.09, 0.1, 0.12, 0.13, 0.14])


def test_the_excitation_is_a_quarter_of_the_input_not_of_the_inner_width():
    image = keras.Input((8, 8, 16))
    net = keras.Model(image, mbconv(image, 16, expansion=6))
    assert [c.filters for c in net.layers if isinstance(c, Conv2D)] == [96, 4, 96, 16]


def test_every_row_has_the_size_of_the_paper():
    sizes = [VARIANTS[f"efficientnet_b{i}"].keywords["image_size"] for i in range(8)]
    assert sizes == [224, 240, 260, 300, 380, 456, 528, 600]


def test_padding_changes_no_weight():
    shapes = lambda p: [w.shape for w in efficientnet(width=0.25, padding=p).weights]  # noqa: E731
    assert shapes("same") == shapes("symmetric")


def test_an_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="padding must be .* Received: padding='valid'"):
        efficientnet(width=0.25, padding="valid")
