"""The table of published checkpoints."""

import math
from importlib import resources

import kcv
from kcv.weights import catalogue
from kcv.weights.download import digest_in


def test_every_checkpoint_is_of_a_network_of_the_zoo():
    assert {row.model for row in catalogue.rows().values()} <= set(kcv.models.VARIANTS)


def test_every_family_of_references_is_there():
    kinds = {source.partition("/")[0] for source in catalogue.rows()}
    assert kinds == {"timm", "torchvision", "mmpretrain", "keras"}


def test_the_table_is_small():
    assert resources.files("kcv.weights").joinpath("catalogue.csv").stat().st_size < 300_000


def test_only_the_hub_has_no_address():
    for row in catalogue.rows().values():
        assert row.place.startswith("https://") != row.source.startswith("timm/"), row


def test_files_of_torchvision_and_mmpretrain_carry_their_hash():
    rows = [r for s, r in catalogue.rows().items() if s.startswith(("torchvision", "mmpretrain"))]
    assert all(digest_in(row.place.rpartition("/")[2]) for row in rows)


def test_a_row_holds_what_torchvision_says():
    row = catalogue.rows()["torchvision/resnet50.IMAGENET1K_V2"]
    assert (row.model, row.size, row.classes, row.top1) == ("resnet50", 224, 1000, 80.858)
    assert math.floor(row.size / row.crop_pct) == 232
    assert row.preprocessing.mean == (0.485, 0.456, 0.406)


def test_input_transforms_are_folded_into_the_normalisation():
    for name in ("googlenet", "inception_v3"):
        row = catalogue.rows()[f"torchvision/{name}.IMAGENET1K_V1"]
        assert (row.mean, row.std) == ((0.5,) * 3, (0.5,) * 3)


def test_a_row_holds_what_timm_says():
    row = catalogue.rows()["timm/resnet50.a1_in1k"]
    assert (row.interpolation, row.crop_pct, row.crop_mode) == ("bicubic", 0.95, "crop")
    assert row.license == "apache-2.0"


def test_class_names_are_those_of_imagenet():
    names = catalogue.imagenet()
    assert len(set(names)) == 1000
    assert (names[0], names[954], names[999]) == ("tench", "banana", "toilet tissue")
    assert catalogue.rows()["timm/resnet50.a1_in1k"].preprocessing.class_names == names
    other = catalogue.rows()["timm/mobilenetv3_large_100.miil_in21k"]
    assert other.preprocessing.class_names == ()


def test_lists_match_sources_and_models():
    assert {row.model for row in kcv.weights.list("mobilenet_v2")} == {"mobilenet_v2"}
    assert all(row.source.startswith("keras/") for row in kcv.weights.list("keras/*"))
    assert len(kcv.weights.list()) == len(catalogue.rows())
    assert kcv.weights.list("no such thing") == []


def test_near_names_are_found():
    assert "timm/resnet50.a1_in1k" in catalogue.near("timm/resnet50.a1_in1")


def test_architectures_of_timm_have_their_names():
    assert catalogue.model_of("mobilenetv2_100") == "mobilenet_v2"
    assert catalogue.model_of("nothing") is None


def test_every_timm_checkpoint_of_imagenet_has_its_accuracy_at_that_size():
    found = [r for r in catalogue.rows().values() if r.source.startswith("timm/")]
    assert [r.source for r in found if r.classes == 1000 and r.top1 is None] == []
    # timm has 81.24 for it too, at 288 pixels
    assert catalogue.rows()["timm/resnet50.a1_in1k"].top1 == 80.382
