"""Loader processes."""

import signal

import keras
import pytest

from kcv.data import workers
from kcv.data.sources import FileSource


@pytest.fixture
def kept_signals():
    names = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    handlers = {name: signal.getsignal(name) for name in names}
    yield names
    for name, handler in handlers.items():
        signal.signal(name, handler)


def test_loader_processes_do_not_answer_signals_meant_for_the_training(kept_signals):
    workers.start(0)
    assert {signal.getsignal(name) for name in kept_signals} == {signal.SIG_IGN}


def test_processes_are_not_forked_from_one_that_runs_jax():
    method = workers.options(2)["multiprocessing_context"]
    assert method == ("forkserver" if keras.config.backend() == "jax" else None)


@pytest.mark.parametrize("count", [0, 2])
def test_unreadable_files_are_found_by_their_number(flowers, count):
    paths = [f"rose/{number:03}.png" for number in range(10)] + ["iris/999.png"] * 60
    whole = (flowers / "rose" / "004.png").read_bytes()
    (flowers / "rose" / "004.png").write_bytes(whole[: len(whole) // 2])
    found = list(workers.find_problems(FileSource(str(flowers), paths, [0] * 70, 3), count))
    assert found[0][0] == 4
    assert found[0][1].startswith("is truncated or damaged")
    assert found[1:] == [(index, "does not exist") for index in range(10, 70)]
