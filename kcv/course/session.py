"""The first cell of every notebook: seeds, threads, figure style, time budget; and its claims."""

import atexit
import logging
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import keras

from kcv import kernels, seeding
from kcv.course.exercises import Exercise, answers_of
from kcv.version import __version__

SCALES = ("cpu", "gpu")
GPU_EPOCHS = 10  # how many times longer a run may be where a GPU computes it
THREADS = 1  # two OpenMP threads on a busy machine of two cores are slower than one
BUDGET = {
    "09": 180,
    "11": 180,
    "13": 180,
    "15": 150,
    "20": 240,
}  # notebook -> CPU seconds that its test allows

# Okabe and Ito's palette without yellow, told apart by every kind of colour vision:
# "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


class ClaimError(RuntimeError):
    """A sentence of a notebook that its own numbers do not bear out."""


_claims: list[tuple[str, bool]] = []


def claim(text: str, condition) -> None:
    """State a sentence that the numbers above must bear out.

    A reader is told whether it holds on this machine; the notebook's test, and any run with `CI`
    in its environment, stops at one that does not.

    Raises:
        ClaimError: if it does not hold, where the notebook is tested.
    """
    holds = bool(condition)
    _claims.append((text, holds))
    sys.stdout.write(f"{'claim holds' if holds else 'claim FAILS here'}: {text}\n")
    if not holds and (os.environ.get("CI") or os.environ.get("KCV_COURSE_MODE")):
        raise ClaimError(f"The notebook claims what its numbers do not show: {text}")


class Session:
    """What `start` returns: the notebook's seed, threads, scale, folder and exercises.

    Attributes:
        name: of the notebook, like `"20_toolbox_workflow"`.
        scale: `"cpu"` or `"gpu"`.
        seed: of every run that does not choose its own.
        threads: CPU threads for torch.
        folder: an empty folder for runs and files, removed when the kernel ends.
        budget: CPU seconds that the notebook may take at scale `"cpu"`.
    """

    def __init__(self, name: str, scale: str, seed: int, threads: int):
        self.name, self.scale, self.seed, self.threads = name, scale, seed, threads
        self.folder = Path(tempfile.mkdtemp(prefix=f"kcv-{name}-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.budget = BUDGET.get(name[:2], 0)
        self.outcomes: dict[int, str] = {}
        self._started = time.process_time()

    def epochs(self, count: int) -> int:
        """Return how many epochs to train where `count` suit a CPU."""
        return count * GPU_EPOCHS if self.scale == "gpu" else count

    def pick(self, *, cpu, gpu):
        """Return the value for the scale of this session."""
        return gpu if self.scale == "gpu" else cpu

    def exercise(self, number: int, **context) -> Exercise:
        """Return an exercise of this notebook.

        Args:
            number: as in its heading.
            **context: what the right answer depends on, e.g. the log of a run.

        Raises:
            ValueError: if the notebook has no exercise of this number.
        """
        tasks = answers_of(self.name)
        if number not in tasks:
            raise ValueError(
                f"{self.name} has exercises {', '.join(map(str, sorted(tasks)))}. "
                f"Received: number={number!r}."
            )
        return Exercise(number, tasks[number], context, self.outcomes)

    def finish(self) -> None:
        """Write what became of the notebook's promises: claims, exercises, CPU seconds."""
        used = time.process_time() - self._started
        held = sum(holds for _, holds in _claims)
        states = ", ".join(f"{n}: {state}" for n, state in sorted(self.outcomes.items()))
        sys.stdout.write(
            f"{held} of {len(_claims)} claims hold\nexercises: {states or 'none'}\n"
            f"{used:.0f} CPU seconds since the first cell, of {self.budget} allowed\n"
        )


def start(name: str, scale: str | None = None, *, seed: int = 0) -> Session:
    """Prepare a notebook: seeds, one thread, figure style, messages; say what computes.

    Args:
        name: of the notebook, like `"20_toolbox_workflow"`.
        scale: `"cpu"` or `"gpu"`; by default what the environment variable `KCV_SCALE` says, or
            `"cpu"`.
        seed: of everything random.

    Raises:
        ValueError: if there is no such scale.
    """
    scale = scale or os.environ.get("KCV_SCALE") or "cpu"
    if scale not in SCALES:
        raise ValueError(f"A notebook needs scale to be cpu or gpu. Received: scale={scale!r}.")
    kernels.set_threads(THREADS)
    seeding.set_seed(seed)
    _style()
    _log_to_cells()
    _claims.clear()
    session = Session(name, scale, seed, THREADS)
    device = kernels.device()
    sys.stdout.write(
        f"kcv {__version__}, keras {keras.__version__}, {device['backend']} {device['version']}, "
        f"python {platform.python_version()}, {device['device']}, {THREADS} thread, "
        f"scale {scale}, seed {seed}, budget {session.budget} CPU seconds\n"
    )
    return session


def _style() -> None:
    from matplotlib import rcParams, rcsetup

    rcParams.update(
        {
            "axes.prop_cycle": rcsetup.cycler("color", COLOURS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 10,
            "figure.constrained_layout.use": True,
            "figure.dpi": 90,
            "figure.figsize": (8, 3),
            "font.size": 9,
            "image.cmap": "gray",
            "legend.frameon": False,
            "savefig.dpi": 90,
        }
    )


class _Cells(logging.Handler):
    """Messages of kcv as ordinary output of the cell that caused them."""

    def emit(self, record):
        sys.stdout.write(self.format(record) + "\n")


def _log_to_cells() -> None:
    logger = logging.getLogger("kcv")
    if not any(isinstance(handler, _Cells) for handler in logger.handlers):
        logger.addHandler(_Cells())
    logger.propagate = False
    logger.setLevel(logging.WARNING)
