"""The report of a run, on a run folder made of real files."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import kcv.report
from kcv.report import folder, pictures, plots, sections

NAMES = ["shirt", "coat", "bag"]


class Run:
    """An object with a path, as training returns one."""

    def __init__(self, path):
        self.path = path


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


def write_start(path, epochs=2, planned=3):
    """Write what stands in a run folder before the last epoch has ended."""
    path.mkdir(parents=True, exist_ok=True)
    recipe = f'model = "mobilenet_v2"\ndata = "folder:a&b"\nepochs = {planned}\nema = true\n'
    (path / "recipe.toml").write_text(recipe, encoding="utf-8")
    command = "kcv train mobilenet_v2 --data 'folder:a&b'"
    environment = {"kcv": "0.1", "keras": "3.15", "device": "some cpu", "command": command}
    write_json(path / "environment.json", environment)
    row = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.1, "val_accuracy": 0.6, "seconds": 30.0}
    lines = [json.dumps({"epoch": i + 1, "learning_rate": 0.1, **row}) for i in range(epochs)]
    (path / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_end(path, names=NAMES, count=60, channels=1, size=28, **metrics):
    """Write what a finished run adds: four of five answers are right."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % len(names)
    answers = np.where(np.arange(count) % 5 == 0, (labels + 1) % len(names), labels)
    logits = rng.uniform(0, 1, (count, len(names))) + 4 * np.eye(len(names))[answers]
    probabilities = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype("float32")
    shown = np.concatenate(kcv.report.examples(probabilities, labels))
    np.savez_compressed(
        path / "predictions.npz",
        probabilities=probabilities,
        labels=labels,
        names=np.array([f"{names[y]}/{i}.jpg" for i, y in enumerate(labels)]),
        split=np.array("test"),
        thumbnails=rng.integers(0, 256, (len(shown), size, size, channels), dtype=np.uint8),
        thumbnail_index=shown,
    )
    test = {"accuracy": 0.8, "count": count, "skipped": 0}
    defaults = {"test": test, "parameters": 2_236_682, "seconds": 252.0, "epochs": 3}
    write_json(path / "metrics.json", defaults | metrics)
    write_json(path / "model.json", {"class_names": names, "channels": channels})
    return path


@pytest.fixture
def run(tmp_path):
    return write_end(write_start(tmp_path / "run", epochs=3))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a finished run, for the tests that only read it."""
    return page_of(write_end(write_start(tmp_path_factory.mktemp("run"), epochs=3)))


def page_of(path):
    return kcv.report.write(path).read_text(encoding="utf-8")


def problems_of(path):
    return sections.problems(folder.read(path))


class Outside(HTMLParser):
    """Collects every address that a page would fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for key, value in attributes:
            if key in ("src", "href", "xlink:href", "srcset") and value[:1] != "#":
                self.found.append(value if not value.startswith("data:image/") else "data")
        if tag in ("script", "link", "iframe"):
            self.found.append(tag)


def test_report_is_written_into_the_run_folder(run):
    assert kcv.report.write(run) == run / "report.html"


def test_report_takes_an_object_with_a_path(run):
    assert kcv.report.write(Run(run)).exists()


@pytest.mark.parametrize("out", ["elsewhere/page.html", "."])
def test_report_goes_where_it_is_told(run, tmp_path, out):
    path = kcv.report.write(run, tmp_path / out)
    assert path == tmp_path / (out if out != "." else "report.html")
    assert path.with_name("curves.png").exists()


def test_report_fetches_nothing(page):
    outside = Outside()
    outside.feed(page)
    assert set(outside.found) == {"data"}
    assert "@import" not in page
    assert "url(http" not in page


def test_every_reference_inside_the_page_has_its_target_once(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', page)
    assert used
    assert set(used) <= set(ids)
    assert len(ids) == len(set(ids))


def test_headline_gives_accuracy_with_interval_and_count(page):
    assert "80.0%" in page
    assert "95% interval 68.2 to 88.2%, n = 60" in page


def test_headline_gives_model_data_size_time_and_device(page):
    for text in (
        "mobilenet_v2 on folder:a&amp;b",
        "2.24 million",
        "2,236,682",
        "4 min 12 s",
        "some cpu",
    ):
        assert text in page


def test_top5_is_shown_where_there_are_more_than_five_classes(tmp_path):
    test = {"accuracy": 0.8, "top5_accuracy": 0.98, "count": 60}
    path = write_end(write_start(tmp_path), names=list("abcdefg"), test=test)
    assert "top-5 98.0%" in sections.headline(folder.read(path))


def test_recipe_and_environment_are_listed(page):
    assert "<dt>ema</dt><dd>yes</dd>" in page
    assert "<dt>keras</dt><dd>3.15</dd>" in page
    assert "kcv train mobilenet_v2 --data &#x27;folder:a&amp;b&#x27;" in page


def test_arguments_of_the_network_are_listed_as_toml_names_them(run):
    with open(run / "recipe.toml", "a", encoding="utf-8") as file:
        file.write("[network]\nwidth = 0.25\ndepths = [1, 2]\n")
    html = sections.recipe(folder.read(run))
    assert "<dt>network.width</dt><dd>0.25</dd>" in html
    assert "<dt>network.depths</dt><dd>1, 2</dd>" in html


@pytest.mark.parametrize(
    ("line", "augmented"),
    [('augment = "none"', False), ('augment = "flip_shift"', True), ("mixup = 0.2", True)],
)
def test_training_images_are_called_augmented_where_they_are(run, line, augmented):
    with open(run / "recipe.toml", "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    html = sections.curves(folder.read(run))
    assert ("measured on augmented images while" in html) == augmented
    assert ("measured while the weights still move" in html) != augmented


CHROMIUM = shutil.which("chromium")
MEASURE = """<script>
const cut = [...document.querySelectorAll(".value")].filter(value => {
  const [one, room] = [value, value.parentElement].map(e => e.getBoundingClientRect());
  return one.left < room.left - 1 || one.right > room.right + 1;
});
parent.document.title = `cut: ${cut.length} of ${document.querySelectorAll(".value").length}`;
</script></body>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("share", [0.992, 0.76, 0.74])
def test_figures_stand_inside_their_bars_on_a_telephone(tmp_path, share):
    floor = {"name": "linear classifier on pixels", "accuracy": share}
    test = {"accuracy": share, "count": 500}
    path = write_end(write_start(tmp_path), floor=floor, test=test)
    # a window is 500 pixels wide at least, a frame in it is not
    inner = escape(page_of(path).replace("</body>", MEASURE))
    page = tmp_path / "measured.html"
    page.write_text(f'<title></title><iframe width=400 srcdoc="{inner}"></iframe>', "utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "<title>cut: 0 of 3</title>" in done.stdout


def test_floor_is_drawn_beside_the_accuracy(tmp_path):
    floor = {"name": "linear classifier on pixels", "accuracy": 0.71}
    html = sections.comparison(folder.read(write_end(write_start(tmp_path), floor=floor)))
    assert "linear classifier on pixels" in html
    assert "71.0%" in html


def test_most_confused_pair_is_named(page):
    assert "<td>shirt</td><td>coat</td>" in page


def test_class_table_shows_recall_and_support(page):
    assert re.search(r"<td>coat</td>.*?80\.0%.*?<td[^>]*>20</td>", page)


def test_gallery_shows_a_mistake_with_both_classes_and_file(page):
    figures = re.findall(r"<figure.*?</figure>", page)
    assert len(figures) == 24
    assert re.search(r'title="coat/\d+.jpg">.*>bag</span> \d.*is coat', figures[0])


@pytest.mark.parametrize("value", [["a.jpg is empty"], [{"path": "a.jpg", "reason": "is empty"}]])
def test_skipped_files_are_listed(tmp_path, value):
    path = write_end(write_start(tmp_path), skipped=value)
    assert "<li>a.jpg is empty</li>" in sections.skipped(folder.read(path))


def test_skipped_files_are_counted(tmp_path):
    path = write_end(write_start(tmp_path), test={"accuracy": 0.8, "count": 60, "skipped": 3})
    assert "<li>3 in the test part</li>" in sections.skipped(folder.read(path))


def test_names_of_every_script_and_markup_are_shown_as_they_are(tmp_path):
    page = page_of(write_end(write_start(tmp_path), names=["香蕉", "<b>$x_1$</b>", "pomme"]))
    assert "香蕉" in page
    assert "&lt;b&gt;$x_1$&lt;/b&gt;" in page
    assert "<b>$x" not in page


def test_interrupted_run_says_what_is_missing_and_how_to_go_on(tmp_path):
    page = page_of(write_start(tmp_path))
    reason = "metrics.json is missing: the run stopped after epoch 2 of 3, before the test part"
    assert reason in page
    assert f"kcv train mobilenet_v2 --resume {tmp_path}" in page
    assert "not measured" in page
    assert "best validation accuracy 60.0%" in page


def test_run_without_an_epoch_has_a_report_without_curves(tmp_path):
    (write_start(tmp_path) / "log.jsonl").unlink()
    page = page_of(tmp_path)
    assert "log.jsonl is missing: no epoch was finished" in page
    assert "<svg" not in page


def test_missing_predictions_are_explained(run):
    (run / "predictions.npz").unlink()
    page = page_of(run)
    assert "predictions.npz is missing: without it there are no confusion matrix" in page
    assert "80.0%" in page


@pytest.mark.parametrize("name", ["recipe.toml", "metrics.json", "predictions.npz"])
def test_damaged_file_is_named_and_the_rest_is_shown(run, name):
    (run / name).write_bytes(b"\x00{[")
    page = page_of(run)
    assert f"{name} cannot be read: " in page
    assert "Training" in page


def test_json_file_without_an_object_is_named(run):
    (run / "metrics.json").write_text("[1]", encoding="utf-8")
    assert "metrics.json must hold a JSON object. Received: list." in problems_of(run)


def test_predictions_of_unequal_length_are_refused(run):
    np.savez(run / "predictions.npz", probabilities=np.eye(3), labels=[0], names=["a"])
    assert (
        "predictions.npz needs probabilities (N, K), labels (N,) or (N, K), and names (N,)"
        in problems_of(run)
    )


def test_predictions_with_a_label_outside_the_classes_are_refused(run):
    np.savez(run / "predictions.npz", probabilities=np.eye(2), labels=[0, 5], names=["a", "b"])
    assert "and labels from 0 to 1. Received: 2 images, labels [0, 5]" in problems_of(run)


def test_half_a_log_line_costs_only_itself(run):
    with open(run / "log.jsonl", "a", encoding="utf-8") as file:
        file.write('{"epoch": 4, "lo')
    assert "log.jsonl, line 4 is damaged" in problems_of(run)


def test_repeated_epoch_of_a_resumed_run_counts_once(run):
    with open(run / "log.jsonl", "a", encoding="utf-8") as file:
        file.write('{"epoch": 3, "loss": 0.25}\n')
    line = kcv.report.curves(run).axes[0].lines[0]
    assert line.get_ydata().tolist() == [1.0, 1.0, 0.25]


def test_diverged_run_is_said_to_have_diverged(run):
    with open(run / "log.jsonl", "a", encoding="utf-8") as file:
        file.write('{"epoch": 4, "loss": NaN, "val_loss": NaN}\n')
    assert "not a finite number from epoch 4 on" in problems_of(run)


@pytest.mark.slow
def test_failed_write_leaves_the_former_report(run, monkeypatch):
    kcv.report.write(run)
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        kcv.report.write(run)
    assert (run / "report.html").read_text(encoding="utf-8").endswith("</html>\n")


@pytest.mark.slow
def test_page_of_a_thousand_classes_of_photos_stays_small(tmp_path):
    names = [f"class {i}" for i in range(1000)]
    path = write_end(write_start(tmp_path), names=names, count=3000, channels=3, size=224)
    report = kcv.report.write(path)
    assert report.stat().st_size < 1_000_000
    assert "Of 1000 classes, the 30 weakest" in report.read_text(encoding="utf-8")


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="A report needs a run folder. Received: .*none is not"
    ):
        kcv.report.write(tmp_path / "none")


def test_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one of recipe.toml, .*which has none of them"):
        kcv.report.write(tmp_path)


def test_confusion_without_predictions_is_refused(tmp_path):
    with pytest.raises(ValueError, match="A confusion matrix needs predictions.npz"):
        kcv.report.confusion(write_start(tmp_path))


def test_curves_show_training_validation_and_learning_rate(run):
    loss, accuracy, rate = kcv.report.curves(run).axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert accuracy.lines[1].get_ydata().tolist() == [0.6] * 3
    assert rate.lines[0].get_ydata().tolist() == [0.1] * 3


@pytest.mark.parametrize("count", [3, 30, 300])
def test_figures_are_at_most_900_pixels_wide(tmp_path, count):
    path = write_end(write_start(tmp_path), names=[f"$ {i}" for i in range(count)], count=600)
    for figure in (kcv.report.curves(path), kcv.report.confusion(path)):
        assert figure.get_figwidth() * figure.dpi <= 900


def test_figures_hold_ascii_only(tmp_path):
    path = write_end(write_start(tmp_path), names=["香蕉", "b", "c"])
    ticks = kcv.report.confusion(path).axes[0].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["0", "1", "2"]


def test_large_matrix_adds_up_neighbouring_classes():
    matrix = np.arange(25).reshape(5, 5)
    assert plots._in_blocks(matrix, 2)[0].tolist() == [0 + 1 + 5 + 6, 2 + 3 + 7 + 8, 4 + 9]


def test_small_thumbnail_is_kept_exact_and_large_one_is_shrunk():
    pixels = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28, 1)
    small, large = (
        Image.open(io.BytesIO(base64.b64decode(pictures.thumbnail(p).split(",")[1])))
        for p in (pixels, np.zeros((300, 200, 3), np.uint8))
    )
    np.testing.assert_array_equal(np.asarray(small), pixels[..., 0])
    assert large.size == (96, 144)


def test_names_that_are_not_unicode_do_not_cost_the_report(tmp_path):
    assert "a&#56575;" in page_of(write_end(write_start(tmp_path), names=["a\udcff", "b", "c"]))


def test_report_leaves_pyplot_alone(run):
    from matplotlib import get_backend, pyplot

    before = pyplot.get_fignums(), get_backend()
    kcv.report.write(run)
    assert (pyplot.get_fignums(), get_backend()) == before


def test_run_on_data_without_a_test_part_says_so(tmp_path):
    path = write_end(write_start(tmp_path), test=None)
    (path / "predictions.npz").unlink()
    assert "the data has no test part" in problems_of(path)
    assert "not measured" in sections.headline(folder.read(path))
