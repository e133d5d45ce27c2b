"""Layers and blocks that Keras lacks, or does too slowly; usable alone in any Keras model.

Layers (classes) own a weight, a random state or a fused kernel; blocks (functions) take a tensor
and return a tensor.
"""

from kcv.layers.attention import Attention, mlp, transformer_encoder
from kcv.layers.conv import Conv2D, DepthwiseConv2D, activate, conv_norm
from kcv.layers.drop_path import DropPath, drop_path, drop_path_rates
from kcv.layers.gates import squeeze_excite
from kcv.layers.head import classify, image_input, is_small, tap
from kcv.layers.layer_scale import LayerScale
from kcv.layers.linear import Linear
from kcv.layers.norm import BatchNorm
from kcv.layers.pool import AvgPool2D, MaxPool2D
from kcv.layers.tokens import ClassToken, PositionEmbedding, patch_embed, resize_positions

__all__ = [
    "Attention",
    "AvgPool2D",
    "BatchNorm",
    "ClassToken",
    "Conv2D",
    "DepthwiseConv2D",
    "DropPath",
    "LayerScale",
    "Linear",
    "MaxPool2D",
    "PositionEmbedding",
    "activate",
    "classify",
    "conv_norm",
    "drop_path",
    "drop_path_rates",
    "image_input",
    "is_small",
    "mlp",
    "patch_embed",
    "resize_positions",
    "squeeze_excite",
    "tap",
    "transformer_encoder",
]
