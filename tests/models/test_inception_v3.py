"""Inception v3: its blocks, and its auxiliary classifier."""

import keras
import numpy as np
import pytest

from kcv.layers import Conv2D
from kcv.models import inception_v3 as file

pytestmark = pytest.mark.slow  # a deep family, see QUICK in families.py


def tiny(**changes):
    options = {"num_classes": 4, "image_size": 32, "stem": "small", "width": 0.125}
    return file.inception_v3(**{**options, **changes})


@pytest.mark.parametrize(
    ("block", "options", "shape"),
    [
        (file.mixed, {"pooled": 5}, (9, 9, 229)),
        (file.mixed_factorised, {"inner": 4}, (9, 9, 768)),
        (file.mixed_wide, {}, (9, 9, 2048)),
        (file.reduce_first, {}, (4, 4, 480 + 3)),
        (file.reduce_second, {}, (4, 4, 512 + 3)),
    ],
)
def test_blocks_give_the_widths_of_the_paper(block, options, shape):
    assert block(keras.Input((9, 9, 3)), **options).shape == (None, *shape)


def test_large_kernels_are_factorised():
    image = keras.Input((9, 9, 3))
    net = keras.Model(image, file.mixed_factorised(image, 4))
    kernels = {c.kernel_size for c in net.layers if isinstance(c, Conv2D)}
    assert kernels == {(1, 1), (1, 7), (7, 1)}


def test_maps_have_the_sizes_of_the_paper():
    with keras.device("meta" if keras.backend.backend() == "torch" else "cpu"):
        net = file.inception_v3(aux=True)
    sizes = [net.get_layer(f"stage{i}").output.shape[1] for i in range(1, 6)]
    assert sizes == [147, 71, 35, 17, 8]
    assert sum(np.prod(w.shape) for w in net.trainable_weights) == 27161264


@pytest.mark.parametrize("image_size", [28, (33, 47)])
def test_the_auxiliary_classifier_takes_small_maps(image_size):
    net = tiny(image_size=image_size, aux=True)
    assert net.output_names == ["logits", "logits_aux1"]
    assert net.get_layer("logits_aux1").loss_weight == 0.4


@pytest.mark.parametrize("stem", ["standard", "medium"])
def test_an_image_too_small_is_told_of_the_small_stem(stem):
    with pytest.raises(ValueError, match="stem=\"small\"|stem='small'"):
        tiny(stem=stem, image_size=28)
