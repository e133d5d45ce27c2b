"""Work of threads, a part of it always ahead of the one who takes it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


def map_ahead(
    threads: Executor, function: Callable[[Given], Found], items: Sequence[Given], count: int
) -> Iterator[tuple[Sequence[Given], list[Found]]]:
    """Yield (some items, what the function makes of each), in order; the next ones are in work.

    Who leaves before the end waits only for what is in work, not for what has not begun.

    Args:
        threads: what works.
        function: of one item; what it raises is raised here.
        items: all of them.
        count: how many at a time.
    """
    parts = [items[start : start + count] for start in range(0, len(items), count)]
    waiting: list[list[Future]] = []
    try:
        for at, part in enumerate(parts):
            for following in parts[at + len(waiting) : at + 2]:
                waiting.append([threads.submit(function, item) for item in following])
            yield part, [one.result() for one in waiting[0]]
            del waiting[0]
    finally:
        for one in [one for found in waiting for one in found]:
            one.cancel()
