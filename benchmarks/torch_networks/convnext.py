"""ConvNeXt in plain PyTorch (Liu et al. 2022, https://arxiv.org/abs/2201.03545)."""

import torch
from torch import nn


class Norm(nn.LayerNorm):
    """Layer normalisation over the channels of `(B, C, H, W)`."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Depthwise convolution, then norm, MLP and scale with the channels last."""

    def __init__(self, width, kernel):
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x):
        y = self.mlp(self.norm(self.conv(x).permute(0, 2, 3, 1))) * self.gamma
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """ConvNeXt of four stages."""

    def __init__(
        self, num_classes=1000, image_size=224, depths=(3, 3, 9, 3), width=96, kernel=7, patch=4
    ):
        super().__init__()
        layers = [nn.Conv2d(3, width, patch, patch), Norm(width, eps=1e-6)]
        for stage, depth in enumerate(depths):
            if stage:
                layers += [Norm(width, eps=1e-6), nn.Conv2d(width, 2 * width, 2, 2)]
                width = 2 * width
            layers += [Block(width, kernel) for _ in range(depth)]
        self.features = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.logits = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.logits(self.norm(self.features(x).mean((2, 3))))
