"""Figures that no load of the machine disturbs: operations, host reads, bytes kept, peak memory.

Each is taken from a whole `fit` or `predict`, or from the loop by hand; what belongs to one step is
the difference between a long run and a short one, so that what happens once does not count. So do
the metrics that kcv reads by the clock, twice a second: a loaded machine reads them more often.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Callable

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from kcv.engine import steps as engine

READS = ("numpy", "tolist", "__array__")


class Operations(TorchDispatchMode):
    """Count what torch dispatches inside the context, forward and backward, by name."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


class HostReads(TorchFunctionMode):
    """Count calls that bring a tensor to Python; with `Operations`, `item` is there already."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in READS or (name == "cpu" and args[0].is_cuda):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


class Peak(TorchDispatchMode):
    """Follow the bytes of the tensors that operations made inside the context and are alive."""

    def __init__(self):
        super().__init__()
        self.peak = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        known = {_storage(t)._cdata for t in _tensors((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = _storage(tensor)
            if storage._cdata not in known:
                self._alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        gone = [key for key, (ref, _) in self._alive.items() if ref.expired()]
        for key in gone:
            del self._alive[key]
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return result


def _storage(tensor):
    return tensor.untyped_storage()


def _tensors(tree):
    if isinstance(tree, torch.Tensor):
        if not tree.is_mkldnn:  # a packed kernel: a weight, and without a storage to ask
            yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _tensors(value)


@contextlib.contextmanager
def no_clock():
    """Let kcv read its metrics once in a `fit`, not twice a second."""
    before = engine.READ_SECONDS
    engine.READ_SECONDS = math.inf
    try:
        yield
    finally:
        engine.READ_SECONDS = before


def _per_step(run: Callable[[int], object], measure, short: int = 1, long: int = 3) -> Counter:
    """Return a step's share of what `measure(run, steps)` counts."""
    few, many = measure(run, short), measure(run, long)
    # a Counter's own minus would drop what is negative
    return Counter({k: (many[k] - few[k]) / (long - short) for k in many | few})


def _operations(run, steps) -> Counter:
    with no_clock(), Operations() as mode:
        run(steps)
    return mode.counts


def _reads(run, steps) -> Counter:
    with no_clock(), HostReads() as reads, Operations() as mode:
        run(steps)
    items = mode.counts["aten._local_scalar_dense.default"]
    return reads.counts + Counter({"item": items})


def operations(run: Callable[[int], object]) -> Counter:
    """Return how often a step dispatches each operation of torch; `.total()` is the figure."""
    return _per_step(run, _operations)


def host_reads(run: Callable[[int], object]) -> Counter:
    """Return how often a step makes Python wait for a number, by kind: `item`, `numpy`, ...

    On a CPU `.cpu()` copies nothing and is not counted; the `numpy` after it is.
    """
    return _per_step(run, _reads)


def saved_bytes(run: Callable[[int], object], weights) -> int:
    """Return the bytes that one step keeps for its backward pass, weights left out.

    Each storage counts once, however many views of it are kept.

    Args:
        run: trains; called with 1.
        weights: tensors of the network.
    """
    own = {_storage(w).data_ptr() for w in weights}
    kept: dict[int, int] = {}

    def pack(tensor):
        storage = _storage(tensor)
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run(1)
    return sum(kept.values())


def peak_bytes(run: Callable[[int], object]) -> int:
    """Return the most bytes alive at once in a prediction of two batches, weights left out.

    On a GPU what the allocator saw; on a CPU the tensors that operations made, without the scratch
    memory inside an operation. What kcv folds and packs at the first prediction counts as weights:
    a copy of the kernels of all convolutions, which stays.
    """
    run(1)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        start = torch.cuda.memory_allocated()
        run(2)
        return torch.cuda.max_memory_allocated() - start
    with Peak() as mode:
        run(2)
    return mode.peak


def training_peak_bytes(run: Callable[[int], object]) -> int:
    """Return the most bytes that a training step has beside what lives before it, on a GPU."""
    run(1)
    torch.cuda.reset_peak_memory_stats()
    start = torch.cuda.memory_allocated()
    run(2)
    return torch.cuda.max_memory_allocated() - start


def idle_share(run: Callable[[int], object], steps: int = 6) -> float:
    """Return the share of the time in which a GPU has no kernel to run.

    Of the second half of the kernels: what happens once, at the start, is left out.
    """
    run(2)
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run(steps)
        torch.cuda.synchronize()
    cuda = torch.autograd.DeviceType.CUDA
    spans = sorted(
        (e.time_range.start, e.time_range.end) for e in profile.events() if e.device_type == cuda
    )
    spans = spans[len(spans) // 2 :]
    first = until = spans[0][0]
    busy = 0.0
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return 1 - busy / (until - first)


def graph_breaks(call: Callable[..., object], *arguments) -> list[str]:
    """Return why and where `torch.compile` would leave a function, a line for each place."""
    torch._dynamo.reset()
    found = torch._dynamo.explain(call)(*arguments)
    reasons = [(r.reason.partition("\n")[0], r.user_stack) for r in found.break_reasons]
    places = [f"{stack[0].filename}:{stack[0].lineno} {why}" for why, stack in reasons if stack]
    return places + ["unknown"] * (found.graph_break_count - len(places))
