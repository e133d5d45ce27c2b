"""Networks with pretrained weights: numerics, preprocessing, heads, runs."""

import json

import keras
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import kcv
from kcv.weights import loading
from kcv.weights.checkpoints import Checkpoint
from kcv.weights.loading import dialect_of

SMALL = {"image_size": 32, "stem": "small"}


@pytest.fixture(scope="module")
def network():
    """Give a small network with normalisation and 7 classes."""
    kcv.set_seed(1)
    return kcv.models.build("resnet18", num_classes=7, normalize=(127.5, 50.0), **SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, network):
    """Give a folder as timm's repositories are, with the weights of the network."""
    path = tmp_path_factory.mktemp("timm")
    kcv.weights.save(network, path / "model.safetensors", "timm")
    save_file(load_file(path / "model.safetensors"), path / "model.safetensors")  # no note of kcv
    about = {
        "architecture": "resnet18",
        "num_classes": 7,
        "label_names": list("abcdefg"),
        "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [50 / 255] * 3},
    }
    (path / "config.json").write_text(json.dumps(about))
    return path


def same(a, b, size=32):
    image = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype("uint8")
    scores = [model.predict(image, verbose=0) for model in (a, b)]
    np.testing.assert_allclose(*scores, atol=1e-5)


def test_a_checkpoint_brings_classes_size_and_normalisation(network, folder):
    model = kcv.models.build("resnet18", weights=folder, stem="small")
    same(network, model)
    assert model.preprocessing.class_names == tuple("abcdefg")
    assert model.preprocessing.image_size == 32


CHOSEN = {"image_size": 48, "normalize": (0.0, 255.0), "stem": "small"}


def test_what_the_user_chooses_goes_first(folder):
    model = kcv.models.build("resnet18", weights=folder, **CHOSEN)
    assert model.input_shape == (None, 48, 48, 3)
    assert model.preprocessing.image_size == 48
    assert (model.preprocessing.mean, model.preprocessing.std) == ((0.0,) * 3, (1.0,) * 3)


def test_other_classes_make_a_new_head_and_one_line_of_log(network, folder, told):
    model = kcv.models.build("resnet18", weights=folder, num_classes=3, stem="small")
    assert model.output_shape == (None, 3)
    assert model.preprocessing.class_names == ()
    lines = [r.getMessage() for r in told.records if "is new" in r.getMessage()]
    assert len(lines) == 1
    assert "logits" in lines[0]
    first = [m.get_layer("features").output for m in (network, model)]
    same(*(keras.Model(m.input, out) for m, out in zip((network, model), first, strict=True)))


def test_no_head_is_a_feature_map(network, folder):
    model = kcv.models.build("resnet18", weights=folder, num_classes=None, stem="small")
    # of one kind, as kcv's predict sums in another order than Keras's
    same(kcv.models.Model(network.input, network.get_layer("features").output), model)


def test_one_channel_sums_the_first_kernel(network, folder):
    model = kcv.models.build("resnet18", weights=folder, channels=1, stem="small")
    kernels = [next(w for w in m.weights if w.name == "kernel").numpy() for m in (network, model)]
    np.testing.assert_allclose(kernels[0].sum(2, keepdims=True), kernels[1], rtol=1e-5)
    grey = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype("uint8")
    colour = np.repeat(grey, 3, axis=3)
    scores = network.predict(colour, verbose=0), model.predict(grey, verbose=0)
    np.testing.assert_allclose(*scores, atol=1e-5)


def test_weights_of_another_network_are_refused(folder):
    with pytest.raises(
        ValueError, match="belong to resnet18. Received: 'resnet34'. Build 'resnet18'"
    ):
        kcv.models.build("resnet34", weights=folder)


def test_a_file_that_does_not_fit_is_refused(folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    tensors["extra"] = tensors.pop("conv1.weight")
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="1 missing: conv1.weight. 1 unexpected: extra"):
        kcv.models.build("resnet18", weights=tmp_path / "w.safetensors", **SMALL)


def test_a_bare_file_tells_its_classes_and_that_it_tells_no_more(network, folder, tmp_path, told):
    save_file(load_file(folder / "model.safetensors"), tmp_path / "w.safetensors")
    model = kcv.models.build(
        "resnet18", weights=tmp_path / "w.safetensors", normalize=(127.5, 50.0), **SMALL
    )
    same(network, model)
    assert model.preprocessing is None
    assert "its preprocessing is not known, images must come normalised" in told.text


def test_a_file_of_kcv_brings_everything(network, tmp_path):
    kcv.weights.save(network, tmp_path / "w.safetensors")
    model = kcv.models.build("resnet18", weights=tmp_path / "w.safetensors")
    same(network, model)
    assert dict(model.arguments) == dict(network.arguments)


def test_a_damaged_note_is_said(network, folder, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(load_file(folder / "model.safetensors"), path, {"kcv": '{"preprocessing": null}'})
    with pytest.raises(ValueError, match="The note of kcv in .* lacks or mistakes 'arguments'"):
        kcv.models.build("resnet18", weights=path)


def test_numerics_come_with_the_checkpoint(tmp_path):
    small = {"num_classes": 2, "image_size": 32, "depth": 1}
    built = kcv.models.build("vit_tiny_16", ln_epsilon=1e-12, **small)
    path = kcv.weights.save(built, tmp_path / "w.pth", "hf")
    model = kcv.models.build("vit_tiny_16", weights=path, **small)
    assert model.arguments["ln_epsilon"] == 1e-12
    with pytest.raises(ValueError, match="need another vit_tiny_16: ln_epsilon=1e-12, not 1e-06"):
        kcv.models.build("vit_tiny_16", weights=path, ln_epsilon=1e-6, **small)


def test_a_built_network_takes_weights(network, folder):
    model = kcv.models.build("resnet18", num_classes=7, normalize=(127.5, 50.0), **SMALL)
    report = kcv.weights.load(model, folder)
    assert len(report.loaded) == 102
    assert model.preprocessing.class_names == tuple("abcdefg")
    same(network, model)


def test_the_names_of_a_file_can_be_said(network, folder, tmp_path):
    save_file(load_file(folder / "model.safetensors"), tmp_path / "w.safetensors")
    model = kcv.models.build("resnet18", num_classes=7, normalize=(127.5, 50.0), **SMALL)
    kcv.weights.load(model, tmp_path / "w.safetensors", format="torchvision")
    same(network, model)


def test_a_refused_load_changes_nothing(folder):
    model = kcv.models.build("resnet34", **SMALL)
    before = [w.numpy() for w in model.weights]
    with pytest.raises(ValueError, match="nothing was loaded"):
        kcv.weights.load(model, folder)
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.fixture(scope="module")
def run(tmp_path_factory, network):
    """Give a run folder with the network."""
    path = tmp_path_factory.mktemp("run")
    network.save(path / "model.keras")
    about = {
        "model": "resnet18",
        "class_names": list("abcdefg"),
        "image_size": [32, 32],
        "channels": 3,
        "mean": [127.5] * 3,
        "std": [50.0] * 3,
        "resize": {"mode": "crop", "crop_pct": 0.9, "interpolation": "bicubic"},
    }
    (path / "model.json").write_text(json.dumps(about))
    (path / "recipe.toml").write_text('model = "resnet18"\nstem = "small"\n[network]\n')
    return path


def test_a_run_gives_its_weights(network, run):
    model = kcv.models.build("resnet18", weights=run)
    same(network, model)
    assert model.preprocessing.crop_pct == 0.9
    assert model.preprocessing.class_names == tuple("abcdefg")


def test_a_run_gives_its_weights_to_other_classes(run, told):
    model = kcv.models.build("resnet18", weights=run, num_classes=3)
    assert model.output_shape == (None, 3)
    assert "new: logits" in told.text


def test_a_run_whose_model_is_another_is_refused(run, network, tmp_path):
    for name in ("model.json", "recipe.toml"):
        (tmp_path / name).write_text((run / name).read_text())
    kcv.models.build("resnet34", num_classes=7, **SMALL).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="model.keras does not fit its recipe"):
        kcv.models.build("resnet18", weights=tmp_path)


def test_a_run_without_recipe_is_said(run, tmp_path):
    (tmp_path / "model.json").write_text((run / "model.json").read_text())
    (tmp_path / "model.keras").touch()
    with pytest.raises(ValueError, match="recipe.toml cannot be read"):
        kcv.models.build("resnet18", weights=tmp_path)


@pytest.mark.parametrize("build", [True, False])
def test_weights_as_keras_writes_them_are_keras_to_read(network, tmp_path, build):
    path = tmp_path / "w.weights.h5"
    network.save_weights(path)
    with pytest.raises(ValueError, match="was written by kcv: model.load_weights takes such a"):
        kcv.models.build("resnet18", weights=path) if build else kcv.weights.load(network, path)


@pytest.mark.parametrize(
    "origin",
    [
        "timm/swin_base_patch4_window12_384.ms_in1k",
        "mmpretrain/swin-base_3rdparty_in1k-384",
        "hf/swin_window12_",
    ],
)
def test_windows_of_swin_come_with_the_checkpoint(origin, tmp_path):
    dialect = origin.partition("/")[0]
    found = Checkpoint(tmp_path, dialect, origin)
    assert loading._needs(found, "swin_base")["window"] == 12
    assert "window" not in loading._needs(found._replace(origin="timm/resnet18"), "resnet18")


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("layer1.0.conv1.weight", "timm"),
        ("features.0.weight", "torchvision"),
        ("pre_logits.fc1.weight", "timm"),
        ("backbone.conv1.weight", "mmpretrain"),
        ("vit.encoder.layer.0.output.dense.weight", "hf"),
        ("block1a_dwconv/depthwise_kernel", "keras"),
        ("layers/batch_norm_3/vars/0", "kcv"),
    ],
)
def test_names_tell_whose_they_are(name, dialect):
    assert dialect_of({name: np.zeros(1)}) == dialect
