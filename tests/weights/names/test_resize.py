"""Position tables at another size: against torch's interpolation, which the references call."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kcv.weights.names import resize

TORCH = {
    "timm": {"antialias": True},
    "torchvision": {"align_corners": True},
    "hf": {"align_corners": False},
    "mmpretrain": {"align_corners": False},
}


@pytest.mark.parametrize("dialect", TORCH)
@pytest.mark.parametrize("grid", [(14, 12), (24, 24), (5, 9)])
def test_positions_are_resized_as_the_reference_does(rng, dialect, grid):
    table = rng.normal(size=(1, 2 + 7 * 7, 3)).astype("float32")
    ours = resize.positions(table, grid, 2, dialect)
    body = torch.from_numpy(table[:, 2:]).reshape(1, 7, 7, 3).permute(0, 3, 1, 2)
    theirs = F.interpolate(body, grid, mode="bicubic", **TORCH[dialect])
    theirs = theirs.permute(0, 2, 3, 1).reshape(1, -1, 3).numpy()
    np.testing.assert_allclose(ours[:, 2:], theirs, atol=2e-6)
    assert np.array_equal(ours[:, :2], table[:, :2])


def test_a_grid_that_is_not_square_is_not_resized(rng):
    assert resize.positions(rng.normal(size=(1, 1 + 6, 3)), (4, 4), 1, "timm") is None


def test_a_relative_table_keeps_its_middle_and_its_ends(rng):
    table = rng.normal(size=(13 * 13, 2)).astype("float32")
    grown = resize.table(table, 12, "timm").reshape(23, 23, 2)
    old = table.reshape(13, 13, 2)
    np.testing.assert_allclose(grown[11, 11], old[6, 6], atol=1e-6)
    np.testing.assert_allclose(grown[0, 0], old[0, 0], atol=1e-4)


def test_steps_of_a_grown_table_grow_by_one_ratio():
    places = resize.geometric(13, 23) @ np.arange(-6.0, 7.0)
    steps = np.diff(places[11:])
    assert np.all(steps > 0)
    assert steps[0] > steps[-1]


@pytest.mark.parametrize(("dialect", "rows"), [("torchvision", 169), ("hf", 169), ("timm", 170)])
def test_a_relative_table_without_a_rule_is_not_resized(dialect, rows):
    assert resize.table(np.zeros((rows, 2)), 12, dialect) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:timm")
def test_a_relative_table_is_resized_as_timm_does(rng, references):
    pos_embed_rel = pytest.importorskip("timm.layers.pos_embed_rel")
    table = rng.normal(size=(13 * 13, 2)).astype("float32")
    for window in (5, 8, 12, 24):
        size = ((2 * window - 1) ** 2, 2)
        args = torch.from_numpy(table), (window, window), size
        theirs = pos_embed_rel.resize_rel_pos_bias_table(*args).numpy()
        np.testing.assert_allclose(resize.table(table, window, "timm"), theirs, atol=1e-5)
