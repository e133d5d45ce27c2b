"""Swin: windows, shifts, sizes."""

import numpy as np
import pytest

from kcv.layers import DropPath
from kcv.layers.window import WindowAttention
from kcv.models.swin import swin

TINY = {"width": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8), "num_classes": 4}


def attentions(net):
    return [layer for layer in net.layers if isinstance(layer, WindowAttention)]


def test_every_other_block_shifts_by_half_a_window():
    assert [layer.shift for layer in attentions(swin(**TINY))] == [0, 3] * 4


def test_one_set_of_weights_serves_every_size(rng):
    nets = [swin(image_size=size, **TINY) for size in (224, (70, 113))]
    nets[1].set_weights(nets[0].get_weights())
    x = rng.normal(size=(1, 70, 113, 3)).astype("float32")
    assert np.isfinite(nets[1].predict(x, verbose=0)).all()


@pytest.mark.parametrize(
    ("stem", "side", "windows"),
    [
        ("standard", 8, [7] * 8),
        ("medium", 16, [4, 4, 4, 4, 4, 4, 2, 2]),
        ("small", 32, [4] * 8),
    ],
)
def test_small_stems_fit_the_windows_to_the_map(stem, side, windows):
    net = swin(stem=stem, image_size=32, **TINY)
    assert [layer.window for layer in attentions(net)] == windows
    assert net.get_layer("stage1").output.shape[1:3] == (side, side)


def test_drop_rates_grow_linearly_on_both_branches():
    rates = [layer.rate for layer in swin(drop_rate=0.7, **TINY).layers if type(layer) is DropPath]
    assert rates == pytest.approx(sorted([0.1 * i for i in range(1, 8)] * 2))


def test_attention_can_be_looked_at(rng):
    layer = attentions(swin(image_size=56, **TINY))[1]
    x = rng.normal(size=(2, 14, 14, 8)).astype("float32")
    _, weights = layer(x, return_attention=True)
    assert tuple(weights.shape) == (2, 4, 1, 49, 49)


def test_every_stage_needs_a_number_of_heads():
    with pytest.raises(ValueError, match=r"Received: depths=\(2, 2\), num_heads=\(3,\)"):
        swin(depths=(2, 2), num_heads=(3,))
