"""The two ends of a network, and the words of the stem."""

import keras
import numpy as np
import pytest

from kcv.layers import classify, fewer_halvings, image_input, is_small


def test_stems_leave_out_none_one_or_two_halvings():
    assert [fewer_halvings(stem) for stem in ("standard", "medium", "small")] == [0, 1, 2]


def test_an_unknown_stem_is_named():
    with pytest.raises(ValueError, match="Received: stem='tiny'"):
        fewer_halvings("tiny")


def test_networks_without_a_medium_stem_say_so():
    assert [is_small(stem) for stem in ("standard", "small")] == [False, True]
    with pytest.raises(ValueError, match='"standard" or "small". Received: stem=\'medium\''):
        is_small("medium")


def test_pixels_are_normalised_channel_by_channel():
    image, x = image_input((2, 3), 3, ((10, 20, 30), (2, 4, 5)))
    pixels = np.full((1, 2, 3, 3), 40, "uint8")
    y = keras.Model(image, x).predict(pixels, verbose=0)
    np.testing.assert_allclose(y[0, 0, 0], [15, 5, 2], rtol=1e-5)


def test_scores_are_a_product_with_the_mean_over_the_map(rng):
    image = keras.Input((2, 3, 4))
    net, x = keras.Model(image, classify(image, 5)), rng.normal(size=(2, 2, 3, 4))
    kernel, bias = net.get_layer("logits").get_weights()
    wanted = x.mean((1, 2)) @ kernel + bias
    np.testing.assert_allclose(net.predict(x, verbose=0), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_classes", [0, 2.5])
def test_numbers_of_classes_that_are_none_are_refused(num_classes):
    with pytest.raises(ValueError, match=f"Received: num_classes={num_classes}"):
        classify(keras.Input((2, 2, 4)), num_classes)
