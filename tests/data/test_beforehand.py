"""Work that is done before it is asked for."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kcv.data.beforehand import map_ahead


@pytest.mark.parametrize("count", [1, 3, 7, 9])
def test_everything_comes_in_order_with_what_it_was_made_of(count):
    with ThreadPoolExecutor(2) as threads:
        parts = list(map_ahead(threads, str, range(7), count))
    assert [item for items, _ in parts for item in items] == list(range(7))
    assert [word for _, words in parts for word in words] == list("0123456")
    assert [len(words) for _, words in parts] == [count] * (7 // count) + [7 % count] * (
        7 % count > 0
    )


def test_the_next_part_is_worked_on_meanwhile_and_no_more():
    begun = [threading.Event() for _ in range(6)]
    with ThreadPoolExecutor(2) as threads:
        parts = map_ahead(threads, lambda at: begun[at].set(), range(6), 2)
        next(parts)
        assert all(one.wait(10) for one in begun[:4])
        assert not any(one.is_set() for one in begun[4:])


def test_what_one_item_raises_reaches_the_taker():
    with ThreadPoolExecutor(2) as threads:
        parts = map_ahead(threads, lambda at: 1 / at, [1, 2, 0], 2)
        assert next(parts) == ([1, 2], [1.0, 0.5])
        with pytest.raises(ZeroDivisionError):
            next(parts)


def test_who_leaves_does_not_wait_for_what_has_not_begun():
    begun, go = [], threading.Event()

    def work(at):
        begun.append(at)
        if at > 1:
            go.wait(10)

    with ThreadPoolExecutor(1) as threads:
        parts = map_ahead(threads, work, range(8), 2)
        next(parts)
        parts.close()
        go.set()
    assert len(begun) <= 3
