"""The list of unreadable files."""

import logging

log = logging.getLogger("kcv")


class Skipped(list[dict[str, str]]):
    """A list of ``{"path": ..., "reason": ...}`` that names each file once, and warns of it."""

    def __init__(self) -> None:
        super().__init__()
        self._paths: set[str] = set()

    def add(self, path: str, reason: str) -> None:
        """Add a file, unless it is in the list."""
        if path in self._paths:
            return
        self._paths.add(path)
        self.append({"path": path, "reason": reason})
        log.warning("Left out: %s %s (%d so far)", path, reason, len(self))
