"""A run may take several fits."""

import numpy as np
import pytest

from kcv.callbacks.run import RunCallback, check_shapes, pack, unpack


class Counting(RunCallback):
    """Counts its epochs."""

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def start(self):
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1

    def get_state(self):
        return {"epochs": self.epochs}

    def set_state(self, state):
        self.epochs = state["epochs"]
        self._resumed = True


def test_epoch_0_begins_a_new_run(tiny):
    model, counting = tiny.model(), Counting()
    tiny.fit(model, counting)
    tiny.fit(model, counting)
    assert counting.epochs == 2


def test_later_epoch_continues_the_run(tiny):
    model, counting = tiny.model(), Counting()
    tiny.fit(model, counting)
    tiny.fit(model, counting, initial_epoch=2, epochs=3)
    assert counting.epochs == 3


def test_another_model_begins_a_new_run(tiny):
    counting = Counting()
    tiny.fit(tiny.model(), counting)
    tiny.fit(tiny.model(), counting, initial_epoch=2, epochs=3)
    assert counting.epochs == 1


def test_set_state_continues_the_run_once(tiny):
    model, counting = tiny.model(), Counting()
    counting.set_state({"epochs": 10})
    tiny.fit(model, counting)
    assert counting.epochs == 12
    tiny.fit(model, counting)
    assert counting.epochs == 2


def test_lists_of_arrays_go_into_a_state_and_out_again():
    arrays = [np.full(2, i) for i in range(12)]
    state = pack("a", arrays) | pack("ab", arrays[:1]) | pack("none", None)
    assert len(state) == 13
    assert [array[0] for array in unpack("a", state)] == list(range(12))
    assert unpack("none", state) is None


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ([np.ones(3), np.ones(2)], r"shape \(2,\) where the network has \(1,\), in array 1."),
        ([np.ones(3)], r"shape None where the network has \(1,\), in array 1."),
        ([np.ones(3), np.ones(1), np.ones(1)], r"shape \(1,\) where the network has None"),
    ],
)
def test_other_shapes_are_named(arrays, text):
    check_shapes("Test", [np.ones(3), np.ones(1)], [np.ones(3), np.ones(1)])
    with pytest.raises(ValueError, match="Test needs a state of the same network. .*" + text):
        check_shapes("Test", arrays, [np.ones(3), np.ones(1)])
