"""Activations that torch computes with more memory than they need."""

from kcv.kernels.backend import TORCH

if TORCH:
    import torch
    import torch.nn.functional as F

    class _Relu6(torch.autograd.Function):
        """ReLU6 that keeps its result: it is cut at the same places as what it came from."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x, inplace):
            return x.clamp_(0.0, 6.0) if inplace else x.clamp(0.0, 6.0)

        @staticmethod
        def setup_context(ctx, inputs, output):
            if inputs[1]:
                ctx.mark_dirty(inputs[0])
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            return torch.ops.aten.hardtanh_backward(grad, y, 0.0, 6.0), None


# Of smaller maps the memory is not worth the two operations more that keeping the result takes.
LEAST = 2**20


def relu6(x, inplace: bool = False):
    """Cut a tensor at 0 and 6 on torch; with `inplace` the caller lets go of what `x` held.

    Where gradients are wanted, torch's own keeps what it was given: in place it makes a copy for
    that, 6 % of a training step of MobileNetV2 (28 pixels, batch 128, CPU). Here the result is a
    new tensor instead; of a large map on a CPU it is written in place and is all that is kept, as
    the next layer keeps it anyway. (On a GPU, where the host is what limits, that is not measured.)
    """
    if torch.compiler.is_compiling() or not (torch.is_grad_enabled() and x.requires_grad):
        return F.relu6(x, inplace=inplace)
    large = x.device.type == "cpu" and x.numel() >= LEAST
    return _Relu6.apply(x, inplace) if large else F.relu6(x)
