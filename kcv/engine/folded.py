"""A chain of a graph as one convolution, with numbers that are made anew when a weight changes."""

import torch.nn.functional as F

from kcv import kernels
from kcv import layers as own
from kcv.engine.chains import Chain


def padding(layer, image) -> tuple[tuple[int, ...] | None, tuple[int, int]]:
    """Return (what to pad before a convolution, what to pad inside of it)."""
    (top, bottom), (left, right) = kernels.pads(
        layer.pad, image.shape[1:3], layer.kernel_size, layer.strides, layer.dilation_rate
    )
    if top != bottom or left != right:
        return (left, right, top, bottom), (0, 0)
    return None, (top, left)


class Folded:
    """One call of a plan for prediction: `folded(map, training)`, maps `(B, C, H, W)`.

    Where the chain adds, it takes both maps in a list.

    The numbers are made at the first call, for maps of that size.

    Args:
        chain: what it stands for.
        tensors: the symbolic map that the convolution takes, and the one that is added.
    """

    def __init__(self, chain: Chain, tensors):
        image = tensors[0]
        self.chain, conv = chain, chain.conv
        self.depthwise = isinstance(conv, own.DepthwiseConv2D)
        self.groups = image.shape[-1] if self.depthwise else conv.groups
        self.apart, self.inside = padding(conv, image)
        self.act = kernels.packed.ACTIVATIONS[chain.act]
        self.packed: kernels.packed.Packed | None = None

    def __call__(self, given, training):
        x, other = given if self.chain.adds else (given, None)
        if self.apart is not None:
            x = F.pad(x, self.apart)
        if self.packed is None:
            self.packed = self._made(x)
        return self.packed(x, other)

    def variables(self) -> list:
        """Return the weights that the numbers come from."""
        conv, norm = self.chain.conv, self.chain.norm
        found = [self._kernel, conv.bias]
        if norm is not None:
            found += [norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance]
        return [v for v in found if v is not None]

    @property
    def _kernel(self):
        return self.chain.conv.kernel if self.depthwise else self.chain.conv._kernel

    def _made(self, x) -> kernels.packed.Packed:
        conv, norm = self.chain.conv, self.chain.norm
        order = (2, 3, 0, 1) if self.depthwise else (3, 2, 0, 1)
        kernel = self._kernel._value.detach().permute(order)
        bias = None if conv.bias is None else conv.bias._value.detach()
        if norm is not None:
            values = (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
            numbers = [None if v is None else v._value.detach() for v in values]
            kernel, bias = kernels.packed.fold_norm(kernel, bias, (*numbers, norm.epsilon))
        kernel = kernel.to(x.dtype)
        bias = None if bias is None else bias.to(x.dtype)
        places = (tuple(conv.strides), self.inside, tuple(conv.dilation_rate))
        return kernels.packed.pack(kernel, bias, x.shape, *places, self.groups, self.act)
