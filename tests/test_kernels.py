"""What the kernels must survive; their mathematics is tested with the layers."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from kcv import kernels

NARROW = """
import keras, numpy as np
from kcv import layers, models
image = keras.Input((64, 64, 8))
net = models.Model(image, layers.Conv2D(16, 1, 2)(image))
net.compile("sgd", "mse")
x = np.random.default_rng(0).normal(size=(3, 64, 64, 8)).astype("float32")
net.fit(x, np.zeros((3, 32, 32, 16), "float32"), epochs=20, verbose=0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not kernels.TORCH, reason="a fault of torch")
def test_narrow_strided_projections_do_not_corrupt_the_memory():
    done = subprocess.run([sys.executable, "-c", NARROW], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-300:]


@pytest.mark.parametrize("size", [7, 8])
def test_strided_projections_take_every_second_pixel(size):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, size, size, 4)).astype("float32")
    kernel = rng.normal(size=(1, 1, 4, 5)).astype("float32")
    y = kernels.conv2d(*(keras.ops.convert_to_tensor(v) for v in (x, kernel)), stride=(2, 2))
    np.testing.assert_allclose(y, x[:, ::2, ::2] @ kernel[0, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("soft", [False, True])
def test_the_mean_cross_entropy_is_the_mean_of_the_cross_entropies(soft, smoothing):
    rng = np.random.default_rng(0)
    logits = keras.ops.convert_to_tensor(rng.normal(size=(6, 4)).astype("float32"))
    labels = rng.dirichlet(np.ones(4), 6).astype("float32") if soft else np.arange(6) % 4
    labels = keras.ops.convert_to_tensor(labels)
    one = kernels.mean_cross_entropy(logits, labels, smoothing)
    each = kernels.cross_entropy(logits, labels, smoothing)
    np.testing.assert_allclose(float(one), np.mean(np.asarray(each)), rtol=1e-6)


def test_hits_are_counted():
    scores = keras.ops.convert_to_tensor([[0.0, 2.0], [3.0, 1.0], [0.0, 1.0]])
    assert int(kernels.hits(scores, keras.ops.convert_to_tensor([1, 1, 1]))) == 2


@pytest.mark.skipif(not kernels.TORCH, reason="types of torch")
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int8", "int32", "bool", "float32", "float64"])
def test_labels_of_any_type_are_hit(kind):
    import torch

    labels = torch.tensor([[1], [1], [1]]).to(getattr(torch, kind))
    assert int(kernels.hits(torch.tensor([[0.0, 2.0], [3.0, 1.0], [0.0, 1.0]]), labels)) == 2


@pytest.mark.skipif(not kernels.TORCH, reason="types of torch")
def test_labels_in_half_precision_are_not_hit_by_their_neighbours():
    import torch

    scores = torch.eye(258)[257:]
    assert int(kernels.hits(scores, torch.tensor([256], dtype=torch.bfloat16))) == 0
