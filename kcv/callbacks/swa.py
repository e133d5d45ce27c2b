"""Stochastic weight averaging."""

import logging

import numpy as np

from kcv.callbacks import weights
from kcv.callbacks.run import RunCallback, check_shapes, pack, unpack
from kcv.callbacks.statistics import reestimate

log = logging.getLogger("kcv")


class SWA(RunCallback):
    """Average the weights at the ends of the late epochs, and leave the average in the model.

    When `fit` ends, the model holds the equal average of its weights after the epochs
    `start_epoch`, `start_epoch + every`, ..., and its batch-norm statistics are measured anew over
    `data`: those of the epochs belong to other weights. Use a constant or cyclic learning rate
    from `start_epoch` on. Validation inside `fit` sees the weights of training. Beside an `EMA`,
    the later one in the list of callbacks has the last word.
    Izmailov et al. 2018, https://arxiv.org/abs/1803.05407.

    Args:
        start_epoch: first epoch to count, from 0.
        every: epochs between those that count, >= 1.
        data: training batches or images for batch-norm statistics, see `statistics.reestimate`;
            needed where the model has trainable batch-norm layers.
        batches: use at most that many batches of `data`; None for all of them.

    Attributes:
        count: how many epochs are in the average.

    Raises:
        ValueError: if an argument is outside its range; in `fit`, if `data` is missing.
    """

    def __init__(self, start_epoch, every=1, data=None, batches=None):
        super().__init__()
        if start_epoch < 0:
            raise ValueError(f"SWA needs start_epoch >= 0. Received: start_epoch={start_epoch}.")
        if every < 1:
            raise ValueError(f"SWA needs every >= 1. Received: every={every}.")
        if batches is not None and batches < 1:
            raise ValueError(f"SWA needs batches >= 1 or None. Received: batches={batches}.")
        self.start_epoch, self.every = int(start_epoch), int(every)
        self.data, self.batches = data, batches
        self.count, self._average = 0, []

    def start(self):
        self.count, self._average = 0, []

    def get_state(self):
        return {"count": self.count, **pack("average", weights.arrays(self._average))}

    def set_state(self, state):
        self.count = int(state["count"])
        self._average = unpack("average", state) or []
        self._resumed = True

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        norms = [layer for layer in weights.norm_layers(self.model) if layer.trainable]
        if norms and self.data is None:
            raise ValueError(
                "SWA needs data to measure the batch-norm statistics of the averaged weights. "
                f"Received: data=None, and {len(norms)} batch-norm layers. "
                "Pass the training batches or images: SWA(..., data=x)."
            )

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self._use_tensors()

    def on_epoch_end(self, epoch, logs=None):
        if epoch < self.start_epoch or (epoch - self.start_epoch) % self.every:
            return
        variables = weights.floats(self.model)
        self.count += 1
        if self.count == 1:
            self._average = weights.copies(variables)
        else:
            weights.move(self._average, variables, 1.0 / self.count)

    def on_train_end(self, logs=None):
        if not self.count:
            log.warning("SWA averaged nothing: the run ended before epoch %d.", self.start_epoch)
            return
        self._use_tensors()
        weights.assign(weights.floats(self.model), self._average)
        reestimate(self.model, self.data, self.batches)

    def _use_tensors(self):
        """Turn the arrays of `set_state` into tensors, once the model is known."""
        if self._average and isinstance(self._average[0], np.ndarray):
            variables = weights.floats(self.model)
            check_shapes("SWA", self._average, variables)
            self._average = weights.tensors(self._average, variables)
