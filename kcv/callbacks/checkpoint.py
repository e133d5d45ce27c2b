"""Checkpoints from which a run continues as if it had never stopped."""

import json
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from kcv import seeding
from kcv.callbacks import identity, weights
from kcv.callbacks.monitor import Monitor
from kcv.callbacks.store import Store

log = logging.getLogger("kcv")

MAX_FAILURES = 3


class Checkpoint(keras.callbacks.Callback):
    """Save the whole state of a run after every epoch, and put it back.

    Saved are all variables of the model (random seeds included) and of the optimizer, and the
    states of `callbacks`. Before every epoch all random streams are seeded from `seed` and the
    number of the epoch, so that a run restored in a new process is bit for bit the uninterrupted
    one (on a CPU, with data whose order comes from these streams or from the epoch).

        checkpoint = Checkpoint("run/checkpoints", callbacks=[ema], meta={"model": "resnet18"})
        first = checkpoint.restore(model)
        model.fit(..., initial_epoch=first, callbacks=[ema, checkpoint])

    Put it last in the list: it saves what the callbacks before it have made of the epoch.

    A kill at any moment costs at most the epoch that runs. A full disk stops nothing at first: the
    reason is logged as an error, older checkpoints stay. After three failures in a row `fit`
    raises, because a run that can save nothing loses more with every epoch, and its end result too.
    Weights that are not finite are never saved over good ones. Nothing is pickled.

    Args:
        folder: where the files go.
        callbacks: callbacks with `get_state` and `set_state`, such as kcv's, of the same `fit`.
        keep: how many of the newest checkpoints stay, >= 1; the best one stays besides.
        monitor: key of the epoch logs that tells the best.
        mode: `"min"`, `"max"`, or `"auto"` to tell by the name.
        seed: seed of the run, 0 <= seed < 2**32.
        meta: what else must be the same for a run to continue: model name, data, batch size ...;
            anything that JSON can hold.

    Attributes:
        failures: saves that failed in a row.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(
        self,
        folder: str | Path,
        callbacks: Sequence = (),
        keep: int = 2,
        monitor: str = "val_accuracy",
        mode: str = "auto",
        seed: int = 0,
        meta: dict | None = None,
    ):
        super().__init__()
        if keep < 1:
            raise ValueError(f"Checkpoint needs keep >= 1. Received: keep={keep}.")
        for callback in callbacks:
            if not (hasattr(callback, "get_state") and hasattr(callback, "set_state")):
                raise ValueError(
                    "Checkpoint needs callbacks with get_state and set_state. "
                    f"Received: {type(callback).__name__}."
                )
        try:
            self.meta = json.loads(json.dumps(meta or {}))
        except TypeError as error:
            raise ValueError(
                f"Checkpoint needs meta that JSON can hold. Received: {error}."
            ) from None
        self.store = Store(folder)
        self.callbacks, self.keep, self.seed = list(callbacks), keep, seed
        self.monitor = Monitor("Checkpoint", monitor, mode)
        self.failures = 0
        self._run = uuid.uuid4().hex
        self._next = 0
        self._at_begin = False

    # Restoring

    def restore(self, model) -> int:
        """Put the newest undamaged checkpoint back: model, optimizer, callbacks.

        Args:
            model: a built and compiled model.

        Returns:
            The next epoch, for `fit(initial_epoch=...)`; 0 if the folder has no checkpoint.

        Raises:
            RuntimeError: if the model is not built or compiled, or all checkpoints are damaged.
            ValueError: if the checkpoint is of another run: another seed, meta, network, optimizer
                or set of callbacks, or another major version of Keras; it says which.
        """
        identity.require_built(model)
        found = self.store.newest()
        if found is None:
            return 0
        tensors, manifest = found
        differences = identity.differences(manifest, self._describe(model))
        if differences:
            raise ValueError(
                f"Resuming needs the run of {self.store.path(manifest['epoch'])}. "
                f"Received: {'; '.join(differences)}. Use its settings, or another folder."
            )
        weights.assign(model.variables, identity.pick(tensors, "model"))
        weights.assign(model.optimizer.variables, identity.pick(tensors, "optimizer"))
        for i, callback in enumerate(self.callbacks):
            prefix = f"callbacks/{i}/"
            arrays = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            callback.set_model(model)
            callback.set_state({**manifest["states"][i], **arrays})
        self._run, self._next = manifest["run"], manifest["epoch"]
        return self._next

    def _describe(self, model) -> dict:
        return identity.describe(model, self.callbacks, self.meta, self.seed)

    # Saving

    def on_train_begin(self, logs=None):
        self._at_begin = True

    def on_epoch_begin(self, epoch, logs=None):
        if self._at_begin:
            self._refuse_later_checkpoints(epoch)
            self._at_begin = False
        seeding.seed_epoch(self.seed, epoch)

    def _refuse_later_checkpoints(self, epoch):
        later = [number for number in self.store.epochs() if number > epoch]
        # restore() has found those after the one it returned to be damaged
        if later and (epoch == 0 or epoch != self._next):
            raise RuntimeError(
                f"Checkpoint needs a folder without later checkpoints to begin with epoch {epoch}. "
                f"Received: {self.store.path(later[-1])}. "
                "Call restore and pass what it returns as initial_epoch, or use another folder."
            )

    def on_epoch_end(self, epoch, logs=None):
        number, model = epoch + 1, self.model
        tensors = {
            f"{name}/{i}": array
            for name, variables in identity.groups(model).items()
            for i, array in enumerate(identity.arrays(variables))
        }
        if not all(np.isfinite(x).all() for key, x in tensors.items() if key.startswith("model/")):
            log.error("No checkpoint after epoch %d: the weights are not finite.", number)
            return
        states = []
        for i, callback in enumerate(self.callbacks):
            state = callback.get_state()
            arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
            tensors |= {f"callbacks/{i}/{key}": array for key, array in arrays.items()}
            states.append({key: value for key, value in state.items() if key not in arrays})
        manifest = {
            "epoch": number,
            "run": self._run,
            "monitor": {"name": self.monitor.name, "value": self.monitor.read(logs)},
            "logs": {name: float(value) for name, value in (logs or {}).items()},
            **self._describe(model),
            "states": states,
        }
        self._write(number, tensors, manifest)

    def _write(self, number, tensors, manifest):
        try:
            self.store.write(number, tensors, manifest)
        except OSError as error:
            self.failures += 1
            path, reason = self.store.path(number), error.strerror or error
            if self.failures >= MAX_FAILURES:
                raise RuntimeError(
                    f"Checkpoint needs a folder that can be written. Received: {reason}, "
                    f"{self.failures} times in a row, for {path}. "
                    "Make room, then resume from the last checkpoint."
                ) from error
            log.error("Checkpoint %s was NOT written: %s. Training goes on.", path, reason)
            return
        self.failures = 0
        self._delete_old()

    def _delete_old(self):
        mine = self.store.of_run(self._run)
        best = best_value = None
        for number, manifest in mine.items():
            value = manifest["monitor"]["value"]
            if self.monitor.better(value, best_value):
                best, best_value = number, value
        for number in sorted(mine)[: -self.keep]:
            if number != best:
                self.store.delete(number)
