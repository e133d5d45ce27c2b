"""The list of unreadable files."""

import json
import logging

from kcv.data.skipped import Skipped


def test_a_file_is_listed_and_named_once(caplog):
    skipped = Skipped()
    with caplog.at_level(logging.WARNING, "kcv"):
        for path in ("a.png", "b.png", "a.png"):
            skipped.add(path, "is empty", "test" if path == "b.png" else "train")
    assert json.loads(json.dumps(skipped)) == [
        {"path": "a.png", "reason": "is empty", "part": "train"},
        {"path": "b.png", "reason": "is empty", "part": "test"},
    ]
    assert [skipped.of_part(part) for part in ("train", "val", "test")] == [1, 0, 1]
    assert caplog.messages == [
        "Left out: a.png is empty (1 so far)",
        "Left out: b.png is empty (2 so far)",
    ]
