"""MobileNetV2 in plain PyTorch (Sandler et al. 2018, https://arxiv.org/abs/1801.04381)."""

import math

from torch import nn

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def round_width(width):
    """Round to a multiple of eight, never more than a tenth down."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


def conv_norm(inside, outside, kernel, stride=1, groups=1, act=True):
    """Return convolution, batch normalisation and, unless told otherwise, ReLU6."""
    layers = [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
    ]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if act else nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project; add the input where it fits."""

    def __init__(self, inside, outside, stride, expansion):
        super().__init__()
        inner = inside * expansion
        layers = [conv_norm(inside, inner, 1)] if expansion != 1 else []
        layers.append(conv_norm(inner, inner, 3, stride, inner))
        layers.append(conv_norm(inner, outside, 1, act=False))
        self.branch = nn.Sequential(*layers)
        self.fits = stride == 1 and inside == outside

    def forward(self, x):
        return x + self.branch(x) if self.fits else self.branch(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 with multipliers of width and depth."""

    def __init__(self, num_classes=1000, image_size=224, width=1.0, depth=1.0, dropout=0.2):
        super().__init__()
        inside = round_width(32 * width)
        layers = [conv_norm(3, inside, 3, 2)]
        for expansion, base, blocks, stride in STAGES:
            outside = round_width(base * width)
            for block in range(math.ceil(blocks * depth)):
                first = stride if block == 0 else 1
                layers.append(InvertedResidual(inside, outside, first, expansion))
                inside = outside
        last = round_width(1280 * max(1.0, width))
        self.features = nn.Sequential(*layers, conv_norm(inside, last, 1))
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(last, num_classes)

    def forward(self, x):
        return self.logits(self.dropout(self.features(x).mean((2, 3))))
