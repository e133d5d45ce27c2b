"""What callbacks with a memory share: a run may take several fits."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import keras
import numpy as np

State = dict[str, np.ndarray | float | int | str | None]


class RunCallback(keras.callbacks.Callback):
    """A callback whose state belongs to a run, not to one call of `fit`.

    A fit whose first epoch is 0 starts a new run. A fit with `initial_epoch` > 0 continues the old
    one, and so does the first fit after `set_state`. (Keras's own callbacks forget their state at
    the begin of every fit: early stopping then waits too long, a worse model overwrites the best.)
    """

    def __init__(self):
        super().__init__()
        self._at_begin = self._resumed = False
        self._run_of = None

    def start(self) -> None:
        """Forget everything: a new run begins. The model is known and built."""
        raise NotImplementedError

    def get_state(self) -> State:
        """Return everything that a new process needs to go on, as arrays and plain values."""
        raise NotImplementedError

    def set_state(self, state: Mapping) -> None:
        """Take over what `get_state` returned; the next fit continues from there."""
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        self._at_begin = True

    def on_epoch_begin(self, epoch, logs=None):
        if not self._at_begin:
            return
        model = self.model
        if not self._resumed and (epoch == 0 or self._run_of is not model):
            self.start()
        self._at_begin = self._resumed = False
        self._run_of = model


def pack(name: str, arrays: Sequence[np.ndarray] | None) -> State:
    """Return a list of arrays as entries of a state: `name/0`, `name/1` ..."""
    return {f"{name}/{i}": array for i, array in enumerate(arrays or [])}


def unpack(name: str, state: Mapping) -> list[np.ndarray] | None:
    """Return the list that `pack` took apart, None if the state has none."""
    count = sum(key.startswith(f"{name}/") for key in state)
    return [np.array(state[f"{name}/{i}"]) for i in range(count)] or None


def check_shapes(owner: str, arrays: Sequence, variables: Sequence) -> None:
    """Raise a ValueError if arrays of a state do not have the shapes of these variables."""
    for i, (array, variable) in enumerate(zip_longest(arrays, variables)):
        found = None if array is None else tuple(array.shape)
        needed = None if variable is None else tuple(variable.shape)
        if found != needed:
            raise ValueError(
                f"{owner} needs a state of the same network. "
                f"Received: shape {found} where the network has {needed}, in array {i}."
            )
