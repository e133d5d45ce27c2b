"""NASNet-A: its cells and how they are stacked."""

import keras
import numpy as np
import pytest

from kcv.layers import DropPath
from kcv.models.nasnet import match, nasnet, normal_cell, reduction_cell

pytestmark = pytest.mark.slow  # a deep family, see QUICK in families.py


def tiny(**changes):
    options = {"num_classes": 4, "image_size": 32, "stem": "small", "width": 0.1, "depth": 1}
    return nasnet(**{**options, **changes})


def test_a_normal_cell_joins_six_maps():
    x, previous = keras.Input((9, 7, 5)), keras.Input((18, 14, 4))
    assert normal_cell(x, previous, 6).shape == (None, 9, 7, 36)


@pytest.mark.parametrize("size", [(9, 7), (8, 8)])
def test_a_reduction_cell_halves_and_joins_four_maps(size):
    x = keras.Input((*size, 5))
    halves = [-(-n // 2) for n in size]
    assert reduction_cell(x, None, 6).shape == (None, *halves, 24)


def test_a_larger_map_is_halved_from_even_and_odd_pixels():
    previous = keras.Input((6, 6, 4))
    net = keras.Model(previous, match(previous, keras.Input((3, 3, 9)), 8))
    x, shifted = np.zeros((2, 1, 6, 6, 4), "float32")
    x[:, 2, 2], shifted[:, 3, 3] = 1, 1
    even, odd = (net.predict(y, verbose=0) for y in (x, shifted))
    changed = [np.abs(y).max((0, 1, 2)) > 1e-6 for y in (even, odd)]
    assert [list(c) for c in changed] == [[True] * 4 + [False] * 4, [False] * 4 + [True] * 4]


def test_a_map_that_fits_is_left_alone():
    x = keras.Input((6, 6, 8))
    assert match(x, keras.Input((6, 6, 5)), 8) is x


@pytest.mark.parametrize(("skip", "widths"), [(False, [24, 48]), (True, [3, 32])])
def test_skipping_a_reduction_looks_one_cell_further_back(skip, widths):
    crops = [n for n in tiny(skip_reduction=skip).layers if isinstance(n, keras.layers.Cropping2D)]
    assert [crop.input.shape[-1] for crop in crops] == widths


def test_the_rate_grows_over_the_cells():
    rates = {n.rate for n in tiny(drop_rate=0.4).layers if isinstance(n, DropPath)}
    assert sorted(rates) == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("stem", "sizes"),
    [
        ("standard", [15, 8, 4, 2, 1]),
        ("medium", [15, 15, 15, 8, 4]),
        ("small", [32, 32, 32, 16, 8]),  # the paper's, for CIFAR
    ],
)
def test_the_stem_decides_the_reductions(stem, sizes):
    net = tiny(stem=stem)
    assert [net.get_layer(f"stage{i}").output.shape[1] for i in range(1, 6)] == sizes
