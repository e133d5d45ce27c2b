"""ResNet in plain PyTorch (He et al. 2015, https://arxiv.org/abs/1512.03385), stride on the 3x3."""

from torch import nn


def conv_norm(inside, outside, kernel, stride=1):
    """Return a convolution without bias and its batch normalisation."""
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside))


class Block(nn.Module):
    """A basic or a bottleneck block with its shortcut."""

    def __init__(self, inside, width, stride, bottleneck):
        super().__init__()
        outside = 4 * width if bottleneck else width
        if bottleneck:
            shapes = [(inside, width, 1, 1), (width, width, 3, stride), (width, outside, 1, 1)]
        else:
            shapes = [(inside, width, 3, stride), (width, width, 3, 1)]
        self.relu = nn.ReLU(inplace=True)
        layers = []
        for shape in shapes:
            layers += [conv_norm(*shape), self.relu]
        self.branch = nn.Sequential(*layers[:-1])
        self.shortcut = None
        if stride != 1 or inside != outside:
            self.shortcut = conv_norm(inside, outside, 1, stride)

    def forward(self, x):
        y = self.branch(x)
        x = x if self.shortcut is None else self.shortcut(x)
        y += x
        return self.relu(y)


class ResNet(nn.Module):
    """ResNet of basic or bottleneck blocks."""

    def __init__(
        self,
        num_classes=1000,
        image_size=224,
        block="bottleneck",
        depths=(3, 4, 6, 3),
        width=1.0,
    ):
        super().__init__()
        base, bottleneck = round(64 * width), block == "bottleneck"
        stem = conv_norm(3, base, 7, 2)
        self.stem = nn.Sequential(stem, nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        blocks, inside = [], base
        for stage, depth in enumerate(depths):
            plain = base * 2**stage
            for index in range(depth):
                stride = 2 if stage and index == 0 else 1
                blocks.append(Block(inside, plain, stride, bottleneck))
                inside = 4 * plain if bottleneck else plain
        self.blocks = nn.Sequential(*blocks)
        self.logits = nn.Linear(inside, num_classes)

    def forward(self, x):
        return self.logits(self.blocks(self.stem(x)).mean((2, 3)))
