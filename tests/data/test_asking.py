"""Questions about every image, in real processes that really die."""

import psutil
import pytest

from kcv.data import asking
from kcv.data.asking import ask_each, find_problems
from kcv.data.sources import FileSource


@pytest.mark.parametrize("count", [0, 2])
def test_unreadable_files_are_found_by_their_number(flowers, count):
    paths = [f"rose/{number:03}.png" for number in range(10)] + ["iris/999.png"] * 60
    whole = (flowers / "rose" / "004.png").read_bytes()
    (flowers / "rose" / "004.png").write_bytes(whole[: len(whole) // 2])
    found = list(find_problems(FileSource(str(flowers), paths, [0] * 70, 3), count, "train"))
    assert found[0][0] == 4
    assert found[0][1].startswith("is truncated or damaged")
    assert found[1:] == [(index, "does not exist") for index in range(10, 70)]


@pytest.mark.parametrize("count", [1, 2])
def test_files_that_end_their_process_are_named_and_the_others_looked_at(deadly, count):
    found = list(find_problems(deadly(lethal={5, 7, 70}), count, "train"))
    lethal = "ends the process that decodes it"
    assert found == [(5, lethal), (7, lethal), (70, lethal), (99, "does not exist")]


def test_a_process_that_is_killed_once_costs_nothing(deadly, caplog):
    assert list(find_problems(deadly(once={3, 50}), 2, "train")) == [(99, "does not exist")]
    ended = "A loader process ended (SIGKILL); another one goes on with its batches"
    assert caplog.messages == [ended] * 2


def test_answers_come_in_order_as_they_are():
    assert list(ask_each(divmod_seven, 2 * asking.BLOCK + 1, 2, (0, 0))) == [
        divmod(at, 7) for at in range(2 * asking.BLOCK + 1)
    ]
    assert list(ask_each(divmod_seven, 0, 2, (0, 0))) == []


def test_processes_end_when_no_more_answers_are_wanted():
    before = set(psutil.Process().children())
    answers = ask_each(divmod_seven, 1000, 2, (0, 0))
    assert next(answers) == (0, 0)
    assert len(set(psutil.Process().children()) - before) == 2
    answers.close()
    assert set(psutil.Process().children()) <= before


def divmod_seven(number):
    return divmod(number, 7)
