"""What `weights=` may be."""

import pytest

from kcv.weights.sources import Source, parse


@pytest.mark.parametrize(
    ("word", "source"),
    [
        ("timm/resnet50.a1_in1k", Source("timm", "resnet50.a1_in1k")),
        ("timm/resnet50.a1_in1k@abc", Source("timm", "resnet50.a1_in1k", "abc")),
        ("timm/newer_than.this_table", Source("timm", "newer_than.this_table")),
        ("hf/google/vit-base-patch16-224", Source("hf", "google/vit-base-patch16-224")),
        ("torchvision/alexnet", Source("torchvision", "alexnet.IMAGENET1K_V1")),
        ("torchvision/resnet50.IMAGENET1K_V2", Source("torchvision", "resnet50.IMAGENET1K_V2")),
        ("mmpretrain/vgg11_8xb32_in1k", Source("mmpretrain", "vgg11_8xb32_in1k")),
        ("keras/EfficientNetB0", Source("keras", "EfficientNetB0")),
        ("timm/vgg11", Source("timm", "vgg11.tv_in1k")),
    ],
)
def test_words_are_taken_apart(word, source):
    assert parse(word) == source


def test_several_tags_are_listed():
    with pytest.raises(ValueError, match="2 checkpoints of this name.*IMAGENET1K_V1, torchvision"):
        parse("torchvision/resnet50")


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("torchvision/resnet50.IMAGENET1K_V3", "torchvision/resnet50.IMAGENET1K_V2"),
        ("keras/EfficientNetBO", "keras/EfficientNetB"),
        ("timm/resnet5", "timm/resnet50"),
    ],
)
def test_a_misspelt_checkpoint_is_answered_with_near_ones(word, near):
    with pytest.raises(ValueError, match=f"no checkpoint of this name. .*Did you mean .*{near}"):
        parse(word)


@pytest.mark.parametrize("word", ["imagenet", "tim/resnet50.a1_in1k", "resnet50"])
def test_other_words_are_refused_with_the_known_forms(word):
    with pytest.raises(ValueError, match=f"weights must be timm/NAME.TAG.* Received: '{word}'"):
        parse(word)


def test_a_misspelt_source_is_answered_with_near_ones():
    with pytest.raises(ValueError, match="Did you mean timm/resnet50.a1_in1k"):
        parse("tim/resnet50.a1_in1k")


@pytest.mark.parametrize("word", ["hf/vit", "hf/a/b/c", "hf/a/"])
def test_names_on_the_hub_have_two_parts(word):
    with pytest.raises(ValueError, match="weights from the hub are hf/ORG/NAME. Received"):
        parse(word)


def test_names_of_timm_have_one_part():
    with pytest.raises(
        ValueError, match=r"weights of timm are timm/NAME.TAG. Received: 'timm/a/b'"
    ):
        parse("timm/a/b")


@pytest.mark.parametrize("word", ["x.safetensors", "./x", "/nowhere/x", "~/nowhere/x", "x.pth"])
def test_a_missing_file_is_said(word):
    with pytest.raises(FileNotFoundError, match=f"There is no file of weights {word}"):
        parse(word)


def test_files_and_folders_are_told_apart(tmp_path):
    (tmp_path / "w.pth").touch()
    assert parse(tmp_path / "w.pth") == Source("file", str(tmp_path / "w.pth"))
    (tmp_path / "config.json").touch()
    assert parse(tmp_path).kind == "folder"
    (tmp_path / "model.json").touch()
    assert parse(tmp_path).kind == "run"


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="A folder of weights needs model.json .a run of kcv. or"):
        parse(tmp_path)
