"""The six pairs: which rows of the zoo, which PyTorch classes, at which size they were tuned."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import torch

import kcv
from benchmarks import loops, torch_networks, weights


class Case(NamedTuple):
    """A row of `kcv.models` and its twin in plain PyTorch.

    Attributes:
        twin: the PyTorch class; it takes the arguments of the row that change its shape.
        optimizer: `"sgd"` (momentum 0.9) or `"adamw"`.
        size, batch: pixels and images at which kcv was tuned on a CPU.
        arguments: of both, where the twin's defaults are of another row.
        tiny: of both, for a network of two or three blocks.
        tiny_size: pixels that suit it.
    """

    twin: Callable[..., torch.nn.Module]
    optimizer: str
    size: int
    batch: int
    arguments: dict[str, Any]
    tiny: dict[str, Any]
    tiny_size: int


CASES = {
    "resnet18": Case(
        torch_networks.ResNet,
        "sgd",
        64,
        16,
        {"block": "basic", "depths": (2, 2, 2, 2)},
        {"block": "basic", "depths": (1, 1), "width": 0.25},
        32,
    ),
    "resnet50": Case(
        torch_networks.ResNet, "sgd", 128, 8, {}, {"depths": (1, 1), "width": 0.25}, 32
    ),
    "mobilenet_v2": Case(
        torch_networks.MobileNetV2, "sgd", 128, 8, {}, {"width": 0.25, "depth": 0.3}, 64
    ),
    "vit_tiny_16": Case(
        torch_networks.ViT,
        "adamw",
        128,
        8,
        {},
        {"width": 48, "depth": 2, "num_heads": 3, "patch": 8},
        32,
    ),
    "convnext_tiny": Case(
        torch_networks.ConvNeXt, "adamw", 128, 4, {}, {"width": 16, "depths": (1, 1, 1)}, 32
    ),
    "swin_tiny": Case(
        torch_networks.Swin,
        "sgd",
        128,
        4,
        {},
        {"width": 24, "depths": (2, 2), "num_heads": (2, 4), "window": 4},
        44,
    ),
}
# Arguments that leave all layers and few channels: nearly nothing but the work of the host.
NARROW: dict[str, dict[str, Any]] = {
    "resnet18": {"block": "basic", "depths": (2, 2, 2, 2), "width": 1 / 16},
    "resnet50": {"width": 1 / 16},
    "mobilenet_v2": {"width": 0.1},
    "vit_tiny_16": {"width": 24, "num_heads": 3},
    "convnext_tiny": {"width": 8, "depths": (3, 3, 9, 3)},
    "swin_tiny": {"width": 12, "num_heads": (1, 2, 4, 8), "depths": (2, 2, 6, 2)},
}
CLASSES = 1000
UNTUNED = ((224, 1), (96, 3), (32, 32))
RATES = {"sgd": 0.01, "adamw": 1e-4}


def build(name: str, size: int | None = None, classes: int = CLASSES, tiny: bool = False, **more):
    """Return (kcv network, PyTorch network) of equal weights, neither compiled.

    Args:
        name: a key of `CASES`.
        size: pixels; by default those of the case.
        classes: of the classifier.
        tiny: a network of two or three blocks.
        more: arguments of both, e.g. `dropout=0.0`.

    Raises:
        ValueError: if the twins do not have the same weights.
    """
    case = CASES[name]
    size = size or (case.tiny_size if tiny else case.size)
    changes = {**(case.tiny if tiny else case.arguments), **more}
    model = kcv.models.build(name, image_size=size, num_classes=classes, **changes)
    _shake(model)
    return model, twin(name, model, **changes)


def twin(name: str, model, **changes):
    """Return the PyTorch network that belongs to a kcv network, with its weights.

    Args:
        changes: arguments of both, where they are not those of the case.

    Raises:
        ValueError: if the two do not have the same weights.
    """
    case = CASES[name]
    shape = {"num_classes": model.output_shape[-1], "image_size": model.input_shape[1]}
    network = case.twin(**shape, **(changes or case.arguments))
    network.to(model.weights[0].value.device, model.weights[0].value.dtype)
    weights.copy(model, network)
    check_counts(model, network)
    return network


def check_counts(model, network) -> None:
    """Compare the numbers of trainable parameters.

    Raises:
        ValueError: if they differ.
    """
    ours = sum(w.value.numel() for w in model.trainable_weights)
    theirs = sum(p.numel() for p in network.parameters() if p.requires_grad)
    if ours != theirs:
        raise ValueError(f"{model.name}: {ours} trainable parameters in kcv, {theirs} in PyTorch.")


def settings(name: str, at: str) -> list[tuple[int, int]]:
    """Return the (size, batch) that a word stands for: `tuned`, `untuned`, or e.g. `96x3`.

    Raises:
        ValueError: if it is none of these.
    """
    if at == "tuned":
        return [(CASES[name].size, CASES[name].batch)]
    if at == "untuned":
        return list(UNTUNED)
    return [size_and_batch(at)]


def size_and_batch(word: str) -> tuple[int, int]:
    """Return pixels and images of a word such as `96x3`.

    Raises:
        ValueError: if it is none.
    """
    size, _, batch = word.partition("x")
    if not (size.isdecimal() and batch.isdecimal() and int(size) and int(batch)):
        raise ValueError(
            f'A setting is "tuned", "untuned" or SIZExBATCH, e.g. 96x3. Received: {word!r}.'
        )
    return int(size), int(batch)


def _shake(model) -> None:
    """Move norms, biases and scales off their zeros and ones, which would hide an error."""
    generator = torch.Generator().manual_seed(0)
    for variable in model.weights:
        if len(variable.shape) == 1:
            noise = 0.5 * torch.rand(tuple(variable.shape), generator=generator)
            variable.assign(variable.value + noise.to(variable.value))


def compile_kcv(model, optimizer: str, rate: float | None = None, jit_compile="auto", **more):
    """Compile as a user would: the loss, and the accuracy to look at while it runs."""
    rate = RATES[optimizer] if rate is None else rate
    make = {"sgd": kcv.optimizers.SGD, "adamw": kcv.optimizers.AdamW}[optimizer]
    watched = [kcv.losses.Accuracy()]
    loss = kcv.losses.CrossEntropy()
    model.compile(make(rate, **more), loss, metrics=watched, jit_compile=jit_compile)


def make_torch_optimizer(network, name: str, rate: float | None = None, **how):
    """Return `torch.optim`'s optimizer with kcv's settings: decay spares what has one axis.

    Args:
        how: `foreach=True` or `fused=True`.
    """
    rate = RATES[name] if rate is None else rate
    if name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, **how)
    loose = ("token", "position", "table")
    groups: dict[bool, list] = {True: [], False: []}
    for path, value in network.named_parameters():
        groups[value.ndim > 1 and path.rpartition(".")[2] not in loose].append(value)
    decayed = [{"params": groups[True], "weight_decay": 0.01}]
    plain = [{"params": groups[False], "weight_decay": 0.0}]
    return torch.optim.AdamW(decayed + plain, lr=rate, **how)


def best_optimizer(name: str) -> dict[str, Any]:
    """Return the arguments of `make_torch_optimizer` that dispatch fewest operations."""
    kind = CASES[name].optimizer
    return {"name": kind, "fused" if kind == "adamw" else "foreach": True}


def check_outputs(model, network, images) -> float:
    """Compare the answers to an array of images; return the largest difference.

    It is relative to the largest answer. In a lower precision both round, in other places: in
    PyTorch, autocast keeps residual sums in float32, which a policy of Keras does not. There kcv's
    error against PyTorch in float32 may be twice as large as PyTorch's own (mean square), or 3 % of
    the answers (root mean square): two dozen sums, each rounded to a 512th.

    Raises:
        ValueError: if it is over 1e-4 (float32), or over these.
    """
    data = loops.Data(images, np.zeros(len(images)))
    # as they are timed, whatever path the networks take there
    given = np.asarray(loops.predict(model, data, len(images))(1))
    wanted = np.asarray(loops.torch_predict(network, data, len(images))(1))
    gap = float(abs(given - wanted).max() / abs(wanted).max())
    if keras.config.dtype_policy().compute_dtype == "float32":
        if not gap <= 1e-4:
            raise ValueError(f"The answers of the twins differ by {gap:.1e}, over 1e-4.")
        return gap
    device = next(network.parameters()).device
    with torch.inference_mode():
        (ready, _) = loops.tensors(data, False, device)
        exact = network.eval()(ready.to(device)).float().cpu().numpy()
    ours, theirs = (np.square(y - exact).mean() for y in (given, wanted))
    if not ours <= max(2 * theirs, 0.03**2 * np.square(exact).mean()):
        raise ValueError(
            f"kcv's answers are far less exact than PyTorch's: mean square errors {ours:.1e} and "
            f"{theirs:.1e}."
        )
    return gap


def check_step(name: str) -> float:
    """Train a tiny pair in float64 for one step; return the largest difference of a weight.

    A step of SGD at rate 1 without momentum moves every weight by its gradient, so this compares
    the gradients as `fit` computes them, and the running statistics.

    Raises:
        ValueError: if a weight differs by more than 1e-5 of the way it went.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        still: dict[str, Any] = {"dropout": 0.0} if name == "mobilenet_v2" else {}
        model, network = build(name, classes=10, tiny=True, **still)
    finally:
        keras.config.set_dtype_policy(policy)
    data = loops.make_data(6, model.input_shape[1], 10)
    pairs = weights.pairs(model, network)
    before = [pair.tensor.detach().clone() for pair in pairs]
    compile_kcv(model, "sgd", 1.0, momentum=0.0)
    loops.fit(model, data, 6)(1)
    images = data.images.astype("float64")
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    loops.torch_fit(network, optimizer, data._replace(images=images), 6)(1)
    gap = weights.difference(pairs, before)
    if not gap <= 1e-5:
        raise ValueError(f"{name}: a step of the twins differs by {gap:.1e}, over 1e-5.")
    return gap
