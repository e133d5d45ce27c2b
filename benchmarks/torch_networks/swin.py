"""Swin Transformer in plain PyTorch (Liu et al. 2021, https://arxiv.org/abs/2103.14030).

Attention goes through the fused product; the mask of shifted windows is made once. Maps that the
window does not divide are padded, and an axis that one window covers is not shifted.
"""

import torch
import torch.nn.functional as F
from torch import nn


def relative_index(window):
    """Return for each pair of tokens the row of the bias table, `(window^4,)`."""
    row, column = torch.arange(window * window) // window, torch.arange(window * window) % window
    down = row[:, None] - row[None, :] + window - 1
    right = column[:, None] - column[None, :] + window - 1
    return (down * (2 * window - 1) + right).flatten()


def shift_mask(size, window, shift):
    """Return -100 for pairs of tokens that only the shift made neighbours, `(windows, N, N)`."""
    region = torch.zeros(size, size)
    parts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for i, rows in enumerate(parts):
        for j, columns in enumerate(parts):
            region[rows, columns] = 3 * i + j
    side = size // window
    region = region.view(side, window, side, window).transpose(1, 2).reshape(side * side, -1)
    return torch.where(region[:, :, None] == region[:, None, :], 0.0, -100.0)


class WindowAttention(nn.Module):
    """Attention in windows of a map `(B, H, W, C)`, which may be shifted."""

    def __init__(self, width, num_heads, size, window, shift):
        super().__init__()
        self.num_heads, self.window = num_heads, window
        self.pad = -size % window
        size = size + self.pad
        self.shift = shift if size > window else 0
        self.table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, num_heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        mask = shift_mask(size, window, shift)[:, None] if self.shift else None
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("index", relative_index(window), persistent=False)

    def bias(self, windows):
        """Return bias and mask, `(1 or windows, heads, N, N)`."""
        tokens = self.window**2
        bias = self.table[self.index].view(tokens, tokens, -1).permute(2, 0, 1)[None]
        if self.mask is None:
            return bias
        bias = bias + self.mask
        return bias.repeat(windows // len(bias), 1, 1, 1)

    def forward(self, x):
        batch, height, width, channels = x.shape
        if self.pad:
            x = F.pad(x, (0, 0, 0, self.pad, 0, self.pad))
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        rows, window = x.shape[1] // self.window, self.window
        x = x.view(batch, rows, window, rows, window, channels).transpose(2, 3)
        packed = self.qkv(x.reshape(-1, window * window, channels))
        packed = packed.view(len(packed), window * window, 3, self.num_heads, -1)
        q, k, v = packed.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias(len(q)))
        y = self.proj(y.transpose(1, 2).reshape(-1, window * window, channels))
        y = y.view(batch, rows, rows, window, window, channels).transpose(2, 3)
        y = y.reshape(batch, rows * window, rows * window, channels)
        if self.shift:
            y = torch.roll(y, (self.shift, self.shift), (1, 2))
        return y[:, :height, :width]


class Block(nn.Module):
    """Pre-norm block."""

    def __init__(self, width, num_heads, size, window, shift):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = WindowAttention(width, num_heads, size, window, shift)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Merging(nn.Module):
    """Join each 2x2 square of tokens into one of twice the width."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduce = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x):
        below, right = x.shape[1] % 2, x.shape[2] % 2
        if below or right:
            x = F.pad(x, (0, 0, 0, right, 0, below))
        squares = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduce(self.norm(torch.cat(squares, -1)))


class Swin(nn.Module):
    """Swin Transformer for square images."""

    def __init__(
        self,
        num_classes=1000,
        image_size=224,
        patch=4,
        window=7,
        width=96,
        depths=(2, 2, 6, 2),
        num_heads=(3, 6, 12, 24),
    ):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.stem_norm = nn.LayerNorm(width)
        layers, size = [], image_size // patch
        for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            if stage:
                layers.append(Merging(width))
                width, size = 2 * width, (size + 1) // 2
            for index in range(depth):
                shift = window // 2 if index % 2 else 0
                layers.append(Block(width, heads, size, window, shift))
        self.blocks = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(width)
        self.logits = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.stem_norm(self.patches(x).permute(0, 2, 3, 1))
        return self.logits(self.norm(self.blocks(x)).mean((1, 2)))
