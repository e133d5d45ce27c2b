"""Weights in the names of other libraries."""

import h5py
import numpy as np
import pytest
import torch

import kcv


@pytest.fixture(scope="module")
def network():
    return kcv.models.build("resnet18", num_classes=3, image_size=32)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt", "w.bin"])
def test_what_is_saved_is_loaded_again(network, tmp_path, name):
    path = kcv.weights.save(network, tmp_path / name, "torchvision")
    model = kcv.models.build("resnet18", num_classes=3, image_size=32, weights=path)
    for old, new in zip(network.weights, model.weights, strict=True):
        np.testing.assert_array_equal(old.numpy(), new.numpy())


def test_files_of_torch_are_plain_state_dicts(network, tmp_path):
    kcv.weights.save(network, tmp_path / "w.pth", "timm")
    state = torch.load(tmp_path / "w.pth", weights_only=True)
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["bn1.num_batches_tracked"].dtype == torch.int64


def test_files_of_mmpretrain_are_wrapped(network, tmp_path):
    kcv.weights.save(network, tmp_path / "w.pth", "mmpretrain")
    state = torch.load(tmp_path / "w.pth", weights_only=True)["state_dict"]
    assert "backbone.conv1.weight" in state


def test_files_of_keras_hold_layers_and_variables(tmp_path):
    network = kcv.models.build("mobilenet_v1", num_classes=3, image_size=32)
    kcv.weights.save(network, tmp_path / "w.h5", "keras")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "conv1" in file.attrs["layer_names"].astype(str)
        assert file["conv1"].attrs["weight_names"].astype(str).tolist() == ["conv1/kernel:0"]
        assert file["conv1/conv1/kernel:0"].shape == (3, 3, 3, 32)


def test_a_failed_save_leaves_the_old_file(network, tmp_path, monkeypatch):
    path = tmp_path / "w.pth"
    path.write_bytes(b"old")
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(OSError("No space left")))
    with pytest.raises(OSError, match="No space left"):
        kcv.weights.save(network, path, "timm")
    assert [p.name for p in tmp_path.iterdir()] == ["w.pth"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "format"), [("w.npz", "timm"), ("w.h5", "timm"), ("w.pth", "keras")]
)
def test_endings_and_formats_must_fit(network, tmp_path, name, format):
    with pytest.raises(ValueError, match=f"Weights are saved to .h5 with .* Received: '{name}'"):
        kcv.weights.save(network, tmp_path / name, format)
