"""Convolutions of small maps with large kernels, trained as matrix products.

Where a map has few pixels and a kernel many numbers (the last stages of a ResNet, small images),
torch's convolution library, oneDNN, spends its time on bringing kernels and their gradients into
orders of its own. On CPUs without AVX-512 the gradient of a 3x3 kernel of 512 channels for maps of
2x2 pixels took 57 ms so, and 7 ms as one product of matrices (batch 16, one thread of an AMD EPYC);
`python -m benchmarks.products` measures it for many shapes. A kernel that lies in memory as
`kcv.kernels.layout` puts it is such a matrix already, and so is its gradient.
"""

import functools
from typing import NamedTuple

from kcv.kernels.backend import TORCH

if TORCH:
    import torch
    import torch.nn.functional as F

# From that many numbers of the kernel for each pixel of the output on, a product was faster: for
# the gradient of the kernel, and for the other two, with and without patches to be copied out.
OF_KERNEL, OF_MAP, OF_MAP_POINTWISE = 64, 4096, 2048
# The least kernel that is worth the calls, and the most numbers of patches that are copied out.
LEAST, MOST = 2**17, 2**24


class Ways(NamedTuple):
    """Which parts of a training step are products: map and its gradient, gradient of the kernel."""

    map: bool
    kernel: bool


@functools.cache
def pays() -> bool:
    """Return whether products were measured to pay on this kind of processor."""
    return TORCH and torch.backends.cpu.get_cpu_capability() == "AVX2"


@functools.lru_cache(4096)
def ways(image, kernel, stride, padding) -> Ways | None:
    """Return what to do as a product, None for nothing.

    Args:
        image: shape `(B, C, H, W)`.
        kernel: shape `(out, C, kh, kw)`.
        stride, padding: of rows and columns.
    """
    out, channels, *size = kernel
    edges = zip(image[2:], size, stride, padding, strict=True)
    pixels = image[0]
    for edge, width, step, pad in edges:
        pixels *= (edge + 2 * pad - width) // step + 1
    numbers, pointwise = out * channels * size[0] * size[1], tuple(size) == (1, 1)
    if numbers < LEAST or pixels * numbers // out > MOST:
        return None
    of_map = numbers >= pixels * (OF_MAP_POINTWISE if pointwise else OF_MAP)
    of_kernel = of_map if pointwise else numbers >= pixels * OF_KERNEL
    return Ways(of_map, of_kernel) if of_kernel else None


def conv_first(x, kernel, bias, stride, padding, dilation, groups):
    """Convolve a map `(B, C, H, W)` with a kernel `(out, C / groups, kh, kw)` on torch."""
    # Only where a gradient of the kernel is wanted: what predicts has kernels packed once.
    if groups == 1 and bias is None and _trains(x, kernel) and tuple(dilation) == (1, 1):
        how = ways(tuple(x.shape), tuple(kernel.shape), tuple(stride), tuple(padding))
        if how is not None:
            return _Product.apply(x, kernel, list(stride), list(padding), how)
    return torch.conv2d(x, kernel, bias, stride, padding, dilation, groups)


def _trains(x, kernel) -> bool:
    # First: what is compiled is left to the compiler, which cannot look into the rest.
    return (
        not torch.compiler.is_compiling()
        and kernel.requires_grad
        and pays()
        and x.device.type == "cpu"
        and x.dtype == kernel.dtype == torch.float32
        and torch.is_grad_enabled()
    )


def patches(x, size, stride, padding):
    """Return the patches under a kernel as rows: `(B, C, H, W)` to `(B H' W', kh kw C)`."""
    x = x.permute(0, 2, 3, 1)
    (kh, kw), (down, right) = size, stride
    if (kh, kw) == (1, 1) and not any(padding):
        return x[:, ::down, ::right].reshape(-1, x.shape[-1])
    x = F.pad(x, (0, 0, padding[1], padding[1], padding[0], padding[0]))
    count, height, width, channels = x.shape
    shape = count, (height - kh) // down + 1, (width - kw) // right + 1, kh, kw, channels
    image, row, column, channel = x.stride()
    views = x.as_strided(shape, (image, row * down, column * right, row, column, channel))
    return views.reshape(shape[0] * shape[1] * shape[2], kh * kw * channels)


def summed(rows, shape, size, stride, padding):
    """Return the sum of patches where they lie: `patches` backwards, to a map of that shape."""
    (count, channels, height, width), (kh, kw), (down, right) = shape, size, stride
    tall, wide = height + 2 * padding[0], width + 2 * padding[1]
    h, w = (tall - kh) // down + 1, (wide - kw) // right + 1
    rows = rows.view(count, h, w, kh, kw, channels)
    if (kh, kw, down, right) == (1, 1, 1, 1) and not any(padding):
        return rows.view(count, height, width, channels).permute(0, 3, 1, 2)
    total = rows.new_zeros(count, tall, wide, channels)
    for i in range(kh):
        for j in range(kw):
            part = total[:, i : i + down * (h - 1) + 1 : down, j : j + right * (w - 1) + 1 : right]
            part += rows[:, :, :, i, j]
    inside = total[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width]
    return inside.permute(0, 3, 1, 2)


def _matrix(kernel):
    """Return a kernel `(out, C, kh, kw)` as `(out, kh kw C)`: a view, as layers store it."""
    return kernel.permute(0, 2, 3, 1).reshape(kernel.shape[0], -1)


def forward(x, kernel, stride, padding):
    """Convolve as a product: `(B, C, H, W)` to `(B, out, H', W')`, channels last in memory."""
    kh, kw = kernel.shape[2:]
    rows = patches(x, (kh, kw), stride, padding)
    height = (x.shape[2] + 2 * padding[0] - kh) // stride[0] + 1
    result = rows @ _matrix(kernel).T
    return result.view(x.shape[0], height, -1, kernel.shape[0]).permute(0, 3, 1, 2)


def gradient_of_map(grad, x, kernel, stride, padding):
    """Return the gradient of `forward` for the map."""
    rows = grad.permute(0, 2, 3, 1).reshape(-1, grad.shape[1]) @ _matrix(kernel)
    return summed(rows, x.shape, kernel.shape[2:], stride, padding)


def gradient_of_kernel(grad, x, kernel, stride, padding):
    """Return the gradient of `forward` for the kernel, in the memory order of layers' kernels."""
    out, channels, kh, kw = kernel.shape
    rows = patches(x, (kh, kw), stride, padding)
    total = grad.permute(0, 2, 3, 1).reshape(-1, out).T @ rows
    return total.view(out, kh, kw, channels).permute(0, 3, 1, 2)


if TORCH:
    # Operations of torch of their own: for profilers, and for hooks that see every operation.
    _LIBRARY = torch.library.Library("kcv", "FRAGMENT")
    _SAME = "Tensor x, Tensor kernel, int[] stride, int[] padding) -> Tensor"
    for _name, _first, _does in (
        ("conv2d_product", "", forward),
        ("conv2d_product_of_map", "Tensor grad, ", gradient_of_map),
        ("conv2d_product_of_kernel", "Tensor grad, ", gradient_of_kernel),
    ):
        _LIBRARY.define(f"{_name}({_first}{_SAME}")
        _LIBRARY.impl(_name, _does, "CPU")

    class _Product(torch.autograd.Function):
        """A convolution of which some of the three parts of a training step are products."""

        @staticmethod
        def forward(ctx, x, kernel, stride, padding, how):
            ctx.save_for_backward(x, kernel)
            ctx.places = stride, padding, how
            if how.map:
                return torch.ops.kcv.conv2d_product(x, kernel, stride, padding)
            return torch.conv2d(x, kernel, None, stride, padding)

        @staticmethod
        def backward(ctx, grad):
            (x, kernel), (stride, padding, how) = ctx.saved_tensors, ctx.places
            of_x, of_kernel = ctx.needs_input_grad[:2]
            # Whoever wants the gradient of a gradient gets torch's own, which has one.
            again = torch.is_grad_enabled()
            of = torch.ops.kcv
            by_map, by_kernel = how.map and not again, how.kernel and not again
            rest = [of_x and not by_map, of_kernel and not by_kernel, False]
            gx = gk = None
            if any(rest):
                places = (stride, padding, [1, 1], False, [0, 0], 1)
                gx, gk, _ = torch.ops.aten.convolution_backward(
                    grad, x, kernel, None, *places, rest
                )
            if of_x and by_map:
                gx = of.conv2d_product_of_map(grad, x, kernel, stride, padding)
            if of_kernel and by_kernel:
                gk = of.conv2d_product_of_kernel(grad, x, kernel, stride, padding)
            return gx, gk, None, None, None
