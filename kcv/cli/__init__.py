"""The `kcv` command: words in, lines and an exit code out."""

import contextlib
import logging
import sys

from kcv.cli.parser import make_parser
from kcv.cli.verbs import say


class Spoken(logging.StreamHandler):
    """Writes lines above a bar of progress, not into it."""

    def emit(self, record):
        from kcv import bars  # here, as help needs none

        with bars.above(self.stream):
            super().emit(record)


@contextlib.contextmanager
def _spoken_log():
    """Say on standard error what kcv logs, unless a notebook's session says it already."""
    log, handler = logging.getLogger("kcv"), Spoken(sys.stderr)
    if log.handlers:
        yield
        return
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def main(argv: list[str] | None = None) -> int:
    """Run the command; return 0, 2 for a mistake of the user's, 1 for a failure, 130 for Ctrl-C."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.version:
        from kcv.version import __version__

        say(f"kcv {__version__}")
        return 0
    if args.verb is None:
        parser.print_help()
        return 0
    try:
        with _spoken_log():
            args.action(args)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if args.debug:
            raise
        sys.stderr.write(f"kcv: {_one_line(error)}\n")
        return 2 if isinstance(error, MISTAKES) else 1
    return 0


# what a person can mend by other words; a full disk or an error of the program is a failure
MISTAKES = (
    ValueError,
    TypeError,
    ImportError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename}" if error.filename else ""
        return f"{error.strerror}:{where}" if where else error.strerror
    text = " ".join(str(error).split())
    return text or f"{type(error).__name__} (run again with --debug)"
