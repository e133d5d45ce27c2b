"""Callbacks that Keras lacks, or that do not put back what they change; for any Keras model."""

from kcv.callbacks.checkpoint import Checkpoint
from kcv.callbacks.early_stopping import EarlyStopping
from kcv.callbacks.ema import EMA
from kcv.callbacks.progress import Progress
from kcv.callbacks.swa import SWA
from kcv.callbacks.warmup import Warmup

__all__ = ["EMA", "SWA", "Checkpoint", "EarlyStopping", "Progress", "Warmup"]
