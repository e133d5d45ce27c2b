"""What findings mean."""

import re

import numpy as np
import pytest

from kcv.data.inspection import advice
from kcv.data.inspection.duplicates import Group
from kcv.data.inspection.findings import Findings, Suspect
from kcv.data.inspection.looks import Look
from kcv.data.sources import ArraySource, FileSource


def made(labels=(0, 1) * 30, size=(300, 400), parts=None, mode="RGB", reasons=(), **others):
    count = len(labels)
    source = FileSource("toys", [f"{at}.jpg" for at in range(count)], np.array(labels), 3)
    looks = [Look("", b"", b"", *size, mode, "JPEG") for _ in range(count)]
    for at in reasons:
        looks[at] = Look("is empty")
    fields = {
        "spec": "toys",
        "class_names": ["cat", "dog"],
        "source": source,
        "parts": parts or ["train"] * count,
        "given": (),
        "looks": looks,
        "groups": [],
        "suspects": [],
        "accuracy": 0.9,
        "passed_over": {},
        "seconds": 1.0,
    }
    return Findings(**fields | others)


def test_sound_data_gets_a_clear_answer_and_no_advice():
    assert advice.verdict(made()) == "Nothing stands in the way of training."
    assert advice.facts(made()) == []
    assert advice.advice(made()) == []


def test_leaks_come_before_all_else():
    parts = ["train"] * 58 + ["test"] * 2
    found = made(parts=parts, groups=[Group(True, (0, 58))], given=("train", "test"), reasons=[3])
    assert advice.verdict(found).startswith("Do not trust a test score yet")
    assert "1 group of duplicates in more than one part." in advice.facts(found)
    assert "1 image of 60 cannot be read." in advice.facts(found)
    made_by_kcv = made(parts=parts, groups=[Group(True, (0, 58))])
    assert any(one.endswith("as kcv splits this data.") for one in advice.facts(made_by_kcv))


@pytest.mark.parametrize(
    ("changes", "fact", "advised"),
    [
        ({"reasons": [0]}, "1 image of 60 cannot be read.", "with --fix"),
        ({"groups": [Group(True, (0, 2, 4))]}, "2 images too many by exact copies.$", "--fix"),
        ({"groups": [Group(False, (0, 2))]}, "^1 image too many by near duplicates.$", "--fix"),
        (
            {"groups": [Group(True, (0, 2, 4)), Group(False, (6, 8))]},
            "3 images too many: 2 by exact copies, 1 by near duplicates.",
            "--fix",
        ),
        ({"groups": [Group(True, (0, 1))]}, "1 group of duplicates under different", "--fix"),
        ({"suspects": [Suspect(0, 1, 0.5)]}, "1 label looks wrong. .* finds 90%", "smoothing=0.1"),
        ({"suspects": [Suspect(0, 1, 0.5)] * 2}, "2 labels look wrong. ", "smoothing=0.1"),
        (
            {"suspects": [Suspect(0, 1, 0.5)], "accuracy": 0.3},
            "finds 30% of all labels, so its word is worth little here.",
            "label_smoothing",
        ),
        (
            {"labels": (0,) * 90 + (1,) * 30},
            "3.0 times as many .* 'dog'",
            "Balance .* --set class_weights=balanced or --set sampling=balanced, and read recall",
        ),
        ({"labels": (0,) * 40 + (1,) * 19}, None, "fewer than 20 training images"),
        ({"mode": "L"}, None, "channels=1"),
        ({"size": (100, 120)}, None, "edge is 100 pixels: image_size=96 .* 224 costs 5.4 times"),
        ({"size": (2000, 3000)}, None, "edge is 2,000 pixels: copies with an edge of 512"),
        ({"size": (300, 900)}, "100% of the images are more than twice as long", "centre crop"),
        (
            {"parts": ["train"] * 59 + ["test"]},
            "The part 'test' has no image of 1 class, 'cat'.",
            None,
        ),
        (
            {"passed_over": {".heic": 1200, "": 1}},
            "1,201 files are not taken for images: 1,200 .heic, 1 without an extension.",
            "Convert images of other kinds, .* jpg .*.heic`, and give image files without an",
        ),
        ({"passed_over": {"": 1}}, "1 file is not taken for images: 1 w", "^Give image files"),
    ],
)
def test_each_finding_has_its_sentence_and_its_advice(changes, fact, advised):
    found = made(**changes)
    for pattern, said in ((fact, advice.facts(found)), (advised, advice.advice(found))):
        assert pattern is None or any(re.search(pattern, one) for one in said), said


def test_data_of_which_nothing_can_be_read_still_gets_advice():
    found = made(reasons=range(60))
    assert advice.facts(found) == ["60 images of 60 cannot be read."]
    assert "with --fix" in advice.advice(found)[0]


def test_data_that_is_not_in_files_gets_other_advice():
    source = ArraySource(np.zeros((60, 8, 8), np.uint8), np.array([0, 1] * 30), 3, "toys", "all")
    found = made(source=source, groups=[Group(True, (0, 2))], size=(8, 8), mode="L")
    assert advice.advice(found) == [
        "The images are no files of their own: findings.csv names those to leave out."
    ]


def test_leaks_of_similar_pictures_alone_are_worth_a_look():
    parts = ["train"] * 30 + ["test"] * 30
    found = made(parts=parts, groups=[Group(False, (0, 58))])
    assert advice.verdict(found).startswith("Look at the leaks before you trust a test score")


def test_doubts_about_labels_alone_leave_data_usable():
    assert advice.verdict(made(suspects=[Suspect(0, 1, 0.5)])).startswith("Usable;")
    assert advice.verdict(made(reasons=[0])).startswith("Clean it first")


def test_files_that_are_passed_over_are_in_the_verdict():
    said = advice.verdict(made(passed_over={".heic": 1}))
    assert said == "Usable, without the files that are not taken for images."


def test_images_of_several_classes_are_balanced_in_the_only_way_there_is():
    labels = np.zeros((60, 2))
    labels[:, 0] = labels[:20, 1] = 1
    source = FileSource("toys", [f"{at}.jpg" for at in range(60)], labels, 3)
    said = advice.advice(made(source=source))[0]
    assert "--set class_weights=balanced, and read" in said
    assert "sampling" not in said


def test_the_text_has_verdict_facts_and_advice_in_this_order():
    lines = advice.text(made(reasons=[0])).splitlines()
    assert lines[0].startswith("toys: 60 images. Clean it first")
    assert [line[0] for line in lines[1:]] == ["-", ">"]
