"""Training, test and prediction steps on torch: what `fit`, `evaluate` and `predict` repeat.

They do what Keras's own steps do, on the same weights, metrics and optimizer, with three things
left out: the work around every layer (`kcv.engine.plan`), the search for all weights at every
step, and the wait for the device that reading a metric means. Where a step meets something it does
not know, that part goes Keras's way.
"""

import inspect
import time
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import torch
from keras import ops

from kcv import kernels
from kcv.engine import feeding
from kcv.engine import plan as plans
from kcv.engine.objective import fast_accuracies
from kcv.engine.session import Session, is_own

READ_SECONDS = 0.5  # progress shows metrics that are this old at most
# Callbacks of Keras that take what they get at each step, and keep nothing of it.
PATIENT = (keras.callbacks.History, keras.callbacks.ProgbarLogger)


class InOrder(keras.callbacks.Callback):
    """Keeps Keras's hooks in the thread of the loop, by having some of its own.

    Keras hands them to another thread where no callback looks at single batches: the loop then
    waits for the interpreter instead, longer than for the hooks.
    """

    def on_train_batch_end(self, batch, logs=None):
        """Do nothing."""

    on_test_batch_end = on_predict_batch_end = on_train_batch_end


def in_order(callbacks):
    """Return what `fit`, `evaluate` and `predict` are to be given as callbacks."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks  # `fit` hands its own on to `evaluate`
    return [*as_list(callbacks), InOrder()]


def as_list(callbacks) -> list:
    """Return the callbacks that were given as a list, alone or not at all."""
    given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    return [c for c in given if c is not None]


def reads_every_step(callbacks) -> bool:
    """Return whether a callback may look at the metrics of each single step."""
    return _hooks(callbacks, "on_train_batch_end", "on_batch_end")


def reads_every_answer(callbacks) -> bool:
    """Return whether a callback may look at what is predicted for each single batch."""
    return _hooks(callbacks, "on_predict_batch_end")


def _hooks(callbacks, *names: str) -> bool:
    """Return whether a callback that is not known to be patient has one of these hooks."""
    for callback in as_list(getattr(callbacks, "callbacks", callbacks)):
        kind, plain = type(callback), keras.callbacks.Callback
        hooked = any(getattr(kind, name) is not getattr(plain, name) for name in names)
        if hooked and kind not in PATIENT and not kind.__module__.startswith("kcv."):
            return True
    return False


Base: Any = keras.Model if TYPE_CHECKING else object  # what it is mixed into


class Steps(Base):
    """The steps of `kcv.models.Model` on torch."""

    @property
    def session(self) -> Session:
        """What the steps remember; made at the first use and whenever a layer has changed."""
        session = self.__dict__.get("_session")
        if session is None or (session.plan is not None and not session.plan.is_current()):
            session = self.__dict__["_session"] = Session(self)
        return session

    @property
    def engine(self) -> str:
        """How the graph runs: `"flat plan"`, or Keras's own way and why."""
        reason = self.session.reason
        return f"Keras: {reason}" if reason else "flat plan"

    def call(self, inputs, training=None, mask=None, **kwargs):
        session = self.session
        if isinstance(inputs, np.ndarray):
            inputs = ops.convert_to_tensor(inputs)
        if session.plan is None or mask is not None or kwargs or not session.plan.admits(inputs):
            return super().call(inputs, training=training, mask=mask, **kwargs)
        return session.plan(inputs, bool(training))

    def _forward(self, x, training: bool):
        """Return the scores of a batch, past `Layer.__call__` where the plan can."""
        session = self.__dict__.get("_session") or self.session
        if isinstance(x, torch.Tensor) and session.device is not None:
            x = x.to(session.device, non_blocking=True)
        if session.plan is None or not session.plan.admits(x):
            return self(x, training=training)
        if torch.is_inference_mode_enabled() and session.run is session.plan:
            session.predictor = session.predictor or plans.Predictor(self)
            return session.predictor(x)
        return session.run(x, training)

    # Training

    def train_step(self, data):
        x, y, sample_weight = _tensors(*keras.utils.unpack_x_y_sample_weight(data))
        session = self.__dict__.get("_session") or self.session
        session.find(self)
        with session.open(x):
            scores = self._forward(x, True)
            loss = self._loss(session, x, y, scores, sample_weight, True)
            self._track_loss(loss, x)
            if session.weights:
                self.optimizer.scale_loss(loss).backward()
        if session.weights:
            gradients = self.exchange_gradients([w._value.grad for w in session.weights])
            with torch.no_grad():
                self.optimizer.apply(gradients, session.weights)
        return self._track_metrics(session, x, y, scores, sample_weight)

    def exchange_gradients(self, gradients: list) -> list:
        """Return the gradients that the optimizer takes: the seam for several processes.

        Called once a step, between the backward pass and the optimizer, with one tensor (or None)
        for each of `trainable_weights`.
        """
        return gradients

    def _loss(self, session, x, y, scores, sample_weight, training: bool):
        if session.loss is not None and sample_weight is None:
            return session.loss(y, scores)  # looks at labels of the host before they leave it
        return self._compute_loss(
            x=x, y=y, y_pred=scores, sample_weight=sample_weight, training=training
        )

    def _track_loss(self, loss, x) -> None:
        if not isinstance(x, torch.Tensor):
            x = next(t for t in keras.tree.flatten(x) if t is not None)
        count = len(x)
        tracker = self._loss_tracker
        with torch.no_grad():
            tracker.total._value.add_(loss.detach(), alpha=count)
            tracker.count._value.add_(count)

    def _track_metrics(self, session, x, y, scores, sample_weight) -> dict:
        """Update the metrics; read them now and then, or at every step if a callback wants them."""
        if not is_own(self, "compute_metrics"):
            return self.compute_metrics(x, y, scores, sample_weight=sample_weight)
        scores = self.main_scores(scores)
        if self._compile_metrics is not None:
            self._update_metrics(session, y, scores, sample_weight)
        now = time.monotonic()
        every = self.__dict__.get("_every_step")
        if every or not session.logs or now - session.read_at > READ_SECONDS:
            results = self.get_metrics_result()
            session.logs = {k: _number(v) for k, v in results.items()}
            session.read_at = time.monotonic()
        return session.logs

    def _update_metrics(self, session, y, scores, sample_weight) -> None:
        metrics = self._compile_metrics
        if session.accuracies is None and metrics.built:
            session.accuracies = fast_accuracies(metrics)
        plain = session.accuracies and sample_weight is None and _is_plain(y, scores)
        if not plain:
            metrics.update_state(y, scores, sample_weight=sample_weight)
            return
        with torch.no_grad():
            hits = kernels.hits(scores.detach(), ops.convert_to_tensor(y))
            for metric in session.accuracies:
                metric.total._value.add_(hits)
                metric.count._value.add_(len(scores))

    # Test and prediction

    def test_step(self, data):
        x, y, sample_weight = _tensors(*keras.utils.unpack_x_y_sample_weight(data))
        session = self.__dict__.get("_session") or self.session
        session.find(self)
        scores = self._forward(x, False)
        loss = self._loss(session, x, y, self.main_scores(scores), sample_weight, False)
        self._track_loss(loss, x)
        return self._track_metrics(session, x, y, scores, sample_weight)

    def predict_step(self, data):
        x, _, _ = _tensors(*keras.utils.unpack_x_y_sample_weight(data))
        return self._forward(x, False)

    # Keras's loops, around the steps

    def compile_from_config(self, config):
        # saved elsewhere, True may stand there for JAX's or TensorFlow's automatic choice
        super().compile_from_config({**config, "jit_compile": False})

    def _should_torch_compile(self):
        return False  # the plan alone is compiled, not the whole step

    def fit(self, *args, **kwargs):
        given = _arguments(keras.Model.fit, self, args, kwargs)
        if isinstance(given.get("x"), torch.utils.data.DataLoader):
            given.setdefault("shuffle", False)  # the loader decides; True is Keras's default
        given = self._fed(feeding.feed_fit, given)
        self.__dict__["_every_step"] = reads_every_step(given.get("callbacks"))
        given["callbacks"] = in_order(given.get("callbacks"))
        try:
            return super().fit(**given)
        finally:
            self.__dict__["_every_step"] = False

    def _fed(self, feed, given: dict) -> dict:
        """Return arguments with batches for the device of the weights in the place of arrays."""
        device = self.session.device
        if device is not None and device.type == "cpu":
            kernels.keep_memory()
        return given if device is None else feed(given, device)

    def evaluate(self, *args, **kwargs):
        given = _arguments(keras.Model.evaluate, self, args, kwargs)
        given = self._fed(feeding.feed_test, given)
        given["callbacks"] = in_order(given.get("callbacks"))
        return super().evaluate(**given)

    def predict(self, *args, **kwargs):
        given = _arguments(keras.Model.predict, self, args, kwargs)
        given = self._fed(feeding.feed_test, given)
        boxed = not reads_every_answer(given.get("callbacks"))
        given["callbacks"] = in_order(given.get("callbacks"))
        self.__dict__["_boxed"] = boxed
        try:
            outputs = super().predict(**given)
        finally:
            self.__dict__["_boxed"] = False
        return outputs[0] if boxed and hasattr(self.predict_function, "boxes") else outputs

    def _renew(self, function) -> None:
        """Forget what the steps remember where there is no function: after `compile`, above all."""
        if function is None:
            self.__dict__.pop("_session", None)
        if self.jit_compile and self.session.plan is None:
            raise ValueError(
                "jit_compile=True needs a graph that kcv can run as a flat plan. "
                f"Received: {self.name}, {self.session.reason}."
            )

    def make_train_function(self, force=False):
        self._renew(self.train_function)
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        self._renew(self.test_function)
        return super().make_test_function(force)

    def make_predict_function(self, force=False):
        self._renew(self.predict_function)
        if self.session.plan is None or self.run_eagerly:
            return super().make_predict_function(force)
        if self.predict_function is None or force:

            def one_step_on_data(data):
                with torch.inference_mode():
                    scores = self.predict_step(data[0])
                # Keras hands a tensor to its callbacks as an array, for which the host has to wait
                return [scores] if self.__dict__.get("_boxed") else scores

            one_step_on_data.boxes = True  # type: ignore[attr-defined]
            self.predict_function = one_step_on_data
        return self.predict_function

    def reset_metrics(self):
        super().reset_metrics()
        self.session.logs = {}


def _tensors(*parts) -> list:
    """Return arrays as tensors: `train_on_batch` and its like hand them on as they are."""
    return [ops.convert_to_tensor(p) if isinstance(p, np.ndarray) else p for p in parts]


def _arguments(method, model, args, kwargs) -> dict:
    """Return the arguments of a call of one of Keras's methods by name."""
    given = dict(inspect.signature(method).bind(model, *args, **kwargs).arguments)
    given.update(given.pop("kwargs", {}))  # what `evaluate` takes beside its own
    del given["self"]
    return given


def _number(value):
    return float(value) if ops.is_tensor(value) else value


def _is_plain(y, scores) -> bool:
    """Return whether labels are class numbers `(B,)` or `(B, 1)` for scores `(B, K)`, K > 1."""
    tensors = isinstance(y, torch.Tensor) and isinstance(scores, torch.Tensor)
    if not tensors or scores.ndim != 2 or scores.shape[1] == 1:
        return False
    return y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
