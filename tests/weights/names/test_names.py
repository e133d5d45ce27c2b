"""Loading a checkpoint by its names: all or nothing, and back again."""

import logging

import keras
import numpy as np
import pytest

from kcv import models
from kcv.weights import names


def same(ours, theirs):
    return set(ours) == set(theirs) and all(np.array_equal(ours[n], theirs[n]) for n in theirs)


def weights(model):
    return [np.array(w) for w in model.get_weights()]


def test_a_checkpoint_is_loaded_into_every_weight(small, checkpoint):
    model, tensors = small("resnet18"), checkpoint("resnet18", "timm")
    report = names.load(model, tensors, "timm")
    assert len(report.loaded) == len(model.weights)
    assert report.new == report.fitted == []


def test_what_was_loaded_comes_back_identical(small, checkpoint):
    tensors = checkpoint("swin_tiny", "mmpretrain")
    names.load(small("swin_tiny"), tensors, "mmpretrain")
    assert same(names.dump(small("swin_tiny"), "mmpretrain"), tensors)


def test_weights_pass_from_one_dialect_to_another(small, checkpoint):
    tensors = checkpoint("vit_tiny_16", "hf")
    names.load(small("vit_tiny_16"), tensors, "hf")
    names.load(small("vit_tiny_16"), names.dump(small("vit_tiny_16"), "timm"), "timm")
    assert same(names.dump(small("vit_tiny_16"), "hf"), tensors)


def test_a_network_that_was_saved_has_its_names_still(small, checkpoint, tmp_path):
    tensors = checkpoint("squeezenet1_1", "torchvision")
    names.load(small("squeezenet1_1"), tensors, "torchvision")
    small("squeezenet1_1").save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.arguments = small("squeezenet1_1").arguments
    assert same(names.dump(again, "torchvision"), tensors)


def test_counters_and_index_tables_are_not_needed(small, checkpoint):
    tensors = checkpoint("mobilenet_v1", "timm")
    bare = {n: v for n, v in tensors.items() if not n.endswith("num_batches_tracked")}
    assert names.load(small("mobilenet_v1"), bare, "timm").unused == []
    assert len(names.load(small("mobilenet_v1"), tensors, "timm").unused) == 27


def test_heads_for_training_are_left_where_the_network_has_none(small, checkpoint):
    tensors = checkpoint("googlenet", "torchvision", aux=True)
    report = names.load(small("googlenet"), tensors, "torchvision")
    assert "aux1.fc2.weight" in report.unused
    with pytest.raises(ValueError, match=r"missing: aux1\.conv\.conv\.weight"):
        names.load(
            small("googlenet", aux=True),
            names.dump(small("googlenet"), "torchvision"),
            "torchvision",
        )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.pop("layer2.0.conv1.weight"), r"1 missing: layer2\.0\.conv1\.weight\."),
        (lambda t: t.update(extra=t["fc.bias"]), r"1 unexpected: extra\."),
        (
            lambda t: t.update({"bn1.weight": np.ones(3, "float32")}),
            r"1 misshapen: bn1\.weight \(3,\), not \(8,\)\.",
        ),
        (lambda t: t.clear(), r"102 missing: conv1\.weight, .*layer1\.0\.\S+, \.\.\.\."),
    ],
)
def test_a_checkpoint_that_does_not_fit_changes_nothing(small, checkpoint, change, text):
    model, tensors = small("resnet18"), checkpoint("resnet18", "timm")
    before = weights(model)
    change(tensors)
    with pytest.raises(ValueError, match=r"These are not the weights of resnet18 .* " + text):
        names.load(model, tensors, "timm")
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(model), strict=True))


def test_other_classes_leave_the_head_and_say_so(small, checkpoint, caplog):
    tensors = checkpoint("vgg11", "torchvision")
    model = small("vgg11", num_classes=3)
    before = np.array(model.get_layer("logits").get_weights()[0])
    with caplog.at_level(logging.INFO, "kcv"):
        report = names.load(model, tensors, "torchvision")
    assert report.new == ["logits"]
    assert "vgg11: other classes than those of the weights" in caplog.text
    assert np.array_equal(model.get_layer("logits").get_weights()[0], before)
    assert np.array_equal(
        names.dump(model, "torchvision")["features.0.weight"], tensors["features.0.weight"]
    )


def test_both_heads_of_a_distilled_network_are_new(small, checkpoint):
    tensors = checkpoint("deit_tiny_distilled_16", "timm")
    report = names.load(small("deit_tiny_distilled_16", num_classes=3), tensors, "timm")
    assert report.new == ["logits_class", "logits_distilled"]


def test_a_feature_map_leaves_the_head_in_the_file(small, checkpoint):
    tensors = checkpoint("mobilenet_v3_small", "timm")
    report = names.load(small("mobilenet_v3_small", num_classes=None), tensors, "timm")
    left = [n for n in report.unused if not n.endswith("num_batches_tracked")]
    assert left == ["conv_head.weight", "conv_head.bias", "classifier.weight", "classifier.bias"]


def test_one_channel_takes_the_sum_of_three(small, checkpoint):
    tensors = checkpoint("resnet18", "timm")
    model = small("resnet18", channels=1)
    report = names.load(model, tensors, "timm")
    assert report.fitted == ["conv1.weight"]
    ours = names.dump(model, "timm")["conv1.weight"]
    np.testing.assert_allclose(ours[:, 0], tensors["conv1.weight"].sum(1), rtol=1e-6)


def test_another_image_size_resizes_the_positions(small, checkpoint):
    tensors = checkpoint("vit_tiny_16", "timm")
    model = small("vit_tiny_16", image_size=(96, 48))
    assert names.load(model, tensors, "timm").fitted == ["pos_embed"]
    ours = names.dump(model, "timm")["pos_embed"]
    assert ours.shape == (1, 1 + 6 * 3, 12)
    assert np.array_equal(ours[:, 0], tensors["pos_embed"][:, 0])


def test_another_window_resizes_the_tables_as_timm_does_and_no_one_else(small, checkpoint):
    wide = small("swin_tiny", window=5)
    assert len(names.load(wide, checkpoint("swin_tiny", "timm"), "timm").fitted) == 3
    with pytest.raises(ValueError, match=r"misshapen: .*bias_table \(169, 1\), not \(81, 1\)"):
        names.load(wide, checkpoint("swin_tiny", "torchvision"), "torchvision")


def test_other_numerics_are_refused_with_both_values(small, checkpoint):
    needed = names.numerics("mobilenet_v3", "torchvision/mobilenet_v3_small")
    model = small("mobilenet_v3_small", bn_epsilon=1e-5)
    with pytest.raises(ValueError, match=r"need another .*: bn_epsilon=0\.001, not 1e-05\. Build"):
        names.load(model, checkpoint("mobilenet_v3_small", "torchvision"), "torchvision", needed)


def test_a_network_that_kcv_did_not_build_is_refused():
    image = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=r"Only networks of kcv\.models\.build .* Received: mine"):
        names.dump(keras.Model(image, keras.layers.Flatten()(image), name="mine"), "timm")


@pytest.mark.parametrize(
    ("name", "dialect", "text"),
    [
        ("alexnet", "timm", "knows no alexnet of timm, but of torchvision, mmpretrain"),
        ("resnet50d", "torchvision", "no such resnet of torchvision: .* no row for 'deep_stem'"),
        ("resnet18", "onnx", "dialect must be one of timm, .* Received: 'onnx'"),
    ],
)
def test_what_a_dialect_does_not_have_is_said(small, name, dialect, text):
    with pytest.raises(ValueError, match=text):
        names.dump(small(name), dialect)


def test_a_changed_network_is_not_the_one_of_its_table(small):
    model = models.build("vit_tiny_16", width=12, depth=1, image_size=32, layer_scale=1e-5)
    model.arguments["layer_scale"] = None
    with pytest.raises(ValueError, match=r"2 of its weights have none. Received: .*layer_scale"):
        names.dump(model, "timm")
    model.arguments["depth"] = 2
    with pytest.raises(ValueError, match=r"has 1 layers of Attention.*blocks\.1\.attn\.qkv\."):
        names.dump(model, "timm")
