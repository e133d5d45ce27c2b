"""The command line: words in, lines and exit codes out."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kcv import cli, recipes
from kcv.cli.parser import EXAMPLES

TRAIN = ["--data", "digits", "--set", "network.width=0.125", "--epochs", "1"]
SHOW = ["data", "show", "digits"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert cli.main(["train", "resnet18", *TRAIN, "--out", str(folder)]) == 0
    return folder


def test_training_says_what_came_out(tmp_path, capsys):
    assert cli.main(["train", "resnet18", *TRAIN, "--out", str(tmp_path / "r")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch 1/1  loss ")
    assert lines[-3].startswith("test accuracy ")
    assert lines[-2].startswith("linear classifier on pixels: 0.9")
    assert lines[-1].endswith("report.html")


@pytest.mark.slow
def test_the_run_of_a_recipe_file_is_that_recipe(tmp_path):
    recipe = recipes.Recipe("resnet18", data="digits", epochs=1, network={"width": 0.125})
    recipe.to_toml(tmp_path / "r.toml")
    words = ["train", "--config", str(tmp_path / "r.toml"), "--out", str(tmp_path / "run")]
    assert cli.main(words) == 0
    stored = recipes.Recipe.from_toml(tmp_path / "run" / "recipe.toml")
    assert (stored.epochs, stored.network) == (1, {"width": 0.125})


def test_testing_prints_and_writes_the_figures(run, tmp_path, capsys):
    out = tmp_path / "results.json"
    assert cli.main(["test", str(run), "--out", str(out)]) == 0
    assert "accuracy" in capsys.readouterr().out
    figures = json.loads((run / "metrics.json").read_text())["test"]
    assert json.loads(out.read_text())["accuracy"] == figures["accuracy"]


def test_prediction_goes_on_past_a_bad_file(run, tmp_path, capsys):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    out = tmp_path / "answers.csv"
    assert cli.main(["predict", str(run), str(tmp_path), "--top", "2", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert said.out.count(", ") == 1
    bad, empty = said.err.splitlines()
    assert "bad.png is not an image" in bad
    assert "empty.jpg is empty" in empty
    assert len(out.read_text().splitlines()) == 4


def test_prediction_without_a_readable_image_is_a_mistake(run, tmp_path, capsys):
    (tmp_path / "bad.png").write_text("no picture")
    assert cli.main(["predict", str(run), str(tmp_path / "bad.png")]) == 2
    assert "None of the 1 images could be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train", "resnet17"], "Received: 'resnet17'. Did you mean"),
        (["train"], "needs a model name or --config"),
        (["train", "resnet18", "--set", "epoch=3"], "Did you mean epochs"),
        (["train", "resnet18", "--set", "epochs"], "--set needs FIELD=VALUE"),
        (["train", "resnet18", "--data", "fashoin_mini"], "fashion_mini"),
        (["train", "resnet18", "--data", "folder:/nowhere/at/all"], "/nowhere/at/all"),
        (["train", "resnet18", "--setting", "long"], "Received: setting='long'"),
        (["train", "resnet18", "--config", "/nowhere.toml"], "no recipe file /nowhere.toml"),
        (["test", "/nowhere"], "/nowhere"),
        (["predict", "/nowhere", "x.png"], "/nowhere"),
        (["predict", "/nowhere", "x.png", "--out", "a.txt"], "--out needs a file .csv or .json"),
        (["predict", "/nowhere", "x.png", "--out", "/nowhere/a.csv"], "a folder that exists"),
        (["test", "/nowhere", "--out", "a.csv"], "--out needs a file .json. Received: a.csv"),
        (["train", "resnet18", "--data", f"folder:{__file__}"], "a folder, not a file"),
        (["train", "resnet18", "--set", "network.widht=2"], "Did you mean width"),
        (["train", "resnet18", "--out", __file__], "is a file"),
        ([*SHOW, "--recipe", "resnet17"], "Received: 'resnet17'. Did you mean"),
        ([*SHOW, "--recipe", "resnet18", "--setting", "long"], "Received: setting='long'"),
        ([*SHOW, "--recipe", "/nowhere.toml"], "no recipe file /nowhere.toml"),
        ([*SHOW, "--recipe", "/nowhere/run"], "no recipe file /nowhere/run"),
        ([*SHOW, "--recipe", str(Path(__file__).parent)], "it has no recipe.toml"),
        ([*SHOW, "--recipe", __file__], "is not a TOML file"),
        ([*SHOW, "--set", "augmnt=flip"], "Did you mean augment"),
        ([*SHOW, "--set", "augment"], "--set needs FIELD=VALUE"),
        ([*SHOW, "--set", "augment=augmux"], "augmux"),
        ([*SHOW, "--set", "workers=many"], "workers to be a whole number"),
        ([*SHOW, "--setting", "photos"], "--setting needs --recipe MODEL. Received: --setting ph"),
        (["list", "resnut*"], "resnut*"),
        (["show", "resnet17"], "Did you mean"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(words, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    errors = capsys.readouterr().err
    assert text in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["trian", "resnet18"], "kcv: there is no 'trian', did you mean train?"),
        (["data", "chek", "digits"], "kcv data: there is no 'chek', did you mean check?"),
        (["train", "resnet18", "--epochs", "ten"], "--epochs: invalid int value: 'ten'"),
        (["train", "resnet18", "--epoch-count", "3"], "unrecognized arguments: --epoch-count 3"),
        (["predict", "runs/x"], "required: images"),
    ],
)
def test_words_that_are_no_command_are_one_line_and_code_2(words, text, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert text in errors
    assert len(errors.splitlines()) == 1


def test_a_file_that_cannot_be_written_is_called_by_its_name(tmp_path):
    with pytest.raises(OSError, match="nowhere/x.json'$"):
        recipes.run.write_json(tmp_path / "nowhere" / "x.json", {})


def test_debug_shows_the_traceback():
    with pytest.raises(ValueError, match="resnet17"):
        cli.main(["show", "resnet17", "--debug"])


def test_a_recipe_for_another_model_is_refused(tmp_path, capsys):
    recipes.get("resnet18").to_toml(tmp_path / "r.toml")
    assert cli.main(["train", "resnet34", "--config", str(tmp_path / "r.toml")]) == 2
    assert "is a recipe for resnet18. Received: resnet34" in capsys.readouterr().err


def test_the_list_follows_a_pattern(capsys):
    assert cli.main(["list", "vit_tiny*"]) == 0
    assert "vit_tiny_16" in capsys.readouterr().out


def test_a_shown_recipe_is_a_configuration(tmp_path, capsys):
    assert cli.main(["show", "resnet18"]) == 0
    (tmp_path / "r.toml").write_text(capsys.readouterr().out)
    assert recipes.Recipe.from_toml(tmp_path / "r.toml") == recipes.get("resnet18")


@pytest.mark.slow
def test_a_profile_counts_and_times(capsys):
    assert cli.main(["profile", "mobilenet_v2_035", "--image-size", "32"]) == 0
    text = capsys.readouterr().out
    assert "1,677,128" in text
    assert "images/s" in text


def test_the_doctor_trains_a_step_and_knows_every_extra(capsys):
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "a training step works" in out
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    for extra in set(project["project"]["optional-dependencies"]) - {"dev"}:
        assert f"\n{extra}: " in out


def test_help_fits_a_screen_and_every_verb_has_an_example(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24  # a line is left for the next command
    assert max(map(len, lines)) < 80
    for verb in EXAMPLES:
        assert sum(line.startswith(f"    {verb} ") for line in lines) == (" " not in verb)
        with pytest.raises(SystemExit):
            cli.main([*verb.split(), "--help"])
        assert f"example: kcv {verb}" in capsys.readouterr().out


def test_the_version_is_printed(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kcv 0.")


def test_published_weights_are_listed(capsys):
    assert cli.main(["list", "resnet50", "--weights"]) == 0
    out = capsys.readouterr().out
    assert "timm/resnet50.a1_in1k" in out
    assert "torchvision/resnet50.IMAGENET1K_V2" in out


def test_no_weights_of_a_name_is_a_mistake(capsys):
    assert cli.main(["list", "nothing*", "--weights"]) == 2
    assert "No checkpoint or model name matches. Received: 'nothing*'" in capsys.readouterr().err


def test_checking_data_writes_a_page_and_a_cleaned_list(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    (tmp_path / "photos" / "a" / "broken.png").write_bytes(b"no picture")
    spec, out = f"folder:{tmp_path / 'photos'}", tmp_path / "checked"
    assert cli.main(["data", "check", spec, "--fix", "--out", str(out)]) == 0
    assert "broken.png" in (out / "check.html").read_text()
    assert "broken.png" not in (out / "clean.csv").read_text()
    assert "page: " in capsys.readouterr().out


def shown(tmp_path, *words):
    """Return the text of the page of `kcv data show`."""
    assert cli.main(["data", "show", *words, "--out", str(tmp_path / "s.html")]) == 0
    return (tmp_path / "s.html").read_text()


@pytest.mark.parametrize(
    ("words", "augment"),
    [
        ([], "none"),
        (["--set", "augment=augmix"], "augmix"),
        (["--recipe", "resnet18"], "none"),  # digits are not mirrored, and too small for shifts
        (["--recipe", "resnet18", "--setting", "photos"], "crop + flip"),
        (["--recipe", "resnet18", "--set", "augment=vflip", "seed=1"], "vflip"),
    ],
)
def test_showing_data_takes_the_random_changes_of_a_recipe(words, augment, tmp_path):
    page = shown(tmp_path, "digits", *words)
    assert f"<span>random changes</span><b>{augment}</b>" in page
    assert "data:image/png;base64," in page


def test_showing_data_takes_the_mixing_and_the_sizes_of_a_recipe(tmp_path):
    words = ["--set", "mixup=1", "start_size=16", "image_size=24", "epochs=4", "repeats=3"]
    page = shown(tmp_path, "fashion_mini", *words)
    assert "<b>16 x 16 x 1</b><span>growing to 24 x 24; " in page
    assert "mixed in pairs by mixup" in page
    assert "Each image comes 3 times in a row" in page


def test_showing_data_takes_a_recipe_file_or_a_run_folder(run, tmp_path):
    recipes.Recipe("resnet18", augment="vflip", image_size=20).to_toml(tmp_path / "r.toml")
    page = shown(tmp_path, "fashion_mini", "--recipe", str(tmp_path / "r.toml"))
    assert "<b>vflip</b>" in page
    assert "<b>20 x 20 x 1</b>" in page
    page = shown(tmp_path, "fashion_mini", "--recipe", str(run), "--set", "repeats=2")
    assert "<b>8 x 8 x 1</b>" in page
    assert "Each image comes 2 times" in page


def test_data_is_shown_as_a_run_resizes_it(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    about = json.loads((copy / "model.json").read_text())
    pages = []
    for crop_pct in (1.0, 0.5):
        about["resize"]["crop_pct"] = crop_pct
        (copy / "model.json").write_text(json.dumps(about))
        pages.append(shown(tmp_path, "fashion_mini", "--recipe", str(copy)))
    assert pages[0] != pages[1]


def test_a_model_goes_before_a_folder_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("resnet18").mkdir()
    assert "<b>none</b>" in shown(tmp_path, "digits", "--recipe", "resnet18")
