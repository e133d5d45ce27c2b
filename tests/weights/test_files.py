"""Reading of files, good, damaged and malicious."""

import json
import os
import pickle
import zipfile
from collections import OrderedDict

import h5py
import keras
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kcv.weights import files
from kcv.weights.files import note, read

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def check(tensors):
    assert sorted(tensors) == sorted(TENSORS)
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], value.numpy())


class Attack:
    """Unpickling it makes a file: the code of a checkpoint would have run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_safetensors_are_read(tmp_path):
    save_file(TENSORS, tmp_path / "a.safetensors")
    check(read(tmp_path / "a.safetensors"))


def test_safetensors_are_not_copied(tmp_path):
    save_file({"a": torch.zeros(1000, 1000)}, tmp_path / "a.safetensors")
    array = read(tmp_path / "a.safetensors")["a"]
    assert not array.flags.owndata


def test_half_precision_becomes_float32_where_numpy_lacks_it(tmp_path):
    save_file({"a": torch.full((2,), 1.5, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")
    array = read(tmp_path / "a.safetensors")["a"]
    assert array.dtype == np.float32
    assert array.tolist() == [1.5, 1.5]


def test_a_damaged_safetensors_file_is_said(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="a.safetensors is damaged or no safetensors file"):
        read(path)
    with pytest.raises(ValueError, match="a.safetensors is damaged or no safetensors file"):
        note(path)


@pytest.mark.parametrize("new", [True, False], ids=["archive", "of torch 1.5"])
def test_files_of_torch_are_read(tmp_path, new):
    torch.save(OrderedDict(TENSORS), tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    check(read(tmp_path / "a.pth"))


@pytest.mark.parametrize("wrapping", files.WRAPPINGS)
def test_wrapped_weights_are_found_and_named(tmp_path, told, wrapping):
    torch.save({"epoch": 3, "meta": {"who": "me"}, wrapping: TENSORS}, tmp_path / "a.pth")
    check(read(tmp_path / "a.pth"))
    assert f"a.pth: taking its '{wrapping}'" in told.text


def test_the_averaged_weights_come_first(tmp_path):
    torch.save({"state_dict": {"x": torch.ones(1)}, "model_ema": TENSORS}, tmp_path / "a.pth")
    check(read(tmp_path / "a.pth"))


def test_prefixes_of_wrappers_go(tmp_path):
    wrapped = {f"module._orig_mod.{name}": value for name, value in TENSORS.items()}
    torch.save(wrapped, tmp_path / "a.pth")
    check(read(tmp_path / "a.pth"))


def test_a_pickle_with_code_is_refused_and_never_run(tmp_path):
    mark = tmp_path / "attacked"
    torch.save({"state_dict": TENSORS, "extra": Attack(mark)}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="holds more than tensors, and kcv runs no code"):
        read(tmp_path / "a.pth")
    assert not mark.exists()


def test_a_bare_pickle_with_code_is_refused_and_never_run(tmp_path):
    mark = tmp_path / "attacked"
    (tmp_path / "a.bin").write_bytes(pickle.dumps(Attack(mark)))
    with pytest.raises(ValueError, match="a.bin (holds more than tensors|is damaged)"):
        read(tmp_path / "a.bin")
    assert not mark.exists()


def test_the_attack_of_these_tests_works(tmp_path):
    pickle.loads(pickle.dumps(Attack(tmp_path / "attacked"))).close()
    assert (tmp_path / "attacked").exists()


def test_a_damaged_file_of_torch_is_said(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"not a pickle")
    with pytest.raises(ValueError, match="a.pth is damaged or no file of torch"):
        read(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {"model": {"a": 1}}])
def test_a_file_without_tensors_is_said(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="a.pth needs to hold tensors by name, or a dict with"):
        read(tmp_path / "a.pth")


@pytest.fixture
def network():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.DepthwiseConv2D(3, name="deep")(x)
    return keras.Model(image, keras.layers.Dense(2, name="last")(x))


NAMES = {
    *(f"first/{v}" for v in ("kernel", "bias")),
    *(f"norm/{v}" for v in ("gamma", "beta", "moving_mean", "moving_variance")),
    *(f"deep/{v}" for v in ("depthwise_kernel", "bias")),
    *(f"last/{v}" for v in ("kernel", "bias")),
}


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_files_of_keras_are_read_by_layer_and_variable(tmp_path, network, ending):
    path = tmp_path / f"a.{ending}"
    network.save(path) if ending == "keras" else network.save_weights(path)
    tensors = read(path)
    assert set(tensors) == NAMES
    np.testing.assert_array_equal(tensors["last/kernel"], network.get_layer("last").kernel.numpy())


@pytest.mark.parametrize("root", ["", "model_weights/"])
def test_files_of_old_keras_are_read_by_layer_and_variable(tmp_path, root):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[f"{root}conv/conv/kernel:0"] = np.ones((3, 3))
        file["optimizer_weights/conv/m:0"] = np.ones((3, 3))
    assert list(read(tmp_path / "a.h5")) == ["conv/kernel"]


def test_code_in_a_keras_file_is_never_run(tmp_path):
    mark = tmp_path / "attacked"
    image = keras.Input((4,))
    x = keras.layers.Lambda(eval(f"lambda x: (open({str(mark)!r}, 'w').close(), x)[1]"))(image)
    keras.Model(image, keras.layers.Dense(2, name="last")(x)).save(tmp_path / "a.keras")
    mark.unlink()
    assert sorted(read(tmp_path / "a.keras")) == ["last/bias", "last/kernel"]
    assert not mark.exists()


def test_a_class_of_others_in_a_keras_file_is_never_looked_up(tmp_path):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="last")])
    network.save(tmp_path / "good.keras")
    evil = {"module": "os", "class_name": "system", "config": f"touch {tmp_path}/attacked"}
    with (
        zipfile.ZipFile(tmp_path / "good.keras") as good,
        zipfile.ZipFile(tmp_path / "a.keras", "w") as bad,
    ):
        bad.writestr("config.json", json.dumps(evil))
        bad.writestr("model.weights.h5", good.read("model.weights.h5"))
    assert sorted(read(tmp_path / "a.keras")) == ["last/bias", "last/kernel"]
    assert not (tmp_path / "attacked").exists()


def test_links_out_of_a_file_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.arange(4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layer/kernel:0"] = np.ones(2)
        file["layer/bias:0"] = h5py.ExternalLink("secret.h5", "/secret")
    assert list(read(tmp_path / "a.h5")) == ["layer/kernel"]


def test_arrays_outside_a_file_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(64))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        outside = [(os.fspath(tmp_path / "secret"), 0, 64)]
        file.create_dataset("layer/kernel:0", (16,), "f4", external=outside)
    with pytest.raises(ValueError, match="a.h5 refers to other files, which kcv does not read"):
        read(tmp_path / "a.h5")


def test_a_keras_file_without_weights_is_said(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["nothing"] = 1
    with pytest.raises(ValueError, match="a.h5 holds no weights"):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize("name", ["a.h5", "a.keras"])
def test_a_damaged_file_of_keras_is_said(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=f"{name} is damaged or no file of Keras"):
        read(tmp_path / name)


def test_an_archive_without_weights_is_said(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="a.keras is damaged or no file of Keras"):
        read(tmp_path / "a.keras")


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"read from .safetensors, .pth, .* Received: 'a.npz'"):
        read(tmp_path / "a.npz")


def test_a_note_is_read_from_the_header(tmp_path):
    save_file(TENSORS, tmp_path / "a.safetensors", {"kcv": json.dumps({"model": "resnet18"})})
    assert note(tmp_path / "a.safetensors") == {"model": "resnet18"}
    save_file(TENSORS, tmp_path / "b.safetensors")
    assert note(tmp_path / "b.safetensors") is None
    torch.save(TENSORS, tmp_path / "c.pth")
    assert note(tmp_path / "c.pth") is None
