"""One question about every image, asked in processes that an image may end."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import numpy as np

from kcv import bars
from kcv.data.pool import LETHAL, Filled, Key, Pool
from kcv.data.sources import Source

BLOCK = 32  # images that a process is asked about at a time

Answer = TypeVar("Answer")


class _Asked(Generic[Answer]):
    """What a process runs; the answers take the place of labels, and there are no pixels."""

    def __init__(self, question: Callable[[int], Answer], lethal: Answer):
        self.question, self.lethal = question, lethal

    def fill(
        self,
        keys: list[Key],
        memory: np.ndarray | None = None,
        avoid: frozenset[int] = frozenset(),
    ) -> Filled:
        answers = (self.lethal if at in avoid else self.question(at) for _, at in keys)
        return Filled(np.empty(0, np.uint8), np.fromiter(answers, object, len(keys)), [])


def ask_each(
    question: Callable[[int], Answer], count: int, workers: int, lethal: Answer
) -> Iterator[Answer]:
    """Yield the answer of every number below ``count``, in order.

    Args:
        question: is given a number; it must survive pickling.
        count: how many numbers there are.
        workers: number of processes, which are replaced when they die; 0 asks in this process.
        lethal: the answer for a number that ends the process that is asked about it.

    Raises:
        RuntimeError: processes died again and again over one block, whatever was in it.
    """
    if workers == 0:
        yield from map(question, range(count))
        return
    blocks = range(0, count, BLOCK)
    plan: Iterator[list[Key]] = (
        [(0, at) for at in range(start, min(start + BLOCK, count))] for start in blocks
    )
    pool = Pool(_Asked(question, lethal), min(workers, len(blocks)), size=1)
    try:
        for filled in pool.batches(plan, len(blocks)):
            yield from filled.labels
    finally:
        pool.close()


def find_problems(source: Source, workers: int, part: str) -> Iterator[tuple[int, str]]:
    """Decode all images of a part; yield the number of each that cannot be read, and the reason."""
    if source.in_memory:
        return
    reasons: Iterator[str | None] = ask_each(source.problem, len(source), workers, LETHAL)
    watched = bars.bar(f"Checking part {part!r}", reasons, total=len(source))
    yield from ((at, reason) for at, reason in enumerate(watched) if reason is not None)
