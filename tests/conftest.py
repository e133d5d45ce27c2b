"""One thread (two test processes share two cores), no network, a fixed seed for every test."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KERAS_BACKEND", "torch")

import functools
import gc
import logging
import struct
import threading

import keras
import numpy as np
import pytest

import kcv

# What the imports left lives as long as the process: half a million objects that the garbage
# collector looked through again and again while networks were built, for a fifth of the time.
gc.collect()
gc.freeze()


@pytest.fixture(autouse=True)
def _seeded():
    kcv.set_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True)
def _log_as_it_was():
    """Take away what a session of the course adds to kcv's log."""
    log = logging.getLogger("kcv")
    before = list(log.handlers), log.level, log.propagate
    yield
    log.handlers[:], log.propagate = before[0], before[2]
    log.setLevel(before[1])


@pytest.fixture
def drawn():
    """Give `drawn(write, columns=80, rows=24)`: what `write(file)` draws on a real terminal."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))

    def on_terminal(write, columns=80, rows=24):
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        parts = []
        read = lambda: parts.extend(iter(lambda: _read(ours), b""))  # noqa: E731
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        with os.fdopen(its, "w") as file:
            write(file)
        reader.join(30)
        assert not reader.is_alive(), "somebody holds the terminal open"
        os.close(ours)
        return b"".join(parts).decode()

    return on_terminal


def _read(descriptor):
    """Read from a terminal, whose other end being closed is an error for Linux."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


@pytest.fixture
def on_stderr(drawn, monkeypatch):
    """Give `on_stderr(work)`: what `work()` draws on standard error, a terminal, without delay."""
    from kcv import bars

    def at_once(work):
        def write(file):
            with monkeypatch.context() as patch:
                patch.setattr("sys.stderr", file)
                patch.setattr(bars, "DELAY", 0.0)
                often = functools.partialmethod(bars._Bar.__init__, mininterval=0)
                patch.setattr(bars._Bar, "__init__", often)
                work()

        return drawn(write)

    return at_once


@pytest.fixture
def rng():
    return np.random.default_rng(0)
