"""Settings of published training runs on ImageNet-1k, with their sources.

None of them was run here. The numbers were compared with the text that a row names, unless the row
says otherwise; a row for a whole family (`mobilenet_v2*`) gives each member the family's settings.
What a row names as a deviation is not the source's. Images above 224 pixels are those of the
networks' own rows. These deviations hold for all rows: kcv spares norms, biases and position
embeddings from weight decay (older sources do not), crops are resized bilinearly, a warmup starts
at a hundredth of the rate, cosines end at zero, numbers have 32 bits, no image is repeated within a
batch (`ra-sampler`, repeated augmentation) and 2 % of the training images are kept for validation.
TensorFlow's RMSProp starts from a mean of squares of 1, kcv's from 0. Where a source trains on
several devices in step, `base_batch` is the sum of their batches.
"""

TORCHVISION = (
    "https://github.com/pytorch/vision/blob/main/references/classification/README.md, section "
)

# What most of the rows below share: crops and flips at 224 pixels.
PHOTOS = {"augment": "crop+flip", "workers": 2, "nesterov": False, "val_fraction": 0.02}


def _batch(size: int) -> dict:
    """Return the batch of a source, for which its learning rate holds."""
    return {"batch_size": size, "base_batch": size}


def _torchvision_ema(batch: int, epochs: int) -> dict:
    """Return torchvision's decay for an average taken at every step.

    Its script averages every 32 steps with `1 - 2e-5 * 32 * batch / epochs`.
    """
    return {"ema_decay": round(1 - 2e-5 * batch / epochs, 6)}


# torchvision's defaults, those of He et al. 2015: 8 devices with 32 images each.
STEPS = {
    **PHOTOS,
    **_batch(256),
    "epochs": 90,
    "learning_rate": 0.1,
    "weight_decay": 1e-4,
    "schedule": "step",
    "step_epochs": 30,
    "step_factor": 0.1,
}
# Of ImageNet: torchvision erases normalised images, with zeros.
MEAN_COLOUR = "124,116,104"
# torchvision's recipe of 2021: 8 devices with 128 images each. It crops 176 pixels for training.
RECIPE_2021 = {
    **PHOTOS,
    **_batch(1024),
    **_torchvision_ema(1024, 600),
    "augment": f"crop+flip+trivialaugment+erase(0.1,{MEAN_COLOUR})",
    "epochs": 600,
    "learning_rate": 0.5,
    "weight_decay": 2e-5,
    "schedule": "cosine",
    "warmup_epochs": 5,
    "label_smoothing": 0.1,
    "mixup": 0.2,
    "cutmix": 1.0,
}
SHORTER_CROPS = "; it trains on crops of 176 pixels"
ADAMW = {**PHOTOS, "optimizer": "adamw", "schedule": "cosine", "cutmix": 1.0, "epochs": 300}
# Touvron et al. 2020, whose settings Swin and ConvNeXt took over.
DEIT = {
    **ADAMW,
    **_batch(1024),
    "augment": "crop+flip+rand-m9-mstd0.5-inc1+erase(0.25)",
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "warmup_epochs": 5,
    "label_smoothing": 0.1,
    "mixup": 0.8,
    "network": {"drop_rate": 0.1},
}
DEIT_SOURCE = (
    "https://github.com/facebookresearch/deit: README_deit.md, section Training, and main.py"
)
VIT = {
    **ADAMW,
    **_batch(4096),
    **_torchvision_ema(4096, 300),
    "augment": "crop+flip+randaugment",
    "learning_rate": 0.003,
    "weight_decay": 0.3,
    "warmup_epochs": 30,
    "label_smoothing": 0.11,
    "mixup": 0.2,
    "clip_norm": 1.0,
    "source": f"{TORCHVISION}Vision Transformer",
}
RMSPROP = {**PHOTOS, "optimizer": "rmsprop", "weight_decay": 1e-5}
# Tan et al. 2018 (section 5) and Tan and Le 2019 (section 5.2) name the same rate, decays and
# momentum; batch and warmup are the former's. TensorFlow adds its epsilon of 0.001 under the
# root, kcv and PyTorch theirs of 0.0316 to the root.
MNAS = {
    **RMSPROP,
    **_batch(4096),
    "epochs": 350,
    "learning_rate": 0.256,
    "schedule": "exponential",
    "step_epochs": 2.4,
    "step_factor": 0.97,
    "warmup_epochs": 5,
    "epsilon": 0.0316,
    "ema_decay": 0.9999,
}
SHUFFLE = {
    **PHOTOS,
    **_batch(1024),
    "augment": "crop+jitter(0.4,0.4,0.4)+flip",
    "epochs": 240,
    "learning_rate": 0.5,
    "weight_decay": 4e-5,
    "schedule": "polynomial",
    "label_smoothing": 0.1,
}
SHUFFLE_SOURCE = (
    "https://github.com/megvii-model/ShuffleNet-Series: {0}/train.py, 300,000 steps of 1024, "
    "linear to zero; in the end it measures the batch-norm statistics anew; {1} names no changes "
    "of colour and no label smoothing"
)
# The authors of ResNet-D on 8 devices with 128 images each.
GLUON = {
    **PHOTOS,
    **_batch(1024),
    "augment": "crop+flip+jitter(0.4,0.4,0.4)",
    "epochs": 120,
    "learning_rate": 0.4,
    "nesterov": True,
    "weight_decay": 1e-4,
    "schedule": "cosine",
    "warmup_epochs": 5,
    "label_smoothing": 0.1,
}
GLUON_SOURCE = (
    "https://github.com/dmlc/web-data/tree/master/gluoncv/logs/classification/imagenet: {}; weight "
    "decay, momentum and changes of colour from scripts/classification/imagenet/train_imagenet.py "
    "of https://github.com/dmlc/gluon-cv; without its noise along the colours' principal axes"
)
NASNET = {
    **RMSPROP,
    **_batch(1600),
    "epochs": 312,
    "learning_rate": 2.0,
    "weight_decay": 4e-5,
    "schedule": "step",
    "step_epochs": 2.4,
    "step_factor": 0.97,
    "clip_norm": 10.0,
    "label_smoothing": 0.1,
    "epsilon": 1.0,
    "ema_decay": 0.9999,
}
NASNET_SOURCE = (
    "https://github.com/tensorflow/models/blob/master/research/slim/nets/nasnet/nasnet.py, notes "
    "above the configurations: {}, 250,000 steps; optimiser and its epsilon are the defaults of "
    "train_image_classifier.py there; the average of weights is that of AmoebaNet in "
    "https://github.com/tensorflow/tpu, the notes name none; without the auxiliary head and the "
    "changes of colour"
)


def _swin(drop_rate: float, note: str = "", **changes) -> dict:
    source = (
        "https://github.com/microsoft/Swin-Transformer: config.py, configs/swin and get_started.md"
    )
    network = {"network": {"drop_rate": drop_rate}, "source": source + note}
    return {**DEIT, "warmup_epochs": 20, "clip_norm": 5.0, **network, **changes}


def _convnext(drop_rate: float, note: str = "", **changes) -> dict:
    source = "https://github.com/facebookresearch/ConvNeXt: TRAINING.md and main.py"
    network = {"network": {"drop_rate": drop_rate}, "source": source + note}
    rates = {"learning_rate": 4e-3, "warmup_epochs": 20, "ema_decay": 0.9999}
    return {**DEIT, **_batch(4096), **rates, **network, **changes}


# The largest sizes were never trained on ImageNet-1k alone.
ON_22K = "; on the 22,000 classes of ImageNet, from which it was fine-tuned"
OF_22K = {**_batch(4096), "epochs": 90, "warmup_epochs": 5}

# pattern of names -> settings; the first pattern that fits holds
PUBLISHED = {
    "lenet5": {
        **_batch(64),
        "augment": "none",
        "epochs": 20,
        "learning_rate": 0.01,
        "nesterov": False,
        "weight_decay": 5e-4,
        "schedule": "step",
        "step_epochs": 4,
        "step_factor": 0.376,
        "source": "https://github.com/BVLC/caffe/tree/master/examples/mnist (rate, momentum, batch "
        "and weight decay of lenet_solver.prototxt and its network); 20 passes over MNIST and a "
        "rate that falls to a fiftieth in four steps (after 2, 5, 8 and 12 passes there) are those "
        "of LeCun et al. 1998, section III.B, as programs that follow the paper repeat them; its "
        "second-order steps of one image are momentum SGD here",
    },
    "alexnet_2012": {
        **STEPS,
        **_batch(128),
        "learning_rate": 0.01,
        "weight_decay": 5e-4,
        "step_epochs": 23,
        "source": "Krizhevsky et al. 2012, section 5: about 90 passes, the rate divided by 10 "
        "three times, by hand when validation stood still, here after equal parts; it crops "
        "without scaling; without its change of colours by PCA",
    },
    "alexnet": {**STEPS, "learning_rate": 0.01, "source": f"{TORCHVISION}AlexNet and VGG"},
    "vgg*_bn": {**STEPS, "source": f"{TORCHVISION}AlexNet and VGG"},
    "vgg*": {**STEPS, "learning_rate": 0.01, "source": f"{TORCHVISION}AlexNet and VGG"},
    "googlenet": {
        **STEPS,
        **_batch(32),
        "epochs": 250,
        "learning_rate": 0.01,
        "weight_decay": 2e-4,
        "step_epochs": 8,
        "step_factor": 0.96,
        "network": {"aux": True, "dropout": 0.4},
        "source": "Szegedy et al. 2014, arXiv 1409.4842, section 6 (momentum, 4 % less every 8 "
        "epochs, crops) and https://github.com/BVLC/caffe/tree/master/models/bvlc_googlenet: "
        "solver.prototxt and train_val.prototxt (the rest); both have no batch norm; without the "
        "paper's average of weights and changes of colour",
    },
    "inception_v3": {
        **RMSPROP,
        **_batch(32),
        "epochs": 100,
        "learning_rate": 0.045,
        "weight_decay": 4e-5,
        "schedule": "step",
        "step_epochs": 2,
        "step_factor": 0.94,
        "clip_norm": 2.0,
        "label_smoothing": 0.1,
        "epsilon": 1.0,
        "ema_decay": 0.9999,
        "network": {"aux": True, "dropout": 0.2},
        "source": "Szegedy et al. 2015, arXiv 1512.00567, sections 7 and 8: 50 replicas with 32 "
        "images each, which do not wait for each other (Howard et al. 2017, arXiv 1704.04861, "
        "section 3.2); momentum, weight decay, dropout and average of weights from "
        "inception_distributed_train.py and inception_model.py in "
        "https://github.com/tensorflow/models/tree/master/research/inception; without its changes "
        "of colour",
    },
    "resnext101_64x4d": {
        **RECIPE_2021,
        "source": f"https://github.com/pytorch/vision/pull/5935{SHORTER_CROPS}",
    },
    "resnext*": {
        **STEPS,
        "epochs": 100,
        "source": f"{TORCHVISION}ResNext, a command for 50_32x4d and 101_32x8d (the latter with "
        "1024 images and a rate of 0.4)",
    },
    "seres*": {
        **STEPS,
        **_batch(1024),
        "epochs": 100,
        "learning_rate": 0.6,
        "source": "Hu et al. 2017, arXiv 1709.01507, section 5, and "
        "https://github.com/hujie-frank/SENet: README.md; weight decay from ResNet, they name none",
    },
    "wide_resnet*": {
        **RECIPE_2021,
        "source": "https://github.com/pytorch/vision/pull/4862, with the command printed in "
        "pull/4964 for the deeper network",
    },
    "resnet*[cd]": {
        **GLUON,
        "network": {"zero_init_residual": True},
        "source": GLUON_SOURCE.format("resnet50_v1c.sh and resnet50_v1d.sh")
        + ", by the authors of He et al. 2018, arXiv 1812.01187; there resnet152d has half the "
        "batch at half the rate",
    },
    "resnet*": {**STEPS, "source": f"{TORCHVISION}ResNet (He et al. 2015, arXiv 1512.03385)"},
    "mobilenet_v1": {
        **GLUON,
        "source": GLUON_SOURCE.format("mobilenet1.0.sh")
        + "; Howard et al. 2017, arXiv 1704.04861, section 3.2, names RMSProp and no numbers",
    },
    "mobilenet_v2*": {
        **STEPS,
        "epochs": 300,
        "learning_rate": 0.045,
        "weight_decay": 4e-5,
        "step_epochs": 1,
        "step_factor": 0.98,
        "source": f"{TORCHVISION}MobileNetV2, a command for width 1",
    },
    "mobilenet_v3*": {
        **RMSPROP,
        **_batch(1024),
        "augment": f"crop+flip+autoaugment+erase(0.2,{MEAN_COLOUR})",
        "epochs": 600,
        "learning_rate": 0.064,
        "epsilon": 0.0316,
        "schedule": "step",
        "step_epochs": 2,
        "step_factor": 0.973,
        "source": f"{TORCHVISION}MobileNetV3, which then averages its last three best checkpoints",
    },
    "shufflenet_v1*": {
        **SHUFFLE,
        "source": SHUFFLE_SOURCE.format("ShuffleNetV1", "Zhang et al. 2017, arXiv 1707.01083,")
        + ", and crops that scale less",
    },
    "shufflenet_v2_150": {**RECIPE_2021, "source": f"{TORCHVISION}ShuffleNet V2{SHORTER_CROPS}"},
    "shufflenet_v2_200": {**RECIPE_2021, "source": f"{TORCHVISION}ShuffleNet V2{SHORTER_CROPS}"},
    "shufflenet_v2*": {
        **SHUFFLE,
        "source": SHUFFLE_SOURCE.format("ShuffleNetV2", "Ma et al. 2018, arXiv 1807.11164,"),
    },
    "squeezenet*": {
        **PHOTOS,
        **_batch(512),
        "augment": "crop",
        "epochs": 68,
        "learning_rate": 0.04,
        "weight_decay": 2e-4,
        "schedule": "polynomial",
        "source": "https://github.com/forresti/SqueezeNet: solver.prototxt and train_val.prototxt, "
        "170,000 steps of 512, linear to zero; it crops without scaling",
    },
    "mnasnet_075": {
        **RECIPE_2021,
        "source": f"https://github.com/pytorch/vision/pull/6019{SHORTER_CROPS}",
    },
    "mnasnet_130": {
        **RECIPE_2021,
        "source": f"https://github.com/pytorch/vision/pull/6019{SHORTER_CROPS}",
    },
    "mnasnet*": {
        **MNAS,
        "label_smoothing": 0.1,
        "source": "Tan et al. 2018, arXiv 1807.11626, section 5, and "
        "https://github.com/tensorflow/tpu/tree/master/models/official/mnasnet (epochs, smoothing, "
        "average of weights, epsilon); the rate falls in steps there, counted from the start",
    },
    "nasnet_mobile": {**NASNET, "source": NASNET_SOURCE.format("50 replicas of 32")},
    "nasnet_large": {
        **NASNET,
        "learning_rate": 1.5,
        "weight_decay": 5e-5,
        "network": {"drop_rate": 0.3},
        "source": NASNET_SOURCE.format("100 replicas of 16")
        + "; the rate of stochastic depth grows over the run there",
    },
    "efficientnet*": {
        **MNAS,
        "augment": "crop+flip+autoaugment",
        "label_smoothing": 0.1,
        "network": {"drop_rate": 0.2},
        "source": "Tan and Le 2019, arXiv 1905.11946, section 5.2, and "
        "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet (epochs, "
        "warmup, smoothing, epsilon, average of weights; half the batch at half the rate); the "
        "rate falls in steps there, counted from the start, and training stops early",
    },
    "vit_tiny*": {**DEIT, "source": DEIT_SOURCE},
    "vit_small_16": {**DEIT, "source": DEIT_SOURCE},
    "vit_small_32": {**DEIT, "source": f"{DEIT_SOURCE}; its patches have 16 pixels"},
    "vit_base_32": {**VIT, "augment": "crop+flip+autoaugment"},
    "vit_large_16": {
        **RECIPE_2021,
        "clip_norm": 1.0,
        "source": f"{TORCHVISION}Vision Transformer, vit_l_16: SGD",
    },
    "vit*": VIT,
    "deit*": {**DEIT, "source": f"{DEIT_SOURCE}; without the teacher, both heads learn the labels"},
    "swin_tiny": _swin(0.2),
    "swin_small": _swin(0.3),
    "swin_base": _swin(0.5),
    "swin_large": _swin(0.2, ON_22K, **OF_22K),
    "convnext_small": _convnext(0.4),
    "convnext_base": _convnext(0.5),
    "convnext_large": _convnext(0.5),
    "convnext_xlarge": _convnext(0.2, ON_22K, **OF_22K, ema_decay=0.0),
    "convnext_tiny": _convnext(0.1),
    "convnext*": _convnext(0.1, "; the settings are those of convnext_tiny, this size is timm's"),
}
