"""The plan as one graph for `torch.compile`, and a compiled run."""

import keras
import numpy as np
import pytest
from test_models import TINY, tiny

from kcv import kernels, losses, models, optimizers, recipes

if not kernels.TORCH:
    pytest.skip("torch compiles", allow_module_level=True)
import torch

pytestmark = [
    pytest.mark.slow,
    # torch 2.13's own compiler
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
]


@pytest.fixture(autouse=True)
def _forget():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("name", sorted(TINY))
def test_every_family_is_one_graph(name):
    net = tiny(name, normalize=(120.0, 60.0))
    x = torch.zeros(2, *net.input_shape[1:])
    for training in (False, True):
        # a break is an error with fullgraph
        run = torch.compile(net.session.plan, backend="eager", dynamic=False, fullgraph=True)
        found, wanted = (keras.tree.flatten(f(x, training)) for f in (run, net.session.plan))
        assert [y.shape for y in found] == [y.shape for y in wanted]


def test_a_compiled_network_learns_as_another():
    x = np.random.default_rng(0).normal(size=(16, 32, 32, 3)).astype("float32")
    y = np.arange(16) % 4
    histories = []
    for compiled in (False, True):
        keras.utils.set_random_seed(0)
        net = tiny("resnet18", depths=(1, 1, 1, 1))
        loss = losses.CrossEntropy()
        watched = [losses.Accuracy()]
        net.compile(optimizers.SGD(0.05), loss, metrics=watched, jit_compile=compiled)
        histories.append(net.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history)
        answers = net.predict(x[:8], verbose=0)
        np.testing.assert_allclose(answers, net(x[:8], training=False).detach(), atol=1e-4)
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-3)


def test_a_recipe_may_ask_for_it(tmp_path):
    quick = {"epochs": 1, "batch_size": 64, "image_size": 16}
    run = recipes.train("lenet5", "digits", out=tmp_path / "run", compile=True, **quick)
    assert run.model.jit_compile is True
    assert isinstance(run.model, models.Model)
    assert run.metrics["test"]["count"] > 0
