"""Convolutions as matrix products: the numbers, the gradients and the memory order of torch's."""

import numpy as np
import pytest
from test_models import pixels, tiny

from kcv import kernels, losses, optimizers

if not kernels.TORCH:
    pytest.skip("the products are torch's", allow_module_level=True)
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import counts
from kcv.kernels import products
from kcv.kernels.bounds import BOUNDS, Ways

ALL, KERNEL = Ways(True, True), Ways(False, True)


def operands(size, side=5, dtype=torch.float64):
    """Return a map and a kernel as layers hold them: channels last in memory."""
    torch.manual_seed(0)
    x = torch.randn(3, side, side, 8, dtype=dtype).permute(0, 3, 1, 2)
    kernel = torch.randn(6, *size, 8, dtype=dtype).permute(0, 3, 1, 2)
    return x.requires_grad_(), kernel.requires_grad_()


@pytest.mark.parametrize("how", [ALL, KERNEL], ids=["all", "kernel"])
@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [
        ((3, 3), (1, 1), (1, 1)),
        ((3, 3), (2, 2), (1, 1)),
        ((1, 1), (1, 1), (0, 0)),
        ((1, 1), (2, 2), (0, 0)),
        ((1, 1), (1, 1), (1, 1)),
        ((3, 1), (1, 2), (1, 0)),
        ((2, 2), (3, 3), (0, 0)),
    ],
)
def test_a_product_is_the_convolution(size, stride, padding, how):
    x, kernel = operands(size)
    ours = products._Product.apply(x, kernel, None, list(stride), list(padding), 1, how)
    wanted = torch.conv2d(x, kernel, None, stride, padding)
    grad = torch.randn_like(wanted)
    found = [ours, *torch.autograd.grad(ours, (x, kernel), grad)]
    right = [wanted, *torch.autograd.grad(wanted, (x, kernel), grad)]
    for a, b in zip(found, right, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    torch.relu_(ours)  # as a plan does, which torch would refuse for a view
    # fused optimizers need a gradient to lie as its weight does
    assert found[2].stride() == kernel.stride()


@pytest.mark.parametrize("edge", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("how", [ALL, KERNEL], ids=["all", "kernel"])
def test_a_product_is_the_depthwise_convolution(how, side, stride, edge):
    torch.manual_seed(0)
    x = torch.randn(3, edge, edge + 1, 4, dtype=torch.float64).permute(0, 3, 1, 2).requires_grad_()
    kernel = torch.randn(4, 1, side, side, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True)
    places = [stride] * 2, [side // 2] * 2
    found = []
    for y in (
        products._Product.apply(x, kernel, bias, *places, 4, how),
        torch.conv2d(x, kernel, bias, *places, 1, 4),
    ):
        torch.manual_seed(1)
        found.append([y, *torch.autograd.grad(y, (x, kernel, bias), torch.randn_like(y))])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert found[0][2].stride() == kernel.stride()
    torch.relu_(found[0][0])  # as a plan does, which torch would refuse for a view


def test_the_result_for_single_pixels_says_that_channels_lie_last():
    x, kernel = torch.randn(2, 4, 1, 1), torch.randn(4, 1, 3, 3)
    result = products.depthwise(x, kernel, [1, 1], [1, 1])
    assert result.stride() == (4, 1, 4, 4)


@pytest.mark.parametrize("groups", [1, 8])
def test_a_bias_does_not_cost_the_gradient_of_a_kernel_in_torch(groups):
    x, _ = operands((3, 3))
    kernel = torch.randn(8, 8 // groups, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(8, dtype=torch.float64, requires_grad=True)
    places = [1, 1], [1, 1], groups
    with counts.Operations() as seen:
        products._Product.apply(x.detach(), kernel, bias, *places, KERNEL).sum().backward()
    assert bias.grad is not None
    assert not seen.counts["aten.convolution_backward.default"]


def test_a_bias_is_added_and_learns():
    x, kernel = operands((3, 3))
    bias = torch.randn(6, dtype=torch.float64, requires_grad=True)
    ours = products._Product.apply(x, kernel, bias, [1, 1], [1, 1], 1, ALL)
    wanted = torch.conv2d(x, kernel, bias, 1, 1)
    found, right = (torch.autograd.grad(y.square().sum(), bias) for y in (ours, wanted))
    torch.testing.assert_close((ours, *found), (wanted, *right))


def test_a_map_that_lies_otherwise_is_read_rightly():
    x, kernel = operands((3, 3))
    turned = x.detach().contiguous()
    ours = products._Product.apply(turned, kernel, None, [1, 1], [1, 1], 1, ALL)
    torch.testing.assert_close(ours, torch.conv2d(turned, kernel, None, 1, 1))


def test_a_gradient_has_a_gradient():
    found = []
    for run in (
        lambda x, k: products._Product.apply(x, k, None, [1, 1], [1, 1], 1, ALL),
        lambda x, k: torch.conv2d(x, k, None, 1, 1),
    ):
        x, kernel = operands((3, 3))
        (first,) = torch.autograd.grad(run(x, kernel).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), (x, kernel)))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


@pytest.fixture
def eager(monkeypatch):
    """Let every convolution that may be a product be one, on every processor."""
    monkeypatch.setattr(products, "processor", lambda: "AVX2")
    monkeypatch.setattr(products, "ways", lambda *shapes: ALL)


def step(seed=0):
    """Take a step of a small network; return its weights and what was dispatched."""
    kernels.seed_backend(seed)
    net = tiny("resnet50d")
    rng = np.random.default_rng(seed)
    net.set_weights([rng.uniform(0.5, 1, w.shape) / np.prod(w.shape[:-1]) for w in net.weights])
    net.compile(optimizers.SGD(0.1, momentum=0.9), losses.CrossEntropy())
    with counts.Operations() as seen:
        net.fit(pixels(8), np.arange(8) % 4, batch_size=4, epochs=1, shuffle=False, verbose=0)
    return net.get_weights(), seen.counts


def test_training_takes_products_and_gives_what_it_gave(monkeypatch):
    monkeypatch.setattr(products, "processor", lambda: "")
    before, plain = step()
    monkeypatch.setattr(products, "processor", lambda: "AVX2")
    monkeypatch.setattr(products, "ways", lambda *shapes: ALL)
    after, seen = step()
    assert not [name for name in plain if name.startswith("kcv.")]
    for name in ("conv2d_product", "conv2d_product_of_map", "conv2d_product_of_kernel"):
        assert seen[f"kcv.{name}.default"] > 10
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("eager")
def test_only_what_learns_in_float32_is_a_product():
    places = ((1, 1), (1, 1), (1, 1), 1)
    x, kernel = operands((3, 3), dtype=torch.float32)
    wide_x, wide_kernel = operands((3, 3))
    with counts.Operations() as seen:
        kernels.conv_first(x, kernel.detach(), None, *places)
        kernels.conv_first(wide_x, wide_kernel, None, *places)
        kernels.conv_first(x, kernel, None, (1, 1), (2, 2), (2, 2), 1)
        kernels.conv_first(x, kernel[:, :4], None, *places[:3], 2)
        kernels.conv_first(x[:, :4], kernel[:2, :2], None, *places[:3], 2)
        with torch.no_grad():
            kernels.conv_first(x, kernel, None, *places)
    assert seen.counts["aten.convolution.default"] == 6
    with counts.Operations() as seen:
        kernels.conv_first(x, kernel, None, *places)
    assert seen.counts == {"kcv.conv2d_product.default": 1}


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_traced_for_an_export_has_no_products():
    x, kernel = operands((3, 3), dtype=torch.float32)
    run = lambda x, k: kernels.conv_first(x, k, None, (1, 1), (1, 1), (1, 1), 1)  # noqa: E731
    graph = str(torch.jit.trace(run, (x, kernel), check_trace=False).graph)
    assert "aten::_convolution" in graph
    assert "Product" not in graph


# What `python -m benchmarks.products` measured as faster, and as slower.
@pytest.mark.parametrize(
    ("image", "kernel", "stride", "wanted"),
    [
        ((16, 512, 2, 2), (512, 512, 3, 3), 1, ALL),
        ((16, 256, 4, 4), (512, 256, 3, 3), 2, ALL),
        ((8, 256, 8, 8), (256, 256, 3, 3), 1, KERNEL),
        ((8, 2048, 4, 4), (512, 2048, 1, 1), 1, ALL),
        ((128, 96, 4, 4), (576, 96, 1, 1), 1, KERNEL),
        ((128, 160, 2, 2), (960, 160, 1, 1), 1, ALL),
        ((8, 1024, 8, 8), (256, 1024, 1, 1), 1, None),
        ((16, 64, 16, 16), (64, 64, 3, 3), 1, None),
        ((128, 960, 2, 2), (960, 1, 3, 3), 1, KERNEL),
        ((8, 768, 7, 7), (768, 1, 7, 7), 1, KERNEL),
        ((128, 480, 3, 3), (480, 1, 3, 3), 2, KERNEL),
        ((32, 768, 1, 1), (768, 1, 7, 7), 1, ALL),
        ((32, 384, 2, 2), (384, 1, 7, 7), 1, KERNEL),
        ((3, 384, 6, 6), (384, 1, 7, 7), 1, KERNEL),
        ((3, 768, 3, 3), (768, 1, 7, 7), 1, KERNEL),
        ((1, 96, 2, 2), (96, 1, 7, 7), 1, None),
        ((1, 384, 4, 4), (384, 1, 7, 7), 1, None),
        ((128, 960, 7, 7), (960, 1, 7, 7), 1, None),
        ((1, 768, 7, 7), (768, 1, 7, 7), 1, None),
        ((32, 480, 3, 3), (480, 1, 3, 3), 1, None),
        ((128, 384, 4, 4), (384, 1, 3, 3), 1, None),
        # half a million pixels: their patches would take 2.4 GB
        ((512, 512, 32, 32), (512, 512, 3, 3), 1, None),
    ],
)
def test_a_product_is_taken_where_it_was_faster(image, kernel, stride, wanted):
    edge = kernel[2] // 2
    assert products.ways(image, kernel, (stride, stride), (edge, edge), "AVX2") == wanted


@pytest.mark.parametrize(
    ("image", "kernel", "stride", "wanted"),
    [
        ((32, 512, 1, 1), (512, 512, 3, 3), 1, ALL),
        ((16, 512, 2, 2), (512, 512, 3, 3), 1, ALL),
        ((16, 256, 4, 4), (512, 256, 3, 3), 2, KERNEL),
        ((16, 512, 4, 4), (512, 512, 3, 3), 1, KERNEL),
        ((8, 512, 7, 7), (512, 512, 3, 3), 1, None),
        ((8, 256, 8, 8), (256, 256, 3, 3), 1, None),
        ((32, 2048, 1, 1), (512, 2048, 1, 1), 1, ALL),
        ((4, 512, 4, 4), (2048, 512, 1, 1), 1, ALL),
        ((32, 512, 2, 2), (2048, 512, 1, 1), 1, None),
        ((128, 96, 4, 4), (576, 96, 1, 1), 1, None),
        ((32, 768, 1, 1), (768, 1, 7, 7), 1, ALL),
        ((128, 960, 2, 2), (960, 1, 3, 3), 1, KERNEL),
        ((128, 384, 4, 4), (384, 1, 3, 3), 1, None),
        ((8, 768, 7, 7), (768, 1, 7, 7), 1, KERNEL),
        ((1, 768, 7, 7), (768, 1, 7, 7), 1, KERNEL),
        ((8, 384, 14, 14), (384, 1, 7, 7), 1, KERNEL),
        ((32, 1152, 7, 7), (1152, 1, 5, 5), 1, KERNEL),
        ((8, 240, 28, 28), (240, 1, 5, 5), 1, None),
        ((32, 672, 14, 14), (672, 1, 5, 5), 1, None),
        ((8, 96, 7, 7), (96, 1, 7, 7), 1, None),
    ],
)
def test_with_avx512_other_bounds_hold(image, kernel, stride, wanted):
    edge = kernel[2] // 2
    assert products.ways(image, kernel, (stride, stride), (edge, edge), "AVX512") == wanted


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(3, 3), (5, 1)])
def test_of_a_kernel_that_meets_single_pixels_one_place_is_computed(size, stride):
    x, kernel = operands(size, side=1)
    places = [stride] * 2, [size[0] // 2, size[1] // 2]
    ours = products._Product.apply(x, kernel, None, *places, 1, ALL)
    wanted = torch.conv2d(x, kernel, None, *places)
    grad = torch.randn_like(wanted)
    found = [ours, *torch.autograd.grad(ours, (x, kernel), grad)]
    right = [wanted, *torch.autograd.grad(wanted, (x, kernel), grad)]
    for a, b in zip(found, right, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert found[2].stride() == kernel.stride()
    for work in (products.gradient_of_map, products.gradient_of_kernel):
        with FlopCounterMode(display=False) as counter:
            work(grad, x, kernel, *places)
        assert counter.get_total_flops() == 2 * 3 * 6 * 8
    x, kernel, (row, column) = x.detach(), kernel.detach(), places[1]
    hidden = torch.full_like(kernel, torch.nan)  # at every place that is not met
    hidden[:, :, row, column] = kernel[:, :, row, column]
    torch.testing.assert_close(products.forward(x, hidden, *places), wanted.detach())


@pytest.mark.parametrize("kind", BOUNDS)
@pytest.mark.parametrize("kernel", [(256, 256, 5, 5), (256, 1, 5, 5)])
def test_a_kernel_that_is_larger_than_its_map_is_left_to_torch(kernel, kind):
    assert products.ways((4, 256, 2, 2), kernel, (1, 1), (0, 0), kind) is None
