"""Views of test images: every way to ask for them gives the mean that is made by hand."""

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

import kcv
from kcv import cli, recipes
from kcv.recipes.scoring import score

SIZE, NAMES = 24, ["cat", "dog", "fox"]
HOW = {"mode": "crop", "crop_pct": 0.75, "interpolation": "bicubic"}
KINDS = ["flip", "three", "six", "ten"]
TRIED = ["flip", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Folders of three classes of noise, lying and upright."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in NAMES:
        (folder / name).mkdir()
        for i in range(6):
            shape = (47, 61, 3) if i % 2 else (70, 41, 3)
            pixels = rng.integers(0, 256, shape, dtype=np.uint8)
            pixels[:, : shape[1] // 2] //= 2 + NAMES.index(name)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    """A run on those, that notes another way to resize than the usual one."""
    out = tmp_path_factory.mktemp("runs") / "run"
    network = {"width": 0.125, "depths": (1, 1, 1, 1)}
    recipe = recipes.Recipe("resnet18", epochs=2, batch_size=4, image_size=SIZE, network=network)
    made = recipes.train(recipe, f"folder:{photos}", out=out, val_fraction=0.25)
    about = json.loads((out / "model.json").read_text())
    (out / "model.json").write_text(json.dumps({**about, "resize": HOW}))
    return made


def looks(file, kind):
    """Return the views of a file, by Pillow alone."""
    picture = Image.open(file)
    edge = 32 if kind in ("ten", "flip") else SIZE
    width, height = picture.size
    size = (edge, edge * height // width) if width < height else (edge * width // height, edge)
    whole = picture.resize(size, Image.Resampling.BICUBIC)
    right, down = size[0] - SIZE, size[1] - SIZE
    centre = (round(right / 2), round(down / 2))
    places = {"ten": [(0, 0), (right, 0), (0, down), (right, down), centre], "flip": [centre]}
    places = places.get(kind, [(0, 0), centre, (right, down)])
    pictures = [whole] if kind == "three" else [whole, ImageOps.mirror(whole)]
    if kind == "flip":
        pictures = [whole.crop((*centre, centre[0] + SIZE, centre[1] + SIZE))]
        return np.stack([np.asarray(pictures[0]), np.asarray(ImageOps.mirror(pictures[0]))])
    cut = [one.crop((x, y, x + SIZE, y + SIZE)) for one in pictures for x, y in places]
    return np.stack([np.asarray(one) for one in cut])


def by_hand(model, files, kind):
    """Return mean probabilities (N, K)."""
    found = []
    for file in files:
        logits = model.predict(looks(file, kind), verbose=0).astype("float64")
        powers = np.exp(logits - logits.max(1, keepdims=True))
        found.append((powers / powers.sum(1, keepdims=True)).mean(0))
    return np.array(found)


def figures(probabilities, files):
    labels = np.array([NAMES.index(file.parent.name) for file in files])
    right = probabilities[np.arange(len(labels)), labels]
    return -np.log(right).mean(), (probabilities.argmax(1) == labels).mean()


@pytest.mark.parametrize("kind", TRIED)
def test_evaluation_scores_the_mean_over_views(run, photos, kind, tmp_path, capsys):
    files = sorted(photos.glob("*/*.png"))
    assert len(looks(files[0], kind)) == kcv.data.views.VIEWS[kind]
    loss, accuracy = figures(by_hand(run.model, files, kind), files)
    found = recipes.evaluate(run, f"folder:{photos}", split="all", views=kind)
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["accuracy"] == accuracy
    plain = recipes.evaluate(run, f"folder:{photos}", split="all")
    assert found["loss"] != pytest.approx(plain["loss"], rel=1e-4)
    words = ["test", str(run.path), "--data", f"folder:{photos}", "--split", "all"]
    assert cli.main([*words, "--views", kind, "--out", str(tmp_path / "out.json")]) == 0
    assert f"{loss:.4f}" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["loss"] == found["loss"]


@pytest.mark.parametrize("kind", TRIED)
def test_prediction_gives_the_mean_over_views(run, photos, kind, tmp_path):
    files = sorted(photos.glob("*/*.png"))
    expected = by_hand(run.model, files, kind)

    def scores(results):
        best = [{one["label"]: one["score"] for one in result["top"]} for result in results]
        return [[one[label] for label in range(3)] for one in best]

    for batch_size in (4, 64):
        found = kcv.predict(run.path, photos, views=kind, batch_size=batch_size)
        np.testing.assert_allclose(scores(found), expected, rtol=1e-5)
    out = str(tmp_path / "out.json")
    assert cli.main(["predict", str(run.path), str(photos), "--views", kind, "--out", out]) == 0
    with open(out) as file:
        np.testing.assert_allclose(scores(json.load(file)), expected, rtol=1e-5)


def test_the_model_is_given_no_more_views_than_the_batch_size(run, photos, monkeypatch):
    counts, given = [], type(run.model).predict_on_batch

    def counted(self, images):
        counts.append(len(images))
        return given(self, images)

    monkeypatch.setattr(type(run.model), "predict_on_batch", counted)
    kcv.predict(run, photos, views="six", batch_size=13)
    assert counts == [12] * 9


def test_an_unknown_name_of_views_is_one_sentence(run, photos, capsys):
    said = "views needs to be one of one, flip, three, six, ten. Received: 'five'"
    for ask in (
        lambda: recipes.evaluate(run, views="five"),
        lambda: kcv.predict(run.path, photos, views="five"),
    ):
        with pytest.raises(ValueError, match=said):
            ask()
    for words in (["test", str(run.path)], ["predict", str(run.path), str(photos)]):
        assert cli.main([*words, "--views", "five"]) == 2
        assert capsys.readouterr().err.splitlines() == [f"kcv: {said}"]


@pytest.mark.parametrize("views", ["one", "flip"])
def test_a_terminal_shows_how_far_the_scoring_is(run, photos, on_stderr, views):
    found = []
    text = on_stderr(lambda: found.append(recipes.evaluate(run.path, views=views)))
    count = found[0]["count"]
    assert f" {count}/{count} [" in text[text.index("Scoring part 'test'") :]


def test_the_bar_goes_away_where_scoring_fails(run, photos, on_stderr, monkeypatch):
    test = kcv.data.load(f"folder:{photos}", image_size=SIZE, batch_size=1).test
    whole = type(test).__iter__

    def breaks(batches):
        yield next(whole(batches))
        raise OSError("the disk is gone")

    monkeypatch.setattr(type(test), "__iter__", breaks)

    def work():
        with pytest.raises(OSError, match="the disk is gone"):
            score(run.model, test)

    text = on_stderr(work)
    assert "Scoring part 'test':" in text
    assert text.split("\r")[-2].strip(" ") == ""
