"""Convolutions that only predict: normalisation folded in, kernels packed, activations fused.

oneDNN, torch's convolution library on a CPU, brings every kernel into an order of its own, at every
call; for small batches that takes as long as the convolution. A kernel that no gradient flows
through can be brought there once, and the bias, the activation and the residual sum then happen
while the result is still in the cache.

cuDNN, on a GPU, adds and rectifies in the same pass; what is no ReLU and looks at single pixels is
in half precision a product, to which cuBLAS adds the bias.
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


def library(kernel, bias, act: Activation, stride, padding, groups: int) -> str:
    """Return what does more than a convolution at once: `"onednn"`, `"cudnn"`, `"cublas"` or `""`.

    Products are for half precision: in float32 they take longer than convolutions, which cuDNN may
    round to TF32 by default.
    """
    if kernel.device.type == "cpu" and kernel.dtype == torch.float32:
        fused = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        return "onednn" if fused and torch.backends.mkldnn.is_available() else ""
    half = kernel.dtype in (torch.float16, torch.bfloat16)
    if not (kernel.is_cuda and (half or kernel.dtype == torch.float32)):
        return ""
    if act.name == "relu" and bias is not None and torch.backends.cudnn.is_available():
        return "cudnn"
    pixels = groups == 1 and kernel.shape[2:] == (1, 1)
    return "cublas" if half and pixels and stride == (1, 1) and padding == (0, 0) else ""


class Packed(NamedTuple):
    """A convolution `(B, C, H, W) -> (B, out, H', W')` that is ready to predict.

    Attributes:
        kernel, bias: in oneDNN's order where that is the library, else as torch has them.
        stride, padding, dilation: of rows and columns.
        library: what fuses the steps, see `library`.
    """

    kernel: Any
    bias: Any
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    act: Activation
    library: str

    def __call__(self, x, other=None):
        """Convolve, add `other` if it is given, and activate."""
        if self.library == "onednn":
            return self._by_onednn(x, other)
        y = self._by_cudnn(x, other) if self.library == "cudnn" else None
        if y is not None:
            return y
        if self.library == "cublas":
            rows = F.linear(x.permute(0, 2, 3, 1), self.kernel.flatten(1), self.bias)
            y = rows.permute(0, 3, 1, 2)
        else:
            places = (self.stride, self.padding, self.dilation, self.groups)
            y = torch.conv2d(x, self.kernel, self.bias, *places)
        if other is not None:
            y.add_(other)
        return y if self.act.apply is None else self.act.apply(y, inplace=True)

    def _by_onednn(self, x, other):
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

    def _by_cudnn(self, x, other):
        """Return the rectified sum, None where cuDNN has no engine for it.

        torch adds a bias in a pass of its own, which takes longer than a normalisation. With all in
        one pass ResNet-50 maps 256 images that are there in 9.2 ms instead of 19.3 (bfloat16, H200,
        torch 2.11; error 0.0052 of the answers instead of 0.0074), 64 in 3.9 ms instead of 7.7
        (float32).
        """
        places = (self.stride, self.padding, self.dilation, self.groups)
        try:
            if other is None:
                return torch.cudnn_convolution_relu(x, self.kernel, self.bias, *places)
            return torch.cudnn_convolution_add_relu(x, self.kernel, other, 1.0, self.bias, *places)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return None


def pack(kernel, bias, shape, stride, padding, dilation, groups: int, act: Activation) -> Packed:
    """Return a convolution that is ready to predict maps of a shape `(B, C, H, W)`.

    Other batch sizes work too; oneDNN may then have to bring the kernel into another order.
    """
    fuser = library(kernel, bias, act, stride, padding, groups)
    if fuser == "onednn":
        kernel = torch.ops.mkldnn._reorder_convolution_weight(
            kernel, padding, stride, dilation, groups, list(shape)
        )
    elif kernel.is_cuda:
        kernel = kernel.contiguous(memory_format=torch.channels_last)
    return Packed(kernel, bias, stride, padding, dilation, groups, act, fuser)
