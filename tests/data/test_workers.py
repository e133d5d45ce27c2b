"""Loader processes."""

import signal

import keras
import pytest

from kcv.data import workers


@pytest.fixture
def kept_signals():
    names = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    handlers = {name: signal.getsignal(name) for name in names}
    yield names
    for name, handler in handlers.items():
        signal.signal(name, handler)


def test_loader_processes_do_not_answer_signals_meant_for_the_training(kept_signals):
    workers.start()
    assert {signal.getsignal(name) for name in kept_signals} == {signal.SIG_IGN}


def test_processes_are_not_forked_from_one_that_runs_jax():
    assert workers.start_method() == ("forkserver" if keras.config.backend() == "jax" else None)
