"""What a search found, as a table and a picture."""

import pytest

from kcv import nas

STAGES = (nas.Stage("conv", 8, 1),)


def trial(number, score, macs, epochs=1, error=""):
    made = nas.Architecture(number + 1, STAGES)
    return nas.Trial(number, made, epochs, score, macs, macs, 1.0, (), error)


@pytest.fixture
def found(tmp_path):
    scores = [(0.5, 10), (0.9, 40), (0.7, 20), (0.6, 30), (None, 50), (0.9, 45)]
    return nas.Search(
        tmp_path, [trial(i, *pair, error="x" if i == 4 else "") for i, pair in enumerate(scores)]
    )


def test_the_best_of_equal_scores_is_the_cheapest(found):
    assert found.best.number == 1


def test_the_front_is_what_no_other_beats(found):
    assert [t.number for t in found.front] == [0, 2, 1]


def test_the_table_is_ordered_and_marks_the_front(found):
    lines = found.table().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["*", "6", "*", "4", "*", "5"]
    assert lines[1].split()[:6] == ["*", "2", "0.9000", "1", "40", "40"]
    assert lines[6].endswith("5 | conv3 8*1  x")
    assert len(found.table(top=2).splitlines()) == 3


def test_the_figure_shows_front_best_and_course(found):
    left, right = found.figure().axes
    front, best = left.lines[1], left.lines[2]
    assert front.get_xydata().tolist() == [[10, 0.5], [20, 0.7], [40, 0.9]]
    assert best.get_xydata().tolist() == [[40, 0.9]]
    assert right.lines[1].get_ydata().tolist() == [0.5, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert found.figure("parameters").axes[0].get_xlabel() == "parameters"


def test_a_search_without_costs_has_a_picture_too(tmp_path):
    found = nas.Search(tmp_path, [trial(0, 0.5, None), trial(1, 0.6, None)])
    found.write()
    assert (tmp_path / "front.svg").read_text().startswith("<?xml")
    assert found.front == []


def test_another_cost_is_refused(found):
    with pytest.raises(ValueError, match="cost must be macs or parameters. Received: cost='size'"):
        found.figure("size")
