"""What `import kcv` does and does not do."""

import os
import subprocess
import sys

import pytest

from kcv import backend

# Keras itself imports scikit-learn, OpenCV and huggingface_hub where they are installed.
HEAVY = ("tensorflow", "tensorflow_datasets", "keras_hub", "keras_cv", "skimage", "datasets")
HEAVY += ("array_record", "simplejpeg", "timm", "torchvision")


# The module that chooses, alone: Keras need not be imported to see what it chose. That `import kcv`
# runs it before Keras is what the test of all imports and that of a chosen backend show.
CHOOSE = f"import os, runpy; chosen = runpy.run_path({backend.__file__!r}); "


def python(code, **environment):
    """Run code in a new process and return what it prints."""
    env = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**env, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_import_takes_torch_and_nothing_heavy_nor_does_seeding(tmp_path):
    for name in HEAVY:  # an import of any of them would fail loudly
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported ' + __name__)")
    code = "import kcv, sys; kcv.set_seed(1); kcv.seeding.seed_epoch(1, 2); "
    code += f"print([m for m in {HEAVY} if m in sys.modules]); "
    code += "import keras; print(keras.backend.backend(), kcv.backend.sleeps())"
    home = str(tmp_path / "home")
    printed = python(code, PYTHONPATH=str(tmp_path), KERAS_HOME=home, OMP_WAIT_POLICY="passive")
    assert printed.splitlines() == ["[]", "torch True"]


def test_what_keras_writes_unasked_is_no_choice(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')
    code = CHOOSE + "print(os.environ['KERAS_BACKEND'])"
    assert python(code, KERAS_HOME=str(tmp_path)) == "torch"


@pytest.mark.slow
def test_a_backend_chosen_in_keras_json_stays(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    code = "import kcv, keras; print(keras.backend.backend())"
    assert python(code, KERAS_HOME=str(tmp_path)) == "jax"


def test_threads_that_wait_sleep_unless_torch_came_first(tmp_path):
    code = "import torch; " + CHOOSE + "print(chosen['sleeps']())"
    assert python(code, KERAS_HOME=str(tmp_path)) == "False"


def test_the_environment_decides_first(tmp_path):
    code = CHOOSE + "print(os.environ['KERAS_BACKEND'])"
    assert python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="jax") == "jax"


@pytest.mark.slow
def test_import_takes_less_than_half_as_long_again_as_keras():
    """CPU seconds in one process: `import kcv` imports Keras, and then what is its own."""
    code = "from time import process_time as now; times = [now()]; import keras; "
    code += "times.append(now()); import kcv; times.append(now()); print(times)"
    start, between, end = map(float, python(code, KERAS_BACKEND="torch")[1:-1].split(","))
    assert (end - start) / (between - start) < 1.5
