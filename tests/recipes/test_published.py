"""Every row of published settings says what its source says.

The words below were copied from the sources' commands and configurations, in the sources' own
terms: they are compared with the rows, not taken from them.
"""

import fnmatch

import pytest

from kcv import recipes
from kcv.recipes.published import PUBLISHED

# torchvision's defaults: 8 devices with 32 images, its README's first table
STEPS = {
    "batch": 8 * 32,
    "epochs": 90,
    "lr": 0.1,
    "momentum": 0.9,
    "wd": 1e-4,
    "lr-step-size": 30,
    "lr-gamma": 0.1,
}
NEW = {
    "batch": 8 * 128,
    "epochs": 600,
    "lr": 0.5,
    "wd": 0.00002,
    "warmup": 5,
    "smoothing": 0.1,
    "mixup": 0.2,
    "cutmix": 1.0,
    "scheduler": "cosine",
    "augment": "crop+flip+trivialaugment+erase(0.1)",
}
VIT = {
    "batch": 8 * 512,
    "epochs": 300,
    "opt": "adamw",
    "lr": 0.003,
    "wd": 0.3,
    "warmup": 30,
    "smoothing": 0.11,
    "mixup": 0.2,
    "cutmix": 1.0,
    "clip": 1,
}
# DeiT's main.py: a rate of 5e-4 for 512 images; README: 4 devices with 256
DEIT = {
    "batch": 4 * 256,
    "epochs": 300,
    "opt": "adamw",
    "lr": 5e-4 * 4 * 256 / 512,
    "wd": 0.05,
    "warmup": 5,
    "smoothing": 0.1,
    "mixup": 0.8,
    "cutmix": 1.0,
    "drop": 0.1,
    "augment": "crop+flip+rand-m9-mstd0.5-inc1+erase(0.25)",
}
# config.py's 5e-4 for 512 images, and get_started.md's 8 devices with 128
SWIN = {**DEIT, "batch": 8 * 128, "lr": 5e-4 * 8 * 128 / 512, "warmup": 20, "clip": 5.0}
CONVNEXT = {**DEIT, "batch": 4 * 8 * 128, "lr": 4e-3, "warmup": 20, "ema": 0.9999}
# tensorflow/tpu: 0.016 for 256 images; 0.001 under the root
MNAS = {
    "opt": "rmsprop",
    "batch": 4096,
    "epochs": 350,
    "lr": 0.016 * 4096 / 256,
    "momentum": 0.9,
    "wd": 1e-5,
    "lr-step-size": 2.4,
    "lr-gamma": 0.97,
    "warmup": 5,
    "smoothing": 0.1,
    "ema": 0.9999,
    "eps": 0.0316,
}
# 250,000 steps of 1,600 of 1,281,167 images
NASNET = {
    "opt": "rmsprop",
    "batch": 32 * 50,
    "epochs": round(250_000 * 1600 / 1_281_167),
    "lr": 0.04 * 50,
    "momentum": 0.9,
    "wd": 4e-5,
    "lr-step-size": 2.4,
    "lr-gamma": 0.97,
    "smoothing": 0.1,
    "clip": 10,
    "eps": 1.0,
    "scheduler": "step",
}
# 300,000 steps of 1024, linear to zero
SHUFFLE = {
    "batch": 1024,
    "epochs": round(300_000 * 1024 / 1_281_167),
    "lr": 0.5,
    "wd": 4e-5,
    "scheduler": "polynomial",
}
SEPARABLE = {**STEPS, "epochs": 300, "lr": 0.045, "wd": 0.00004, "lr-step-size": 1}
SEPARABLE |= {"lr-gamma": 0.98}
READ = {
    "lenet5": {"epochs": 20, "batch": 64, "lr": 0.01, "momentum": 0.9, "wd": 0.0005},
    "alexnet_2012": {"epochs": 90, "batch": 128, "lr": 0.01, "momentum": 0.9, "wd": 0.0005},
    "alexnet": {**STEPS, "lr": 1e-2},
    "vgg11_bn": STEPS,
    "vgg19": {**STEPS, "lr": 1e-2},
    # Caffe's solver counts steps of 32 images
    "googlenet": {
        "batch": 32,
        "epochs": round(10_000_000 * 32 / 1_281_167),
        "lr": 0.01,
        "momentum": 0.9,
        "wd": 0.0002,
        "lr-step-size": round(320_000 * 32 / 1_281_167),
        "lr-gamma": 0.96,
    },
    "inception_v3": {
        "opt": "rmsprop",
        "batch": 32,
        "epochs": 100,
        "lr": 0.045,
        "wd": 0.00004,
        "lr-step-size": 2,
        "lr-gamma": 0.94,
        "clip": 2.0,
        "eps": 1.0,
    },
    "resnext101_64x4d": NEW,
    "resnext50_32x4d": {**STEPS, "epochs": 100},
    "seresnet50": {**STEPS, "batch": 1024, "epochs": 100, "lr": 0.6},
    "wide_resnet50_2": NEW,
    "resnet50d": {**STEPS, "epochs": 120},
    "resnet50": STEPS,
    "mobilenet_v1": SEPARABLE,
    "mobilenet_v2": SEPARABLE,
    "mobilenet_v3_large": {
        "opt": "rmsprop",
        "batch": 8 * 128,
        "epochs": 600,
        "lr": 0.064,
        "wd": 0.00001,
        "lr-step-size": 2,
        "lr-gamma": 0.973,
        "augment": "crop+flip+autoaugment+erase(0.2)",
        "eps": 0.0316,
    },
    "shufflenet_v1_g3": SHUFFLE,
    "shufflenet_v2_150": NEW,
    "shufflenet_v2_200": NEW,
    "shufflenet_v2_100": SHUFFLE,
    # 170,000 steps of 16 times 32 images
    "squeezenet1_1": {
        "batch": 32 * 16,
        "epochs": round(170_000 * 512 / 1_281_167),
        "lr": 0.04,
        "momentum": 0.9,
        "wd": 0.0002,
        "scheduler": "polynomial",
    },
    "mnasnet_075": NEW,
    "mnasnet_130": NEW,
    "mnasnet_100": MNAS,
    "nasnet_mobile": NASNET,
    "nasnet_large": {**NASNET, "batch": 16 * 100, "lr": 0.015 * 100, "wd": 5e-5, "drop": 1 - 0.7},
    "efficientnet_b0": {**MNAS, "augment": "crop+flip+autoaugment", "drop": 0.2},
    "vit_tiny_16": DEIT,
    "vit_small_16": DEIT,
    "vit_small_32": DEIT,
    "vit_base_32": {**VIT, "augment": "crop+flip+autoaugment"},
    "vit_large_16": {**NEW, "batch": 2 * 8 * 64, "clip": 1},
    "vit_base_16": {**VIT, "augment": "crop+flip+randaugment"},
    "deit_tiny_distilled_16": DEIT,
    "swin_tiny": {**SWIN, "drop": 0.2},
    "swin_small": {**SWIN, "drop": 0.3},
    "swin_base": {**SWIN, "drop": 0.5},
    "swin_large": {**SWIN, "batch": 4096, "lr": 1.25e-4 * 4096 / 512, "epochs": 90, "warmup": 5}
    | {"drop": 0.2},
    "convnext_small": {**CONVNEXT, "drop": 0.4},
    "convnext_base": {**CONVNEXT, "drop": 0.5},
    "convnext_large": {**CONVNEXT, "batch": 8 * 8 * 64, "drop": 0.5},
    "convnext_xlarge": {**CONVNEXT, "batch": 16 * 8 * 32, "epochs": 90, "warmup": 5}
    | {"drop": 0.2, "ema": 0.0},
    "convnext_tiny": {**CONVNEXT, "drop": 0.1},
    "convnext_atto": CONVNEXT,
}
FIELDS = {
    "batch": "base_batch",
    "lr": "learning_rate",
    "opt": "optimizer",
    "wd": "weight_decay",
    "lr-step-size": "step_epochs",
    "lr-gamma": "step_factor",
    "warmup": "warmup_epochs",
    "smoothing": "label_smoothing",
    "scheduler": "schedule",
    "clip": "clip_norm",
    "ema": "ema_decay",
    "eps": "epsilon",
}


def row(name):
    """Return the pattern that holds for a name."""
    return next(pattern for pattern in PUBLISHED if fnmatch.fnmatch(name, pattern))


def test_every_row_was_compared_with_its_source():
    assert [row(name) for name in READ] == list(PUBLISHED)


@pytest.mark.parametrize("name", READ)
def test_settings_are_those_of_the_source(name):
    recipe, wanted = recipes.get(name, "published"), dict(READ[name])
    found = {"drop": recipe.network.get("drop_rate")}
    found |= {key: getattr(recipe, FIELDS.get(key, key)) for key in wanted if key != "drop"}
    assert {key: found[key] for key in wanted} == pytest.approx(wanted)


def test_no_row_is_told_from_memory():
    sources = [settings["source"].lower() for settings in PUBLISHED.values()]
    assert not [text for text in sources if "memory" in text or "not compared" in text]


@pytest.mark.parametrize(("name", "images", "epochs"), [("shufflenet_v2_150", 1024, 600)])
def test_averages_of_weights_follow_torchvision_s_rule(name, images, epochs):
    """Its script averages every 32 steps, with a decay that depends on batch and epochs."""
    every_32 = 1 - 2e-5 * 32 * images / epochs
    assert recipes.get(name, "published").ema_decay ** 32 == pytest.approx(every_32, abs=2e-5)
