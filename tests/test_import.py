"""What `import kcv` does and does not do."""

import os
import resource
import statistics
import subprocess
import sys

import pytest

# Keras itself imports scikit-learn, OpenCV and huggingface_hub where they are installed.
HEAVY = ("tensorflow", "tensorflow_datasets", "keras_hub", "keras_cv", "skimage", "datasets")
HEAVY += ("array_record", "simplejpeg", "timm", "torchvision")


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


def test_heavy_packages_are_not_imported(tmp_path):
    for name in HEAVY:  # an import of any of them would fail loudly
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported ' + __name__)")
    code = f"import kcv, sys; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code, PYTHONPATH=str(tmp_path)) == "[]"


def test_the_backend_defaults_to_torch(tmp_path):
    code = "import kcv, keras; print(keras.backend.backend())"
    assert python(code, KERAS_HOME=str(tmp_path)) == "torch"


def test_what_keras_writes_unasked_is_no_choice(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')
    code = "import kcv, keras; print(keras.backend.backend())"
    assert python(code, KERAS_HOME=str(tmp_path)) == "torch"


def test_a_backend_chosen_in_keras_json_stays(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    code = "import kcv, keras; print(keras.backend.backend())"
    assert python(code, KERAS_HOME=str(tmp_path)) == "jax"


def test_waiting_threads_sleep_unless_torch_came_first(tmp_path):
    code = "import kcv; print(kcv.backend.sleeps())"
    assert python(code, KERAS_HOME=str(tmp_path), OMP_WAIT_POLICY="passive") == "True"
    assert python(f"import torch; {code}", KERAS_HOME=str(tmp_path)) == "False"


def test_the_environment_decides_first(tmp_path):
    code = "import kcv, keras; print(keras.backend.backend())"
    assert python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="jax") == "jax"


@pytest.mark.slow
def test_import_takes_less_than_half_as_long_again_as_keras():
    """CPU seconds of whole processes, in turns, as other work on the machine comes and goes."""

    def seconds(name):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(f"import {name}", KERAS_BACKEND="torch")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [(seconds("kcv"), seconds("keras")) for _ in range(4)][1:]  # the first one compiles
    assert statistics.median(ours / theirs for ours, theirs in pairs) < 1.5
