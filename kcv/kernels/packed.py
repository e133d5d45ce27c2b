"""Convolutions that only predict: normalisation folded in, kernels packed, activations fused.

oneDNN, torch's convolution library on a CPU, brings every kernel into an order of its own, at every
call; for small batches that takes as long as the convolution. A kernel that no gradient flows
through can be brought there once, and the bias, the activation and the residual sum then happen
while the result is still in the cache.
"""

from typing import Any, NamedTuple

from kcv.kernels.backend import TORCH

if TORCH:
    import torch
    import torch.nn.functional as F


class Activation(NamedTuple):
    """An activation, for oneDNN (its name, numbers and way of computing) and as a function."""

    name: str
    numbers: tuple[float, ...] = ()
    way: str = ""
    apply: Any = None


# By the names that Keras has for them.
ACTIVATIONS: dict[str, Activation] = {}
if TORCH:
    ACTIVATIONS = {
        "linear": Activation("none"),
        "relu": Activation("relu", apply=F.relu),
        "relu6": Activation("hardtanh", (0.0, 6.0), apply=F.relu6),
        "silu": Activation("swish", apply=F.silu),
        "hard_silu": Activation("hardswish", apply=F.hardswish),
        "hard_sigmoid": Activation("hardsigmoid", apply=F.hardsigmoid),
    }


def fold_norm(kernel, bias, norm):
    """Return the kernel `(out, in, kh, kw)` and bias of a convolution with its normalisation.

    Args:
        kernel: as torch has it, `(out, in / groups, kh, kw)`.
        bias: `(out,)` or None.
        norm: (scale, shift, mean, variance, epsilon); scale and shift may be None.
    """
    scale, shift, mean, variance, epsilon = norm
    factor = torch.rsqrt(variance.double() + epsilon)
    factor = factor if scale is None else factor * scale.double()
    kernel_64 = kernel.double() * factor[:, None, None, None]
    offset = -mean.double() if bias is None else bias.double() - mean.double()
    offset = offset * factor if shift is None else offset * factor + shift.double()
    return kernel_64.to(kernel.dtype), offset.to(kernel.dtype)


def can_pack(kernel) -> bool:
    """Return whether oneDNN may keep this kernel in an order of its own."""
    fused = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    plain = kernel.device.type == "cpu" and kernel.dtype == torch.float32
    return plain and fused and torch.backends.mkldnn.is_available()


class Packed(NamedTuple):
    """A convolution `(B, C, H, W) -> (B, out, H', W')` that is ready to predict.

    Attributes:
        kernel, bias: packed where `packed`, else as torch has them.
        stride, padding, dilation: of rows and columns.
    """

    kernel: Any
    bias: Any
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    act: Activation
    packed: bool

    def __call__(self, x, other=None):
        """Convolve, add `other` if it is given, and activate."""
        if self.packed:
            return self._fused(x, other)
        y = torch.conv2d(
            x, self.kernel, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        if other is not None:
            y.add_(other)
        return y if self.act.apply is None else self.act.apply(y, inplace=True)

    def _fused(self, x, other):
        places = (self.padding, self.stride, self.dilation, self.groups)
        name, numbers, way, _ = self.act
        if other is None:
            return torch.ops.mkldnn._convolution_pointwise(
                x, self.kernel, self.bias, *places, name, numbers, way
            )
        unary = None if name == "none" else name
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, self.kernel, self.bias, *places, "add", 1.0, unary, numbers, way
        )


def pack(kernel, bias, shape, stride, padding, dilation, groups: int, act: Activation) -> Packed:
    """Return a convolution that is ready to predict maps of a shape `(B, C, H, W)`.

    Other batch sizes work too; oneDNN may then have to bring the kernel into another order.
    """
    packed = can_pack(kernel)
    if packed:
        kernel = torch.ops.mkldnn._reorder_convolution_weight(
            kernel, padding, stride, dilation, groups, list(shape)
        )
    return Packed(kernel, bias, stride, padding, dilation, groups, act, packed)
