"""Convolutions of small maps with large kernels, trained as products.

Where a map has few pixels and a kernel many numbers (the last stages of a ResNet, small images),
torch's convolution library, oneDNN, spends its time on bringing kernels and their gradients into
orders of its own. On CPUs without AVX-512 the gradient of a 3x3 kernel of 512 channels for maps of
2x2 pixels took 57 ms so, and 7 ms as one product of matrices (batch 16, one thread of an AMD EPYC);
with AVX-512 17 ms and 5. `python -m benchmarks.products` measures it for many shapes. A kernel that
lies in memory as `kcv.kernels.layout` puts it is such a matrix already, and so is its gradient. Of
a kernel that meets single pixels, one place is the matrix, and the others have no gradient.

A depthwise kernel that is as large as its map has a gradient that oneDNN computes one number after
the other: 47 ms for 3x3 kernels on 960 maps of 2x2 pixels, batch 128, and 2 ms as nine products.
With AVX-512 that of any 5x5 or 7x7 kernel of many channels takes longer than as products: of 768
channels of 7x7 pixels, batch 8, 19 ms and 2. The gradient of a bias is a sum of its own, because
oneDNN finds it together with the kernel's.
"""

from kcv.kernels.backend import TORCH
from kcv.kernels.bounds import is_empty, met, of_single_pixels, processor, ways
from kcv.kernels.layout import nchw, nhwc

if TORCH:
    import torch
    import torch.nn.functional as F


def conv_first(x, kernel, bias, stride, padding, dilation, groups):
    """Convolve a map `(B, C, H, W)` with a kernel `(out, C / groups, kh, kw)` on torch."""
    # Only where a gradient of the kernel is wanted: what predicts has kernels packed once.
    whole = groups == 1 or groups == kernel.shape[0] == x.shape[1]
    if whole and _trains(x, kernel) and tuple(dilation) == (1, 1):
        shapes = tuple(x.shape), tuple(kernel.shape), tuple(stride), tuple(padding)
        how = ways(*shapes, processor())
        if how is not None:
            return _Product.apply(x, kernel, bias, list(stride), list(padding), groups, how)
    return torch.conv2d(x, kernel, bias, stride, padding, dilation, groups)


def _trains(x, kernel) -> bool:
    # First: what is compiled is left to the compiler, which cannot look into the rest.
    return bool(
        not torch.compiler.is_compiling()
        and kernel.requires_grad
        and not torch.jit.is_tracing()  # an export knows torch's own operations only
        and processor()
        and x.is_cpu
        and x.dtype == kernel.dtype == torch.float32
        and torch.is_grad_enabled()
    )


def patches(x, size, stride, padding):
    """Return the patches under a kernel as rows: `(B, C, H, W)` to `(B H' W', kh kw C)`."""
    x = nhwc(x)
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
    return nhwc(kernel).reshape(kernel.shape[0], -1)


def _met_part(x, kernel, stride, padding):
    """Return (kernel, stride, padding) of the same result: of single pixels, one place is met."""
    if kernel.shape[2:] == (1, 1) or not of_single_pixels(x.shape, kernel.shape, stride, padding):
        return kernel, stride, padding
    row, column = padding
    return kernel[:, :, row : row + 1, column : column + 1], (1, 1), (0, 0)


def forward(x, kernel, stride, padding):
    """Convolve as a product: `(B, C, H, W)` to `(B, out, H', W')`, channels last in memory."""
    kernel, stride, padding = _met_part(x, kernel, stride, padding)
    out, _, kh, kw = kernel.shape
    rows = patches(x, (kh, kw), stride, padding)
    height, width = (
        (x.shape[2 + i] + 2 * padding[i] - kernel.shape[2 + i]) // stride[i] + 1 for i in (0, 1)
    )
    # No view of the product: what comes next may write into the result, which torch then forbids.
    shape = x.shape[0], out, height, width
    result = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
    torch.mm(rows, _matrix(kernel).T, out=nhwc(result).view(-1, out))
    return result


def gradient_of_map(grad, x, kernel, stride, padding):
    """Return the gradient of `forward` for the map."""
    kernel, stride, padding = _met_part(x, kernel, stride, padding)
    rows = nhwc(grad).reshape(-1, grad.shape[1]) @ _matrix(kernel)
    return summed(rows, x.shape, kernel.shape[2:], stride, padding)


def gradient_of_kernel(grad, x, kernel, stride, padding):
    """Return the gradient of `forward` for the kernel, in the memory order of layers' kernels."""
    part, stride, place = _met_part(x, kernel, stride, padding)
    out, channels, kh, kw = part.shape
    rows = patches(x, (kh, kw), stride, place)
    total = (nhwc(grad).reshape(-1, out).T @ rows).view(out, kh, kw, channels)
    if part is not kernel:
        place_met = total
        total = place_met.new_zeros(out, *kernel.shape[2:], channels)
        total[:, padding[0], padding[1]] = place_met[:, 0, 0]
    return total.permute(0, 3, 1, 2)


def depthwise(x, kernel, stride, padding):
    """Convolve each map of `(B, C, H, W)` with its own of the kernels `(C, 1, kh, kw)`."""
    size = [
        (x.shape[2 + i] + 2 * padding[i] - kernel.shape[2 + i]) // stride[i] + 1 for i in (0, 1)
    ]
    # No view, as in `forward`.
    result = torch.empty(*x.shape[:2], *size, dtype=x.dtype, memory_format=torch.channels_last)
    into, x, weights = nhwc(result.zero_()), nhwc(x), _places(kernel)
    for place, seen, under in _meetings(size, x.shape[1:3], kernel, stride, padding):
        into[seen].addcmul_(x[under], weights[place])
    return result


def gradient_of_depthwise_map(grad, x, kernel, stride, padding):
    """Return the gradient of `depthwise` for the map."""
    total = x.new_zeros(x.shape[0], *x.shape[2:], x.shape[1])
    grad, weights = nhwc(grad), _places(kernel)
    for place, seen, under in _meetings(grad.shape[1:3], x.shape[2:], kernel, stride, padding):
        total[under].addcmul_(grad[seen], weights[place])
    return nchw(total)


def gradient_of_depthwise_kernel(grad, x, kernel, stride, padding):
    """Return the gradient of `depthwise` for its kernel `(C, 1, kh, kw)`."""
    grad, x = nhwc(grad), nhwc(x)
    total = x.new_zeros(*kernel.shape[2:], x.shape[3])
    for place, seen, under in _meetings(grad.shape[1:3], x.shape[1:3], kernel, stride, padding):
        torch.sum(grad[seen] * x[under], (0, 1, 2), out=total[place])
    return total.permute(2, 0, 1)[:, None].contiguous()


def gradient_of_bias(grad):
    """Return the gradient of what was added to each channel of a map `(B, C, H, W)`."""
    return grad.sum((0, 2, 3))


def _places(kernel):
    """Return a depthwise kernel `(C, 1, kh, kw)` with a row of memory for each place."""
    return kernel[:, 0].permute(1, 2, 0).contiguous()


def _meetings(outputs, inputs, kernel, stride, padding):
    """Yield each place of a kernel with what of the outputs sees what of the map through it."""
    rows, columns = (
        [
            (i, *met(i, outputs[axis], inputs[axis], stride[axis], padding[axis]))
            for i in range(kernel.shape[2 + axis])
        ]
        for axis in (0, 1)
    )
    for i, down, under in rows:
        for j, across, below in columns:
            if not is_empty(down) and not is_empty(across):
                yield (i, j), (slice(None), down, across), (slice(None), under, below)


if TORCH:
    # Operations of torch of their own: for profilers, and for hooks that see every operation.
    _LIBRARY = torch.library.Library("kcv", "FRAGMENT")
    _SAME = "Tensor x, Tensor kernel, int[] stride, int[] padding) -> Tensor"
    for _name, _first, _does in (
        ("conv2d_product", "", forward),
        ("conv2d_product_of_map", "Tensor grad, ", gradient_of_map),
        ("conv2d_product_of_kernel", "Tensor grad, ", gradient_of_kernel),
        ("depthwise_product", "", depthwise),
        ("depthwise_product_of_map", "Tensor grad, ", gradient_of_depthwise_map),
        ("depthwise_product_of_kernel", "Tensor grad, ", gradient_of_depthwise_kernel),
    ):
        _LIBRARY.define(f"{_name}({_first}{_SAME}")
        _LIBRARY.impl(_name, _does, "CPU")

    class _Product(torch.autograd.Function):
        """A convolution of which some of the three parts of a training step are products."""

        @staticmethod
        def forward(ctx, x, kernel, bias, stride, padding, groups, how):
            ctx.save_for_backward(x, kernel)
            ctx.places = stride, padding, groups, how
            if how.map:
                of = torch.ops.kcv
                do = of.conv2d_product if groups == 1 else of.depthwise_product
                y = do(x, kernel, stride, padding)
                return y if bias is None else y.add_(bias[:, None, None])
            return torch.conv2d(x, kernel, bias, stride, padding, 1, groups)

        @staticmethod
        def backward(ctx, grad):
            (x, kernel), (stride, padding, groups, how) = ctx.saved_tensors, ctx.places
            wanted, whole, of = ctx.needs_input_grad[:3], groups == 1, torch.ops.kcv
            gx = gk = gb = None
            # Whoever wants the gradient of a gradient gets torch's own, which has one.
            if not torch.is_grad_enabled():
                if how.map and wanted[0]:
                    do = of.conv2d_product_of_map if whole else of.depthwise_product_of_map
                    gx = do(grad, x, kernel, stride, padding)
                if how.kernel and wanted[1]:
                    do = of.conv2d_product_of_kernel if whole else of.depthwise_product_of_kernel
                    gk = do(grad, x, kernel, stride, padding)
                if how.kernel and wanted[2]:
                    gb = gradient_of_bias(grad)
            rest = [w and g is None for w, g in zip(wanted, (gx, gk, gb), strict=True)]
            if any(rest):
                places = (stride, padding, [1, 1], False, [0, 0], groups)
                others = torch.ops.aten.convolution_backward(
                    grad, x, kernel, [kernel.shape[0]], *places, rest
                )
                gx, gk, gb = (
                    b if a is None else a for a, b in zip((gx, gk, gb), others, strict=True)
                )
            return gx, gk, gb, None, None, None, None
