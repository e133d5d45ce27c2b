"""Architectures become networks of kcv."""

import keras
import numpy as np
import pytest

import kcv
from kcv import cost, nas

STAGES = [
    nas.Stage("conv", 8, 2, 5),
    nas.Stage("separable", 8, 1, 3, gate=True),
    nas.Stage("residual", 8, 1, gate=True),
    nas.Stage("bottleneck", 8, 2),
    nas.Stage("inverted", 8, 2, 5, 3, gate=True),
]


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_every_operation_builds_for_any_image_and_number_of_classes(stage):
    made = nas.Architecture(4, (stage, stage))
    for size, channels, classes in ((9, 1, 3), ((20, 33), 3, 7)):
        model = nas.build(made, image_size=size, channels=channels, num_classes=classes)
        assert isinstance(model, kcv.models.Model)
        height, width = (size, size) if isinstance(size, int) else size
        images = np.zeros((2, height, width, channels), "float32")
        assert model(images).shape == (2, classes)


def test_different_architectures_are_different_networks():
    space = nas.Space(((4,),), (1,), kernels=(3, 5), expansions=(1, 2))
    seen = {}
    for made in space:
        model = nas.build(made, image_size=8)
        layers = [(type(x).__name__, [tuple(w.shape) for w in x.weights]) for x in model.layers]
        seen.setdefault(str(layers), []).append(made)
    assert [group for group in seen.values() if len(group) > 1] == []


@pytest.mark.parametrize(("stem", "side"), [("standard", 2), ("medium", 4), ("small", 8)])
def test_the_stem_decides_how_often_the_image_is_halved(stem, side):
    made = nas.Architecture(4, (nas.Stage("conv", 8, 1),) * 2 + (nas.Stage("residual", 8, 2),))
    model = nas.build(made, image_size=32, stem=stem, num_classes=None)
    assert model.output.shape == (None, side, side, 8)
    last = {"standard": "stage4", "medium": "stage4", "small": "stage3"}[stem]
    assert kcv.models.features(model, ["stage1", last, "features"]).outputs[1].shape[1] == side


def test_depth_is_the_number_of_blocks():
    count = [
        cost.cost(nas.build(nas.Architecture(4, (nas.Stage("residual", 4, depth),)))).parameters
        for depth in (1, 2, 3)
    ]
    assert count[2] - count[1] == count[1] - count[0] == 2 * 9 * 4 * 4 + 2 * 2 * 4


def test_a_network_is_saved_and_read(tmp_path):
    model = nas.build(nas.Architecture(4, tuple(STAGES)), image_size=16)
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(images, verbose=0), model.predict(images, verbose=0))
