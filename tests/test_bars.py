"""Bars of progress on real terminals, and their absence elsewhere."""

import contextlib
import io
import logging
import re
import subprocess
import sys
import time

import pytest

from kcv import bars
from kcv.cli import Spoken


def states(text):
    return [one for one in re.split(r"[\r\n]+", text) if "%|" in one]


@contextlib.contextmanager
def spoken(file):
    """Give a log whose lines the command line would write to a file."""
    log, handler = logging.getLogger("kcv.test_bars"), Spoken(file)
    log.propagate = False
    log.addHandler(handler)
    try:
        yield log
    finally:
        log.removeHandler(handler)


def test_a_bar_counts_and_goes_away(on_stderr):
    text = on_stderr(lambda: list(bars.bar("Reading", range(300))))
    assert re.match(r"Reading: 100%\|.*\| 300/300 \[.* images/s\]", states(text)[-1])
    assert text.endswith("\r")
    assert text.split("\r")[-2].strip(" ") == ""


@pytest.mark.parametrize(("columns", "width"), [(0, 79), (60, 59)])
def test_a_bar_is_as_wide_as_the_terminal_or_80_where_that_says_0(drawn, columns, width):
    text = drawn(lambda file: bars.fitted(file, total=4).update(4), columns)
    assert {len(one) for one in states(text)} == {width}


def test_what_is_logged_stands_above_the_bar(on_stderr):
    def work():
        with spoken(sys.stderr) as log:
            for number in bars.bar("Reading", range(4)):
                if number == 2:
                    log.warning("b.jpg is empty")

    text = on_stderr(work)
    before = text[: text.index("b.jpg")].split("\r")
    assert before[-1] == ""  # at the start of a line
    assert before[-2].strip(" ") == ""  # from which the bar was wiped
    assert "Reading" in text[text.index("b.jpg") :]


def test_short_work_has_no_bar_whatever_it_logs(drawn, monkeypatch):
    def work(file):
        monkeypatch.setattr(sys, "stderr", file)
        with spoken(file) as log:
            for number in bars.bar("Reading", range(300)):
                if number == 2:
                    log.warning("b.jpg is empty")
        file.write("the end\n")

    assert drawn(work).replace("\r", "") == "b.jpg is empty\nthe end\n"


def test_work_of_more_than_a_second_has_one(drawn, monkeypatch):
    def work(file):
        monkeypatch.setattr(sys, "stderr", file)
        for _ in bars.bar("Reading", range(13)):
            time.sleep(0.1)

    found = states(drawn(work))
    assert found
    assert not found[0].startswith("Reading:   0%")


class Bare:
    """A stream that says nothing of itself."""

    written = ""

    def write(self, text):
        self.written += text

    def flush(self):
        pass


def closed():
    file = io.StringIO()
    file.close()
    return file


@pytest.mark.parametrize("make", [io.StringIO, Bare, closed, lambda: None])
def test_what_is_no_terminal_gets_no_bar(monkeypatch, make):
    file = make()
    monkeypatch.setattr(sys, "stderr", file)
    assert list(bars.bar("Reading", range(3), delay=0)) == [0, 1, 2]
    with bars.bar("Reading", total=3, delay=0) as shown:
        shown.update(3)
    assert getattr(file, "written", "") == ""
    assert not isinstance(file, io.StringIO) or file.closed or file.getvalue() == ""


def test_bars_need_no_thread_and_leave_processes_their_way_to_start():
    code = (
        "import threading, multiprocessing\n"
        "from kcv import bars\n"
        "list(bars.bar('Reading', range(9)))\n"
        "with bars.above(None): pass\n"
        "multiprocessing.set_start_method('spawn')\n"
        "print([one.name for one in threading.enumerate()])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['MainThread']\n"
