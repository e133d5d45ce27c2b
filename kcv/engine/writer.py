"""Writing the calls of a plan: what each does to a buffer of tensors, and in which form."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import torch
import torch.nn.functional as F
from keras import tree

# No public name gives the scope that casts variables under mixed precision.
from keras.src.backend import AutocastScope

from kcv import kernels
from kcv.engine import calls
from kcv.engine.chains import IDLE
from kcv.engine.folded import Folded
from kcv.engine.graph import Node, casts, is_symbolic
from kcv.engine.leaves import Reader

Buffer = list[Any]
Step = Callable[[Buffer, bool], None]


class Action(NamedTuple):
    """One call of the plan: what it does to the buffer, and the slots it reads and writes."""

    step: Step
    sources: list[int]
    targets: list[int]


class Writer:
    """Turns nodes into calls, and maps from one form into the other where a call needs it.

    Attributes:
        actions: the calls so far.
        count: slots so far; a map in both forms has two.
        folded: the calls that hold numbers made of weights.
        weights: what gives the calls their weights.
    """

    def __init__(self, count: int, readers: list[int], predicts: bool):
        self.count, self.readers, self.predicts = count, readers, predicts
        self.actions: list[Action] = []
        self.form = {0: "last"}
        self.other: dict[int, int] = {}
        self.pure: set[int] = set()
        self.folded: list[Folded] = []
        self.weights: list[Reader] = []

    def add(self, node: Node) -> None:
        """Write the call of one node."""
        whole = type(node.op) in calls.CASTING or not casts(node)
        call = calls.make(node, self.predicts) if whole else None
        if call is None:
            self._add_general(node)
        else:
            self._add_call(node, call)

    def find(self, slot: int, form: str) -> int:
        """Return where a tensor lies in this form; a view is made at the first question."""
        if self.form.get(slot, "any") in (form, "any"):
            return slot
        if slot not in self.other:
            view, self.count = self.count, self.count + 1
            order = (0, 2, 3, 1) if form == "last" else (0, 3, 1, 2)

            def permute(buffer, training):
                buffer[view] = buffer[slot].permute(order)

            self.actions.append(Action(permute, [slot], [view]))
            self.other[slot] = view
        return self.other[slot]

    def _add_general(self, node: Node) -> None:
        sources = [self.find(slot, "last") for slot in node.sources]
        step = _general(node, sources, casts(node))
        op = node.op
        if isinstance(op, keras.Layer) and op.weights:  # also in another type than all around it
            step = _scoped(step, op.compute_dtype if op.autocast else None)
        self.actions.append(Action(step, sources, node.targets))
        for target in node.targets:
            self.form[target] = "last"

    def _add_call(self, node: Node, call: calls.Call) -> None:
        maps = all(len(t.shape) == 4 for t in node.tensors)
        form = call.form
        if form == "any":
            known = {self.form[slot] for slot in node.sources}
            form = "first" if maps and "first" in known else "last"
        sources = [self.find(slot, form) for slot in node.sources]
        (target,) = node.targets
        self.weights += [reader for reader in call.readers if reader.variable is not None]
        if isinstance(call.run, Folded):
            self.folded.append(call.run)
        step = self._in_place(node, sources, target) or _step(call.run, sources, target)
        self.actions.append(Action(step, sources, [target]))
        self.form[target] = "any" if call.flat or not maps else form
        passed = isinstance(node.op, IDLE) and self._is_free(node.sources[0], sources[0])
        if call.pure or passed:
            self.pure.add(target)

    def _is_free(self, slot: int, place: int) -> bool:
        """Return whether a tensor may be overwritten by the only one who reads it."""
        return slot in self.pure and self.readers[slot] == 1 and slot == place

    def _in_place(self, node: Node, sources: list[int], target: int) -> Step | None:
        """Return the call that overwrites what it reads, where that is safe and known."""
        free = [self._is_free(*pair) for pair in zip(node.sources, sources, strict=True)]
        if not any(free):
            return None
        # a view of a view: torch would take its gradient the long way round
        needs_base = self.form[node.sources[free.index(True)]] == "last"
        if type(node.op) is keras.layers.Add:
            into = sources[free.index(True)]
            other = sources[1 - free.index(True)]
            return None if into == other else _add_into(into, other, target, needs_base)
        if type(node.op) is keras.layers.ReLU and _is_plain_relu(node.op):
            act = F.relu if node.op.max_value is None else kernels.relu6
            return _act_on(act, sources[0], target, needs_base)
        return None


def _step(run, sources: list[int], target: int) -> Step:
    if len(sources) == 1:
        (source,) = sources

        def one(buffer, training):
            buffer[target] = run(buffer[source], training)

        return one

    def several(buffer, training):
        buffer[target] = run([buffer[s] for s in sources], training)

    return several


def _is_plain_relu(op) -> bool:
    return op.negative_slope == 0 and op.threshold == 0 and op.max_value in (None, 6)


def _add_into(into: int, other: int, target: int, needs_base: bool) -> Step:
    def add(buffer, training):
        if needs_base and torch.is_grad_enabled():
            buffer[target] = buffer[into] + buffer[other]
        else:
            buffer[target] = buffer[into].add_(buffer[other])

    return add


def _act_on(act, source: int, target: int, needs_base: bool) -> Step:
    def apply(buffer, training):
        inplace = not (needs_base and torch.is_grad_enabled())
        buffer[target] = act(buffer[source], inplace=inplace)

    return apply


def _general(node: Node, sources: list[int], casts: dict[int, torch.dtype]) -> Step:
    """Call an operation with whatever arguments it has."""
    call, targets = node.op.call, node.targets
    kwargs = node.kwargs
    learns = isinstance(node.op, keras.Layer) and node.op._call_has_training_arg
    if len(node.args) == 1 and is_symbolic(node.args[0]) and not (kwargs or casts):
        return _unary(call, sources[0], targets, learns)
    fill = _template((node.args, kwargs), sources, casts)

    def step(buffer, training):
        args, rest = fill(buffer)
        if learns:
            rest = {**rest, "training": training}
        _put(buffer, targets, call(*args, **rest))

    return step


def _unary(call, source: int, targets, learns: bool) -> Step:
    (target, *more) = targets
    if more:
        return lambda buffer, training: _put(buffer, targets, call(buffer[source]))

    def plain(buffer, training):
        buffer[target] = call(buffer[source])

    def learning(buffer, training):
        buffer[target] = call(buffer[source], training=training)

    return learning if learns else plain


def _put(buffer, targets, outputs) -> None:
    for target, y in zip(targets, tree.flatten(outputs), strict=True):
        buffer[target] = y


def _template(struct, sources, casts):
    """Return a function that fills the tensors of a buffer into nested arguments."""
    places = iter(enumerate(sources))

    def read(leaf):
        if not is_symbolic(leaf):
            return lambda buffer: leaf
        position, slot = next(places)
        dtype = casts.get(position)
        if dtype is None:
            return lambda buffer: buffer[slot]
        return lambda buffer: buffer[slot].to(dtype)

    readers = tree.map_structure(read, struct)
    return lambda buffer: tree.map_structure(lambda reader: reader(buffer), readers)


def _scoped(step: Step, dtype: str | None) -> Step:
    """Cast the variables of a layer, as Keras does under mixed precision."""

    def scoped(buffer, training):
        with AutocastScope(dtype):
            step(buffer, training)

    return scoped
