"""Training from start to report, with real processes where a process matters."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import kcv
from kcv import recipes

QUICK = {
    "epochs": 2,
    "batch_size": 32,
    "base_batch": 32,
    "learning_rate": 0.05,
    "stem": "small",
    "augment": "none",
    "network": {"width": 0.125, "depths": [1, 1, 1, 1]},
}


def quick(data="digits", **options):
    return recipes.train("resnet18", data, **{**QUICK, **options})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return quick(out=tmp_path_factory.mktemp("runs") / "first", epochs=4, ema_decay=0.9)


def photos(root, classes=("red", "blue"), count=12, size=(20, 16)):
    """Write a folder of small noisy colour images, a folder a class."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 100, (*size, 3), np.uint8)
            pixels[..., 2 * (number % 2)] += 120
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


def test_a_run_folder_has_what_the_next_step_needs(run):
    names = {p.name for p in run.path.iterdir()}
    assert names >= {
        "recipe.toml",
        "environment.json",
        "log.jsonl",
        "checkpoints",
        "model.keras",
        "model.json",
        "metrics.json",
        "predictions.npz",
        "splits.json",
        "report.html",
    }


def test_the_splits_of_a_run_are_those_of_its_data(run):
    stored = json.loads((run.path / "splits.json").read_text())
    data = kcv.data.load("digits", seed=run.recipe.seed)
    assert stored == json.loads(json.dumps(data.splits))
    assert [len(stored[part]) for part in ("train", "val", "test")] == [1167, 130, 500]
    whole = [key for part in ("train", "val", "test") for key in stored[part]]
    assert len(set(whole)) == len(whole)


def test_the_test_part_is_read_once_and_last(tmp_path, monkeypatch):
    seen, loaded = [], kcv.data.Batches._loaded
    monkeypatch.setattr(
        kcv.data.Batches, "_loaded", lambda self: seen.append(self.part) or loaded(self)
    )
    quick(out=tmp_path / "run", epochs=2)
    assert seen.count("test") == 1
    assert seen.index("test") > max(at for at, part in enumerate(seen) if part == "train")


def test_unreadable_files_count_in_their_part(tmp_path):
    root = photos(tmp_path / "photos", count=30)
    for name in ("red", "blue"):
        (tmp_path / "split" / "train").mkdir(parents=True, exist_ok=True)
        (root / name).rename(tmp_path / "split" / "train" / name)
    photos(tmp_path / "split" / "test", count=6)
    for broken in ("train/red/0.png", "train/blue/3.png", "test/blue/1.png"):
        (tmp_path / "split" / broken).write_bytes(b"")
    run = quick(f"folder:{tmp_path / 'split'}", out=tmp_path / "run", epochs=1, batch_size=16)
    found = [one["part"] for one in run.metrics["skipped"]]
    assert run.metrics["test"]["skipped"] == found.count("test") == 1
    assert run.metrics["val"]["skipped"] == found.count("val")
    assert found.count("train") + found.count("val") == 2


def test_training_beats_chance_and_is_logged(run):
    assert run.metrics["test"]["accuracy"] > 0.5
    assert run.metrics["test"]["count"] == len(np.load(run.path / "predictions.npz")["labels"])
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]
    needed = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}
    assert needed <= set(run.history[0])
    lines = (run.path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run.history


def test_the_floor_is_a_linear_classifier(run):
    assert 0.85 < run.metrics["floor"]["accuracy"] < 1


def test_the_recipe_of_a_run_has_every_choice_made(run):
    stored = recipes.Recipe.from_toml(run.path / "recipe.toml")
    assert stored == run.recipe
    assert (stored.stem, stored.image_size, stored.channels) == ("small", 8, 1)
    assert stored.threads > 0


def test_evaluation_gives_the_figures_of_the_run(run):
    again = recipes.evaluate(run.path)
    assert again["accuracy"] == run.metrics["test"]["accuracy"]
    assert again["loss"] == pytest.approx(run.metrics["test"]["loss"], rel=1e-5)


def test_the_saved_model_is_the_averaged_one_that_was_validated(run):
    val = recipes.evaluate(run.path, split="val")
    assert val["accuracy"] == pytest.approx(run.history[-1]["val_accuracy"], abs=1e-6)


def test_predictions_have_the_keys_of_the_api(run):
    image = kcv.data.load("digits").test.images([0])[0]
    result = kcv.predict(run, image, top=3)[0]
    assert {"pred_class", "pred_label", "pred_score", "top"} <= set(result)
    assert len(result["top"]) == 3


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(tmp_path):
    first, second = (quick(out=tmp_path / name, epochs=1) for name in "ab")
    other = quick(out=tmp_path / "c", epochs=1, seed=1)
    assert first.metrics["test"] == second.metrics["test"]
    assert first.metrics["test"]["loss"] != other.metrics["test"]["loss"]


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    options = {"epochs": 3, "ema_decay": 0.9, "threads": 1}
    whole = quick(out=tmp_path / "whole", **options)

    class StopError(Exception):
        pass

    def stop(self, epoch, logs=None):
        keep(self, epoch, logs)
        if epoch == 1:
            raise StopError

    keep = recipes.training.EpochLog.on_epoch_begin
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes.training.EpochLog, "on_epoch_begin", stop)
        with pytest.raises(StopError):
            quick(out=tmp_path / "cut", **options)
    resumed = quick(out=tmp_path / "cut", resume="auto", **options)
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert resumed.metrics["test"] == whole.metrics["test"]
    assert [r["loss"] for r in resumed.history] == [r["loss"] for r in whole.history]


def test_a_resumed_run_keeps_its_settings(run):
    with pytest.raises(ValueError, match="keeps its settings: .* has epochs=4. Received: epochs=9"):
        quick(out=run.path, resume="auto", epochs=9)


def test_a_folder_in_use_is_refused(run):
    with pytest.raises(FileExistsError, match="exists and is not empty.*--resume auto"):
        quick(out=run.path)


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run to resume in .*nowhere"):
        quick(resume=tmp_path / "nowhere")


def test_a_folder_of_photos_trains_and_skips_what_it_cannot_read(tmp_path):
    root = photos(tmp_path / "photos")
    (root / "red" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a picture")
    run = quick(f"folder:{root}", out=tmp_path / "run", image_size=16, batch_size=8)
    assert len(run.metrics["skipped"]) == 1
    assert "torn.jpg" in run.metrics["skipped"][0]["path"]
    assert "torn.jpg" in (run.path / "report.html").read_text()


@pytest.mark.slow
def test_evaluation_on_a_folder_of_classes_counts_every_image(tmp_path):
    root = photos(tmp_path / "photos")
    run = quick(f"folder:{root}", out=tmp_path / "run", image_size=16, batch_size=8)
    other = photos(tmp_path / "other", count=5)
    assert recipes.evaluate(run.path, f"folder:{other}")["count"] == 10


def test_evaluation_refuses_other_classes(tmp_path, run):
    root = photos(tmp_path / "photos")
    with pytest.raises(ValueError, match="must have the classes of the run.*Received: blue, red"):
        recipes.evaluate(run.path, f"folder:{root}")


def test_evaluation_refuses_an_unknown_part(run):
    with pytest.raises(ValueError, match="Received: split='tset'"):
        recipes.evaluate(run.path, split="tset")


def test_fine_tuning_replaces_the_head(tmp_path, run):
    x, y = np.zeros((60, 8, 8), np.uint8), np.arange(60) % 3
    x[np.arange(60), 2 * y] = 255
    tuned = recipes.finetune(
        "resnet18", run.path, (x, y), out=tmp_path / "tuned", epochs=2, batch_size=16, freeze=True
    )
    assert tuned.model.output.shape == (None, 3)
    np.testing.assert_array_equal(tuned.model.get_weights()[0], run.model.get_weights()[0])


def test_fine_tuning_needs_weights_of_the_same_network(run):
    with pytest.raises(ValueError, match="belong to resnet18. Received: 'resnet34'"):
        recipes.finetune("resnet34", run.path)


def start(folder, *words):
    """Start `kcv train` in a process of its own and return it."""
    options = ["--set", "network.width=0.125", "batch_size=16", "--data", "digits", "--out", folder]
    return subprocess.Popen(
        [sys.executable, "-m", "kcv", "train", "resnet18", *options, "--epochs", "40", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # a shell that starts the tests in the background hands on an ignored Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_epochs(folder, count, process):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if len(list((folder / "checkpoints").glob("*.json"))) >= count:
            return
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"no {count} checkpoints: {process.communicate()}")


@pytest.mark.slow
def test_ctrl_c_leaves_a_usable_folder_and_code_130(tmp_path):
    folder = tmp_path / "run"
    process = start(folder)
    wait_for_epochs(folder, 1, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "--resume" in errors
    assert (folder / "report.html").is_file()
    assert "pred_class" in kcv.predict(folder, np.zeros((8, 8, 1), np.uint8))[0]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path):
    folder = tmp_path / "run"
    process = start(folder)
    wait_for_epochs(folder, 2, process)
    process.kill()
    process.communicate()
    done = _newest(folder)
    again = start(folder, "--resume", "auto")
    wait_for_epochs(folder, 2, again)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and len(_rows(folder)) < done + 1:
        time.sleep(0.05)
    again.kill()
    again.communicate()
    assert [row["epoch"] for row in _rows(folder)][: done + 1] == list(range(1, done + 2))


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    folder = tmp_path / "run"
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000));"
    words = ["train", "resnet18", "--data", "digits", "--epochs", "1", "--out", str(folder)]
    code = f"{limit} from kcv.cli import main; sys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=500)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr.splitlines()[-1]
    assert len(_rows(folder)) == 1
    assert not list(folder.glob(".aside*"))


@pytest.fixture
def small_disk(tmp_path):
    """Give the root of a disk of 16 MB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(words, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small disk; the limit of file sizes is tested above")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk):
    """Write until nothing fits any more; return the file that is in the way."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"0" * size) == size:
                    pass
            except OSError:
                continue
    return path


@pytest.mark.slow
def test_a_run_on_a_full_disk_ends_in_a_line_and_goes_on_when_there_is_room(small_disk):
    process = start(small_disk / "run", "--set", "network.width=0.25")
    wait_for_epochs(small_disk / "run", 1, process)
    filler = fill(small_disk)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "Traceback" not in errors
    failed = [line for line in errors.splitlines() if "was NOT written: No space left" in line]
    assert len(failed) == 2
    last = errors.splitlines()[-1]
    assert last.startswith("kcv: Checkpoint needs a folder that can be written. Received: No space")
    assert "3 times in a row" in last
    filler.unlink()
    kept, rows = _newest(small_disk / "run"), _rows(small_disk / "run")
    again = start(small_disk / "run", "--set", "network.width=0.25", "--resume", "auto")
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and _newest(small_disk / "run") == kept:
        time.sleep(0.05)
    again.kill()
    again.communicate()
    after = _rows(small_disk / "run")
    assert [row["epoch"] for row in after] == list(range(1, len(after) + 1))
    assert len(after) > kept >= 1
    assert after[:kept] == rows[:kept]


def _newest(folder):
    """Return the number of epochs that the newest checkpoint holds."""
    return max(int(p.stem.split("-")[1]) for p in (folder / "checkpoints").glob("*.json"))


@pytest.mark.slow
def test_a_disk_full_from_the_start_is_one_line(small_disk):
    fill(small_disk)
    process = start(small_disk / "run")
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("kcv: No space left on device: ")
    assert "Traceback" not in errors


def test_a_full_disk_keeps_the_model_before(small_disk):
    model = kcv.models.build("mobilenet_v2_035", num_classes=2, image_size=32, stem="small")
    target = small_disk / "model.keras"
    recipes.training.save_model(model, target)
    before, _ = target.read_bytes(), fill(small_disk)
    with pytest.raises(OSError, match="No space left on device"):
        recipes.training.save_model(model, target)
    assert target.read_bytes() == before
    assert sorted(p.name for p in small_disk.iterdir()) == ["filler", "model.keras"]


@pytest.mark.slow
def test_ctrl_c_before_the_first_epoch_ends_leaves_a_usable_folder(tmp_path):
    folder = tmp_path / "run"
    process = start(folder, "--set", "network.width=0.5", "batch_size=16", "image_size=32")
    deadline = time.monotonic() + 240
    while not (folder / "model.json").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)  # into the first steps
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Stopped after 0 of 40 epochs. Go on with: kcv train resnet18 --resume" in errors
    assert "pred_class" in kcv.predict(folder, np.zeros((8, 8, 1), np.uint8))[0]
    assert "no epoch was finished" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_ctrl_c_while_the_result_is_measured_costs_no_epoch(tmp_path, monkeypatch, caplog):
    def interrupt(data):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recipes.floor, "linear_accuracy", interrupt)
        with pytest.raises(KeyboardInterrupt):
            quick(out=tmp_path / "run", ema_decay=0.9)
    assert "Stopped after 2 of 2 epochs. Go on with" in caplog.text
    assert not (tmp_path / "run" / "metrics.json").exists()
    resumed = quick(out=tmp_path / "run", ema_decay=0.9, resume="auto")
    assert resumed.metrics["epochs"] == 2
    assert resumed.metrics["test"] == recipes.evaluate(tmp_path / "run")


@pytest.mark.parametrize("changes", [{"network": {"widht": 1}}, {"weights": "nowhere.pth"}])
def test_a_mistake_found_late_leaves_no_folder(tmp_path, changes):
    with pytest.raises((ValueError, FileNotFoundError)):
        quick(out=tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(FileExistsError, match="The output folder is a file: .*run. Choose another"):
        quick(out=tmp_path / "run")


def _rows(folder):
    try:
        return [json.loads(x) for x in (folder / "log.jsonl").read_text().splitlines()]
    except FileNotFoundError:
        return []
