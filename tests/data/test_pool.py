"""Loader processes: real ones, that really die."""

import os
import signal
import time

import numpy as np
import psutil
import pytest

from kcv.data import pool
from kcv.data.pool import Filled, Pool

KEYS = [[(0, 4 * step + row, 0) for row in range(4)] for step in range(6)]


class Numbers:
    """Makes batches of images whose pixels are their numbers; may die or fail over one of them."""

    def __init__(self, lethal=(), wrong=None, seconds=0.0, exit_code=9):
        self.lethal, self.wrong, self.seconds, self.code = lethal, wrong, seconds, exit_code

    def fill(self, keys, memory=None, avoid=frozenset()):
        time.sleep(self.seconds)
        indices = [key[1] for key in keys]
        for index in indices:
            if index in self.lethal and index not in avoid:
                os._exit(self.code)
            if index == self.wrong:
                raise ValueError(f"Image {index} is wrong")
        images = memory[: 4 * len(keys)].reshape(len(keys), 2, 2, 1)
        images[:] = np.array(indices, np.uint8)[:, None, None, None]
        return Filled(images, np.array(indices), [(i, pool.LETHAL) for i in indices if i in avoid])


@pytest.fixture
def pools():
    made = []

    def make(filler, workers=2):
        made.append(Pool(filler, workers, 16))
        return made[-1]

    yield make
    for one in made:
        one.close()


def run(one, keys=KEYS):
    return [[*filled.images[:, 0, 0, 0]] for filled in one.batches(iter(keys), len(keys))]


EXPECTED = [[key[1] for key in keys] for keys in KEYS]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_batches_come_in_order_again_and_again(pools, workers):
    one = pools(Numbers(), workers)
    before = one.processes
    assert len(before) == workers
    assert [run(one) for _ in range(3)] == [EXPECTED] * 3
    assert one.processes == before


def test_batches_that_are_kept_stay_as_they_are(pools):
    one = pools(Numbers())
    kept = [filled.images for filled in one.batches(iter(KEYS), len(KEYS))]
    assert run(one) == EXPECTED
    assert [[*images[:, 0, 0, 0]] for images in kept] == EXPECTED


def test_memory_is_used_again_when_a_batch_is_forgotten(pools):
    one, places = pools(Numbers(), 1), set()
    for filled in one.batches(iter(KEYS * 4), 24):
        places.add(filled.images.ctypes.data)
        del filled
    assert len(places) <= pool.AHEAD + pool.HELD


def test_an_iteration_that_is_left_early_spoils_nothing(pools):
    one = pools(Numbers(seconds=0.01))
    for _ in range(3):
        for filled in one.batches(iter(KEYS), len(KEYS)):
            assert filled.images[0, 0, 0, 0] == 0
            break
    assert run(one) == EXPECTED


def test_processes_that_are_killed_are_replaced_and_the_batches_stay_the_same(pools, caplog):
    one = pools(Numbers(seconds=0.05))
    seen, killed = [], one.processes
    for filled in one.batches(iter(KEYS), len(KEYS)):
        seen.append([*filled.images[:, 0, 0, 0]])
        if len(seen) == 2:
            for process in killed:
                os.kill(process, signal.SIGKILL)
    assert seen == EXPECTED
    assert not set(killed) & set(one.processes)
    assert (
        caplog.messages
        == ["A loader process ended (SIGKILL); another one goes on with its batches"] * 2
    )


def test_a_process_that_dies_between_two_epochs_is_replaced(pools):
    one = pools(Numbers(), 1)
    run(one)
    os.kill(one.processes[0], signal.SIGKILL)
    psutil.wait_procs([psutil.Process(one.processes[0])], timeout=0)
    assert run(one) == EXPECTED


def test_an_image_that_kills_is_found_and_left_out(pools, caplog):
    one = pools(Numbers(lethal={6, 21}, exit_code=5))
    found = [filled.unreadable for filled in one.batches(iter(KEYS), len(KEYS))]
    assert found[1] == [(6, "ends the process that decodes it")]
    assert found[5] == [(21, "ends the process that decodes it")]
    assert not any(found[step] for step in (0, 2, 3, 4))
    assert "A loader process ended (exit code 5); another one goes on" in caplog.messages[0]
    assert run(one) == EXPECTED


def test_three_deaths_over_one_batch_end_the_run(pools, monkeypatch):
    one = pools(Numbers(lethal={6}, exit_code=3))
    monkeypatch.setattr(one, "_take_apart", lambda place, task: None)
    text = r"live until they are told to end. Received: 3 ends over one batch \(exit code 3\)"
    with pytest.raises(RuntimeError, match=text):
        run(one)
    assert one.processes == []


def test_an_error_in_a_process_is_raised_here_with_its_place(pools):
    one = pools(Numbers(wrong=9))
    with pytest.raises(ValueError, match="^Image 9 is wrong\n") as caught:
        run(one)
    assert "in fill" in caught.value.__notes__[0]
    assert one.processes == []


def test_processes_end_with_the_pool(pools):
    one = pools(Numbers())
    run(one)
    processes = [psutil.Process(number) for number in one.processes]
    one.close()
    assert not any(process.is_running() for process in processes)


def test_processes_end_when_the_training_is_killed(monkeypatch):
    monkeypatch.setattr(pool, "LOOK", 0.1)
    tell, hear = os.pipe()[::-1]
    training = os.fork()
    if training == 0:
        one = Pool(Numbers(), 2, 16)
        os.write(tell, " ".join(map(str, one.processes)).encode())
        time.sleep(60)
    processes = [psutil.Process(int(number)) for number in os.read(hear, 100).split()]
    os.kill(training, signal.SIGKILL)
    os.waitpid(training, 0)
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive


@pytest.mark.slow
def test_processes_can_be_started_afresh_instead_of_forked(pools, monkeypatch):
    monkeypatch.setattr(pool, "start_method", lambda: "forkserver")
    assert run(pools(Numbers(), 1), KEYS[:2]) == EXPECTED[:2]
