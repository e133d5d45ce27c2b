"""One thread (two test processes share two cores), no network, a fixed seed for every test."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KERAS_BACKEND", "torch")

import gc
import logging

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
def rng():
    return np.random.default_rng(0)
