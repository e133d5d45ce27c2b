"""The same network on torch and on JAX: trained on one, loaded on the other."""

import os
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import sys, numpy as np, keras, kcv
task, folder = sys.argv[1:]
x = np.random.default_rng(0).normal(size=(8, 32, 32, 3)).astype("float32")
vit = {"width": 24, "depth": 2}
resnet = {"width": 0.125, "depths": (1, 1, 1, 1)}
names = {"resnet18": resnet, "mobilenet_v2_035": {"depth": 0.25}, "vit_tiny_16": vit}
for name, changes in names.items():
    if task == "load":
        net = keras.saving.load_model(f"{folder}/{name}.keras")
        wanted = np.load(f"{folder}/{name}.npy")
        error = np.abs(net.predict(x, verbose=0) - wanted).max()
        assert error < 1e-4 * max(1, np.abs(wanted).max()), (name, error)
    keras.utils.clear_session()
    net = kcv.models.build(name, num_classes=4, image_size=32, stem="small", **changes)
    accuracy = kcv.losses.Accuracy()
    net.compile(kcv.optimizers.SGD(0.01), kcv.losses.CrossEntropy(), metrics=[accuracy])
    history = net.fit(x, np.arange(8) % 4, batch_size=8, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    net.save(f"{folder}/{name}.keras")
    np.save(f"{folder}/{name}.npy", net.predict(x, verbose=0))
print(keras.backend.backend(), "fine")
"""


def run(backend, task, folder):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, task, str(folder)],
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{backend} fine" in done.stdout


def test_a_network_trained_on_torch_goes_on_in_jax_and_back(tmp_path):
    pytest.importorskip("jax")
    run("torch", "train", tmp_path)
    run("jax", "load", tmp_path)
    run("torch", "load", tmp_path)
    assert np.load(tmp_path / "resnet18.npy").shape == (8, 4)
