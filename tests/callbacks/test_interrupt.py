"""Ctrl-C ends a fit, also where Python loses the exception."""

import gc
import signal
import threading

import keras
import pytest

from kcv.callbacks.interrupt import Interrupt

ASTRAY = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Press(keras.callbacks.Callback):
    """Presses Ctrl-C in the second step, inside of a callback of the garbage collector."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == 2:
            gc.callbacks.append(self.press)
            gc.collect()

    def press(self, phase, info):
        gc.callbacks.remove(self.press)
        signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def usual_handler():
    """A shell that starts the tests in the background hands on an ignored Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@ASTRAY
def test_ctrl_c_that_the_garbage_collector_swallows_is_lost_without_it(tiny):
    press = Press()
    tiny.fit(tiny.model(), press, epochs=2)
    assert press.steps == 8


@ASTRAY
def test_ctrl_c_that_the_garbage_collector_swallows_ends_the_fit(tiny):
    press = Press()
    with pytest.raises(KeyboardInterrupt), Interrupt() as interrupt:
        tiny.fit(tiny.model(), press, interrupt, epochs=2)
    assert press.steps == 2


def test_the_handler_before_comes_back():
    def fail():
        with Interrupt():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_someone_elses_handler_stays():
    def mine(number, frame):
        pass

    signal.signal(signal.SIGINT, mine)
    with Interrupt():
        assert signal.getsignal(signal.SIGINT) is mine
    assert signal.getsignal(signal.SIGINT) is mine


def test_another_thread_changes_nothing():
    found = []

    def look():
        with Interrupt():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
