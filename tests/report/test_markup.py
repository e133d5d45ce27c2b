"""The wording of numbers, and the escaping of everything else."""

import numpy as np
import pytest

from kcv.report import markup


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (252, "4 min 12 s"), (7384, "2 h 3 min")],
)
def test_duration_is_read_at_a_glance(seconds, text):
    assert markup.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(26_506, "26,506"), (999_999, "1 million"), (2_236_682, "2.24 million"), (3e9, "3 billion")],
)
def test_quantity_is_read_at_a_glance(number, text):
    assert markup.quantity(number) == text


def test_table_escapes_its_values():
    assert "<td>&lt;a&gt;</td>" in markup.table(["name"], [["<a>"]])


def test_fields_show_values_as_people_write_them():
    html = markup.fields({"a": True, "b": [1, 2.5], "c": 12345, "d": float("nan"), "e": 1e-05})
    shown = [part.split("</dd>")[0] for part in html.split("<dd>")[1:]]
    assert shown == ["yes", "1, 2.5", "12,345", "-", "1e-05"]


def test_rate_below_the_mark_is_a_warning():
    assert 'class="rate low"' in markup.rate(0.4, warn_below=0.5).html()
    assert 'class="rate"' in markup.rate(0.6, warn_below=0.5).html()


def test_rate_of_nothing_is_a_dash():
    assert markup.rate(np.nan, warn_below=0.5).html() == "-"


def test_figure_of_a_bar_stands_outside_unless_there_is_no_room():
    assert 'class="value"' in markup.bar("floor", 0.74)
    assert 'class="value inside"' in markup.bar("floor", 0.76)
    assert 'class="value inside"' in markup.bar("run", 0.97, (0.96, 0.98))
