"""Learning-rate warmup for an optimizer that was given a plain number."""

import keras
from keras import ops

from kcv.callbacks.around import Around

JAX = keras.backend.backend() == "jax"


class Warmup(keras.callbacks.Callback):
    """Scale the learning rate over the first steps, whatever it is: for a plain float rate.

    Step t of the warmup takes `start + (1 - start) * t / steps` of the rate that the optimizer has
    then. The rate is scaled only while a training step runs, so that `ReduceLROnPlateau` and others
    that read or set it between steps see and change the full rate, and it is whole again after an
    exception. The optimizer's step counter says where the warmup is: a resumed run goes on with it,
    and it needs no state of its own. For a schedule there is `kcv.schedules.Warmup`.
    Goyal et al. 2017, https://arxiv.org/abs/1706.02677.

    Args:
        steps: optimizer steps of warmup, >= 1. Give this or `epochs`.
        epochs: the same in epochs, > 0, whole or not.
        start: first share of the rate, 0 <= start <= 1.

    Raises:
        ValueError: if an argument is outside its range; in `fit`, if the optimizer has a schedule,
            or the length of an epoch is unknown and `epochs` was given.
    """

    def __init__(self, steps=None, epochs=None, start=0.0):
        super().__init__()
        if (steps is None) == (epochs is None):
            raise ValueError(
                f"Warmup needs one of steps and epochs. Received: steps={steps}, epochs={epochs}."
            )
        if steps is not None and steps < 1:
            raise ValueError(f"Warmup needs steps >= 1. Received: steps={steps}.")
        if epochs is not None and epochs <= 0:
            raise ValueError(f"Warmup needs epochs > 0. Received: epochs={epochs}.")
        if not 0 <= start <= 1:
            raise ValueError(f"Warmup needs 0 <= start <= 1. Received: start={start}.")
        self.steps, self.epochs, self.start = steps, epochs, float(start)
        self._rate = self._around = None
        self._length = self._done = self._accumulated = 0
        self._share = 1.0

    def share(self, step: int) -> float:
        """Return by what the rate is multiplied at an optimizer step, once `fit` has begun."""
        return self.start + (1.0 - self.start) * min(step / self._length, 1.0)

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        self._rate = optimizer.learning_rate
        if not isinstance(self._rate, keras.Variable):
            raise ValueError(
                "Warmup needs an optimizer with a number as learning rate. Received: a schedule. "
                "Put kcv.schedules.Warmup around the schedule instead."
            )
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        self._accumulated = inner.gradient_accumulation_steps or 1
        self._length = self.steps or self._epochs_in_steps()
        self.restore()
        act = self._jax_step if JAX else self._step
        self._around = Around(self.model, "train_function", act)

    def _epochs_in_steps(self) -> int:
        if not self.params.get("steps"):
            raise ValueError(
                "Warmup needs to know the length of an epoch. Received: data of unknown length. "
                "Give steps instead of epochs."
            )
        return max(1, round(self.epochs * self.params["steps"] / self._accumulated))

    def on_epoch_begin(self, epoch, logs=None):
        if self._done < self._length:  # one look at the device an epoch, none after the warmup
            self._done = int(ops.convert_to_numpy(self.model.optimizer.iterations))

    def on_train_batch_begin(self, batch, logs=None):
        self._share = self.share(self._done + batch // self._accumulated)
        self._around.armed = self._share < 1.0

    def on_train_end(self, logs=None):
        self.restore()

    def restore(self) -> None:
        """Let go of the model; does no harm if nothing is left to do."""
        if self._around is not None:
            self._around.detach()
            self._around = None
        self._done = 0

    def _step(self, step, *args):
        full = ops.copy(self._rate.value)
        try:
            self._rate.assign(full * self._share)
            return step(*args)
        finally:
            self._rate.assign(full)

    def _jax_step(self, step, state, iterator):
        """Run a step at the scaled rate: on JAX the rate is one of the arguments."""
        own = self._around.model.optimizer.variables
        place = next(i for i, v in enumerate(own) if v is self._rate)
        full = state[2][place]
        given = [*state[2][:place], full * self._share, *state[2][place + 1 :]]
        logs, after = step((*state[:2], given, *state[3:]), iterator)
        after[2][place] = full
        return logs, after
