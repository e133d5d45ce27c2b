"""The networks of other libraries that `scripts/parity.py` compares kcv's with.

timm 1.0.31, torchvision 0.28.0, transformers 5.23.0, mmpretrain 1.2.0 and keras.applications of
Keras 3.15.1; see the README of the parity table for how to install them beside a CPU-only torch.
"""

import importlib.util
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import torch
from keras.src.applications.nasnet import NASNet
from parity_modules import Keras, Torch, Transformers

ODD = (225, 193)


class Case(NamedTuple):
    """A network of kcv and the same one elsewhere.

    `odd` says whether the reference can be built for 225x193; `why` what stands against it.
    """

    model: str
    dialect: str
    reference: str
    odd: bool = True
    why: str = ""


def cases() -> list[Case]:
    """Return all comparisons, small networks first."""
    return [
        Case(*row) if len(row) < 4 else Case(*row[:3], False, row[3])
        for rows in TABLE
        for row in rows
    ]


def prepare() -> None:
    """Let torchvision be imported beside a torch without CUDA: declare the operators it lacks.

    Its wheels are linked against CUDA, so its own operators do not load; nothing that classifies
    images calls them. The declarations have no kernels: a call would still fail.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or hasattr(torch.ops.torchvision, "nms"):
        return
    try:
        for library in Path(found.origin).parent.glob("_C*.so"):
            torch.ops.load_library(library)
    except OSError:
        _declare()


def _declare() -> None:
    """Declare torchvision's operators, by the names and arguments that it registers itself."""
    box = "int pooled_height, int pooled_width"
    region = f"Tensor input, Tensor rois, float spatial_scale, {box}"
    shape = "int batch_size, int channels, int height, int width"
    deform = ", ".join(f"int {n}" for n in DEFORM)
    schemas = [
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        f"roi_align({region}, int sampling_ratio, bool aligned) -> Tensor",
        f"qroi_align({region}, int sampling_ratio, bool aligned) -> Tensor",
        f"ps_roi_align({region}, int sampling_ratio) -> (Tensor, Tensor)",
        f"roi_pool({region}) -> (Tensor, Tensor)",
        f"ps_roi_pool({region}) -> (Tensor, Tensor)",
        f"_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, {box}, {shape}, "
        "int sampling_ratio, bool aligned) -> Tensor",
        f"_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor mapping, float spatial_scale, "
        f"{box}, int sampling_ratio, {shape}) -> Tensor",
        f"_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, {box}, "
        f"{shape}) -> Tensor",
        f"_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor mapping, float spatial_scale, "
        f"{box}, {shape}) -> Tensor",
        "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
        f"{deform}, bool use_mask) -> Tensor",
        "_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, "
        f"Tensor mask, Tensor bias, {deform}, bool use_mask) -> "
        "(Tensor, Tensor, Tensor, Tensor, Tensor)",
        "_cuda_version() -> int",
    ]
    for schema in schemas:
        LIBRARY.define(re.sub(r"\bint\b(?= [a-z])", "SymInt", schema))


DEFORM = (
    *("stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w"),
    *("groups", "offset_groups"),
)
LIBRARY = torch.library.Library("torchvision", "FRAGMENT")


def make(case: Case, size: tuple[int, int]):
    """Build a reference, dropout and stochastic depth off, one momentum everywhere, in float64."""
    return MAKERS[case.dialect](case.reference, size)


def _timm(name: str, size):
    timm = importlib.import_module("timm")
    fixed = name.startswith(("vit", "deit", "swin"))
    return Torch(timm.create_model(name, **({"img_size": size} if fixed else {})))


def _torchvision(name: str, size):
    name, options = TORCHVISION.get(name, (name, {}))
    if name == "inception_v3" and min(size) < 299:  # its training head needs that
        options = options | {"aux_logits": False}
    models = importlib.import_module("torchvision.models")
    return Torch(models.get_model(name, weights=None, **options))


def _mmpretrain(name: str, size):
    library = importlib.import_module("mmpretrain")
    if name in MMPRETRAIN_NEW:  # no published configuration
        config = importlib.import_module("mmengine").Config
        return Torch(library.get_model(config({"model": MMPRETRAIN_NEW[name]})))
    name, changes = MMPRETRAIN.get(name, (name, {}))
    changes = {"backbone": {"img_size": size}} if name.startswith(("vit", "deit")) else changes
    return Torch(library.get_model(name, pretrained=False, **changes))


def _hf(name: str, size):
    library = importlib.import_module("transformers")
    family, options = HF[name]
    kind = "ForImageClassification" + ("WithTeacher" if family == "DeiT" else "")
    config = getattr(library, f"{family}Config")(num_labels=1000, image_size=size, **options)
    return Transformers(getattr(library, family + kind)(config))


def _keras(name: str, size):
    network, about, options = KERAS[name]
    same = {"weights": None, "classes": 1000, "classifier_activation": None}
    return Keras(partial(network, input_shape=(*size, 3), **same, **options), **about)


def _narrow(width: int) -> dict:
    return {
        "hidden_size": width,
        "num_attention_heads": width // 64,
        "intermediate_size": 4 * width,
        "attention_probs_dropout_prob": 0.0,
        "hidden_dropout_prob": 0.0,
    }


MAKERS = {
    "timm": _timm,
    "torchvision": _torchvision,
    "mmpretrain": _mmpretrain,
    "hf": _hf,
    "keras": _keras,
}
# networks that the libraries build by an argument, under no name of their own
AUX = {"aux_logits": True, "init_weights": False, "transform_input": False}
TORCHVISION = {
    "googlenet": ("googlenet", AUX),
    "inception_v3": ("inception_v3", AUX),
    "mobilenet_v2 width_mult=0.5": ("mobilenet_v2", {"width_mult": 0.5}),
}
MMPRETRAIN = {
    "mobilenet-v2 widen_factor=0.5": (
        "mobilenet-v2_8xb32_in1k",
        {"backbone": {"widen_factor": 0.5}},
    ),
    "shufflenet-v1 groups=8": (
        "shufflenet-v1-1x_16xb64_in1k",
        {"backbone": {"groups": 8}, "head": {"in_channels": 1536}},
    ),
    "shufflenet-v2 widen_factor=0.5": (
        "shufflenet-v2-1x_16xb64_in1k",
        {"backbone": {"widen_factor": 0.5}},
    ),
}
MMPRETRAIN_NEW = {
    "AlexNet": {
        "type": "ImageClassifier",
        "backbone": {"type": "AlexNet", "num_classes": 1000},
        "head": {"type": "ClsHead"},
    },
}
BASIC = {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"}
HF = {
    "resnet-18": ("ResNet", BASIC | {"depths": [2, 2, 2, 2]}),
    "resnet-50": ("ResNet", {}),
    "mobilenet_v1": ("MobileNetV1", {}),
    "mobilenet_v2": ("MobileNetV2", {}),
    "mobilenet_v2_0.5": ("MobileNetV2", {"depth_multiplier": 0.5, "finegrained_output": True}),
    "efficientnet-b0": (
        "EfficientNet",
        {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280},
    ),
    "efficientnet-b1": (
        "EfficientNet",
        {
            "width_coefficient": 1.0,
            "depth_coefficient": 1.1,
            "hidden_dim": 1280,
            "depthwise_padding": [16],
        },
    ),
    "vit-tiny": ("ViT", _narrow(192)),
    "vit-small": ("ViT", _narrow(384)),
    "deit-tiny-distilled": ("DeiT", _narrow(192)),
    "deit-small-distilled": ("DeiT", _narrow(384)),
    "swin-tiny": ("Swin", {}),
    "swin-small": ("Swin", {"depths": [2, 2, 18, 2]}),
    "convnext-tiny": ("ConvNext", {}),
    "convnext-small": ("ConvNext", {"depths": [3, 3, 27, 3]}),
}

# why a reference has one member of a family only; families of one row need no word
ALONE = {
    ("alexnet", "torchvision"): "the network of 2012 is published nowhere else",
    ("alexnet", "mmpretrain"): "the network of 2012 is published nowhere else",
    ("nasnet", "timm"): "it has no NASNet-A Mobile",
}
# keras.applications: network, what its images are, options
APPLICATIONS = keras.applications
DIVIDES = {"factor": 255.0}  # it divides grey levels itself
BGR = {"reverse": True}
BARE = {"include_preprocessing": False}
CELLS = {"skip_reduction": False, "default_size": 224}
KERAS = {
    "MobileNet": (APPLICATIONS.MobileNet, {}, {}),
    "MobileNetV2": (APPLICATIONS.MobileNetV2, {}, {}),
    "MobileNetV2 alpha=0.5": (APPLICATIONS.MobileNetV2, {}, {"alpha": 0.5}),
    "MobileNetV3Small": (APPLICATIONS.MobileNetV3Small, {}, BARE),
    "MobileNetV3Large": (APPLICATIONS.MobileNetV3Large, {}, BARE),
    "EfficientNetB0": (APPLICATIONS.EfficientNetB0, DIVIDES, {}),
    "EfficientNetB1": (APPLICATIONS.EfficientNetB1, DIVIDES, {}),
    "ResNet50": (APPLICATIONS.ResNet50, BGR, {}),
    "ResNet101": (APPLICATIONS.ResNet101, BGR, {}),
    "InceptionV3": (APPLICATIONS.InceptionV3, {}, {}),
    "ConvNeXtTiny": (APPLICATIONS.ConvNeXtTiny, {}, BARE),
    "ConvNeXtSmall": (APPLICATIONS.ConvNeXtSmall, {}, BARE),
    "VGG16": (APPLICATIONS.VGG16, BGR, {}),
    "VGG19": (APPLICATIONS.VGG19, BGR, {}),
    # the public function refuses torch, on which the network runs
    "NASNetMobile": (
        NASNet,
        {},
        {"penultimate_filters": 1056, "num_blocks": 4, "stem_block_filters": 32, **CELLS},
    ),
    "NASNetLarge": (APPLICATIONS.NASNetLarge, {}, {}),
}

FIXED = "the reference takes its native size only"
SHIFT = "the reference shrinks windows and tables to the map, kcv pads the map"
CORNER = "the reference pads what does not fill a patch, kcv and the others cut it off"
EVEN = "the reference fixes TensorFlow's padding for even sizes"
FLAT = "the reference's classifier is as large as its map"
TABLE = (
    (
        ("squeezenet1_0", "torchvision", "squeezenet1_0"),
        ("squeezenet1_1", "torchvision", "squeezenet1_1"),
        ("shufflenet_v2_050", "torchvision", "shufflenet_v2_x0_5"),
        ("shufflenet_v2_100", "torchvision", "shufflenet_v2_x1_0"),
        ("shufflenet_v2_100", "mmpretrain", "shufflenet-v2-1x_16xb64_in1k"),
        ("shufflenet_v2_050", "mmpretrain", "shufflenet-v2 widen_factor=0.5"),
        ("shufflenet_v1_g3", "mmpretrain", "shufflenet-v1-1x_16xb64_in1k"),
        ("shufflenet_v1_g8", "mmpretrain", "shufflenet-v1 groups=8"),
        ("mobilenet_v1", "timm", "mobilenetv1_100"),
        ("mobilenet_v1", "hf", "mobilenet_v1"),
        ("mobilenet_v2_050", "timm", "mobilenetv2_050"),
        ("mobilenet_v2", "timm", "mobilenetv2_100"),
        ("mobilenet_v2", "torchvision", "mobilenet_v2"),
        ("mobilenet_v2_050", "torchvision", "mobilenet_v2 width_mult=0.5"),
        ("mobilenet_v2", "mmpretrain", "mobilenet-v2_8xb32_in1k"),
        ("mobilenet_v2_050", "mmpretrain", "mobilenet-v2 widen_factor=0.5"),
        ("mobilenet_v2", "hf", "mobilenet_v2"),
        ("mobilenet_v2_050", "hf", "mobilenet_v2_0.5"),
        ("mobilenet_v3_small", "torchvision", "mobilenet_v3_small"),
        ("mobilenet_v3_large", "torchvision", "mobilenet_v3_large"),
        ("mobilenet_v3_small", "timm", "mobilenetv3_small_100"),
        ("mobilenet_v3_large_075", "timm", "mobilenetv3_large_075"),
        ("mobilenet_v3_small", "timm", "tf_mobilenetv3_small_100"),
        ("mobilenet_v3_large", "timm", "tf_mobilenetv3_large_100"),
        ("mobilenet_v3_small", "mmpretrain", "mobilenet-v3-small_8xb128_in1k"),
        ("mobilenet_v3_large", "mmpretrain", "mobilenet-v3-large_8xb128_in1k"),
        ("mnasnet_050", "torchvision", "mnasnet0_5"),
        ("mnasnet_100", "torchvision", "mnasnet1_0"),
        ("mnasnet_050", "timm", "mnasnet_050"),
        ("mnasnet_100", "timm", "mnasnet_100"),
        ("efficientnet_b0", "timm", "efficientnet_b0"),
        ("efficientnet_b1", "timm", "efficientnet_b1"),
        ("efficientnet_b0", "timm", "tf_efficientnet_b0"),
        ("efficientnet_b1", "timm", "tf_efficientnet_b1"),
        ("efficientnet_b0", "torchvision", "efficientnet_b0"),
        ("efficientnet_b1", "torchvision", "efficientnet_b1"),
        ("efficientnet_b0", "mmpretrain", "efficientnet-b0_3rdparty_8xb32_in1k"),
        ("efficientnet_b1", "mmpretrain", "efficientnet-b1_3rdparty_8xb32_in1k"),
        ("efficientnet_b0", "hf", "efficientnet-b0", EVEN),
        ("efficientnet_b1", "hf", "efficientnet-b1", EVEN),
        ("mobilenet_v1", "keras", "MobileNet", EVEN),
        ("mobilenet_v2", "keras", "MobileNetV2"),
        ("mobilenet_v2_050", "keras", "MobileNetV2 alpha=0.5"),
        ("mobilenet_v3_small", "keras", "MobileNetV3Small"),
        ("mobilenet_v3_large", "keras", "MobileNetV3Large"),
        ("efficientnet_b0", "keras", "EfficientNetB0"),
        ("efficientnet_b1", "keras", "EfficientNetB1"),
    ),
    (
        ("resnet18", "torchvision", "resnet18"),
        ("resnet50", "torchvision", "resnet50"),
        ("resnext50_32x4d", "torchvision", "resnext50_32x4d"),
        ("resnet18", "timm", "resnet18"),
        ("resnet18d", "timm", "resnet18d"),
        ("resnet50c", "timm", "resnet50c"),
        ("resnet50d", "timm", "resnet50d"),
        ("seresnet18", "timm", "seresnet18"),
        ("seresnext50_32x4d", "timm", "seresnext50_32x4d"),
        ("resnet18", "mmpretrain", "resnet18_8xb32_in1k"),
        ("resnet50d", "mmpretrain", "resnetv1d50_8xb32_in1k"),
        ("seresnet50", "mmpretrain", "seresnet50_8xb32_in1k"),
        ("resnet18", "hf", "resnet-18"),
        ("resnet50", "hf", "resnet-50"),
        ("googlenet", "torchvision", "googlenet"),
        ("inception_v3", "torchvision", "inception_v3"),
        ("inception_v3", "timm", "inception_v3"),
        ("inception_v3", "mmpretrain", "inception-v3_3rdparty_8xb32_in1k"),
        ("resnet50", "keras", "ResNet50"),
        ("resnet101", "keras", "ResNet101"),
        ("inception_v3", "keras", "InceptionV3"),
    ),
    (
        ("vit_tiny_16", "timm", "vit_tiny_patch16_224"),
        ("vit_small_32", "timm", "vit_small_patch32_224"),
        ("deit_tiny_distilled_16", "timm", "deit_tiny_distilled_patch16_224"),
        ("vit_tiny_16", "mmpretrain", "deit-tiny_4xb256_in1k", CORNER),
        ("deit_tiny_distilled_16", "mmpretrain", "deit-tiny-distilled_3rdparty_in1k", CORNER),
        ("vit_tiny_16", "hf", "vit-tiny"),
        ("vit_small_16", "hf", "vit-small"),
        ("deit_tiny_distilled_16", "hf", "deit-tiny-distilled"),
        ("convnext_atto", "timm", "convnext_atto"),
        ("convnext_tiny", "timm", "convnext_tiny"),
        ("convnext_tiny", "torchvision", "convnext_tiny"),
        ("convnext_small", "torchvision", "convnext_small"),
        ("convnext_tiny", "mmpretrain", "convnext-tiny_32xb128_in1k"),
        ("convnext_small", "mmpretrain", "convnext-small_32xb128_in1k"),
        ("convnext_tiny", "hf", "convnext-tiny"),
        ("convnext_small", "hf", "convnext-small"),
        ("swin_tiny", "timm", "swin_tiny_patch4_window7_224", SHIFT),
        ("swin_small", "timm", "swin_small_patch4_window7_224", SHIFT),
        ("swin_tiny", "torchvision", "swin_t"),
        ("swin_small", "torchvision", "swin_s"),
        ("swin_tiny", "mmpretrain", "swin-tiny_16xb64_in1k", CORNER),
        ("swin_small", "mmpretrain", "swin-small_16xb64_in1k", CORNER),
        ("swin_tiny", "hf", "swin-tiny", CORNER),
        ("swin_small", "hf", "swin-small", CORNER),
        ("convnext_tiny", "keras", "ConvNeXtTiny"),
        ("convnext_small", "keras", "ConvNeXtSmall"),
    ),
    (
        ("alexnet", "torchvision", "alexnet"),
        ("alexnet", "mmpretrain", "AlexNet", FIXED),
        ("vgg11", "torchvision", "vgg11"),
        ("vgg11_bn", "torchvision", "vgg11_bn"),
        ("vgg11", "timm", "vgg11"),
        ("vgg11_bn", "timm", "vgg11_bn"),
        ("vgg11", "mmpretrain", "vgg11_8xb32_in1k", FIXED),
        ("vgg11_bn", "mmpretrain", "vgg11bn_8xb32_in1k", FIXED),
        ("vit_base_32", "torchvision", "vit_b_32", FIXED),
        ("vit_base_16", "torchvision", "vit_b_16", FIXED),
        ("vgg16", "keras", "VGG16", FLAT),
        ("vgg19", "keras", "VGG19", FLAT),
        ("nasnet_large", "timm", "nasnetalarge"),
        ("nasnet_mobile", "keras", "NASNetMobile"),
        ("nasnet_large", "keras", "NASNetLarge"),
    ),
)
