"""Images of several classes, from a table to predictions and report."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score

import kcv
from kcv import cli, losses, recipes

NAMES = ("blue", "green", "red")
QUICK = {
    "epochs": 8,
    "batch_size": 16,
    "base_batch": 16,
    "learning_rate": 0.1,
    "stem": "small",
    "augment": "flip",
    "image_size": 16,
    "network": {"width": 0.125},
}


def paint(labels, rng):
    """Return a noisy picture with a bright quarter in the colour of each of its classes."""
    pixels = rng.integers(0, 60, (16, 16, 3), np.uint8)
    for place, name in zip(rng.permutation(4), labels, strict=False):
        y, x = 8 * (place // 2), 8 * (place % 2)
        pixels[y : y + 8, x : x + 8, 2 - NAMES.index(name)] += 180
    return pixels


def table(root, count=200, weight=False):
    """Write pictures with none to three of the classes, and the table that says which."""
    rng = np.random.default_rng(0)
    lines = ["path,labels" + ",weight" * weight]
    for number in range(count):
        labels = [name for name, chance in zip(NAMES, (0.6, 0.4, 0.2), strict=True)
                  if rng.random() < chance]  # fmt: skip
        Image.fromarray(paint(labels, rng)).save(root / f"{number}.png")
        lines.append(f"{number}.png,{'|'.join(labels)}" + f",{1 + number % 2}" * weight)
    (root / "t.csv").write_text("\n".join(lines) + "\n")
    return f"csv:{root / 't.csv'}"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return table(tmp_path_factory.mktemp("several"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "several"
    return recipes.train("resnet18", data, out=out, **QUICK)


def test_a_run_learns_them(run):
    test = run.metrics["test"]
    assert test["mean_average_precision"] > 0.9
    assert test["f1"] > 0.8
    assert test["exact"] > 0.7
    assert run.history[-1]["val_mean_average_precision"] > 0.9
    assert run.recipe.loss == "binary_cross_entropy"
    assert "floor" not in run.metrics


def test_its_figures_are_those_of_scikit_learn(run, data):
    test = kcv.data.load(data, image_size=16).test
    scores = kcv.inference.sigmoid(run.model.predict(test, verbose=0))
    expected = average_precision_score(test.labels, scores, average="macro")
    figures = run.metrics["test"]
    assert figures["mean_average_precision"] == pytest.approx(expected, abs=1e-6)
    said = scores >= 0.5
    assert figures["f1"] == pytest.approx(f1_score(test.labels, said, average="macro"))
    assert figures["f1_all"] == pytest.approx(f1_score(test.labels, said, average="micro"))
    assert figures["exact"] == pytest.approx((said == test.labels).all(1).mean())
    assert figures["count"] == len(test.labels)


def test_the_best_epoch_is_told_by_the_mean_average_precision(run, data):
    manifests = [json.loads(p.read_text()) for p in (run.path / "checkpoints").glob("*.json")]
    assert {one["monitor"]["name"] for one in manifests} == {"val_mean_average_precision"}
    assert all(one["monitor"]["value"] is not None for one in manifests)
    recipe = recipes.Recipe("resnet18", patience=1)
    stopping = recipes.make_callbacks(recipe, [], recipes.parts.monitored(kcv.data.load(data)))
    assert stopping[0].monitor.name == "val_mean_average_precision"


def test_evaluation_gives_the_figures_of_the_run(run):
    again = recipes.evaluate(run.path)
    assert again["f1"] == run.metrics["test"]["f1"]
    assert again["loss"] == pytest.approx(run.metrics["test"]["loss"], rel=1e-5)
    assert recipes.evaluate(run.path, views="flip")["mean_average_precision"] > 0.9


def test_prediction_names_all_classes_of_an_image(run, tmp_path):
    rng = np.random.default_rng(7)
    for labels in (("red", "blue"), ("green",), ()):
        result = kcv.predict(run.path, paint(labels, rng), top=3)[0]
        assert set(result["pred_classes"]) == set(labels)
        assert len(result["top"]) == 3
    everything = kcv.predict(run, paint(("red",), rng), threshold=1e-6)[0]
    assert set(everything["pred_classes"]) == set(NAMES)
    assert everything["pred_classes"][0] == "red"


def test_the_command_line_says_all_classes_and_writes_them(run, tmp_path, capsys):
    rng = np.random.default_rng(3)
    Image.fromarray(paint(("red", "green"), rng)).save(tmp_path / "a.png")
    Image.fromarray(paint((), rng)).save(tmp_path / "b.png")
    out = tmp_path / "answers.csv"
    words = ["predict", str(run.path), str(tmp_path), "--views", "flip", "--out", str(out)]
    assert cli.main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert "a.png: red, green (" in said[0] or "a.png: green, red (" in said[0]
    assert "b.png: no class (" in said[1]
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]["pred_classes"].split("|")) == {"red", "green"}
    assert rows[1]["pred_classes"] == ""
    assert cli.main(["test", str(run.path)]) == 0
    assert "mean_average_precision" in capsys.readouterr().out


def test_the_report_tells_them_class_by_class(run):
    page = (run.path / "report.html").read_text()
    assert "test mean average precision" in page
    assert "images in random order" in page
    assert "average precision</th>" in page
    assert "What does it mix up?" not in page
    with pytest.raises(ValueError, match="images of one class each. Received: .*have several"):
        kcv.report.confusion(run)


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_one(data, tmp_path):
    options = {**QUICK, "epochs": 2, "threads": 1, "class_weights": "balanced", "mixup": 0.4}
    whole = recipes.train("resnet18", data, out=tmp_path / "whole", **options)
    keep = recipes.training.EpochLog.on_epoch_begin

    def stop(self, epoch, logs=None):
        keep(self, epoch, logs)
        if epoch == 1:
            raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes.training.EpochLog, "on_epoch_begin", stop)
        with pytest.raises(InterruptedError):
            recipes.train("resnet18", data, out=tmp_path / "cut", **options)
    resumed = recipes.train("resnet18", data, out=tmp_path / "cut", resume="auto", **options)
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert resumed.metrics["test"] == whole.metrics["test"]


def test_weights_of_classes_become_weights_of_their_yes(data):
    loaded = kcv.data.load(data, image_size=16, class_weights="balanced")
    labels = loaded.train.labels
    share = labels.mean(0)
    np.testing.assert_allclose(loaded.positive_weights, (1 - share) / share, rtol=1e-6)
    recipe = recipes.Recipe("resnet18", loss="binary_cross_entropy", class_weights="balanced")
    loss = recipes.make_loss(recipe, loaded)
    assert loss.positive_weights == loaded.positive_weights
    assert loaded.train.weights is None
    root = kcv.data.load(data, image_size=16, class_weights="root").positive_weights
    np.testing.assert_allclose(root, np.sqrt(loaded.positive_weights))


def test_weights_of_images_reach_the_loss(tmp_path):
    loaded = kcv.data.load(table(tmp_path, 40, weight=True), image_size=16, batch_size=8)
    images, labels, weights = next(iter(loaded.train))
    assert set(weights.tolist()) == {1.0, 2.0}
    model = kcv.models.build("resnet18", width=0.125, stem="small", num_classes=3, image_size=16)
    model.compile("sgd", losses.BinaryCrossEntropy())
    scores = np.asarray(model.predict_on_batch(images.numpy()), np.float64)
    each = (np.logaddexp(0, scores) - scores * labels.numpy()).mean(1)
    found = model.test_on_batch(images, labels, weights)
    assert float(found) == pytest.approx((weights.numpy() * each).mean(), rel=1e-5)


def test_one_class_cross_entropy_is_refused_for_them(data, tmp_path):
    with pytest.raises(ValueError, match="need loss='binary_cross_entropy'.*loss='cross_entropy'"):
        recipes.train("resnet18", data, out=tmp_path / "x", loss="cross_entropy", **QUICK)
