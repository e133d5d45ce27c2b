"""Prediction with small real models, on real files, whole and broken."""

import csv
import errno
import json
import logging
import os

import keras
import numpy as np
import pytest
from PIL import Image

from kcv import inference
from kcv.inference import load_run, predict

# Keras 3.15 turns torch tensors into arrays in a way that NumPy 2.4 will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ["dark", "grey", "bright"]


def brightness_model(size=8, channels=1, **head):
    """Tell dark from grey from bright: logit k is 10 - |mean - centre k| / 10."""
    image = keras.Input((size, size, channels))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    # Two units that together are the distance of the mean from each centre.
    above = keras.layers.Dense(3, activation="relu", name="above")(mean)
    below = keras.layers.Dense(3, activation="relu", name="below")(mean)
    far = keras.layers.Add()([above, below])
    logits = keras.layers.Dense(3, name="logits", **head)(far)
    model = keras.Model(image, logits)
    weight = np.ones((channels, 3)) / channels
    centres = np.array([0, 0.5, 1])
    model.get_layer("above").set_weights([weight, -centres])
    model.get_layer("below").set_weights([-weight, centres])
    model.get_layer("logits").set_weights([-20 * np.eye(3), np.zeros(3)])
    return model


def write_run(path, model, **changes):
    path.mkdir(exist_ok=True)
    model.save(path / "model.keras")
    _, height, width, channels = model.input_shape
    info = {"class_names": NAMES, "image_size": [height, width], "channels": channels}
    (path / "model.json").write_text(json.dumps(info | changes), encoding="utf-8")
    return path


def grey(value, size=8):
    return np.full((size, size, 1), value, np.uint8)


class Run:
    """What training returns, as far as prediction needs it."""

    def __init__(self, model, path):
        self.model, self.path = model, path


@pytest.fixture(scope="module")
def model():
    return brightness_model()


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"), model)


@pytest.fixture
def photos(tmp_path):
    """A folder with three good files, two bad ones and one that is no image at all."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(np.full((20, 30, 3), 250, np.uint8)).save(folder / "a.png")
    Image.fromarray(np.full((9, 9), 2, np.uint8)).save(folder / "more" / "香蕉.jpg")
    Image.fromarray(np.full((9, 9), 128, np.uint8)).save(folder / "z.bmp")
    whole = (folder / "a.png").read_bytes()
    (folder / "b_cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "c_text.jpg").write_text("not an image", encoding="utf-8")
    (folder / "notes.txt").write_text("passed over", encoding="utf-8")
    return folder


def classes(results):
    return [one.get("pred_class", "error") for one in results]


def test_result_has_class_label_score_top_and_path(run):
    (result,) = predict(run, grey(255))
    assert list(result) == ["pred_class", "pred_label", "pred_score", "top", "path"]
    assert (result["pred_class"], result["pred_label"], result["path"]) == ("bright", 2, None)
    assert [one["class"] for one in result["top"]] == ["bright", "grey", "dark"]
    assert result["top"][0] == {"class": "bright", "label": 2, "score": result["pred_score"]}


def test_scores_are_the_softmax_of_the_logits(run):
    (result,) = predict(run, grey(255))
    expected = np.exp([0, -10, -20]) / np.exp([0, -10, -20]).sum()
    np.testing.assert_allclose([one["score"] for one in result["top"]], expected, rtol=1e-4)


def test_softmax_layer_at_the_end_is_not_doubled(model):
    scores = [
        predict(m, grey(200))[0]["pred_score"]
        for m in (model, brightness_model(activation="softmax"))
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_softmax_does_not_overflow():
    assert inference.softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]


def test_top_limits_the_classes(run):
    assert len(predict(run, grey(0), top=2)[0]["top"]) == 2
    assert len(predict(run, grey(0), top=9)[0]["top"]) == 3


def test_run_object_gives_the_same_as_its_folder(run, model):
    assert predict(Run(model, run), grey(90)) == predict(run, grey(90))


def test_keras_model_numbers_its_classes(model):
    assert predict(model, grey(0))[0]["pred_class"] == "0"


def test_keras_model_takes_class_names(model):
    assert predict(model, grey(0), class_names=NAMES)[0]["pred_class"] == "dark"


def test_folder_is_read_in_order_and_bad_files_cost_only_themselves(run, photos, caplog):
    with caplog.at_level(logging.WARNING, "kcv"):
        results = predict(run, photos)
    names = ["a.png", "b_cut.png", "c_text.jpg", "more/香蕉.jpg", "z.bmp"]
    assert [one["path"] for one in results] == [str(photos / name) for name in names]
    assert classes(results) == ["bright", "error", "error", "dark", "grey"]
    assert "b_cut.png is truncated or damaged" in results[1]["error"]
    assert "c_text.jpg is not an image that kcv can read" in caplog.text


def test_files_of_other_kinds_are_told_of_and_hidden_folders_left_out(run, photos, caplog):
    (photos / "x.heic").write_bytes(b"ftypheic")
    (photos / "model.keras").write_bytes(b"nobody takes this for an image")
    (photos / ".thumbnails").mkdir()
    Image.new("L", (5, 5)).save(photos / ".thumbnails" / "a.png")
    (photos / "linked").symlink_to(photos / "more")
    results = predict(run, photos)
    names = ["a.png", "b_cut.png", "c_text.jpg", "linked/香蕉.jpg", "more/香蕉.jpg", "z.bmp"]
    assert [one["path"] for one in results] == [str(photos / name) for name in names]
    assert f"{photos}: 1 file is not taken for images: 1 .heic. Convert" in caplog.text


def test_a_folder_that_may_not_be_read_costs_only_itself(run, photos, caplog, monkeypatch):
    scandir = os.scandir  # the rights of files do not bind the user of every test

    def refuse(path):
        if os.fspath(path).endswith("more"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    results = predict(run, photos)
    assert [one["path"] for one in results][-1] == str(photos / "z.bmp")
    assert len(results) == 4
    assert f"no permission to read {photos / 'more'}." in caplog.text
    with pytest.raises(PermissionError):
        predict(run, photos / "more")


def test_a_terminal_shows_how_far_prediction_has_come(run, photos, on_stderr):
    text = on_stderr(lambda: predict(run, photos, batch_size=1))
    assert [count for count in "12345" if f" {count}/5 [" in text] == list("12345")
    assert text.startswith("\rClassifying:")


def test_missing_file_is_reported_and_the_others_go_on(run, photos):
    results = predict(run, [str(photos / "none.png"), photos / "a.png"])
    assert results[0] == {
        "path": str(photos / "none.png"),
        "error": f"{photos / 'none.png'} does not exist.",
    }
    assert results[1]["pred_class"] == "bright"


def test_only_bad_files_give_only_errors(run, photos):
    assert classes(predict(run, [photos / "b_cut.png"] * 3, batch_size=2)) == ["error"] * 3


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batches_change_neither_order_nor_scores(run, photos, batch_size):
    several = [photos / "z.bmp", grey(0), photos / "b_cut.png", Image.new("L", (5, 5), 255), photos]
    results = predict(run, several, batch_size=batch_size)
    expected = ["grey", "dark", "error", "bright", "bright", "error", "error", "dark", "grey"]
    assert classes(results) == expected
    assert results[3]["pred_score"] == pytest.approx(0.99995, abs=1e-4)


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 1), (8, 8, 3), (1, 8, 8, 1), (20, 12), (20, 12, 4)]
)
def test_array_of_any_layout_is_one_image(run, shape):
    assert classes(predict(run, np.full(shape, 255, np.uint8))) == ["bright"]


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_array_of_any_number_type_is_read_as_grey_levels(run, dtype):
    assert classes(predict(run, np.full((2, 8, 8, 1), 128, dtype))) == ["grey", "grey"]


def test_tensor_is_taken_like_an_array(run):
    assert classes(predict(run, keras.ops.full((8, 8, 1), 255.0))) == ["bright"]


def test_black_float_image_is_not_taken_for_0_to_1(run):
    assert classes(predict(run, np.zeros((8, 8)))) == ["dark"]


def test_array_of_the_size_of_the_model_is_not_resized(model, tmp_path):
    run = write_run(tmp_path, model, resize={"mode": "crop", "crop_pct": 0.5})
    framed = grey(255)
    framed[2:-2, 2:-2] = 40  # the crop would see only this
    assert classes(predict(run, framed)) == ["bright"]


def test_file_is_resized_as_the_run_says(model, tmp_path):
    framed = grey(255)
    framed[2:-2, 2:-2] = 40
    Image.fromarray(framed[..., 0]).save(tmp_path / "framed.png")
    for mode, expected in (("crop", "dark"), ("squash", "bright")):
        resize = {"mode": mode, "crop_pct": 0.5, "interpolation": "nearest"}
        run = write_run(tmp_path / mode, model, resize=resize)
        assert classes(predict(run, tmp_path / "framed.png")) == [expected]


def test_colour_model_takes_grey_images():
    model = brightness_model(channels=3)
    assert predict(model, np.full((8, 8), 255, np.uint8))[0]["pred_label"] == 2


def test_empty_list_gives_no_results(run):
    assert predict(run, []) == []


def test_scores_that_are_not_finite_are_an_error_of_that_image():
    broken = brightness_model()
    broken.get_layer("logits").set_weights([np.full((3, 3), np.nan), np.zeros(3)])
    (result,) = predict(broken, grey(1))
    assert result["error"] == "The image got scores that are not finite: the model is broken."


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (np.ones((8, 8), "float32"), r"grey levels 0\.\.255\. .* look like 0\.\.1\. Multiply"),
        (np.full((8, 8), -1.0), r"needs grey levels 0\.\.255\. .*values -1\.\.-1"),
        (np.full((8, 8), 256), r"needs grey levels 0\.\.255\. .*values 256\.\.256"),
        (np.full((8, 8), np.nan), r"needs grey levels 0\.\.255\. .*values nan"),
        (np.array([["a", "b"]]), "needs arrays of numbers. Received: shape"),
        (np.zeros((5, 28, 28), "uint8"), r"A batch of grey images is images\[..., None\]"),
        (np.zeros(8, "uint8"), r"needs arrays \(H, W\), .*Received: shape \(8,\)"),
        ("https://example.org/a.png", "not addresses. Received: 'https://example.org/a.png'"),
        ([None], "needs files, folders, arrays, .* Received: an object of type NoneType"),
    ],
)
def test_images_that_cannot_be_meant_are_refused(run, images, text):
    with pytest.raises(ValueError, match=text):
        predict(run, images)


def test_folder_without_images_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match=r"found no image in the folder .* \(looked for .*\.bmp"):
        predict(run, tmp_path)


@pytest.mark.parametrize("name", ["top", "batch_size"])
def test_counts_must_be_positive(run, name):
    with pytest.raises(ValueError, match=f"predict needs {name} >= 1. Received: {name}=0"):
        predict(run, grey(0), **{name: 0})


def test_model_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="predict needs a run folder, .* Received: model=3"):
        predict(3, grey(0))


def test_model_without_a_fixed_size_is_refused():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    with pytest.raises(ValueError, match=r"of fixed size .* input shape \(None, None, None, 3\)"):
        predict(model, grey(0))


def test_class_names_must_fit_the_model(model):
    text = "The model has 3 outputs, .* Received: 2 names from class_names"
    with pytest.raises(ValueError, match=text):
        predict(model, grey(0), class_names=["a", "b"])


def test_the_model_of_a_run_stands_for_the_run(run):
    (result,) = predict(run / "model.keras", grey(250))
    assert result == predict(run, grey(250))[0]
    assert result["pred_class"] == "bright"


def test_load_run_returns_model_and_description(run):
    model, info = load_run(run)
    assert model.output_shape == (None, 3)
    assert info["class_names"] == NAMES


def test_load_run_refuses_what_is_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="needs a run folder. Received: .*none is not"):
        load_run(tmp_path / "none")


def test_load_run_names_the_run_folder_around_a_model(run):
    text = f"model.keras is not a folder, but lies in one: give {run}\\.$"
    with pytest.raises(FileNotFoundError, match=text):
        load_run(run / "model.keras")


def test_load_run_refuses_a_folder_without_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="which has none. Is it a run folder?"):
        load_run(tmp_path)


def test_load_run_points_to_resume_where_there_are_checkpoints(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "epoch_2").touch()
    with pytest.raises(FileNotFoundError, match=f"kcv train MODEL --resume {tmp_path}"):
        load_run(tmp_path)


def test_load_run_refuses_a_folder_without_description(tmp_path, model):
    (write_run(tmp_path, model) / "model.json").unlink()
    with pytest.raises(FileNotFoundError, match="A run folder needs model.json beside its model"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "model.json cannot be read"), ("{}", r"It lacks: \['class_names', 'image_size'")],
)
def test_load_run_refuses_a_damaged_description(tmp_path, model, text, message):
    (write_run(tmp_path, model) / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_run(tmp_path)


def test_load_run_refuses_a_damaged_model(tmp_path, model):
    file = write_run(tmp_path, model) / "model.keras"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ValueError, match="model.keras cannot be loaded: "):
        load_run(tmp_path)


def test_load_run_refuses_classes_that_do_not_fit(tmp_path, model):
    write_run(tmp_path, model, class_names=["a", "b"])
    with pytest.raises(ValueError, match="3 outputs, .* Received: 2 names from model.json of"):
        load_run(tmp_path)


def test_csv_holds_a_line_per_image_with_names_of_every_script(run, photos, tmp_path):
    inference.save_csv(predict(run, photos), tmp_path / "out.csv")
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "pred_class", "pred_label", "pred_score", "error"]
    assert rows[3]["path"].endswith("香蕉.jpg")
    assert rows[3]["pred_label"] == "0"
    assert rows[1]["pred_class"] == ""
    assert "truncated" in rows[1]["error"]


def test_json_gives_the_results_back(run, photos, tmp_path):
    results = predict(run, photos)
    inference.save_json(results, tmp_path / "out.json")
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    assert json.loads(text) == results
    assert "香蕉" in text


def test_file_names_that_are_not_unicode_are_kept(tmp_path):
    results = [{"path": "a\udcff.png", "error": "no"}]
    inference.save_csv(results, tmp_path / "out.csv")
    inference.save_json(results, tmp_path / "out.json")
    assert b"a\xff.png" in (tmp_path / "out.csv").read_bytes()
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == results
