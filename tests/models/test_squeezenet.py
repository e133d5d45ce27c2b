"""SqueezeNet: where the classes are scored."""

import numpy as np
import pytest

from kcv import models
from kcv.models.squeezenet import VARIANTS, squeezenet


def tiny(**changes):
    return squeezenet(
        **{"num_classes": 4, "image_size": 32, "stem": "small", "width": 0.25, **changes}
    )


def test_logits_are_the_mean_of_the_map_where_it_is_positive(rng):
    net = tiny()
    x = rng.normal(size=(2, 32, 32, 3)).astype("float32")
    scores, logits = models.features(net, ["logits_map", "logits"]).predict(x, verbose=0)
    np.testing.assert_allclose(logits, np.maximum(scores, 0).mean((1, 2)), rtol=1e-4, atol=1e-5)


def test_no_class_is_dead_at_the_start(rng):
    x = rng.normal(size=(4, 32, 32, 3)).astype("float32")
    assert (tiny().predict(x, verbose=0) > 0).all()


def test_the_later_version_pools_earlier():
    old, new = (VARIANTS[f"squeezenet1_{n}"](width=0.25, num_classes=None) for n in (0, 1))
    sizes = [
        [net.get_layer(f"stage{i}").output.shape[1] for i in (1, 2, 3, 4)] for net in (old, new)
    ]
    assert sizes == [[109, 54, 27, 13], [111, 55, 27, 13]]
    assert [len(net.layers) for net in (old, new)] == [len(old.layers)] * 2


@pytest.mark.parametrize(("stem", "side"), [("medium", 4), ("small", 8)])
def test_small_stems_leave_halvings_out(stem, side):
    assert tiny(stem=stem).get_layer("features").output.shape[1] == side
