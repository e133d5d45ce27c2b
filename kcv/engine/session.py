"""What the steps of a model remember from one batch to the next."""

import contextlib
from operator import attrgetter, is_

import torch

from kcv.engine import plan as plans
from kcv.engine.leaves import Leaves
from kcv.engine.objective import fast_loss

value_of, learns = attrgetter("_value"), attrgetter("requires_grad")


def is_own(model, method: str) -> bool:
    """Return whether a method is kcv's, not that of a user's subclass."""
    return getattr(type(model), method).__module__.startswith("kcv.engine")


class Session:
    """What the steps of one model remember between batches; nothing of it is saved.

    Attributes:
        plan: the flat plan, None where Keras's own way is needed.
        reason: why there is no plan.
    """

    def __init__(self, model):
        own_call = is_own(model, "call")
        self.plan, self.reason = plans.make(model) if own_call else (None, "it has its own call")
        first = next(iter(model.weights), None)
        self.device = None if first is None else first._value.device
        self.run = self.plan
        if model.compiled and model.jit_compile and self.plan is not None:
            self.run = torch.compile(self.plan, dynamic=False)
        self.predictor: plans.Predictor | None = None
        self.forget()

    def forget(self) -> None:
        """Let weights, loss and metrics be looked up again at the next step."""
        self.known: list = []
        self.values: list = []
        self.flags: list = []
        self.learners: list = []
        self.weights: list = []
        self.leaves: Leaves | None = None
        self.loss = self.accuracies = None
        self.logs: dict = {}
        self.read_at = 0.0

    def find(self, model) -> None:
        """Look up weights and loss, unless they are those of the last step."""
        same = self.values and all(map(is_, map(value_of, self.known), self.values))
        same = same and all(map(is_, map(learns, self.values), self.flags))
        if same and (self.leaves is None or self.leaves.is_current()):
            return
        # all that can learn, frozen or not: the others never get a gradient
        self.known = [v for layer in model._flatten_layers() for v in layer._trainable_variables]
        self.values = [v._value for v in self.known]
        self.flags = [value.requires_grad for value in self.values]
        self.learners = [value for value in self.values if value.requires_grad]
        self.weights = model.trainable_weights
        self.loss = fast_loss(model)
        # any other loss may look at the weights itself
        plain = self.loss is not None and self.run is self.plan and self.plan is not None
        self.leaves = Leaves(self.plan.weights) if plain else None

    @contextlib.contextmanager
    def open(self, x):
        """Let leaves stand for the weights, which get fresh gradients at the end.

        Images of another size than the plan's run through another one, on the weights themselves.
        """
        for value in self.learners:
            value.grad = None
        if self.leaves is None or not self.plan.admits(x):
            yield
            return
        self.leaves.open()
        try:
            yield
        finally:
            self.leaves.close()
        self.leaves.hand_over()
