"""Fine-tuning from a checkpoint in another library's names."""

import numpy as np
import pytest

import kcv
from kcv import recipes
from kcv.recipes import parts


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Give a small network of 7 classes, and a file of its weights in timm's names."""
    kcv.set_seed(1)
    net = kcv.models.build(
        "resnet18", num_classes=7, image_size=16, stem="small", width=0.125, normalize=(100.0, 50.0)
    )
    net.preprocessing = kcv.weights.Preprocessing((100 / 255,) * 3, (50 / 255,) * 3, 16)
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    kcv.weights.save(net, path, "timm")
    return net, path


SHORT = {"data": "digits", "epochs": 1, "batch_size": 64}


def test_a_file_brings_its_network_and_the_data_bring_the_head(checkpoint, tmp_path):
    net, path = checkpoint
    run = recipes.finetune("resnet18", path, freeze=True, out=tmp_path / "run", **SHORT)
    assert run.model.output.shape == (None, 10)
    assert run.model.input.shape == (None, 16, 16, 3)
    np.testing.assert_array_equal(run.model.get_weights()[0], net.get_weights()[0])
    assert "test" in run.metrics


@pytest.mark.slow
def test_a_fine_tuned_run_resumes_without_its_source(checkpoint, tmp_path):
    _, path = checkpoint
    source = tmp_path / "gone.safetensors"
    source.write_bytes(path.read_bytes())
    run = recipes.finetune("resnet18", source, out=tmp_path / "run", **SHORT)
    source.unlink()
    again = recipes.train("resnet18", resume=tmp_path / "run")
    assert len(again.history) == len(run.history) == 1


def test_weights_of_another_network_are_refused(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="belong to resnet18. Received: 'resnet34'"):
        recipes.finetune("resnet34", checkpoint[1], out=tmp_path / "run", **SHORT)


def test_early_layers_learn_less_with_layer_decay(checkpoint):
    net, _ = checkpoint
    recipe = recipes.get("resnet18").changed(layer_decay=0.5)
    factors = parts.make_optimizer(recipe, 10, net).factors
    first, last = net.trainable_weights[0], net.trainable_weights[-1]
    assert factors[last.path] == 1.0
    assert factors[first.path] < 0.01


@pytest.mark.parametrize(("name", "rate"), [("resnet18", 0.03), ("mobilenet_v2", 0.1)])
def test_trained_weights_are_not_tuned_at_the_rate_of_branches_that_start_at_zero(name, rate):
    recipe = recipes.table.tuned(name)
    assert (recipe.learning_rate, recipe.network) == (rate, {})
    assert recipes.get(name).learning_rate > rate


def test_a_tenth_of_the_rate_tunes(checkpoint, tmp_path):
    run = recipes.finetune("resnet18", checkpoint[1], out=tmp_path / "run", **SHORT)
    assert run.recipe.learning_rate == pytest.approx(0.003)
