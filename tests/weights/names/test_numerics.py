"""Arguments of the networks that only published weights need."""

import keras
import numpy as np
import pytest

from kcv import models
from kcv.models.nasnet import reduction_cell


def strides(model):
    """Return the stride of every convolution that steps, with its kernel."""
    convs = [la for la in model.layers if isinstance(la, keras.layers.Conv2D)]
    return [(la.kernel_size[0], la.strides[0]) for la in convs if la.strides[0] > 1]


def test_the_stride_of_a_bottleneck_stands_where_it_is_asked_for(small):
    assert strides(small("resnet50", stride_at="3x3")).count((3, 2)) == 3
    assert strides(small("resnet50", stride_at="1x1")).count((1, 2)) == 6


def test_another_place_for_the_stride_is_refused():
    with pytest.raises(ValueError, match=r'stride_at must be "1x1" or "3x3". Received: \'5x5\''):
        models.build("resnet50", stride_at="5x5")


def test_convolutions_have_biases_on_demand(small):
    convs = [la for la in small("resnet50").layers if isinstance(la, keras.layers.Conv2D)]
    assert all(la.use_bias for la in convs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small"])
def test_tensorflows_padding_is_another_function_at_even_sizes(small, name):
    rng = np.random.default_rng(0)
    for size, equal in ((32, False), (33, True)):
        plain, same = (small(name, image_size=size, padding=p) for p in ("symmetric", "same"))
        same.set_weights(plain.get_weights())
        image = rng.normal(size=(1, size, size, 3)).astype("float32")
        ours, theirs = (np.asarray(m.predict(image, verbose=0)) for m in (plain, same))
        assert np.allclose(ours, theirs, atol=1e-6) == equal


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large"])
def test_another_padding_is_refused(name):
    with pytest.raises(ValueError, match="padding must be .* Received: padding='valid'"):
        models.build(name, padding="valid")


def test_the_last_normalisation_may_have_an_epsilon_of_its_own(small):
    model = small("convnext_atto", head_epsilon=1e-12)
    norms = [la for la in model.layers if isinstance(la, keras.layers.LayerNormalization)]
    assert sorted({la.epsilon for la in norms}) == [1e-12, 1e-6]


def test_zeros_around_a_map_are_left_out_of_the_maxima():
    image = keras.Input((4, 4, 8))
    cells = [
        keras.Model(image, reduction_cell(image, None, 8, max_over_zeros=zeros))
        for zeros in (True, False)
    ]
    for cell in cells:
        for weight in cell.weights:
            weight.assign(np.full(weight.shape, 1.0 if "variance" in weight.path else -0.1))
    with_zeros, without = (cell.predict(np.ones((1, 4, 4, 8)), verbose=0) for cell in cells)
    assert (with_zeros >= without).all()
    assert (with_zeros > without).any()
