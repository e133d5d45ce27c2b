"""Layers and blocks that Keras lacks, or does too slowly; usable alone in any Keras model.

Layers (classes) own a weight, a random state or a fused kernel; blocks (functions) take a tensor
and return a tensor.
"""

from kcv.layers.adaptive import pool_to
from kcv.layers.attention import Attention, mlp, transformer_encoder
from kcv.layers.conv import Conv2D, DepthwiseConv2D, activate, conv_norm
from kcv.layers.drop_path import DropPath, drop_path, drop_path_rates
from kcv.layers.fire import fire
from kcv.layers.gates import squeeze_excite
from kcv.layers.head import classify, fewer_halvings, image_input, is_small, tap
from kcv.layers.inception import AuxiliaryLogits, inception_branch
from kcv.layers.inverted import inverted_residual
from kcv.layers.layer_scale import LayerScale
from kcv.layers.linear import Linear
from kcv.layers.lrn import LocalResponseNorm
from kcv.layers.merge import patch_merging
from kcv.layers.norm import BatchNorm
from kcv.layers.pool import AvgPool2D, MaxPool2D
from kcv.layers.residual import basic_block, bottleneck_block
from kcv.layers.separable import (
    depthwise_separable,
    grouped_conv,
    plain_conv,
    spatially_separable,
)
from kcv.layers.shuffle import channel_shuffle
from kcv.layers.tokens import ClassToken, PositionEmbedding, patch_embed, resize_positions
from kcv.layers.window import WindowAttention

__all__ = [
    "Attention",
    "AuxiliaryLogits",
    "AvgPool2D",
    "BatchNorm",
    "ClassToken",
    "Conv2D",
    "DepthwiseConv2D",
    "DropPath",
    "LayerScale",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2D",
    "PositionEmbedding",
    "WindowAttention",
    "activate",
    "basic_block",
    "bottleneck_block",
    "channel_shuffle",
    "classify",
    "conv_norm",
    "depthwise_separable",
    "drop_path",
    "drop_path_rates",
    "fewer_halvings",
    "fire",
    "grouped_conv",
    "image_input",
    "inception_branch",
    "inverted_residual",
    "is_small",
    "mlp",
    "patch_embed",
    "patch_merging",
    "plain_conv",
    "pool_to",
    "resize_positions",
    "spatially_separable",
    "squeeze_excite",
    "tap",
    "transformer_encoder",
]
