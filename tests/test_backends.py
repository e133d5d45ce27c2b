"""The same network on torch and on JAX: trained on one, loaded on the other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kcv.models import VARIANTS

MODELS = Path(__file__).parent / "models"
# compiled once and run once: the optimiser of XLA would cost more than it saves
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
JAX = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": FLAGS}

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
        env={**os.environ, **JAX, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{backend} fine" in done.stdout


@pytest.mark.slow
def test_a_network_trained_on_torch_goes_on_in_jax_and_back(tmp_path):
    pytest.importorskip("jax")
    run("torch", "train", tmp_path)
    run("jax", "load", tmp_path)
    run("torch", "load", tmp_path)
    assert np.load(tmp_path / "resnet18.npy").shape == (8, 4)


# one member a family, few blocks: what costs time here is compiling
SHALLOW = {
    **{name: {"depth": 0.1} for name in ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small")},
    **{name: {"depth": 0.1} for name in ("mnasnet_050", "efficientnet_b0")},
    "resnet18": {"depths": (1, 1, 1, 1)},
    "vit_tiny_16": {"depth": 1},
    "swin_tiny": {"depths": (2, 1, 1, 1)},
    "convnext_atto": {"depths": (1, 1, 1, 1)},
}
EVERY_FAMILY = """
import json, sys, time, numpy as np, keras, kcv
folder, tests, members = sys.argv[1:]
sys.path.insert(0, tests)
from test_models import pixels, tiny
assert keras.backend.backend() == "jax"
for name, changes in json.loads(members).items():
    stored, started = np.load(f"{folder}/{name}.npz"), time.process_time()
    net = tiny(name, **changes)
    net.set_weights([stored[f"arr_{i}"] for i in range(len(net.weights))])
    error = np.abs(net.predict_on_batch(pixels()) - stored["output"]).max()
    assert error < 1e-4 * max(1, np.abs(stored["output"]).max()), (name, error)
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = tiny(name, **changes)
    keras.config.set_dtype_policy("float32")
    assert {w.dtype for w in net.trainable_weights} == {"float32"}
    net.compile(kcv.optimizers.SGD(0.01), kcv.losses.CrossEntropy())
    before = net.get_weights()
    assert np.isfinite(float(net.train_on_batch(pixels(), np.arange(4))))
    assert any((a != b).any() for a, b in zip(before, net.get_weights()))
    print(name, "fine", error, round(time.process_time() - started, 1), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("third", range(3))
def test_every_family_computes_on_jax_what_it_computes_on_torch(tmp_path, third):
    """And trains there, in mixed precision; few processes, as starting JAX takes seconds."""
    pytest.importorskip("jax")
    sys.path.insert(0, str(MODELS))
    from test_models import TINY, output, pixels, tiny

    members = {VARIANTS[name].func: name for name in reversed(TINY)}.values()
    members = {name: SHALLOW.get(name, {}) for name in list(members)[third::3]}
    for name, changes in members.items():
        net = tiny(name, **changes)
        np.savez(tmp_path / f"{name}.npz", *net.get_weights(), output=output(net, pixels()))
    words = [str(tmp_path), str(MODELS), json.dumps(members)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EVERY_FAMILY, *words],
        env={**os.environ, **JAX},
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert done.stdout.count(" fine ") == len(members)
