"""The six networks as a PyTorch user would write them, `(B, C, H, W)` to logits.

They exist to be measured against: same mathematics, same arguments and same order of layers as the
rows of `kcv.models`, nothing of kcv or Keras in them. Loose parameters (`token`, `position`,
`gamma`, `table`) carry the names of kcv's weights, see `benchmarks.weights`.
"""

from benchmarks.torch_networks.convnext import ConvNeXt
from benchmarks.torch_networks.mobilenet_v2 import MobileNetV2
from benchmarks.torch_networks.resnet import ResNet
from benchmarks.torch_networks.swin import Swin
from benchmarks.torch_networks.vit import ViT

__all__ = ["ConvNeXt", "MobileNetV2", "ResNet", "Swin", "ViT"]
