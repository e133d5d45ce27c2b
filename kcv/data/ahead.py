"""Work of threads, a part of it always ahead of the one who takes it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


def ahead(
    threads: Executor, function: Callable[[Given], Found], items: Sequence[Given], count: int
) -> Iterator[tuple[Sequence[Given], list[Found]]]:
    """Yield (some items, what the function makes of each), in order; the next ones are in work.

    Args:
        threads: what works.
        function: of one item; what it raises is raised here.
        items: all of them.
        count: how many at a time.
    """
    waiting = None
    for start in range(0, len(items), count):
        part = items[start : start + count]
        following = part, [threads.submit(function, item) for item in part]
        if waiting is not None:
            yield waiting[0], [one.result() for one in waiting[1]]
        waiting = following
    if waiting is not None:
        yield waiting[0], [one.result() for one in waiting[1]]
