"""The list of unreadable files."""

import json
import logging

from kcv.data.skipped import Skipped


def test_a_file_is_listed_and_named_once(caplog):
    skipped = Skipped()
    with caplog.at_level(logging.WARNING, "kcv"):
        for path in ("a.png", "b.png", "a.png"):
            skipped.add(path, "is empty")
    assert json.loads(json.dumps(skipped)) == [
        {"path": "a.png", "reason": "is empty"},
        {"path": "b.png", "reason": "is empty"},
    ]
    assert caplog.messages == [
        "Left out: a.png is empty (1 so far)",
        "Left out: b.png is empty (2 so far)",
    ]
