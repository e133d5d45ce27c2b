"""What changes weights in place on torch: steps of optimizers, and moving averages.

The steps take plain tensors. torch's fused steps silently compute wrong updates where the strides
of a weight, its gradient and its slots differ: slots are laid out as their weights are
(`match_layout`), gradients that differ are copied.
"""

from kcv.kernels.backend import TORCH

if TORCH:
    import torch

# A view is an operation as well: of fewer numbers torch may make its copy.
LEAST_TURNED = 2**16


class HostNumber:
    """What the host knows of a number on the device: it is read again only after it changed."""

    def __init__(self):
        self.tensor, self.version, self.number = None, -1, 0.0

    def read(self, variable) -> float:
        """Return the value of a scalar variable; waits for the device only if it is not known."""
        tensor = variable._value
        if tensor is not self.tensor or tensor._version != self.version:
            self.tensor, self.number = tensor, tensor.item()
            self.version = tensor._version
        return self.number

    def advance(self, variable) -> None:
        """Add 1 to a counter, on the device and here."""
        known = variable._value is self.tensor and self.tensor._version == self.version
        variable._value.add_(1)
        if known:
            self.version, self.number = self.tensor._version, self.number + 1


def _aligned(grads, values):
    """Return the gradients in the memory order of the values; those that are stay as they are."""
    strides = (map(torch.Tensor.stride, tensors) for tensors in (grads, values))
    return [
        g if a == b or _same_order(g, v) else torch.empty_like(v).copy_(g)
        for g, v, a, b in zip(grads, values, *strides, strict=True)
    ]


def _same_order(a, b) -> bool:
    """Return whether two tensors of one shape lie alike; the stride of an axis of one is idle."""
    strides = zip(a.stride(), b.stride(), a.shape, strict=True)
    return all(x == y for x, y, size in strides if size > 1)


def orders(values) -> list[tuple[int, ...] | None]:
    """Return the order of axes in which each value lies in memory, None where that is its own.

    Of other tensors torch's fused steps make copies on a CPU; a GPU takes all as they are.
    """
    return [
        None
        if v.is_cuda or v.is_contiguous() or v.numel() < LEAST_TURNED
        else tuple(sorted(range(v.ndim), key=lambda axis: -v.stride(axis)))
        for v in values
    ]


def places(tensors) -> list[int]:
    """Return where each tensor lies."""
    return list(map(torch.Tensor.data_ptr, tensors))


def turned(tensors, orders):
    """Return views of tensors with their axes in these orders."""
    return [
        t if order is None else t.permute(order) for t, order in zip(tensors, orders, strict=True)
    ]


def clip(grads, limit: float) -> None:
    """Scale gradients down in place, so that the norm of all together is `limit` at most."""
    with torch.no_grad():
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
        torch._foreach_mul_(grads, (limit / norm).clamp(max=1.0))


Group = tuple[tuple[float, float], list[int]]


def groups(rates) -> list[Group]:
    """Return ((decay, factor), positions): torch's grouped kernels take one rate a call.

    Args:
        rates: (weight decay, factor of the learning rate) of each value.
    """
    found: dict[tuple[float, float], list[int]] = {}
    for index, pair in enumerate(rates):
        found.setdefault(pair, []).append(index)
    return list(found.items())


def sgd(values, grads, buffers, rate: float, momentum: float, nesterov: bool, groups) -> None:
    """Update tensors in place by `torch.optim.SGD`'s rule.

    With momentum in torch's fused call: 10 ms on a CPU against 17 of the grouped ones, with decay
    and Nesterov's momentum 11 against 33 (kernels of a ResNet-18, one thread, in memory's order).

    Args:
        buffers: momentum of each value, None without momentum.
        groups: what the function of that name gives for the values.
    """
    with torch.no_grad():
        grads = _aligned(grads, values)
        if buffers is None:
            _decay(values, grads, groups)
            _step(values, grads, rate, groups)
        else:
            _fused_sgd(values, grads, buffers, rate, (momentum, nesterov), groups)


def _fused_sgd(values, grads, buffers, rate: float, how: tuple[float, bool], groups) -> None:
    momentum, nesterov = how
    for (decay, factor), indices in groups:
        torch._fused_sgd_(
            [values[i] for i in indices],
            [grads[i] for i in indices],
            [buffers[i] for i in indices],
            weight_decay=decay,
            momentum=momentum,
            lr=rate * factor,
            dampening=0.0,
            nesterov=nesterov,
            maximize=False,
            is_first_step=False,  # a buffer of zeros is what the first step begins with
        )


def rmsprop(values, grads, squares, buffers, rate: float, settings, groups) -> None:
    """Update tensors in place by `torch.optim.RMSprop`'s rule, in grouped calls.

    Args:
        squares: running mean of the squared gradient of each value.
        buffers: momentum of each value, None without momentum.
        settings: (rho, momentum, epsilon).
        groups: as in `sgd`.
    """
    rho, momentum, epsilon = settings
    with torch.no_grad():
        grads = _aligned(grads, values)
        _decay(values, grads, groups)
        torch._foreach_mul_(squares, rho)
        torch._foreach_addcmul_(squares, grads, grads, value=1 - rho)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, epsilon)
        if buffers is None:
            steps = torch._foreach_div(grads, roots)
        else:
            torch._foreach_mul_(buffers, momentum)
            torch._foreach_addcdiv_(buffers, grads, roots)
            steps = buffers
        _step(values, steps, rate, groups)


def _decay(values, grads, groups) -> None:
    """Add to each gradient, in the list, its share of the value."""
    for (decay, _), indices in groups:
        if decay:
            pick = [values[i] for i in indices]
            decayed = torch._foreach_add([grads[i] for i in indices], pick, alpha=decay)
            for i, g in zip(indices, decayed, strict=True):
                grads[i] = g


def _step(values, steps, rate: float, groups) -> None:
    """Move the values against the steps, by the rate of each group."""
    for (_, factor), indices in groups:
        everything = len(indices) == len(values)
        torch._foreach_add_(
            values if everything else [values[i] for i in indices],
            steps if everything else [steps[i] for i in indices],
            alpha=-rate * factor,
        )


def adamw(values, grads, means, squares, rate: float, steps, betas, groups) -> None:
    """Update tensors in place by `torch.optim.AdamW`'s rule, in one fused kernel a group.

    Args:
        steps: tensor with the number of the step, from 1.
        betas: (beta 1, beta 2, epsilon).
        groups: as in `sgd`.
    """
    beta_1, beta_2, epsilon = betas
    with torch.no_grad():
        grads = _aligned(grads, values)
        steps = steps.to(torch.float32)
        for (decay, factor), indices in groups:
            torch._fused_adamw_(
                [values[i] for i in indices],
                [grads[i] for i in indices],
                [means[i] for i in indices],
                [squares[i] for i in indices],
                [],
                [steps] * len(indices),
                lr=rate * factor,
                beta1=beta_1,
                beta2=beta_2,
                weight_decay=decay,
                eps=epsilon,
                amsgrad=False,
                maximize=False,
            )


def lerp(averages, variables, share: float) -> bool:
    """Move tensors towards variables by `share` of the difference, all in one grouped step.

    Returns:
        Whether it was done: only on torch, and where all types agree.
    """
    pairs = zip(averages, variables, strict=True)
    if not TORCH or any(a.dtype != v._value.dtype for a, v in pairs):
        return False
    with torch.no_grad():
        torch._foreach_lerp_(averages, [v._value for v in variables], share)
    return True
