"""Loader processes that fill shared memory, and are replaced where one of them dies.

torch's own loader ends the training when a process dies, and passes every batch through a new file
in ``/dev/shm``. Here a process has a pipe of its own, so that its death is seen at once and spoils
nothing that others are doing. Its batches depend on (seed, epoch, index) only: the process that
follows it makes them again.
"""

import contextlib
import gc
import logging
import multiprocessing.connection
import os
import signal
import sys
import traceback
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from kcv.data.slots import Slots, shared
from kcv.data.workers import start, start_method
from kcv.kernels import keep_memory

log = logging.getLogger("kcv")

# Batches that a process has before it: the one it fills, and the next one.
AHEAD = 2
# Batches that the training may look at: the present one, and one that it has not let go yet.
HELD = 2
# A batch that two processes died of is taken apart; after a third one, no image is to blame.
DEATHS = 3
LETHAL = "ends the process that decodes it"
# Seconds after which a process looks whether the training is still there.
LOOK = 5

Key = tuple[int, ...]


class Filled(NamedTuple):
    """A batch.

    Attributes:
        images: ``(B, H, W, C)``, uint8; empty where the batch could not be made.
        labels: ``(B,)``, int64, or ``(B, K)``, float32; of ``asking``, answers of any kind.
        unreadable: number and reason of each unreadable image that was met.
    """

    images: np.ndarray
    labels: np.ndarray
    unreadable: list[tuple[int, str]]


class Filler(Protocol):
    """What a process runs."""

    def fill(
        self, keys: list[Key], memory: np.ndarray | None = None, avoid: frozenset[int] = ...
    ) -> Filled:
        """Make a batch of (epoch, index, ...), in ``memory`` (bytes) if it is given."""


class _Task(NamedTuple):
    run: int
    step: int
    slot: int
    keys: list[Key]


class _Answer(NamedTuple):
    shape: tuple[int, ...]
    labels: np.ndarray
    unreadable: list[tuple[int, str]]
    error: Exception | None = None


class _Worker:
    """A process, the pipe to it, and what it has been asked for."""

    def __init__(self, process: Any, pipe: Any):
        self.process, self.pipe = process, pipe
        self.tasks: deque[_Task] = deque()

    def ask(self, task: _Task, avoid: frozenset[int]) -> None:
        """Hand a batch to the process."""
        self.tasks.append(task)
        # It may be dead already: whoever waits for its answer will see that.
        with contextlib.suppress(OSError):
            self.pipe.send((task.slot, task.keys, avoid))

    def end(self) -> str:
        """End the process, and return how it ended."""
        self.pipe.close()
        # A process that died is given the time to be counted as dead.
        self.process.join(1)
        self.process.kill()
        self.process.join()
        code = self.process.exitcode
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class Pool:
    """Processes that make batches ahead of the training.

    Args:
        filler: makes a batch; every process has a copy of it.
        workers: number of processes.
        size: bytes of the largest batch.
    """

    def __init__(self, filler: Filler, workers: int, size: int):
        self._filler, self._context = filler, torch.multiprocessing.get_context(start_method())
        inherited = self._context.get_start_method() == "fork"
        self._memory = [shared(size, inherited) for _ in range(workers * AHEAD + HELD)]
        self._slots = Slots([piece.numpy() for piece in self._memory], HELD)
        self._lethal: frozenset[int] = frozenset()
        self._deaths: Counter[tuple[int, int]] = Counter()
        self._run, self._workers = 0, [self._started() for _ in range(workers)]

    @property
    def processes(self) -> list[int]:
        """Numbers of the processes, as the system counts them."""
        return [worker.process.pid for worker in self._workers]

    def batches(self, plan: Iterator[list[Key]], count: int) -> Iterator[Filled]:
        """Yield ``count`` batches, in order; a new iteration ends the one before.

        Args:
            plan: keys of each batch; asked for one only when a process is free to make it.
            count: number of batches in the plan.

        Raises:
            RuntimeError: processes died again and again over one batch.
        """
        self._run += 1
        waiting = enumerate(plan)
        done: dict[int, tuple[int, _Answer]] = {}
        try:
            for step in range(count):
                self._ask(waiting)
                while step not in done:
                    self._receive(done)
                    self._ask(waiting)
                slot, answer = done.pop(step)
                yield Filled(self._slots.lend(slot, answer.shape), answer.labels, answer.unreadable)
        except GeneratorExit:
            self._slots.free.extend(slot for slot, _ in done.values())
        except BaseException:
            # An interrupt may have come between an answer and the note of it.
            self.close()
            raise

    def close(self) -> None:
        """End the processes. Batches that were given stay as they are."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.end()
        self._workers = []

    def _ask(self, waiting: Iterator[tuple[int, list[Key]]]) -> None:
        """Hand out batches while processes and memory are free."""
        while self._slots.free:
            worker = min(self._workers, key=lambda one: len(one.tasks))
            step, keys = next(waiting, (0, [])) if len(worker.tasks) < AHEAD else (0, [])
            if not keys:
                return
            worker.ask(_Task(self._run, step, self._slots.free.pop(), keys), self._lethal)

    def _receive(self, done: dict[int, tuple[int, _Answer]]) -> None:
        """Wait for an answer or a death, and take note of it."""
        asked: dict[Any, _Worker] = {one.pipe: one for one in self._workers if one.tasks}
        for pipe in multiprocessing.connection.wait(list(asked)):
            worker = asked[pipe]
            try:
                answer = _Answer(*worker.pipe.recv())
            except (EOFError, OSError):
                self._replace(worker)
                continue
            task = worker.tasks.popleft()
            if task.run != self._run:
                self._slots.free.append(task.slot)
            elif answer.error is not None:
                raise answer.error
            else:
                done[task.step] = (task.slot, answer)

    def _replace(self, worker: _Worker) -> None:
        """Start another process in the place of a dead one, with the same batches before it."""
        how, tasks = worker.end(), list(worker.tasks)
        suspect = tasks[0]
        self._deaths[suspect.run, suspect.step] += 1
        deaths = self._deaths[suspect.run, suspect.step]
        log.warning("A loader process ended (%s); another one goes on with its batches", how)
        if deaths >= DEATHS:
            raise RuntimeError(
                "Loader processes need to live until they are told to end. Received: "
                f"{deaths} ends over one batch ({how}). Where memory is short, fewer workers or "
                "smaller batches help"
            )
        place = self._workers.index(worker)
        self._workers[place] = self._started()
        if deaths == DEATHS - 1:
            self._take_apart(place, suspect)
        for task in tasks:
            self._workers[place].ask(task, self._lethal)

    def _take_apart(self, place: int, task: _Task) -> None:
        """Make a batch image by image, to find those that end the process."""
        for key in task.keys:
            worker = self._workers[place]
            worker.ask(task._replace(keys=[key]), self._lethal)
            try:
                worker.pipe.recv()
                worker.tasks.clear()
            except (EOFError, OSError):
                worker.end()
                self._workers[place] = self._started()
                self._lethal |= {key[1]}

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._filler, self._memory), daemon=True
        )
        process.start()
        # Or the pipe would stay open when the process is dead.
        theirs.close()
        return _Worker(process, ours)


def _serve(pipe: Any, filler: Filler, memory: list[torch.Tensor]) -> None:
    """Fill memory as asked, until the training ends."""
    start()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    # A decoded photograph is large enough to be given back to the system, and asked for again.
    keep_memory()
    # OpenCV reads this when it is imported; a process that inherits it has to be told.
    os.environ["OPENCV_FOR_THREADS_NUM"] = "1"
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    # What was inherited is shared with the training until something writes into it, be it a mark
    # of the garbage collector.
    gc.freeze()
    parent, pieces = os.getppid(), [piece.numpy() for piece in memory]
    with contextlib.suppress(EOFError, OSError):
        while True:
            while not pipe.poll(LOOK):
                if os.getppid() != parent:
                    return
            slot, keys, avoid = pipe.recv()
            pipe.send(tuple(_answer(filler, keys, pieces[slot], avoid)))


def _answer(filler: Filler, keys: list[Key], memory: np.ndarray, avoid: frozenset[int]) -> _Answer:
    try:
        images, labels, unreadable = filler.fill(keys, memory, avoid)
        return _Answer(images.shape, labels, unreadable)
    except Exception as error:
        error.add_note(f"In a loader process:\n{traceback.format_exc()}")
        return _Answer((0,), np.empty(0), [], error)
