"""The bar of a run at a terminal, and its lines in a file."""

import io
import re

import pytest

from kcv.callbacks.progress import Progress


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self):
        return True


def show(tiny, file, **options):
    progress = Progress(64, 16, file)
    try:
        tiny.fit(tiny.model(), progress, **options)
    finally:
        progress.close()
    return file.getvalue()


def test_a_terminal_shows_one_bar_with_speed_and_time_left(tiny):
    text = show(tiny, Terminal())
    states = [state for state in text.split("\r") if "|" in state]
    assert re.search(r"epoch 2/2 .*\d+%\|.*\| [\d.]+k? images/s, \d\d:\d\d left", states[-1])
    shares = [int(share) for share in re.findall(r"(\d+)%\|", text)]
    assert shares == sorted(shares)  # one bar for all epochs
    assert shares[-1] == 100
    assert re.search(r"epoch 1/2  loss \d.\d+, acc \d.\d+, val loss \d.\d+, val acc \d.\d+", text)


@pytest.mark.parametrize(("columns", "rows", "width"), [(0, 0, 79), (60, 20, 59)])
def test_a_bar_is_as_wide_as_the_terminal_or_80_where_that_says_0(
    tiny, drawn, columns, rows, width
):
    text = drawn(lambda file: tiny.fit(tiny.model(), Progress(64, 16, file)), columns, rows)
    states = [state for state in re.split(r"[\r\n]+", text) if "%|" in state]
    assert "epoch 2/2 " in states[-1]
    assert {len(state) for state in states} == {width}
    assert "hidden" not in text


def test_a_resumed_run_starts_in_the_middle_of_the_bar(tiny):
    text = show(tiny, Terminal(), initial_epoch=1)
    begun = text[text.index("epoch 2/2") :]
    assert min(int(share) for share in re.findall(r"(\d+)%\|", begun)) >= 50


def test_a_file_gets_a_line_an_epoch(tiny):
    lines = show(tiny, io.StringIO()).splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all(re.search(r"val acc \d.\d+  \d+ s$", line) for line in lines)


def test_the_bar_is_taken_away_after_an_exception(tiny):
    file, error = Terminal(), RuntimeError("on purpose")
    progress = Progress(64, 16, file)
    with pytest.raises(RuntimeError):
        tiny.fit(tiny.model(), progress, validation_data=tiny.batches(error))
    progress.close()
    progress.close()
    assert file.getvalue().endswith("\n")
