"""Choice of the Keras backend (torch, unless the user has chosen another one) and of its threads.

This module must be imported before Keras and torch are.
"""

import json
import os
import sys
from pathlib import Path

_sleeps = False


def _configured() -> str | None:
    """Return the backend named in the user's keras.json, if it is a choice.

    Keras writes ``"tensorflow"`` into that file unasked at its first import, so this value says
    nothing about what the user wants.
    """
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        name = json.loads((Path(home) / "keras.json").read_text()).get("backend")
    except (OSError, ValueError, AttributeError):
        return None
    return name if name != "tensorflow" else None


def choose() -> None:
    """Set ``KERAS_BACKEND=torch`` if no environment, keras.json or earlier import has chosen."""
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND") or _configured():
        return
    os.environ["KERAS_BACKEND"] = "torch"


def wait_passively() -> None:
    """Let OpenMP threads sleep while they wait, unless the user or an earlier import decided.

    By default they spin. On two cores with other work (load 7) a MobileNetV2 training step with two
    spinning threads gave 7 images a second, with two sleeping ones 86, with one thread 28. On an
    idle machine sleeping costs 1.2 to 1.35 times the step of spinning ones (the same network at 28
    pixels, batches of 32 to 128): ``OMP_WAIT_POLICY=ACTIVE`` for whoever has it to himself. To spin
    a moment before they sleep (``GOMP_SPINCOUNT=1000``) is a half-measure: 0.87 of the step of
    sleeping ones on an idle machine, 1.4 beside two other processes (two cores, batches of 64).
    """
    global _sleeps
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        _sleeps = os.environ["OMP_WAIT_POLICY"].upper() == "PASSIVE"


def sleeps() -> bool:
    """Return whether the waiting threads of this process sleep."""
    return _sleeps


choose()
wait_passively()
