"""The list of unreadable files."""

import logging

log = logging.getLogger("kcv")


class Skipped(list[dict[str, str]]):
    """A list of ``{"path": ..., "reason": ..., "part": ...}``; each file once, with a warning."""

    def __init__(self) -> None:
        super().__init__()
        self._paths: set[str] = set()

    def add(self, path: str, reason: str, part: str) -> None:
        """Add a file of a part of the data, unless it is in the list."""
        if path in self._paths:
            return
        self._paths.add(path)
        self.append({"path": path, "reason": reason, "part": part})
        log.warning("Left out: %s %s (%d so far)", path, reason, len(self))

    def of_part(self, part: str) -> int:
        """Return how many of the files are of that part."""
        return sum(one["part"] == part for one in self)
