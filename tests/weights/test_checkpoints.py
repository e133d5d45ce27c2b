"""What is known of a checkpoint."""

import json

import pytest

from kcv.weights import catalogue
from kcv.weights.checkpoints import locate


def test_a_folder_without_weights_is_said(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="has none of model.safetensors, pytorch_model.bin"):
        locate(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "config.json cannot be read: Expecting property name"),
        ("[1]", "config.json must hold a table of names and values"),
        ("{}", r"config.json needs an architecture \(timm\) or a model_type \(transformers\)"),
    ],
)
def test_a_configuration_that_says_nothing_is_refused(tmp_path, text, said):
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ValueError, match=said):
        locate(tmp_path)


def test_a_folder_of_timm_says_what_it_is(tmp_path):
    config = {
        "architecture": "tf_efficientnet_b0",
        "num_classes": 1000,
        "pretrained_cfg": {"tag": "ns_jft_in1k", "crop_pct": 0.9},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").touch()
    found = locate(tmp_path / "model.safetensors")
    assert found == locate(tmp_path)
    assert (found.dialect, found.model) == ("timm", "efficientnet_b0")
    assert found.origin == "timm/tf_efficientnet_b0.ns_jft_in1k"
    assert found.preprocessing.crop_pct == 0.9
    assert found.preprocessing.class_names[0] == "tench"


def test_a_folder_of_transformers_says_what_it_is(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}})
    )
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3]}))
    (tmp_path / "pytorch_model.bin").touch()
    found = locate(tmp_path)
    assert (found.dialect, found.origin, found.classes) == ("hf", "hf/vit", 2)
    assert found.preprocessing.mean == (0.1, 0.2, 0.3)


def test_a_published_file_is_known_by_its_name(tmp_path):
    (tmp_path / "resnet18-f37072fd.pth").touch()
    found = locate(tmp_path / "resnet18-f37072fd.pth")
    assert (found.origin, found.model) == ("torchvision/resnet18.IMAGENET1K_V1", "resnet18")


def test_files_of_sites_are_fetched_into_the_cache(home, server, monkeypatch):
    monkeypatch.setenv("KCV_MIRROR", server.url)
    row = catalogue.rows()["keras/MobileNetV2_0.35"]  # has no published hash
    server.files["/" + row.place.partition("://")[2]] = b"content"
    path = locate("keras/MobileNetV2_0.35").path
    assert path.read_bytes() == b"content"
    assert path.parent == home / "keras"


def test_a_wrong_file_of_a_site_is_refused(home, server, monkeypatch):
    monkeypatch.setenv("KCV_MIRROR", server.url)
    server.files["/download.pytorch.org/models/resnet18-f37072fd.pth"] = b"content"
    with pytest.raises(ValueError, match="sha256 begins with .*, not f37072fd"):
        locate("torchvision/resnet18")


@pytest.fixture
def on_hub(home, server, monkeypatch):
    """Give a function that puts a file of a repository where those put by hand are looked for."""
    pytest.importorskip("huggingface_hub")

    def put(repo, name, content=b""):
        path = home / "hub" / repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    monkeypatch.setenv("HF_ENDPOINT", server.url)
    for repo in ("timm/resnet18.a1_in1k", "a/b"):
        for name in ("config.json", "model.safetensors", "pytorch_model.bin"):
            server.codes[f"/{repo}/resolve/main/{name}"] = "EntryNotFound"
    return put


def test_a_repository_without_configuration_is_described_by_the_table(on_hub):
    on_hub("timm/resnet18.a1_in1k", "model.safetensors")
    found = locate("timm/resnet18.a1_in1k")
    assert (found.origin, found.classes) == ("timm/resnet18.a1_in1k", 1000)


def test_an_unknown_repository_needs_a_configuration(on_hub):
    on_hub("a/b", "model.safetensors")
    with pytest.raises(FileNotFoundError, match="a/b has no config.json, which says what its"):
        locate("hf/a/b")


def test_a_repository_needs_weights(on_hub):
    on_hub("a/b", "config.json", b'{"architecture": "resnet18"}')
    with pytest.raises(FileNotFoundError, match="a/b has none of model.safetensors, pytorch_model"):
        locate("hf/a/b")


def test_a_run_needs_its_model(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="A run folder needs model.keras to give weights"):
        locate(tmp_path)


def test_a_run_must_say_how_it_was_trained(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "model.keras").touch()
    with pytest.raises(ValueError, match="model.json lacks or mistakes 'class_names'"):
        locate(tmp_path)
