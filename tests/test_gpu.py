"""What must hold on a GPU: equal answers, no wait for the device, the lower precisions, compiling.

    NVIDIA_TF32_OVERRIDE=0 python -m pytest -m gpu

TF32 would hide what is compared here behind its own rounding.
"""

import keras
import numpy as np
import pytest
from test_models import TINY, tiny

from kcv import callbacks, data, kernels, losses, models, optimizers, recipes, seeding

if not kernels.TORCH:
    pytest.skip("torch's own tests", allow_module_level=True)
import torch

from kcv.data.mix import Mixed
from kcv.engine import plan as plans
from kcv.engine.feeding import Feed

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*TF32.*|.*TensorFloat32.*:UserWarning"),
]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 32, 32, 3)).astype("float32")
Y = np.arange(20) % 4


def compiled(name="resnet18", rate=0.02, optimizer=optimizers.SGD, normalize=None, **options):
    net = tiny(name, normalize=normalize)
    loss = losses.CrossEntropy()
    net.compile(optimizer(rate), loss, metrics=[losses.Accuracy()], **options)
    return net


def images(net, count=3):
    size = tuple(net.inputs[0].shape[1:])
    return torch.tensor(RNG.normal(size=(count, *size)), dtype=torch.float32, device="cuda")


def close(a, b, share):
    a, b = (keras.tree.flatten(t) for t in (a, b))
    for one, other in zip(a, b, strict=True):
        scale = float(other.float().abs().max())
        assert float((one.float() - other.float()).abs().max()) <= share * scale


def gradients(net, x, call):
    net.zero_grad()
    sum((y.float() ** 2).mean() for y in keras.tree.flatten(call(x.clone()))).backward()
    return [w._value.grad for w in net.trainable_weights]


@pytest.mark.parametrize("name", sorted(TINY))
def test_the_plan_equals_keras(name):
    net = tiny(name, image_size=64)
    x = images(net)
    with torch.no_grad():
        plain = net._run_through_graph([x.clone()], operation_fn=lambda op: op)
        close(net.session.plan(x.clone(), False), plain, 1e-5)
    mine = gradients(net, x, lambda x: net.session.plan(x, False))
    theirs = gradients(net, x, lambda x: net._run_through_graph([x], operation_fn=lambda op: op))
    largest = max(float(g.abs().max()) for g in theirs if g is not None)
    for a, b in zip(mine, theirs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or float((a - b).abs().max()) <= 1e-4 * largest


FOLDED = ["resnet18", "resnet50d", "seresnext50_32x4d"]
FOLDED += ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"]


@pytest.mark.parametrize("name", FOLDED)
def test_folded_chains_answer_as_the_graph_does(name):
    net = tiny(name)
    x = images(net)
    with torch.inference_mode():
        close(plans.Predictor(net)(x.clone()), net.session.plan(x.clone(), False), 1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", FOLDED)
def test_folded_chains_are_as_exact_in_half_precision(name, policy):
    exact = tiny(name)
    keras.config.set_dtype_policy(policy)
    net = tiny(name)
    net.set_weights(exact.get_weights())
    x = images(net, 32)
    with torch.inference_mode():
        truth = exact.session.plan(x.clone(), False)
        found = (plans.Predictor(net)(x.clone()), net.session.plan(x.clone(), False))
    folded, plain = (float((y.float() - truth).square().mean()) for y in found)
    assert 0 < folded <= 1.5 * plain


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", sorted(TINY))
def test_every_family_learns_one_batch_in_half_precision(name, policy):
    keras.config.set_dtype_policy(policy)
    net = compiled(name, 1e-3, optimizers.AdamW)
    size = net.input_shape[1:]
    x = RNG.normal(size=(8, *size)).astype("float32")
    history = net.fit(x, Y[:8], epochs=30, batch_size=8, verbose=0).history["loss"]
    assert all(np.isfinite(history))
    assert min(history[-5:]) < 0.9 * history[0]


class Strict(keras.callbacks.Callback):
    """Makes torch refuse every wait for the device, from the second step on."""

    def on_train_batch_begin(self, batch, logs=None):
        torch.cuda.set_sync_debug_mode("error" if batch else "default")

    def on_train_end(self, logs=None):
        torch.cuda.set_sync_debug_mode("default")

    on_epoch_end = lambda self, epoch, logs=None: self.on_train_end()  # noqa: E731


@pytest.mark.parametrize("optimizer", [optimizers.SGD, optimizers.AdamW, optimizers.RMSprop])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit_tiny_16", "swin_tiny"])
def test_a_step_waits_for_nothing(name, optimizer):
    net = compiled(name, 1e-3, optimizer, normalize=(0.1, 1.1))
    x = RNG.normal(size=(20, *net.input_shape[1:])).astype("float32")
    net.fit(x, Y, batch_size=4, verbose=0)
    try:
        net.fit(x, Y, batch_size=4, verbose=0, callbacks=[callbacks.EMA(), Strict()])
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_batches_of_arrays_are_those_of_keras():
    losses_of = []
    for fit in (models.Model.fit, keras.Model.fit):
        keras.utils.set_random_seed(0)
        net = compiled(rate=1e-5)
        torch.manual_seed(0)
        history = fit(net, X, Y, batch_size=6, epochs=2, validation_split=0.2, verbose=0).history
        losses_of.append(history["loss"] + history["val_loss"])
    np.testing.assert_allclose(*losses_of, rtol=1e-5)


def test_batches_copied_aside_are_whole_and_few_at_a_time():
    images = np.arange(64 * 2**18, dtype="int32").reshape(64, 2**18)  # a megabyte each
    torch.cuda.reset_peak_memory_stats()
    before, sums = torch.cuda.memory_allocated(), []
    loader = Feed((images,), torch.device("cuda"), batch_size=4).get_torch_dataloader()
    for batch in loader:
        torch.cuda._sleep(10**7)  # some milliseconds, in which more could be copied
        sums.append(batch.sum())
        del batch
    totals = [int(s) for s in sums]
    assert totals == [int(part.sum()) for part in images.reshape(16, -1).astype("int64")]
    assert torch.cuda.max_memory_allocated() - before <= 6 * 4 * 2**20


def test_batches_need_no_new_memory_at_every_call():
    net = compiled()
    x = RNG.normal(size=(64, 32, 32, 3)).astype("float32").repeat(64, axis=0)
    reserved = []
    for _ in range(5):
        net.predict(x, batch_size=1024, verbose=0)
        reserved.append(torch.cuda.memory_reserved())
    assert reserved[1:] == reserved[1:2] * 4


def test_folded_convolutions_are_fused_where_a_library_can():
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = tiny("resnet50d")
    predictor = plans.Predictor(net)
    with torch.inference_mode():
        predictor(images(net))
        made = [call.packed for call in predictor.plan.folded]
        assert {"cudnn", "cublas"} <= {one.library for one in made}
        # float64: no engine of cuDNN, the same answer all the same
        one = next(p for p in made if p.library == "cudnn" and p.groups == 1)
        one = one._replace(kernel=one.kernel.double(), bias=one.bias.double())
        x = torch.randn(2, one.kernel.shape[1], 8, 8, device="cuda", dtype=torch.float64)
        close(one(x), one._replace(library="")(x), 1e-12)


def test_fused_steps_are_those_of_keras_walk():
    for kind in (optimizers.SGD, optimizers.AdamW, optimizers.RMSprop):
        changed = []
        for clip in ({}, {"clipnorm": 1e9}):  # clipping each takes the walk through Keras
            keras.utils.set_random_seed(0)
            net = tiny("resnet18")
            net.compile(kind(1e-3, **clip), losses.CrossEntropy())
            net.fit(X, Y, batch_size=20, epochs=1, verbose=0)
            changed.append([np.asarray(w) for w in net.get_weights()])
        for a, b in zip(*changed, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_compiled_plan_learns_as_another():
    histories = []
    for jit in (False, True):
        keras.utils.set_random_seed(0)
        net = compiled(jit_compile=jit)
        x, y = np.tile(X, (2, 1, 1, 1))[:32], np.arange(32) % 4
        histories.append(net.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history)
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-3)


def test_random_streams_of_the_device_go_on_where_they_stood():
    seeding.set_seed(1)
    kept = seeding.state()
    first = torch.rand(3, device="cuda").tolist()
    seeding.set_state(kept)
    assert torch.rand(3, device="cuda").tolist() == first


def test_batches_are_page_locked_and_mixed_on_the_device_as_on_a_cpu():
    pixels = RNG.integers(0, 256, (64, 16, 16, 3), dtype=np.uint8), np.arange(64) % 4

    def batches(pinned=True):
        found = data.load(pixels, batch_size=16, augment="flip", val_fraction=0.25)
        found.train._pinned &= pinned
        return found.train, Mixed(found.train, 4, mixup=0.4, cutmix=1.0, seed=3)

    plain, mixed = batches()
    images, labels = next(iter(plain))
    assert images.is_pinned()
    assert images.dtype == torch.uint8
    there = list(mixed)
    assert all(one.is_cuda for batch in there for one in batch)
    for ours, theirs in zip(there, list(batches(pinned=False)[1]), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert not b.is_cuda
            torch.testing.assert_close(a.cpu(), b, rtol=1e-5, atol=1e-3)


def test_a_recipe_trains_resumes_and_answers(tmp_path):
    quick = {"batch_size": 32, "base_batch": 32, "stem": "small", "network": {"width": 0.125}}
    quick |= {"learning_rate": 0.05, "augment": "none"}
    out = tmp_path / "run"
    recipes.train("resnet18", "digits", out=out, epochs=4, **quick)
    run = recipes.train("resnet18", "digits", out=out, resume="auto", epochs=4)
    assert len(run.history) == 4
    assert run.metrics["test"]["accuracy"] > 0.5
