"""A recipe for every model name: those of a published run, and short ones for small images.

A row holds what differs from its family; `get` is the way in. Published rows were not run here;
they were written from memory of the sources they name, and are to be checked against them.
Where a source trains on several devices, `base_batch` is
the sum of their batches. kcv spares norms, biases and position embeddings from weight decay, which
older sources do not.
"""

import difflib
import fnmatch

from kcv import models
from kcv.recipes.recipe import Recipe

TORCHVISION = "torchvision references/classification"

# What most of the rows below share: crops and flips at 224 pixels.
PHOTOS = {"augment": "crop+flip", "workers": 2, "nesterov": False, "val_fraction": 0.02}
# He et al. 2015, as torchvision runs it on 8 devices with 32 images each.
STEPS = {
    **PHOTOS,
    "epochs": 90,
    "batch_size": 256,
    "base_batch": 256,
    "learning_rate": 0.1,
    "weight_decay": 1e-4,
    "schedule": "step",
    "step_epochs": 30,
    "step_factor": 0.1,
}
COSINE = {**PHOTOS, "schedule": "cosine", "label_smoothing": 0.1}
# What torchvision's recipes of 2021 and after add.
MODERN = {
    **COSINE,
    "augment": "crop+flip+trivialaugment+erase(0.1)",
    "batch_size": 1024,
    "base_batch": 1024,
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "warmup_epochs": 5,
    "mixup": 0.2,
    "cutmix": 1.0,
}
DEIT = {
    **MODERN,
    "augment": "crop+flip+randaugment+erase(0.25)",
    "epochs": 300,
    "mixup": 0.8,
    "network": {"drop_rate": 0.1},
}
VIT = {
    **MODERN,
    "augment": "crop+flip+randaugment",
    "epochs": 300,
    "batch_size": 512,
    "base_batch": 512,
    "learning_rate": 0.003,
    "weight_decay": 0.3,
    "warmup_epochs": 30,
    "label_smoothing": 0.11,
    "clip_norm": 1.0,
}
SHUFFLE = {
    **COSINE,
    "epochs": 600,
    "batch_size": 1024,
    "base_batch": 1024,
    "learning_rate": 0.5,
    "weight_decay": 2e-5,
    "warmup_epochs": 5,
}
RMSPROP = {
    **PHOTOS,
    "optimizer": "rmsprop",
    "schedule": "exponential",
    "weight_decay": 1e-5,
}

# pattern of names -> settings; the first pattern that fits holds
PUBLISHED = {
    "lenet5": {
        "source": "LeCun et al. 1998: 20 passes; the rates here are those of plain SGD",
        "augment": "none",
        "epochs": 20,
        "batch_size": 64,
        "base_batch": 64,
        "learning_rate": 0.05,
        "nesterov": False,
        "weight_decay": 0.0,
    },
    "alexnet*": {**STEPS, "learning_rate": 0.01, "source": f"{TORCHVISION}: AlexNet and VGG"},
    "vgg*": {**STEPS, "learning_rate": 0.01, "source": f"{TORCHVISION}: AlexNet and VGG"},
    "googlenet": {
        **STEPS,
        "epochs": 250,
        "learning_rate": 0.01,
        "schedule": "step",
        "step_epochs": 8,
        "step_factor": 0.96,
        "source": "Szegedy et al. 2014, arXiv 1409.4842: 4 % less every 8 epochs",
    },
    "inception_v3": {
        **RMSPROP,
        "image_size": 299,
        "epochs": 100,
        "batch_size": 1600,
        "base_batch": 1600,
        "learning_rate": 0.045,
        "weight_decay": 4e-5,
        "step_epochs": 2,
        "step_factor": 0.94,
        "clip_norm": 2.0,
        "label_smoothing": 0.1,
        "epsilon": 1.0,
        "source": "Szegedy et al. 2015, arXiv 1512.00567: 50 replicas of 32",
    },
    "resnext*": {**STEPS, "epochs": 100, "source": f"{TORCHVISION}: ResNeXt"},
    "*resne*": {**STEPS, "source": f"{TORCHVISION}: ResNet (He et al. 2015, arXiv 1512.03385)"},
    "mobilenet_v1": {
        **STEPS,
        "epochs": 300,
        "learning_rate": 0.045,
        "weight_decay": 4e-5,
        "step_epochs": 1,
        "step_factor": 0.98,
        "source": f"{TORCHVISION}: MobileNetV2, used for V1 too",
    },
    "mobilenet_v2*": {
        **STEPS,
        "epochs": 300,
        "learning_rate": 0.045,
        "weight_decay": 4e-5,
        "step_epochs": 1,
        "step_factor": 0.98,
        "source": f"{TORCHVISION}: MobileNetV2",
    },
    "mobilenet_v3*": {
        **RMSPROP,
        "augment": "crop+flip+autoaugment+erase(0.2)",
        "epochs": 600,
        "batch_size": 1024,
        "base_batch": 1024,
        "learning_rate": 0.064,
        "epsilon": 0.0316,
        "schedule": "step",
        "step_epochs": 2,
        "step_factor": 0.973,
        "source": f"{TORCHVISION}: MobileNetV3",
    },
    "shufflenet_v1*": {
        **PHOTOS,
        "epochs": 240,
        "batch_size": 1024,
        "base_batch": 1024,
        "learning_rate": 0.5,
        "weight_decay": 4e-5,
        "schedule": "polynomial",
        "source": "Zhang et al. 2017, arXiv 1707.01083: 3e5 steps of 1024, linear to zero",
    },
    "shufflenet_v2*": {**SHUFFLE, "source": f"{TORCHVISION}: ShuffleNetV2 x1.5 and x2.0"},
    "squeezenet*": {
        **PHOTOS,
        "epochs": 68,
        "batch_size": 512,
        "base_batch": 512,
        "learning_rate": 0.04,
        "weight_decay": 2e-4,
        "schedule": "polynomial",
        "source": "Iandola et al. 2016, arXiv 1602.07360: 170,000 steps of 512, linear to zero",
    },
    "mnasnet*": {**SHUFFLE, "source": f"{TORCHVISION}: MNASNet x0.75 and x1.3"},
    "nasnet*": {
        **RMSPROP,
        "epochs": 250,
        "batch_size": 1600,
        "base_batch": 1600,
        "learning_rate": 0.04,
        "weight_decay": 4e-5,
        "step_epochs": 2,
        "step_factor": 0.97,
        "clip_norm": 10.0,
        "label_smoothing": 0.1,
        "epsilon": 1.0,
        "ema_decay": 0.9999,
        "source": "Zoph et al. 2017, arXiv 1707.07012, appendix",
    },
    "efficientnet*": {
        **RMSPROP,
        "augment": "crop+flip+autoaugment",
        "epochs": 350,
        "batch_size": 4096,
        "base_batch": 4096,
        "learning_rate": 0.256,
        "step_epochs": 2.4,
        "step_factor": 0.97,
        "warmup_epochs": 5,
        "label_smoothing": 0.1,
        "epsilon": 0.0316,
        "ema_decay": 0.9999,
        "network": {"drop_rate": 0.2},
        "source": "Tan and Le 2019, arXiv 1905.11946",
    },
    "vit_tiny*": {**DEIT, "source": "Touvron et al. 2020, arXiv 2012.12877"},
    "vit_small*": {**DEIT, "source": "Touvron et al. 2020, arXiv 2012.12877"},
    "vit*": {**VIT, "source": f"{TORCHVISION}: ViT-B/16"},
    "deit*": {**DEIT, "source": "Touvron et al. 2020, arXiv 2012.12877, without the teacher"},
    "swin*": {
        **MODERN,
        "epochs": 300,
        "warmup_epochs": 20,
        "mixup": 0.8,
        "clip_norm": 5.0,
        "network": {"drop_rate": 0.2},
        "source": f"{TORCHVISION}: Swin-T",
    },
    "convnext*": {
        **MODERN,
        "epochs": 600,
        "ema_decay": 0.99998,
        "network": {"drop_rate": 0.1},
        "source": f"{TORCHVISION}: ConvNeXt-T",
    },
}

SHORT_SOURCE = "kcv, for images of up to 64 pixels and a few minutes"
CONV = {"learning_rate": 0.1, "epochs": 10}
# networks without batch norm want a smaller rate
BARE = {"learning_rate": 0.01, "epochs": 12, "clip_norm": 1.0}
TOKENS = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "clip_norm": 1.0,
    "epochs": 12,
}

SHORT = {
    "lenet5": {**BARE, "learning_rate": 0.05, "stem": "small"},
    "alexnet*": {**BARE, "stem": "small"},
    "vgg*_bn": {**CONV, "learning_rate": 0.05, "stem": "small"},
    "vgg*": {**BARE, "stem": "small"},
    "squeezenet*": {**BARE, "learning_rate": 0.02, "stem": "small"},
    "*resne*": {**CONV, "learning_rate": 0.03, "epochs": 9, "stem": "medium"},
    "mobilenet_v2*": {**CONV, "stem": "medium", "network": {"dropout": 0.0}},
    "vit*": {**TOKENS, "stem": "small"},
    "deit*": {**TOKENS, "stem": "small"},
    "swin*": {**TOKENS, "stem": "small"},
    "convnext*": {**TOKENS, "stem": "small"},
    "*": {**CONV, "stem": "small"},
}


def _fill(table: dict[str, dict], source: str = "") -> dict[str, Recipe]:
    """Return a recipe for every model name by the first pattern that fits it."""
    recipes = {}
    for name in models.VARIANTS:
        settings = next(row for key, row in table.items() if fnmatch.fnmatch(name, key))
        recipes[name] = Recipe(name, **{"source": source, **settings})
    return recipes


RECIPES = _fill(PUBLISHED)
TABLES = {"short": _fill(SHORT, SHORT_SOURCE), "published": RECIPES}


def get(name: str, setting: str = "short") -> Recipe:
    """Return the recipe of a model name.

    Args:
        setting: `"short"` (a few minutes, small images) or `"published"` (the run behind a
            published accuracy).

    Raises:
        ValueError: if there is no such name (near ones are listed) or setting.
    """
    if setting not in TABLES:
        raise ValueError(
            f'setting must be "auto", "short" or "published". Received: setting={setting!r}.'
        )
    if name not in RECIPES:
        near = difflib.get_close_matches(str(name), RECIPES, n=3, cutoff=0.5)
        hint = f"Did you mean {', '.join(near)}?" if near else "kcv list shows all of them."
        raise ValueError(f"There is no recipe of this name. Received: {name!r}. {hint}")
    return TABLES[setting][name]
