"""What is slow to find out about large files is found out once."""

import hashlib
import json
import os
from collections.abc import Callable
from typing import Any


def folder() -> str:
    """Return the folder for such files: ``$KCV_CACHE``, or ``kcv`` in the user's cache folder."""
    given = os.environ.get("KCV_CACHE")
    above = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return given or os.path.join(above, "kcv")


def remembered(make: Callable[..., Any], path: str, *arguments: str) -> Any:
    """Return ``make(path, *arguments)``, or what it returned for this file in this state before.

    Args:
        make: a function of a module, which gives something that JSON holds.
        path: the file; with another size or time of change it counts as another one.
        *arguments: what else the result depends on.
    """
    real, state = os.path.realpath(path), os.stat(path)
    stamp = [real, state.st_size, state.st_mtime_ns, *arguments]
    digest = hashlib.blake2b(os.fsencode(real), digest_size=16).hexdigest()
    place = os.path.join(folder(), f"{make.__module__}.{make.__name__}.{digest}.json")
    try:
        with open(place, encoding="utf-8") as file:
            kept = json.load(file)
        if kept["stamp"] == stamp:
            return kept["value"]
    # No such file, or one that another version or a full disk left: it is made again.
    except (OSError, ValueError, KeyError, TypeError):
        pass
    value = make(path, *arguments)
    _keep(place, {"stamp": stamp, "value": value})
    return value


def _keep(place: str, value: dict) -> None:
    aside = f"{place}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(aside, "w", encoding="utf-8") as file:
            json.dump(value, file)
        os.replace(aside, place)
    # A cache that cannot be written costs time, and nothing else.
    except OSError:
        return
