"""The few operations that decide the speed of a network, fused on torch, `keras.ops` elsewhere.

Every function has two bodies: one torch call, and the same mathematics in `keras.ops`. Layers stay
thin and never name a backend. Tensors are channels-last `(B, H, W, C)`; kernels have Keras's shape
`(kh, kw, in, out)`. On torch `x.permute(0, 3, 1, 2)` of such a tensor *is* a `channels_last` one,
so no activation is ever copied; `lay_out` stores convolution kernels so that none is copied either.
"""

import ctypes

import keras
from keras import ops

TORCH = keras.backend.backend() == "torch"
if TORCH:
    import torch
    import torch.nn.functional as F

Pads = tuple[tuple[int, int], tuple[int, int]]


# --------------------------------------------------------------------------- memory layout


def lay_out(kernel, depthwise: bool = False) -> None:
    """Store a convolution kernel in torch's memory order; its Keras shape does not change.

    Keras re-lays every kernel out at every call and its gradient in every backward pass: a quarter
    of a ResNet-18 training step. `assign` keeps the order, so this is done once, in `build`.
    """
    if not TORCH or kernel._value is None:
        return
    value = kernel._value
    if depthwise:
        value.data = value.data.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    else:
        stored = value.data.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        value.data = stored.permute(2, 3, 1, 0)


def _nchw(x):
    return x.permute(0, 3, 1, 2)


def _nhwc(x):
    return x.permute(0, 2, 3, 1)


# --------------------------------------------------------------------------- padding


def pads(padding, size, kernel, stride, dilation=(1, 1)) -> Pads:
    """Return ((top, bottom), (left, right)) for a padding of `int`, `"valid"` or `"same"`.

    `"same"` is TensorFlow's: it depends on the input size and puts the odd row at the end.
    """
    if padding == "valid":
        return ((0, 0), (0, 0))
    if padding != "same":
        rows, columns = (padding, padding) if isinstance(padding, int) else padding
        return ((rows, rows), (columns, columns))
    both = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        both.append((total // 2, total - total // 2))
    return (both[0], both[1])


def _pad(x, pad: Pads, value: float = 0.0):
    """Pad the rows and columns of `(B, H, W, C)`."""
    (top, bottom), (left, right) = pad
    if TORCH:
        return F.pad(x, (0, 0, left, right, top, bottom), value=value)
    return ops.pad(x, ((0, 0), pad[0], pad[1], (0, 0)), constant_values=value)


def _split_pad(x, pad: Pads, value: float = 0.0):
    """Return (x, symmetric padding): what torch's kernels cannot pad themselves is padded here."""
    if pad[0][0] == pad[0][1] and pad[1][0] == pad[1][1]:
        return x, (pad[0][0], pad[1][0])
    return _pad(x, pad, value), (0, 0)


# --------------------------------------------------------------------------- convolution


def conv2d(x, kernel, bias=None, stride=(1, 1), padding=0, dilation=(1, 1), groups=1):
    """Convolve `(B, H, W, C)` with `(kh, kw, C / groups, width)` to `(B, H', W', width)`."""
    pad = pads(padding, x.shape[1:3], kernel.shape[:2], stride, dilation)
    if TORCH:
        x, symmetric = _split_pad(x, pad)
        weight = kernel.permute(3, 2, 0, 1)
        return _nhwc(F.conv2d(_nchw(x), weight, bias, stride, symmetric, dilation, groups))
    if any(pad[0]) or any(pad[1]):
        x = _pad(x, pad)
    y = ops.conv(x, kernel, strides=list(stride), padding="valid", dilation_rate=list(dilation))
    return y if bias is None else y + bias


def depthwise_conv2d(x, kernel, bias=None, stride=(1, 1), padding=0, dilation=(1, 1)):
    """Convolve each channel of `(B, H, W, C)` with its `(kh, kw, C, m)` to `(B, H', W', C m)`."""
    pad = pads(padding, x.shape[1:3], kernel.shape[:2], stride, dilation)
    if TORCH:
        x, symmetric = _split_pad(x, pad)
        weight = kernel.permute(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
        y = F.conv2d(_nchw(x), weight, bias, stride, symmetric, dilation, x.shape[-1])
        return _nhwc(y)
    if any(pad[0]) or any(pad[1]):
        x = _pad(x, pad)
    y = ops.depthwise_conv(
        x, kernel, strides=list(stride), padding="valid", dilation_rate=list(dilation)
    )
    return y if bias is None else y + bias


# --------------------------------------------------------------------------- pooling


def _pool_pads(x, size, stride, padding, ceil) -> tuple[Pads, Pads]:
    """Return (padding that counts, padding that `ceil` adds at the end)."""
    pad = pads(padding, x.shape[1:3], size, stride)
    extra = []
    for n, k, s, (before, after) in zip(x.shape[1:3], size, stride, pad, strict=True):
        span = n + before + after
        out = -(-(span - k) // s) + 1
        # torch drops a last window that would start beyond the input and its left padding
        out -= int((out - 1) * s >= n + before)
        extra.append((0, max(0, (out - 1) * s + k - span) if ceil else 0))
    return pad, (extra[0], extra[1])


def max_pool2d(x, size, stride, padding=0, ceil=False):
    """Maximum over windows of `(B, H, W, C)`; padded positions never win."""
    pad, extra = _pool_pads(x, size, stride, padding, ceil)
    if TORCH:
        x, symmetric = _split_pad(x, pad, float("-inf"))
        return _nhwc(F.max_pool2d(_nchw(x), size, stride, symmetric, 1, ceil))
    whole = tuple((a + c, b + d) for (a, b), (c, d) in zip(pad, extra, strict=True))
    x = _pad(x, whole, float("-inf"))
    return ops.max_pool(x, tuple(size), tuple(stride), padding="valid")


def avg_pool2d(x, size, stride, padding=0, ceil=False, count_pad=True):
    """Mean over windows of `(B, H, W, C)`; `count_pad` says whether padded zeros are counted.

    Keras 3.15.1's average pooling with `"same"` is wrong on torch where the padding is asymmetric
    (keras PR 23233), hence the explicit sums of ones.
    """
    pad, extra = _pool_pads(x, size, stride, padding, ceil)
    symmetric = all(a == b for a, b in pad)
    if TORCH and symmetric:
        low = (pad[0][0], pad[1][0])
        return _nhwc(F.avg_pool2d(_nchw(x), size, stride, low, ceil, count_pad))
    counted = ops.ones_like(x[:1, :, :, :1])
    if count_pad:
        counted = _pad(_pad(counted, pad, 1.0), extra)
    else:
        whole = tuple((a + c, b + d) for (a, b), (c, d) in zip(pad, extra, strict=True))
        counted = _pad(counted, whole)
    x = _pad(_pad(x, pad), extra)
    mean = ops.average_pool(x, tuple(size), tuple(stride), padding="valid")
    share = ops.average_pool(counted, tuple(size), tuple(stride), padding="valid")
    return mean / share


# --------------------------------------------------------------------------- normalisation


def batch_norm(x, layer, training: bool):
    """Normalise `(B, ..., C)` with the weights of a batch-norm layer, and update its statistics.

    PyTorch's mathematics on every backend: batches are normalised with the biased variance, the
    running variance takes the unbiased one (Keras takes the biased one: 1/n less).
    """
    mean, variance = layer.moving_mean, layer.moving_variance
    count = _count(x)
    if TORCH and (not training or count != 1):
        return _torch_batch_norm(x, layer, training)
    wide = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
    if training:
        axes = list(range(len(x.shape) - 1))
        center, spread = ops.mean(wide, axes), ops.var(wide, axes)
        keep = layer.momentum
        unbiased = spread * (count / max(count - 1, 1)) if isinstance(count, int) else spread
        mean.assign(keep * mean + (1 - keep) * center)
        variance.assign(keep * variance + (1 - keep) * unbiased)
        mean, variance = center, spread
    y = ops.batch_normalization(
        wide, mean, variance, -1, layer.beta, layer.gamma, epsilon=layer.epsilon
    )
    return ops.cast(y, x.dtype)


def _count(x):
    """Return how many values each channel has, None where the batch size is symbolic."""
    count = 1
    for n in x.shape[:-1]:
        if n is None:
            return None
        count *= n
    return count


def _torch_batch_norm(x, layer, training: bool):
    gamma, beta = (None if v is None else v.value for v in (layer.gamma, layer.beta))
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    y = _nchw(x) if x.ndim == 4 else x
    y = F.batch_norm(y, mean, variance, gamma, beta, training, 1.0 - layer.momentum, layer.epsilon)
    return _nhwc(y) if x.ndim == 4 else y


# --------------------------------------------------------------------------- dense, attention


def linear(x, kernel, bias=None):
    """Multiply `(..., in)` by `(in, out)` and add the bias, in one call."""
    if TORCH:
        return F.linear(x, kernel.t(), bias)
    y = ops.matmul(x, kernel)
    return y if bias is None else y + bias


def attention(q, k, v, bias=None, dropout: float = 0.0, seed=None):
    """Scaled dot-product attention over `(B, heads, N, D)`; `bias` is added to the scores.

    `dropout` acts on the attention weights; layers pass 0 outside training. `seed` is the generator
    of its masks on backends other than torch.
    """
    if TORCH:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
    weights = attention_weights(q, k, bias)
    if dropout:
        weights = keras.random.dropout(weights, dropout, seed=seed)
    return ops.matmul(weights, v)


def attention_weights(q, k, bias=None):
    """Return the softmax of the scaled scores, `(B, heads, N, N)`, for whoever wants to look."""
    scores = ops.matmul(q * (q.shape[-1] ** -0.5), ops.swapaxes(k, -2, -1))
    return ops.softmax(scores if bias is None else scores + bias)


def cross_entropy(logits, labels, smoothing: float = 0.0):
    """Return the softmax cross-entropy `(B,)` in float32 of labels `(B,)` or `(B, K)`."""
    classes = logits.shape[-1]
    logits = ops.cast(logits, "float32")
    hard = len(labels.shape) < len(logits.shape) or labels.shape[-1] != classes
    if TORCH:
        labels = labels.reshape(-1).long() if hard else labels.to(logits.dtype)
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    if hard:
        labels = ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), classes)
    labels = ops.cast(labels, "float32") * (1 - smoothing) + smoothing / classes
    return -ops.sum(labels * ops.log_softmax(logits), axis=-1)


# --------------------------------------------------------------------------- optimiser steps


def match_layout(slots, variables) -> None:
    """Store optimiser slots in the memory order of their variables (torch; nothing elsewhere).

    torch's fused steps silently compute wrong updates where the strides of a weight, its gradient
    and its slots differ.
    """
    if not TORCH:
        return
    for slot, variable in zip(slots, variables, strict=True):
        if slot is None:
            continue
        old, like = slot._value.data, variable._value.data
        slot._value.data = torch.empty_strided(
            like.shape, like.stride(), dtype=old.dtype, device=old.device
        ).copy_(old)


def _aligned(grads, values):
    """Return the gradients in the memory order of the values; those that are stay as they are."""
    same = [g if g.stride() == v.stride() else None for g, v in zip(grads, values, strict=True)]
    return [
        torch.empty_like(v).copy_(g) if s is None else s
        for g, v, s in zip(grads, values, same, strict=True)
    ]


def _groups(rates):
    """Return {decay rate: indices}: torch's grouped kernels take one rate a call."""
    groups: dict[float, list[int]] = {}
    for index, rate in enumerate(rates):
        groups.setdefault(rate, []).append(index)
    return groups


def sgd_step(variables, grads, buffers, learning_rate, momentum, nesterov, rates) -> None:
    """Update torch variables in place by `torch.optim.SGD`'s rule; `rates` decay each of them."""
    rate = float(learning_rate)
    with torch.no_grad():
        values = [v._value for v in variables]
        grads = _aligned(grads, values)
        for decay, indices in _groups(rates).items():
            if decay:
                for i, g in zip(
                    indices,
                    torch._foreach_add(
                        [grads[i] for i in indices], [values[i] for i in indices], alpha=decay
                    ),
                    strict=True,
                ):
                    grads[i] = g
        if buffers is not None:
            slots = [b._value for b in buffers]
            torch._foreach_mul_(slots, momentum)
            torch._foreach_add_(slots, grads)
            grads = torch._foreach_add(grads, slots, alpha=momentum) if nesterov else slots
        torch._foreach_add_(values, grads, alpha=-rate)


def adamw_step(variables, grads, means, squares, learning_rate, iterations, betas, rates) -> None:
    """Update torch variables in place by `torch.optim.AdamW`'s rule, in one fused kernel a rate."""
    beta_1, beta_2, epsilon = betas
    with torch.no_grad():
        values = [v._value for v in variables]
        grads = _aligned(grads, values)
        step = (iterations._value + 1).to(torch.float32)
        for decay, indices in _groups(rates).items():
            pick = lambda items: [items[i] for i in indices]  # noqa: B023, E731
            torch._fused_adamw_(
                pick(values),
                pick(grads),
                [m._value for m in pick(means)],
                [s._value for s in pick(squares)],
                [],
                [step] * len(indices),
                lr=float(learning_rate),
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


# --------------------------------------------------------------------------- randomness


def drop_path(x, rate: float, seed):
    """Zero whole samples of `(B, ...)` with probability `rate`, scale the others by 1/(1-rate).

    On torch the mask comes from torch's generator on the tensor's device: no host sync, where a
    seeded Keras dropout makes a new generator, and one sync, per call.
    """
    shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
    keep = 1.0 - rate
    if TORCH:
        return x * x.new_empty(shape).bernoulli_(keep).div_(keep)
    mask = keras.random.uniform(shape, seed=seed) < keep
    return x * ops.cast(mask, x.dtype) / keep


def seed_backend(seed: int) -> None:
    """Seed the backend's own random generators (torch's, on every device)."""
    if TORCH:
        torch.manual_seed(seed)


# --------------------------------------------------------------------------- the machine


def set_threads(count: int) -> None:
    """Let torch compute with `count` threads; other backends decide for themselves."""
    if TORCH:
        torch.set_num_threads(count)


def keep_memory() -> None:
    """Let the allocator keep freed memory instead of returning it to the system (glibc, CPU).

    Large activations are otherwise mapped anew, and their pages faulted in, at every step:
    MobileNetV2 at 28 pixels and batch 128 trained 1.2 times as fast with it.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX: large blocks come from the heap
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap is never trimmed
    except (OSError, AttributeError):
        return  # another C library: nothing to tune


def device() -> dict:
    """Describe what the backend computes on: {"backend", "version", "device", "threads"}."""
    name = keras.backend.backend()
    about = {"backend": name, "version": "", "device": "cpu", "threads": 0}
    if TORCH:
        cuda = torch.cuda.is_available()
        about["version"] = torch.__version__
        about["device"] = torch.cuda.get_device_name(0) if cuda else "cpu"
        about["threads"] = torch.get_num_threads()
    return about
