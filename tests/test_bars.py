"""Bars of progress on real terminals, and their absence elsewhere."""

import io
import logging
import re
import sys

import pytest

from kcv import bars
from kcv.cli import Spoken


def states(text):
    return [one for one in re.split(r"[\r\n]+", text) if "%|" in one]


def test_a_bar_counts_and_goes_away(on_stderr):
    text = on_stderr(lambda: list(bars.bar("Reading", range(300))))
    assert re.match(r"Reading: 100%\|.*\| 300/300 \[.* images/s\]", states(text)[-1])
    assert text.endswith("\r")
    assert text.split("\r")[-2].strip(" ") == ""


@pytest.mark.parametrize(("columns", "width"), [(0, 79), (60, 59)])
def test_a_bar_is_as_wide_as_the_terminal_or_80_where_that_says_0(drawn, columns, width):
    text = drawn(lambda file: bars.fitted(file, total=4).update(4), columns)
    assert {len(one) for one in states(text)} == {width}


def test_short_work_has_no_bar(drawn, monkeypatch):
    def work(file):
        monkeypatch.setattr(sys, "stderr", file)
        monkeypatch.setattr(bars, "EVERY", 0.0)
        list(bars.bar("Reading", range(300)))

    assert drawn(work) == ""


def test_a_file_gets_no_bar(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    assert list(bars.bar("Reading", range(3), delay=0)) == [0, 1, 2]
    assert file.getvalue() == ""


def test_what_is_logged_stands_above_the_bar(on_stderr):
    def work():
        log = logging.getLogger("kcv.test_bars")
        log.propagate = False
        log.addHandler(Spoken(sys.stderr))
        for number in bars.bar("Reading", range(4)):
            if number == 2:
                log.warning("b.jpg is empty")

    text = on_stderr(work)
    before = text[: text.index("b.jpg")].split("\r")
    assert before[-1] == ""  # at the start of a line
    assert before[-2].strip(" ") == ""  # from which the bar was wiped
    assert "Reading" in text[text.index("b.jpg") :]
