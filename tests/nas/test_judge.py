"""The judge: real trainings on small data."""

import keras
import numpy as np
import pytest

import kcv
from kcv import cost, nas

SMALL = nas.Architecture(4, (nas.Stage("conv", 8, 1), nas.Stage("residual", 8, 1)))


@pytest.fixture(scope="module")
def shapes():
    """Images that a small network learns in seconds: where is the bright square?"""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    images = rng.integers(0, 60, (240, 12, 12), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2:6, 4 * label : 4 * label + 3] += 150
    return images, labels


@pytest.fixture(scope="module")
def judge(shapes):
    return nas.Training(shapes, batch_size=16, augment="none", threads=1)


def test_a_candidate_learns_and_the_same_call_gives_the_same_score(judge):
    first, again = judge(SMALL, 3), judge(SMALL, 3)
    assert first == again
    assert first > 0.8


def test_the_seed_decides_the_score(shapes, judge):
    other = nas.Training(shapes, batch_size=16, augment="none", threads=1, seed=1)
    first, second = (j.fit(SMALL, 1).get_weights()[0] for j in (judge, other))
    assert not np.allclose(first, second)


def test_it_trains_with_the_recipe_of_as_many_epochs(judge):
    model = judge.fit(SMALL, 2)
    assert model.optimizer.iterations.value == 2 * len(judge.data.train)
    assert float(model.optimizer.learning_rate) < judge.recipe.learning_rate / 100


def test_the_cost_is_that_of_the_network_and_nothing_is_trained(judge):
    figures = cost.cost(judge.build(SMALL))
    assert judge.cost(SMALL) == (figures.parameters, figures.macs)


def test_weights_are_averaged_where_the_recipe_says_so(shapes, judge):
    averaged = nas.Training(shapes, batch_size=16, augment="none", threads=1, ema_decay=0.99)
    plain, smooth = (j.fit(SMALL, 1).get_weights()[0] for j in (judge, averaged))
    assert not np.allclose(plain, smooth)


def test_a_training_that_diverges_says_so(shapes):
    wild = nas.Training(shapes, batch_size=16, augment="none", learning_rate=1e30, threads=1)
    with pytest.raises(FloatingPointError, match="The loss is (nan|inf) after epoch 1"):
        wild(SMALL, 2)


def test_images_of_several_classes_are_scored_by_precision(shapes):
    images, labels = shapes
    several = np.stack([labels == 0, labels != 1], 1).astype(np.uint8)
    score = nas.Training((images, several), batch_size=16, augment="none", threads=1)(SMALL, 2)
    assert 0.5 < score <= 1


@pytest.mark.parametrize(("spec", "shape"), [("fashion_mini", (28, 28, 1)), ("tiles", (32, 32, 3))])
def test_the_network_fits_the_data_by_name(spec, shape):
    judge = nas.Training(spec)
    model = judge.build(SMALL)
    assert model.input.shape[1:] == shape
    assert model.output.shape[1] == judge.data.num_classes == 10
    assert judge.about()["data"] == spec
    assert keras.config.dtype_policy().name == "float32"


def test_a_folder_is_data_too(tmp_path, shapes):
    from PIL import Image

    for index, (image, label) in enumerate(zip(*shapes, strict=True)):
        (tmp_path / f"class{label}").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"class{label}" / f"{index}.png")
    judge = nas.Training(f"folder:{tmp_path}", image_size=12, batch_size=16, threads=1)
    assert judge.build(SMALL).input.shape[1:] == (12, 12, judge.data.channels)
    assert 0 <= judge(SMALL, 1) <= 1


@pytest.mark.parametrize("name", ["weights", "epochs", "freeze", "network", "start_size"])
def test_fields_that_a_search_does_not_have_are_refused(name):
    with pytest.raises(ValueError, match=f"own networks from random weights.*Received: {name}=1"):
        nas.Training("fashion_mini", **{name: 1})


def test_an_unknown_field_lists_near_ones():
    with pytest.raises(ValueError, match="no such field. Received: 'batchsize'.*batch_size"):
        nas.Training("fashion_mini", batchsize=4)


def test_the_package_is_no_part_of_a_plain_import():
    assert "nas" not in kcv.__all__
