"""Exponential moving average of the weights."""

import contextlib

import keras
from keras import ops

from kcv.callbacks import weights
from kcv.callbacks.around import Around
from kcv.callbacks.run import RunCallback, check_shapes, pack, unpack

JAX = keras.backend.backend() == "jax"


class EMA(RunCallback):
    """Average the weights over the steps, judge the average, and leave it in the model.

    After every `every` optimizer steps `average += (1 - d) * (weight - average)`, with
    `d = min(decay, (1 + t) / (10 + t))` after t updates, so that the random start is soon forgotten
    (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046; d as in TensorFlow). Validation
    inside `fit`, and `evaluate` and `predict` called with this callback, see the average; when
    `fit` ends, the model holds it.

    The average is in the model only while a step of `evaluate` or `predict` runs, and inside of
    `with ema.averaged():`. Other callbacks, saved files and any exception find the weights of
    training.

    Args:
        decay: share of the old average kept at each update, 0 <= decay < 1.
        warmup: False to use `decay` from the first update on.
        statistics: which batch-norm moving statistics go with the average: `"average"`, averaged
            like the weights, or `"copy"`, those of the model as they are.
        every: optimizer steps between updates, >= 1. With `steps_per_execution` > 1 Keras calls
            back once an execution, which then counts as one step.

    Attributes:
        updates: how often the average was updated in this run.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(self, decay=0.999, warmup=True, statistics="average", every=1):
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"EMA needs 0 <= decay < 1. Received: decay={decay}.")
        if statistics not in ("average", "copy"):
            raise ValueError(
                f'EMA needs statistics to be "average" or "copy". Received: {statistics=}.'
            )
        if every < 1:
            raise ValueError(f"EMA needs every >= 1. Received: every={every}.")
        self.decay, self.warmup = float(decay), warmup
        self.statistics, self.every = statistics, int(every)
        self.updates = self._steps = 0
        self._period = self.every
        self._model_averaged = self._loaded = self._kept = None
        self._variables, self._averages = [], []
        self._around = {}

    def set_model(self, model):
        super().set_model(model)
        if self._loaded is not None:
            self._follow(self._loaded)

    # What is averaged

    def start(self):
        self.updates = self._steps = 0
        self._follow(None)

    def _follow(self, averages):
        """Average the variables of the model from now on, beginning with these or their values."""
        variables = weights.floats(self.model)
        if self.statistics == "copy":
            own = {id(v) for v in weights.statistics(self.model)}
            variables = [v for v in variables if id(v) not in own]
        if averages is None:
            self._averages = weights.copies(variables)
        else:
            check_shapes("EMA", averages, variables)
            self._averages = weights.tensors(averages, variables)
        self._variables = variables
        self._model_averaged, self._loaded = self.model, None

    def update(self) -> None:
        """Move the average towards the weights of the model by one step."""
        t, self.updates = self.updates, self.updates + 1
        decay = min(self.decay, (1 + t) / (10 + t)) if self.warmup else self.decay
        _ = self.model  # on JAX the weights of an epoch are elsewhere until someone asks
        weights.move(self._averages, self._variables, 1.0 - decay)

    def adopt(self) -> None:
        """Let the average be what the model holds now."""
        self._averages = weights.copies(self._variables)

    def get_state(self):
        arrays = weights.arrays(self._averages if self._loaded is None else self._loaded)
        return {"updates": self.updates, "steps": self._steps, **pack("average", arrays)}

    def set_state(self, state):
        self._loaded = unpack("average", state)
        self.updates, self._steps = int(state["updates"]), int(state["steps"])
        self._resumed = self._loaded is not None
        if self._loaded is not None and self.model is not None:
            self._follow(self._loaded)

    # The average in the model

    @contextlib.contextmanager
    def averaged(self):
        """Hold the average in the model for the length of a `with` block, whatever happens in it.

        Raises:
            RuntimeError: if there is no average of this model yet.
        """
        if self._kept is not None:  # evaluate inside of such a block
            yield
            return
        self._require_average()
        try:
            self._kept = weights.copies(self._variables)
            weights.assign(self._variables, self._averages)
            yield
        finally:
            self._put_back()

    def restore(self) -> None:
        """Put back the weights of training and let go of the model, if anything is left to do.

        Needed only after a second Ctrl-C in the moment in which the first one is dealt with.
        """
        self._put_back()
        for name in list(self._around):
            self._end(name)

    def _put_back(self):
        if self._kept is None:
            return
        try:
            weights.assign(self._variables, self._kept)
        except KeyboardInterrupt:
            weights.assign(self._variables, self._kept)
            raise
        finally:
            self._kept = None

    def _require_average(self):
        if self._model_averaged is None or self._model_averaged is not self.model:
            raise RuntimeError(
                "EMA needs an average of this model. Received: evaluate or predict before fit. "
                "Call fit with this callback first, or give it a state."
            )

    def _step(self, step, *args):
        with self.averaged():
            return step(*args)

    def _jax_step(self, step, state, iterator):
        """Run a step on the average: on JAX the weights are an argument, which the step uses up."""
        if self._kept is not None:
            return step(state, iterator)
        model = self._model_averaged  # `self.model` would tear the state out of Keras's loop
        own = {id(v): a for v, a in zip(self._variables, self._averages, strict=True)}
        groups = [model.trainable_variables, model.non_trainable_variables]
        given = [
            [ops.copy(ops.cast(own.get(id(v), x), x.dtype)) for v, x in zip(vs, xs, strict=True)]
            for vs, xs in zip(groups, state, strict=False)
        ]
        try:
            outputs, after = step((*given, *state[2:]), iterator)
        finally:
            # Keras has taken the values out of the model; after an exception they would be lost
            for variables, values in zip(groups, state, strict=False):
                weights.assign(variables, values)
        kept = [
            [x if id(v) in own else new for v, x, new in zip(vs, xs, news, strict=True)]
            for vs, xs, news in zip(groups, state, after, strict=False)
        ]
        return outputs, (*kept, *after[2:])

    def _begin(self, name):
        self._require_average()
        self._end(name)  # what an exception left behind
        act = self._jax_step if JAX else self._step
        self._around[name] = Around(self.model, name, act)

    def _end(self, name):
        around = self._around.pop(name, None)
        if around is not None:
            around.detach()

    # Hooks

    def on_train_begin(self, logs=None):
        self.restore()
        super().on_train_begin(logs)
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        self._period = self.every * (optimizer.gradient_accumulation_steps or 1)

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        if self._steps % self._period == 0:
            self.update()

    def on_train_end(self, logs=None):
        if self._model_averaged is self.model:
            weights.assign(self._variables, self._averages)

    def on_test_begin(self, logs=None):
        self._begin("test_function")

    def on_test_batch_begin(self, batch, logs=None):
        self._around["test_function"].armed = True

    def on_test_end(self, logs=None):
        self._end("test_function")

    def on_predict_begin(self, logs=None):
        self._begin("predict_function")

    def on_predict_batch_begin(self, batch, logs=None):
        self._around["predict_function"].armed = True

    def on_predict_end(self, logs=None):
        self._end("predict_function")
