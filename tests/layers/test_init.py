"""Initialisers, and kernels that are not drawn because weights come next."""

import keras
import numpy as np
import pytest
import torch

import kcv
from kcv.layers import Conv2D, DepthwiseConv2D, Linear
from kcv.layers.init import HE, SMALL_NORMAL, draw, fresh, is_postponed, postponed


def test_a_fresh_initialiser_draws_other_numbers():
    first, second = fresh(HE), fresh(HE)
    assert not np.array_equal(*(np.asarray(init((3, 3, 2, 4))) for init in (first, second)))
    assert first.get_config() | {"seed": None} == HE.get_config() | {"seed": None}


@pytest.mark.parametrize(
    "make",
    [
        lambda init: Conv2D(4, 3, kernel_initializer=init),
        lambda init: Linear(4, kernel_initializer=init),
        lambda init: DepthwiseConv2D(3, depthwise_initializer=init),
    ],
)
def test_a_postponed_kernel_is_not_drawn(make):
    class Refuses(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None, **options):
            raise AssertionError("drawn")

    with postponed():
        assert is_postponed()
        layer = make(Refuses())
        layer.build((None, 5, 5, 2))
    assert not is_postponed()
    assert np.all(np.asarray(layer.bias) == 0)


def test_a_layer_is_drawn_later_as_it_would_have_been():
    init = fresh(SMALL_NORMAL)
    plain, late = (Conv2D(4, 3, kernel_initializer=init) for _ in range(2))
    plain.build((None, 5, 5, 2))
    with postponed():
        late.build((None, 5, 5, 2))
    draw(late)
    np.testing.assert_array_equal(np.asarray(late.kernel), np.asarray(plain.kernel))


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="memory order is torch's")
def test_a_postponed_kernel_lies_in_torchs_order():
    with postponed():
        layer = Conv2D(8, 3)
        layer.build((None, 5, 5, 4))
    kernel = layer._kernel._value.data.permute(3, 2, 0, 1)
    assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_an_error_ends_the_postponement():
    with pytest.raises(RuntimeError), postponed():
        raise RuntimeError
    assert not is_postponed()


def test_the_new_head_of_loaded_weights_is_drawn(tmp_path):
    options = {"image_size": 16, "stem": "small", "width": 0.125}
    source = kcv.models.build("resnet18", num_classes=7, **options)
    path = kcv.weights.save(source, tmp_path / "w.safetensors", "timm")
    kcv.set_seed(5)
    plain = kcv.models.build("resnet18", num_classes=3, **options)
    kcv.set_seed(5)
    loaded = kcv.models.build("resnet18", weights=path, num_classes=3, **options)
    heads = [np.asarray(m.get_layer("logits").kernel) for m in (plain, loaded)]
    np.testing.assert_array_equal(*heads)
    assert heads[0].std() > 0
