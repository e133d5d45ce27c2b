"""What stands for the weights in a training step: in torch's order and in the type of the step.

A kernel in Keras's order is turned round at every call, and its gradient turned back; under mixed
precision it is cast as well, and its gradient cast back. On a GPU that the host can hardly keep
busy, this is a tenth of the calls of a step. Here the turned kernel is itself what the gradient is
taken for: a view of the weight, or, in another type, a copy that all are written to at once.
"""

from collections import Counter
from collections.abc import Callable

import torch

from kcv import kernels


class Reader:
    """Gives a weight to a call of the plan: `reader()`.

    Attributes:
        leaf: what it gives instead in a training step, None at any other time.

    Args:
        variable: of Keras, or None for no weight.
        dtype: in which the layer computes; None for the weight's own.
        order: of torch's axes, None for Keras's own order.
    """

    def __init__(self, variable, dtype: torch.dtype | None, order: tuple[int, ...] | None = None):
        self.variable, self.dtype, self.order = variable, dtype, order
        self.back = order and tuple(order.index(axis) for axis in range(len(order)))
        self.leaf: torch.Tensor | None = None

    @property
    def get(self) -> Callable[[], torch.Tensor | None]:
        """What gives the same as the reader, faster where nothing is turned or cast."""
        # a weight that is neither turned nor cast never has a leaf
        variable = self.variable
        if variable is None:
            return lambda: None
        plain = self.dtype is None and self.order is None
        return (lambda: variable._value) if plain else self

    def __call__(self):
        if self.leaf is not None or self.variable is None:
            return self.leaf
        value = self.turned(self.variable._value)
        return value if self.dtype is None else value.to(self.dtype)

    def turned(self, value: torch.Tensor) -> torch.Tensor:
        """Return a view in torch's order."""
        return value if self.order is None else value.permute(self.order)

    def turned_back(self, value: torch.Tensor) -> torch.Tensor:
        """Return a view in Keras's order."""
        return value if self.back is None else value.permute(self.back)


class Leaves:
    """The leaves of a plan's readers: opened before a step, closed after its backward pass.

    Weights that are read in more than one place, or that do not learn, have none.
    """

    def __init__(self, readers: list[Reader]):
        often = Counter(id(r.variable) for r in readers)
        self.readers = [r for r in readers if often[id(r.variable)] == 1 and _gains(r)]
        self.sources = [r.variable._value for r in self.readers]
        turned = [r.turned(v.detach()) for r, v in zip(self.readers, self.sources, strict=True)]
        self.places = kernels.updates.places(self.sources)
        self.leaves = [
            (view if r.dtype is None else view.to(r.dtype)).requires_grad_()
            for r, view in zip(self.readers, turned, strict=True)
        ]
        cast = [i for i, r in enumerate(self.readers) if r.dtype is not None]
        self.cast, self.originals = cast, [turned[i] for i in cast]
        self.copies = [self.leaves[i].detach() for i in cast]
        self.wide = [torch.empty_like(view) for view in self.originals]
        self.viewed = [i for i, r in enumerate(self.readers) if r.dtype is None]

    def is_current(self) -> bool:
        """Return whether every weight lies where it lay."""
        return kernels.updates.places(self.sources) == self.places

    def open(self) -> None:
        """Let the readers give leaves, which hold the weights of the moment."""
        if self.copies:
            with torch.no_grad():
                torch._foreach_copy_(self.copies, self.originals)
        for reader, leaf in zip(self.readers, self.leaves, strict=True):
            leaf.grad = None
            reader.leaf = leaf

    def close(self) -> None:
        """Let the readers give weights again."""
        for reader in self.readers:
            reader.leaf = None

    def hand_over(self) -> None:
        """Give the weights the gradients of their leaves."""
        grads = [leaf.grad for leaf in self.leaves]
        with torch.no_grad():
            given = [(wide, grads[i]) for wide, i in zip(self.wide, self.cast, strict=True)]
            given = [(wide, grad) for wide, grad in given if grad is not None]
            if given:
                torch._foreach_copy_(*(list(part) for part in zip(*given, strict=True)))
            for wide, i in zip(self.wide, self.cast, strict=True):
                self._give(i, None if grads[i] is None else wide)
            for i in self.viewed:
                self._give(i, grads[i])

    def _give(self, index: int, grad) -> None:
        source, reader = self.sources[index], self.readers[index]
        if grad is not None:
            grad = reader.turned_back(grad)
            # the weight has one already where it was also read in another way
            source.grad = grad if source.grad is None else source.grad + grad


def _gains(reader: Reader) -> bool:
    """Return whether a leaf saves anything: the weight learns, and is turned or cast."""
    variable = reader.variable
    changed = reader.dtype is not None or reader.order is not None
    return variable is not None and variable._value.requires_grad and changed
