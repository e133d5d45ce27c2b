"""Stopping when nothing improves any more, and going back to the best epoch."""

import logging

from kcv.callbacks import weights
from kcv.callbacks.ema import EMA
from kcv.callbacks.monitor import Monitor
from kcv.callbacks.run import RunCallback, check_shapes, pack, unpack

log = logging.getLogger("kcv")


class EarlyStopping(RunCallback):
    """Stop after `patience` epochs without a better value, and return to the best epoch.

    Unlike Keras's, it goes on where it was when a run is resumed, it knows the averaged weights,
    and it also restores the best epoch when the run came to its end unstopped.

    Args:
        monitor: key of the epoch logs to watch.
        patience: epochs without improvement after which to stop, >= 1.
        min_delta: a smaller gain is no improvement, >= 0.
        mode: `"min"`, `"max"`, or `"auto"` to tell by the name.
        restore_best: whether the model, at the end of `fit`, holds the weights of the best epoch
            (the last one if no epoch had the monitored value).
        averaged: the `EMA` of the same fit. Its average is what validation has judged, so it is
            what is kept and restored; the order of the two callbacks does not matter.

    Attributes:
        best: best value so far, None before the first.
        best_epoch: its epoch, counted from 0.
        wait: epochs since then.
        stopped_epoch: the epoch after which training was stopped, None if it was not. A resumed run
            that had been stopped need not be trained further.

    Raises:
        ValueError: if an argument is outside its range; in `fit`, if the logs lack the value.
    """

    def __init__(
        self,
        monitor="val_loss",
        patience=5,
        min_delta=0.0,
        mode="auto",
        restore_best=True,
        averaged=None,
    ):
        super().__init__()
        if patience < 1:
            raise ValueError(f"EarlyStopping needs patience >= 1. Received: patience={patience}.")
        if averaged is not None and not isinstance(averaged, EMA):
            raise ValueError(f"EarlyStopping needs averaged to be an EMA. Received: {averaged!r}.")
        self.monitor = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.patience, self.restore_best, self.averaged = int(patience), restore_best, averaged
        self._forget()

    def _forget(self):
        self.best = self.best_epoch = self.stopped_epoch = self._weights = None
        self.wait = 0
        self._warned = False

    def start(self):
        self._forget()

    def get_state(self):
        names = ("best", "best_epoch", "wait", "stopped_epoch")
        return {name: getattr(self, name) for name in names} | pack("weights", self._weights)

    def set_state(self, state):
        for name in ("best", "best_epoch", "wait", "stopped_epoch"):
            setattr(self, name, state[name])
        self._weights = unpack("weights", state)
        self._resumed = True

    def on_epoch_end(self, epoch, logs=None):
        value = self.monitor.read(logs)
        if value is None:
            self._report_missing(epoch, logs)
            return
        if self.monitor.better(value, self.best):
            self.best, self.best_epoch, self.wait = value, epoch, 0
            self._weights = self._snapshot() if self.restore_best else None
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.restore_best:
            self.go_back()

    def go_back(self) -> None:
        """Put the weights of the best epoch into the model (and the average); nothing if none."""
        if self._weights is None:
            return
        check_shapes("EarlyStopping", self._weights, self.model.weights)
        weights.assign(self.model.weights, self._weights)
        if self.averaged is not None:
            self.averaged.adopt()

    def _snapshot(self):
        if self.averaged is None:
            return weights.arrays(self.model.weights)
        with self.averaged.averaged():
            return weights.arrays(self.model.weights)

    def _report_missing(self, epoch, logs):
        name, known = self.monitor.name, ", ".join(sorted(logs or {}))
        if not name.startswith("val_"):
            raise ValueError(f"EarlyStopping needs {name!r} in the logs. Received: {known}.")
        if self.best is None and not self._warned:
            # once, and no error: with validation_freq > 1 it may come later
            log.warning("EarlyStopping waits for %s. Epoch %d has %s.", name, epoch + 1, known)
            self._warned = True
