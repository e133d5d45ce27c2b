"""The callbacks on a second backend: JAX keeps the weights outside of the model during an epoch."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

TESTS = [
    "test_ema.py::test_average_follows_its_formula_and_ends_in_the_model[True-3-BatchNorm]",
    "test_ema.py::test_validation_in_fit_judges_the_average",
    "test_ema.py::test_predict_uses_the_average_and_restores",
    "test_ema.py::test_exception_in_evaluate_leaves_the_weights_of_training"
    "[data_raises-ema first-ctrl-c]",
    "test_ema.py::test_exception_in_the_validation_of_fit_leaves_the_weights_of_training"
    "[on_test_batch_end-error]",
    "test_early_stopping.py::test_best_average_is_restored_in_any_order[False-average]",
    "test_swa.py::test_statistics_are_measured_with_the_averaged_weights",
    "test_warmup.py::test_plateau_changes_the_whole_rate_in_the_middle_of_the_warmup",
    "test_checkpoint.py::test_resumed_run_is_bit_for_bit_the_whole_one[adam_and_number]",
]


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="the whole suite runs on JAX")
def test_callbacks_do_the_same_on_jax():
    pytest.importorskip("jax")
    folder = Path(__file__).parent
    env = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(str(folder / test) for test in TESTS)],
        env=env,
        capture_output=True,
        text=True,
    )
    assert f"{len(TESTS)} passed" in done.stdout, done.stdout
