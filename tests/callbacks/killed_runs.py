"""Runs that are killed, and continued by another process; started by test_checkpoint.py.

Writes one line a case: where the run was killed, and the largest difference from the uninterrupted
run over all variables and averages once it was continued.
"""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
from conftest import Tiny

from kcv import schedules
from kcv.callbacks import EMA, Checkpoint

EPOCHS = 3


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


class Killer(keras.callbacks.Callback):
    """Ends the process at a step of an epoch, or at a write to the disk after it."""

    def __init__(self, epoch, step=None, write=None):
        super().__init__()
        self.epoch, self.step, self.write = epoch, step, write
        self.now = self.writes = 0
        self.sync, os.fsync = os.fsync, self.fsync

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.step):
            kill()

    def fsync(self, descriptor):
        self.writes += self.now == self.epoch
        if self.now == self.epoch and self.writes == self.write:
            kill()
        self.sync(descriptor)


def run(folder, killer=None):
    """Train to the end, from wherever the folder says."""
    tiny = Tiny()
    optimizer = keras.optimizers.SGD(schedules.cosine(0.1, EPOCHS * 4, warmup=3), 0.9)
    # a process that continues has other random weights and streams, until they are restored
    seed = os.getpid() if (folder / "epoch-0001.json").exists() else 5
    model, ema = tiny.model(seed, dropout=0.3, optimizer=optimizer), EMA(0.9)
    checkpoint = Checkpoint(folder, [ema], seed=5)
    first = checkpoint.restore(model)
    callbacks = [ema, *([killer] if killer else []), checkpoint]
    tiny.fit(model, *callbacks, epochs=EPOCHS, initial_epoch=first)
    arrays = tiny.numpy([*model.variables, *optimizer.variables, *ema._averages])
    np.savez(folder / "end.npz", *arrays)


def forked(act):
    """Run a function in a process of its own and return by which signal it ended, 0 if by none."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def difference(first, second):
    a, b = np.load(first / "end.npz"), np.load(second / "end.npz")
    return max(float(np.abs(a[name] - b[name]).max()) for name in a.files)


def main(root):
    whole = root / "whole"
    forked(lambda: run(whole))
    cases = {"step": {"step": 2}} | {f"write {n}": {"write": n} for n in (1, 2, 3, 4)}
    for name, where in cases.items():
        folder = root / name.replace(" ", "-")
        ended = forked(lambda: run(folder, Killer(epoch=1, **where)))  # noqa: B023
        left = sorted(path.name for path in folder.iterdir())
        forked(lambda: run(folder))  # noqa: B023
        off = difference(whole, folder)
        sys.stdout.write(f"{name}: signal {ended}, left {left}, difference {off}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
