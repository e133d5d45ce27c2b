"""GoogLeNet: its block, and its auxiliary classifiers."""

import keras
import numpy as np
import pytest

from kcv import models
from kcv.layers import Conv2D
from kcv.layers.inception import AuxiliaryLogits
from kcv.models.googlenet import Block, googlenet, inception

pytestmark = pytest.mark.slow  # a deep family, see QUICK in families.py


def tiny(**changes):
    return googlenet(
        **{"num_classes": 4, "image_size": 32, "stem": "small", "width": 0.125, **changes}
    )


def test_a_block_joins_its_four_branches():
    image = keras.Input((6, 6, 8))
    net = keras.Model(image, inception(image, Block(1, 2, 3, 4, 5, 6)))
    assert net.output_shape == (None, 6, 6, 1 + 3 + 5 + 6)


@pytest.mark.parametrize("kernel", [3, 5])
def test_the_third_branch_may_be_the_paper_s(kernel):
    image = keras.Input((6, 6, 8))
    net = keras.Model(image, inception(image, Block(1, 2, 3, 4, 7, 6), kernel))
    wide = next(c for c in net.layers if isinstance(c, Conv2D) and c.filters == 7)
    assert wide.kernel_size == (kernel, kernel)


def test_auxiliary_classifiers_have_the_weights_of_the_reference():
    with keras.device("meta" if keras.backend.backend() == "torch" else "cpu"):
        net = googlenet(aux=True)
    assert sum(np.prod(w.shape) for w in net.trainable_weights) == 13004888


def test_auxiliary_classifiers_are_further_outputs():
    net = tiny(aux=True)
    assert net.output_names == ["logits", "logits_aux1", "logits_aux2"]
    weights = [n.loss_weight for n in net.layers if isinstance(n, AuxiliaryLogits)]
    assert weights == [0.3, 0.3]


def test_without_its_auxiliaries_a_network_scores_the_same(rng):
    net, x = tiny(aux=True), rng.normal(size=(2, 32, 32, 3)).astype("float32")
    plain = models.features(net, ["logits"])
    assert not [n for n in plain.layers if isinstance(n, AuxiliaryLogits)]
    wanted, got = (keras.ops.convert_to_numpy(y) for y in (net(x)[0], plain(x)))
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_a_feature_map_has_no_auxiliary_classifiers():
    assert len(tiny(aux=True, num_classes=None).outputs) == 1


@pytest.mark.parametrize(("stem", "side"), [("standard", 1), ("medium", 2), ("small", 4)])
def test_small_stems_leave_halvings_out(stem, side):
    assert tiny(stem=stem).get_layer("features").output.shape[1] == side
