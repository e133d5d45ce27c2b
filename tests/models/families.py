"""What the contract knows of each family: exact counts, a tiny member, starts, published settings.

A new variant is a line in `TABLE`; a new family one in `TINY`, `DEEPER`, `RULES` and `READ` too.
"""

import csv
import math

import numpy as np
import pytest

# Exact parameters, batch-norm statistics and multiply-adds (thousand millions, for one image of
# at_size pixels), each from the reference that its line names.
TABLE = """\
name,reference,reference_name,parameters,bn_statistics,gmacs,at_size,published_top1
lenet5,arithmetic,"(1x32x32, 10 classes)",61706,0,,32
alexnet,torchvision,alexnet,61100840,0,0.7142,224,56.522
alexnet_2012,paper,"(two groups, LRN)",60965224,0,,224
vgg11,torchvision,vgg11,132863336,0,7.6091,224,69.020
vgg13,torchvision,vgg13,133047848,0,11.3085,224,69.928
vgg16,torchvision,vgg16,138357544,0,15.4703,224,71.592
vgg19,torchvision,vgg19,143667240,0,19.6321,224,72.376
vgg11_bn,torchvision,vgg11_bn,132868840,5504,7.6091,224,70.370
vgg13_bn,torchvision,vgg13_bn,133053736,5888,11.3085,224,71.586
vgg16_bn,torchvision,vgg16_bn,138365992,8448,15.4703,224,73.360
vgg19_bn,torchvision,vgg19_bn,143678248,11008,19.6321,224,74.218
googlenet,torchvision,googlenet,6624904,14560,1.4984,224,69.778
inception_v3,torchvision,inception_v3,23834568,34432,5.7132,299,77.294
resnet18,torchvision,resnet18,11689512,9600,1.8141,224,69.758
resnet34,torchvision,resnet34,21797672,17024,3.6638,224,73.314
resnet50,torchvision,resnet50,25557032,53120,4.0892,224,76.130 / 80.858
resnet101,torchvision,resnet101,44549160,105344,7.8014,224,77.374 / 81.886
resnet152,torchvision,resnet152,60192808,151424,11.5136,224,78.312 / 82.284
resnet18d,timm,resnet18d,11708744,9728,2.0537,224,72.296
resnet34d,timm,resnet34d,21816904,17152,3.9034,224,77.108
resnet50c,timm,resnet50c,25576264,53248,4.3288,224,78.016
resnet50d,timm,resnet50d,25576264,53248,4.3288,224,80.730
resnet101d,timm,resnet101d,44568392,105472,8.041,224,
resnet152d,timm,resnet152d,60212040,151552,11.7533,224,
resnext50_32x4d,torchvision,resnext50_32x4d,25028904,68224,4.2305,224,77.618 / 81.198
resnext101_32x4d,timm,resnext101_32x4d,44177704,137856,7.97,224,80.336
resnext101_32x8d,torchvision,resnext101_32x8d,88791336,202880,16.414,224,79.312 / 82.834
resnext101_64x4d,torchvision,resnext101_64x4d,83455272,202880,15.4603,224,
seresnet18,timm,seresnet18,11779624,9600,1.8142,224,
seresnet34,timm,seresnet34,21960416,17024,3.6639,224,
seresnet50,timm,seresnet50,28088024,53120,4.0917,224,80.260
seresnet101,timm,seresnet101,49326872,105344,7.8061,224,
seresnet152,timm,seresnet152,66821848,151424,11.5202,224,
seresnext50_32x4d,timm,seresnext50_32x4d,27559896,68224,4.233,224,81.268
wide_resnet50_2,torchvision,wide_resnet50_2,68883240,68224,11.398,224,
mobilenet_v1,timm,mobilenetv1_100,4231976,21888,0.5687,224,75.388
mobilenet_v2,torchvision,mobilenet_v2,3504872,34112,0.3008,224,71.878 / 72.154
mobilenet_v2_035,timm,mobilenetv2_035,1677128,14080,0.0593,224,
mobilenet_v2_050,timm,mobilenetv2_050,1968680,18544,0.0971,224,
mobilenet_v2_075,timm,mobilenetv2_075,2636424,26640,0.2091,224,
mobilenet_v2_140,timm,mobilenetv2_140,6108776,47936,0.5822,224,
mobilenet_v3_large,torchvision,mobilenet_v3_large,5483032,24400,0.2166,224,74.042 / 75.274
mobilenet_v3_small,torchvision,mobilenet_v3_small,2542856,12112,0.0565,224,67.668
mobilenet_v3_large_075,timm,mobilenetv3_large_075,3993528,19088,0.1546,224,
mobilenet_v3_small_075,timm,mobilenetv3_small_075,2041872,9680,0.0434,224,
shufflenet_v1_g1,mmpretrain,ShuffleNetV1 g1 1x,1531936,14688,0.1431,224,
shufflenet_v1_g2,mmpretrain,ShuffleNetV1 g2 1x,1733848,20400,0.1408,224,
shufflenet_v1_g3,mmpretrain,ShuffleNetV1 g3 1x,1865728,24480,0.1375,224,68.13
shufflenet_v1_g4,mmpretrain,ShuffleNetV1 g4 1x,1968344,27744,0.1343,224,
shufflenet_v1_g8,mmpretrain,ShuffleNetV1 g8 1x,2434768,39168,0.1384,224,
shufflenet_v2_050,torchvision,shufflenet_v2_x0_5,1366792,7952,0.0405,224,60.552
shufflenet_v2_100,torchvision,shufflenet_v2_x1_0,2278604,16180,0.1449,224,69.362
shufflenet_v2_150,torchvision,shufflenet_v2_x1_5,3503624,23440,0.2958,224,72.996
shufflenet_v2_200,torchvision,shufflenet_v2_x2_0,7393996,33716,0.5833,224,76.230
squeezenet1_0,torchvision,squeezenet1_0,1248424,0,0.8189,224,58.092
squeezenet1_1,torchvision,squeezenet1_1,1235496,0,0.3492,224,58.178
mnasnet_050,torchvision,mnasnet0_5,2218512,20624,0.1045,224,
mnasnet_075,torchvision,mnasnet0_75,3170208,29808,0.2155,224,
mnasnet_100,torchvision,mnasnet1_0,4383312,37920,0.3144,224,73.456
mnasnet_130,torchvision,mnasnet1_3,6282256,48816,0.5264,224,
nasnet_mobile,keras.applications,NASNetMobile,5289978,36738,0.5636,224,74.0
nasnet_large,keras.applications,NASNetLarge,88753150,196668,23.7834,331,82.7
efficientnet_b0,torchvision,efficientnet_b0,5288548,42016,0.3858,224,77.692
efficientnet_b1,torchvision,efficientnet_b1,7794184,62048,0.5697,224,
efficientnet_b2,torchvision,efficientnet_b2,9109994,67568,0.659,224,
efficientnet_b3,torchvision,efficientnet_b3,12233232,87296,0.9627,224,
efficientnet_b4,torchvision,efficientnet_b4,19341616,125200,1.5037,224,
efficientnet_b5,torchvision,efficientnet_b5,30389784,172736,2.3565,224,
efficientnet_b6,torchvision,efficientnet_b6,43040704,224432,3.3602,224,
efficientnet_b7,torchvision,efficientnet_b7,66347960,310720,5.1699,224,
vit_tiny_16,timm,vit_tiny_patch16_224,5717416,0,1.2537,224,75.452
vit_small_16,timm,vit_small_patch16_224,22050664,0,4.5989,224,78.842
vit_small_32,timm,vit_small_patch32_224,22878952,0,1.1429,224,
vit_base_16,timm,vit_base_patch16_224,86567656,0,17.5638,224,79.154
vit_base_32,timm,vit_base_patch32_224,88224232,0,4.4092,224,74.908
vit_large_16,timm,vit_large_patch16_224,304326632,0,61.5547,224,
vit_large_32,timm,vit_large_patch32_224,306535400,0,15.3775,224,
deit_tiny_distilled_16,timm,deit_tiny_distilled_patch16_224,5910800,0,1.261,224,74.50
deit_small_distilled_16,timm,deit_small_distilled_patch16_224,22436432,0,4.6241,224,
swin_tiny,torchvision,swin_t,28288354,0,4.4906,224,81.474
swin_small,torchvision,swin_s,49606258,0,8.7409,224,83.196
swin_base,torchvision,swin_b,87768224,0,15.4309,224,83.582
swin_large,timm,swin_large_patch4_window7_224,196532476,0,34.4758,224,
convnext_atto,timm,convnext_atto,3695520,0,0.5473,224,75.672
convnext_femto,timm,convnext_femto,5217784,0,0.7796,224,
convnext_pico,timm,convnext_pico,9045672,0,1.3671,224,
convnext_nano,timm,convnext_nano,15593560,0,2.4455,224,
convnext_tiny,torchvision,convnext_tiny,28589128,0,4.4555,224,82.520
convnext_small,torchvision,convnext_small,50223688,0,8.6837,224,83.616
convnext_base,torchvision,convnext_base,88591464,0,15.3547,224,84.062
convnext_large,torchvision,convnext_large,197767336,0,34.3614,224,84.414
convnext_xlarge,timm,convnext_xlarge,350196968,0,60.921,224,
"""
COUNTS = {row["name"]: row for row in csv.DictReader(TABLE.splitlines())}

# A small network of every family: full depth where it is cheap, a tenth of the channels.
TINY = {
    "lenet5": {"channels": 3},
    "alexnet": {"width": 0.125, "dense_width": 64, "dropout": 0.0},
    "vgg11_bn": {"width": 0.125, "dense_width": 64, "dropout": 0.0},
    "googlenet": {"width": 0.25},
    "inception_v3": {"width": 0.125, "dropout": 0.0},
    "resnet18": {"width": 0.125},
    "resnet50d": {"width": 0.125, "depths": (1, 1, 1, 1)},
    "seresnext50_32x4d": {"width": 0.5, "depths": (1, 1, 1, 1), "groups": 4},
    "squeezenet1_1": {"width": 0.5, "dropout": 0.0},
    "mobilenet_v1": {"width": 0.25},
    "mobilenet_v2": {"width": 0.35},
    "mobilenet_v3_small": {"width": 0.35},
    "mnasnet_050": {"width": 0.25},
    "nasnet_mobile": {"width": 0.25, "depth": 1, "dropout": 0.0},
    "efficientnet_b0": {"width": 0.25},
    "shufflenet_v1_g3": {"width": 0.25, "depths": (2, 2, 2)},
    "shufflenet_v2_050": {"width": 0.5, "depths": (2, 2, 2), "head": 256},
    "vit_tiny_16": {"width": 24, "depth": 4},
    "deit_tiny_distilled_16": {"width": 24, "depth": 4},
    "swin_tiny": {
        "width": 24,
        "depths": (2, 2, 2, 2),
        "num_heads": (1, 2, 4, 8),
        "stem": "medium",
    },
    "convnext_atto": {"width": 16, "depths": (1, 1, 2, 1), "stem": "medium"},
}

# What `make test` tries everything on. The others are deep, and building them takes most of the
# time: `make test` shows that they compute what Keras does, the slow tests show the rest.
QUICK = {
    "lenet5", "alexnet", "vgg11_bn", "resnet18", "squeezenet1_1", "vit_tiny_16", "convnext_atto",
}  # fmt: skip


def quick_or_slow(names):
    """Return test parameters: names, of which those that are not quick are marked slow."""
    return [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in sorted(names)]


MEMBERS = quick_or_slow(TINY)

# How a tiny member is made twice as wide, and deeper.
WIDER = {
    "default": lambda width: {"width": 2 * width},
    # heads stay as wide as they are
    "vit_tiny_16": lambda width: {"width": 2 * width, "num_heads": 6},
    "deit_tiny_distilled_16": lambda width: {"width": 2 * width, "num_heads": 6},
}
TWICE = (4, 4, 4, 4)
DEEPER = {
    "vgg11_bn": {"conv_arch": ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))},
    "resnet18": {"depths": TWICE},
    "resnet50d": {"depths": TWICE},
    "seresnext50_32x4d": {"depths": TWICE},
    "squeezenet1_1": {"squeezes": ((16, 16, 32), (32, 48, 48, 64), (64, 64))},
    "shufflenet_v1_g3": {"depths": TWICE[:3]},
    "shufflenet_v2_050": {"depths": TWICE[:3]},
    "vit_tiny_16": {"depth": 8},
    "deit_tiny_distilled_16": {"depth": 8},
    "nasnet_mobile": {"depth": 2},
    "swin_tiny": {"depths": TWICE},
    "convnext_atto": {"depths": TWICE},
    **{
        name: {"depth": 2.0}
        for name in ("googlenet", "inception_v3", "mobilenet_v1", "mnasnet_050")
    },
    **{name: {"depth": 2.0} for name in ("mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0")},
}
# their papers count five layers and eight: another depth is another network
FIXED = {"lenet5", "alexnet"}

# How weights start.
CUT = 0.8796  # what is left of a standard deviation when a normal is cut at two of them


def he_out(shape):
    """Return the spread of He's rule over the outputs; shapes are those of Keras' kernels."""
    return (2 / (np.prod(shape[:-2]) * shape[-1])) ** 0.5


def he_in(shape):
    return (2 / np.prod(shape[:-1])) ** 0.5


def lecun(shape):
    return (1 / np.prod(shape[:-1])) ** 0.5


def glorot(shape):
    return (2 / (shape[0] + shape[1])) ** 0.5


def flat(stddev):
    return lambda shape: stddev


def inverse_root_of_classes(shape):
    return (1 / (3 * shape[-1])) ** 0.5


# family: rule of convolutions, of dense layers, of the last layer
RULES = {
    "lenet5": (lecun, lecun, lecun),
    "alexnet": (he_in, he_in, flat(0.01)),
    "vgg11_bn": (he_out, he_in, flat(0.01)),
    "googlenet": (he_out, None, flat(0.01 * CUT)),
    "inception_v3": (flat(0.1 * CUT), None, flat(0.1 * CUT)),
    "resnet18": (he_out, None, lecun),
    "seresnext50_32x4d": (he_out, None, lecun),
    "squeezenet1_1": (he_in, None, flat(0.01)),
    "mobilenet_v1": (he_out, None, flat(0.01)),
    "mobilenet_v2": (he_out, None, flat(0.01)),
    "mobilenet_v3_small": (he_out, flat(0.01), flat(0.01)),
    "mnasnet_050": (he_out, None, flat(0.01)),
    "nasnet_mobile": (he_out, None, glorot),
    "efficientnet_b0": (he_out, None, inverse_root_of_classes),
    "shufflenet_v1_g3": (he_out, None, lecun),
    "shufflenet_v2_050": (he_out, None, lecun),
    "vit_tiny_16": (lecun, flat(0.02), flat(0.02)),
    "deit_tiny_distilled_16": (lecun, flat(0.02), flat(0.02)),
    "swin_tiny": (lecun, flat(0.02), flat(0.02)),
    "convnext_atto": (flat(0.02), flat(0.02), flat(0.02)),
}

# What the sources of published recipes say, in their own terms: from commands and configurations,
# each at the commit that is named once here, and from the named sections of papers (their words as
# public copies have them).
#   BVLC/caffe 9b89154, forresti/SqueezeNet 51147dc, megvii-model/ShuffleNet-Series aa91feb,
#   hujie-frank/SENet 0262d43, dmlc/gluon-cv 5677756, dmlc/web-data b979866, tensorflow/tpu 7dc921f,
#   facebookresearch/deit 7e160fe, facebookresearch/ConvNeXt 048efce,
#   microsoft/Swin-Transformer f82860b, pytorch/vision references/classification/README.md and PRs
#   5935, 4862, 4964, 6019; of tensorflow/models: research/inception at 4f77686,
#   inception_distributed_train.py at 147e2c8, inception_model.py at 0866e7d, nasnet.py at 03cdc5f,
#   train_image_classifier.py at 07ed366
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
    "augment": "crop+flip+trivialaugment+erase(0.1,124,116,104)",
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
# Tan et al. 2018, section 5: decay and momentum 0.9, weight decay 1e-5, dropout 0.2, from 0 to
# 0.256 in 5 epochs, then 0.97 every 2.4, batch 4K. mnasnet_config.py: 0.016 for 256 images,
# smoothing, average of weights; configs/cloud/v2-32.yaml: 109,474 steps of 4,096;
# efficientnet/utils.py, build_optimizer: 0.001, which is under the root
MNAS = {
    "opt": "rmsprop",
    "batch": 4096,
    "epochs": round(109_474 * 4096 / 1_281_167),
    "lr": 0.016 * 4096 / 256,
    "momentum": 0.9,
    "wd": 1e-5,
    "lr-step-size": 2.4,
    "lr-gamma": 0.97,
    "warmup": 5,
    "smoothing": 0.1,
    "ema": 0.9999,
    "eps": round(0.001**0.5, 4),
    "dropout": 0.2,
}
# nasnet.py's notes: 250,000 steps of 1,600 of 1,281,167 images; train_image_classifier.py:
# optimiser, momentum, epsilon; amoeba_net.py of tensorflow/tpu: average of weights
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
    "ema": 0.9999,
    "dropout": 1 - 0.5,
    "scheduler": "step",
}
# ShuffleNetV1/train.py and ShuffleNetV2/train.py, defaults of get_args, transforms of main: 300,000
# steps of 1024, linear to zero; Zhang et al. 2017, section 4, has the same rate, decay and steps
SHUFFLE = {
    "opt": "sgd",
    "batch": 1024,
    "epochs": round(300_000 * 1024 / 1_281_167),
    "lr": 0.5,
    "momentum": 0.9,
    "nesterov": False,
    "wd": 4e-5,
    "smoothing": 0.1,
    "scheduler": "polynomial",
    "augment": "crop+jitter(0.4,0.4,0.4)+flip",
}
# web-data's commands resnet50_v1c.sh, resnet50_v1d.sh and mobilenet1.0.sh; gluon-cv's
# train_imagenet.py: defaults of --wd and --momentum, "nag", jitter_param, smooth's eta
GLUON = {
    "opt": "sgd",
    "batch": 128 * 8,
    "epochs": 120,
    "lr": 0.4,
    "scheduler": "cosine",
    "warmup": 5,
    "momentum": 0.9,
    "nesterov": True,
    "wd": 0.0001,
    "smoothing": 0.1,
    "augment": "crop+flip+jitter(0.4,0.4,0.4)",
}
READ = {
    # Caffe's lenet_solver.prototxt and lenet_train_test.prototxt; 2 + 3 + 3 + 4 + 8 passes with
    # rates of 5e-4 to 1e-5 as programs repeat them from the paper
    "lenet5": {
        "opt": "sgd",
        "epochs": 2 + 3 + 3 + 4 + 8,
        "batch": 64,
        "lr": 0.01,
        "momentum": 0.9,
        "wd": 0.0005,
        "lr-gamma": round((1e-5 / 5e-4) ** (1 / 4), 3),
        "augment": "none",
    },
    # Krizhevsky et al. 2012, section 5, three falls within 90 passes; section 4.2, dropout
    "alexnet_2012": {
        "opt": "sgd",
        "epochs": 90,
        "batch": 128,
        "lr": 0.01,
        "momentum": 0.9,
        "wd": 0.0005,
        "lr-step-size": math.ceil(90 / 4),
        "lr-gamma": 1 / 10,
        "dropout": 0.5,
    },
    "alexnet": {**STEPS, "lr": 1e-2},
    "vgg11_bn": STEPS,
    "vgg19": {**STEPS, "lr": 1e-2},
    # bvlc_googlenet's solver.prototxt counts steps of 32 images; Szegedy et al. 2014, section 6,
    # has the momentum and 4 % less every 8 epochs; train_val.prototxt, pool5/drop_7x7_s1: 0.4
    "googlenet": {
        "opt": "sgd",
        "batch": 32,
        "epochs": round(10_000_000 * 32 / 1_281_167),
        "lr": 0.01,
        "momentum": 0.9,
        "wd": 0.0002,
        "lr-step-size": round(320_000 * 32 / 1_281_167),
        "lr-gamma": 1 - 0.04,
        "dropout": 0.4,
    },
    # Szegedy et al. 2015, sections 7 (smoothing) and 8; inception_distributed_train.py: the same
    # rate, fall and epsilon, momentum; inception_model.py: weight decay, average, 0.8 kept
    "inception_v3": {
        "opt": "rmsprop",
        "batch": 32,
        "epochs": 100,
        "lr": 0.045,
        "wd": 0.00004,
        "lr-step-size": 2,
        "lr-gamma": 0.94,
        "momentum": 0.9,
        "smoothing": 0.1,
        "clip": 2.0,
        "eps": 1.0,
        "ema": 0.9999,
        "dropout": 1 - 0.8,
    },
    "resnext101_64x4d": NEW,
    "resnext50_32x4d": {**STEPS, "epochs": 100},
    # Hu et al. 2017, section 5: 0.6, a tenth every 30 of 100 epochs; README.md: 1024 and 0.6
    "seresnet50": {**STEPS, "batch": 1024, "epochs": 100, "lr": 0.6},
    "wide_resnet50_2": NEW,
    "resnet50d": GLUON,
    "resnet50": STEPS,
    "mobilenet_v1": GLUON,
    "mobilenet_v2": {**STEPS, "epochs": 300, "lr": 0.045, "wd": 0.00004, "lr-step-size": 1}
    | {"lr-gamma": 0.98},
    "mobilenet_v3_large": {
        "opt": "rmsprop",
        "batch": 8 * 128,
        "epochs": 600,
        "lr": 0.064,
        "wd": 0.00001,
        "lr-step-size": 2,
        "lr-gamma": 0.973,
        "augment": "crop+flip+autoaugment+erase(0.2,124,116,104)",
        "eps": 0.0316,
    },
    "shufflenet_v1_g3": SHUFFLE,
    "shufflenet_v2_150": NEW,
    "shufflenet_v2_200": NEW,
    "shufflenet_v2_100": SHUFFLE,
    # solver.prototxt: 170,000 steps of 16 times train_val.prototxt's 32 images, which have a
    # crop_size and no mirror
    "squeezenet1_1": {
        "opt": "sgd",
        "batch": 32 * 16,
        "epochs": round(170_000 * 512 / 1_281_167),
        "lr": 0.04,
        "momentum": 0.9,
        "wd": 0.0002,
        "scheduler": "polynomial",
        "augment": "crop",
        "dropout": 0.5,
    },
    "mnasnet_075": NEW,
    "mnasnet_130": NEW,
    "mnasnet_100": MNAS,
    "nasnet_mobile": NASNET,
    "nasnet_large": {**NASNET, "batch": 16 * 100, "lr": 0.015 * 100, "wd": 5e-5, "drop": 1 - 0.7},
    # Tan and Le 2019, section 5.2: survival 0.8, dropout 0.2 to 0.5; main.py: 350 epochs, warmup 5
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
