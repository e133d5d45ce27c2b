"""Weights of images and classes, from a recipe to the loss that is logged."""

import numpy as np
import pytest
from PIL import Image

import kcv
from kcv import cli, recipes
from kcv.data.sampling import class_weights

# LeNet has no batch norm, and a rate that moves nothing: the loss of the epoch is a closed form.
STILL = {
    "epochs": 1,
    "batch_size": 10,
    "learning_rate": 1e-12,
    "weight_decay": 0.0,
    "clip_norm": 0.0,
    "augment": "none",
    "stem": "small",
    "image_size": 16,
}


def table(root, weights):
    """Write 40 training, 8 validation and 8 test images; one class is three times as frequent."""
    rng, lines = np.random.default_rng(0), ["path,label,split,weight"]
    for number in range(56):
        label = number % 4 == 0
        pixels = rng.integers(0, 200, (16, 16, 3), np.uint8) + np.uint8(50 * label)
        Image.fromarray(pixels).save(root / f"{number}.png")
        part = "train" if number < 40 else "val" if number < 48 else "test"
        lines.append(f"{number}.png,{'ab'[int(label)]},{part},{weights[number % len(weights)]}")
    (root / "t.csv").write_text("\n".join(lines) + "\n")
    return f"csv:{root / 't.csv'}"


def losses_of(run, split):
    """Return the cross-entropy of each image of a part, and its class number."""
    batches = kcv.data.load(run.recipe.data, image_size=16).plain(split)
    logits = run.model.predict(batches, verbose=0)
    right = kcv.inference.softmax(logits)[np.arange(len(logits)), batches.labels]
    return -np.log(right), batches.labels


def test_the_weight_of_an_image_multiplies_its_loss(tmp_path):
    data = table(tmp_path, [0, 0.5, 3])
    run = recipes.train("lenet5", data, out=tmp_path / "run", **STILL)
    each, _ = losses_of(run, "train")
    weights = np.array([[0, 0.5, 3][number % 3] for number in range(40)])
    assert run.history[0]["loss"] == pytest.approx((weights * each).mean(), rel=1e-4)
    # of the validation part, all count alike
    assert run.history[0]["val_loss"] == pytest.approx(losses_of(run, "val")[0].mean(), rel=1e-4)


@pytest.mark.parametrize(("name", "power"), [("balanced", 1.0), ("root", 0.5)])
def test_the_weight_of_a_class_multiplies_that_of_its_images(tmp_path, name, power):
    data = table(tmp_path, [1, 2])
    run = recipes.train("lenet5", data, out=tmp_path / "run", class_weights=name, **STILL)
    each, labels = losses_of(run, "train")
    by_class = class_weights(labels, power=power)
    weights = np.array([by_class[label] for label in labels]) * np.tile([1, 2], 20)
    assert run.history[0]["loss"] == pytest.approx((weights * each).mean(), rel=1e-4)
    assert recipes.Recipe.from_toml(run.path / "recipe.toml").class_weights == name


def test_class_weights_train_beside_mixing_from_the_command_line(tmp_path, capsys):
    words = ["train", "lenet5", "--data", table(tmp_path, [1, 2]), "--out", str(tmp_path / "run")]
    words += ["--epochs", "2", "--set", "class_weights=balanced", "mixup=0.5", "cutmix=1.0"]
    words += ["image_size=16", "stem=small", "batch_size=10", "mix_epochs=1", "augment=none"]
    assert cli.main(words) == 0, capsys.readouterr().err
    recipe = recipes.Recipe.from_toml(tmp_path / "run" / "recipe.toml")
    assert (recipe.class_weights, recipe.loss) == ("balanced", "cross_entropy")
    assert "test accuracy" in capsys.readouterr().out


def test_one_class_of_each_image_may_be_a_yes_and_noes(tmp_path):
    data = table(tmp_path, [1])
    run = recipes.train("lenet5", data, out=tmp_path / "run", loss="binary_cross_entropy", **STILL)
    batches = kcv.data.load(data, image_size=16).plain("train")
    logits = run.model.predict(batches, verbose=0)
    labels = np.eye(2)[batches.labels]
    expected = (np.logaddexp(0, logits) - labels * logits).mean()
    assert run.history[0]["loss"] == pytest.approx(expected, rel=1e-4)
    assert "accuracy" in run.metrics["test"]


def test_the_training_part_is_scored_in_order(tmp_path):
    run = recipes.train("lenet5", table(tmp_path, [1]), out=tmp_path / "run", **STILL)
    found = recipes.evaluate(run.path, split="train")
    each, _ = losses_of(run, "train")
    assert found["count"] == 40
    assert found["loss"] == pytest.approx(each.mean(), rel=1e-5)
