"""ReLU6 of the fast path: torch's numbers and gradients, with half of what torch keeps."""

import pytest

from kcv import kernels

if not kernels.TORCH:
    pytest.skip("the activation is torch's", allow_module_level=True)
import torch
import torch.nn.functional as F

from benchmarks import cases, counts, loops
from kcv.kernels import activation


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Let the small tensors of this file count as large ones."""
    monkeypatch.setattr(activation, "LEAST", 1)


EDGES = [0.0, 6.0, -1.0, 7.0, float("nan"), float("inf")]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("inplace", [False, True])
def test_numbers_and_gradients_are_torchs_to_the_last_bit(inplace, dtype):
    torch.manual_seed(0)
    x = torch.cat([6 * torch.randn(500), torch.tensor(EDGES)]).to(dtype)
    grad = torch.randn_like(x)
    results = []
    for act in (F.relu6, lambda y: kernels.relu6(y, inplace)):
        leaf = x.clone().requires_grad_()
        y = act(leaf * 1)
        y.backward(grad)
        results.append((y, leaf.grad))
    for mine, theirs in zip(*results, strict=True):
        assert torch.equal(mine.nan_to_num(nan=-1.0), theirs.nan_to_num(nan=-1.0))


def test_it_writes_over_what_it_was_given_only_when_told():
    x = torch.tensor([-1.0, 9.0], requires_grad=True) * 1
    kernels.relu6(x)
    assert x.tolist() == [-1, 9]
    kernels.relu6(x, inplace=True)
    assert x.tolist() == [0, 6]


@pytest.mark.parametrize("inplace", [False, True])
def test_only_the_result_is_kept_for_the_gradient(inplace):
    x = torch.ones(8, requires_grad=True)

    def run(steps):
        (kernels.relu6(x + 1, inplace) ** 2).sum().backward()

    assert counts.saved_bytes(run, [x]) == 32


@pytest.mark.parametrize("inplace", [False, True])
def test_a_small_map_is_neither_copied_nor_written_over(monkeypatch, inplace):
    monkeypatch.setattr(activation, "LEAST", 100)
    x = torch.ones(8, requires_grad=True) * 7
    with counts.Operations() as seen:
        kernels.relu6(x, inplace)
    assert seen.counts == {"aten.hardtanh.default": 1}
    assert x.tolist() == [7] * 8


def test_gradients_have_gradients():
    x = (6 * torch.randn(20, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: kernels.relu6(t * 1, True), x)
    assert torch.autograd.gradgradcheck(lambda t: kernels.relu6(t * 1, True), x)


def test_functions_of_gradients_work():
    x = torch.tensor([[-1.0, 2.0], [5.0, 8.0]])
    found = torch.func.vmap(torch.func.grad(lambda row: kernels.relu6(row).sum()))(x)
    assert found.tolist() == [[0, 1], [1, 0]]


def test_a_step_of_mobilenet_keeps_less_than_by_hand():
    model, network = cases.build("mobilenet_v2", classes=10, tiny=True)
    cases.compile_kcv(model, "sgd")
    optimizer = cases.make_torch_optimizer(network, **cases.best_optimizer("mobilenet_v2"))
    data = loops.make_data(3, model.input_shape[1], 10)
    ours, theirs = loops.fit(model, data, 3), loops.torch_fit(network, optimizer, data, 3)
    ours(1)
    theirs(1)
    kept = counts.saved_bytes(ours, [w.value for w in model.weights])
    by_hand = counts.saved_bytes(theirs, [*network.parameters(), *network.buffers()])
    assert kept < 0.75 * by_hand, kept / by_hand
