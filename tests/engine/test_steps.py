"""`fit`, `evaluate` and `predict` of `kcv.models.Model` give what Keras's own steps give."""

import os
import platform
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras.src.backend.torch.trainer import TorchTrainer
from test_models import tiny

from kcv import callbacks, kernels, layers, losses, models, optimizers

if not kernels.TORCH:
    pytest.skip("the steps are torch's", allow_module_level=True)
import torch

from benchmarks.counts import Operations

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 32, 32, 3)).astype("float32")
Y = np.arange(20) % 4


class Plain(models.Model):
    """Keras's own steps, to compare with."""

    train_step = TorchTrainer.train_step
    test_step = TorchTrainer.test_step
    predict_step = TorchTrainer.predict_step
    make_predict_function = TorchTrainer.make_predict_function

    def call(self, inputs, training=None, mask=None):
        return self._run_through_graph(inputs, call_fn=_call(training))


def _call(training):
    def call(op, *args, **kwargs):
        if getattr(op, "_call_has_training_arg", False):
            kwargs["training"] = training
        return op(*args, **kwargs)

    return call


def network(kind=models.Model, policy="float32"):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    net = tiny("resnet18", depths=(1, 1, 1, 1))
    keras.config.set_dtype_policy("float32")
    return kind(net.inputs[0], net.outputs[0])


def sparse():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred - keras.ops.one_hot(y_true, 4)), axis=-1)


CASES = {
    "plain": {},
    "keras loss": {"loss": sparse, "metrics": ["accuracy"]},
    "own loss": {"loss": lambda: own_loss},
    "no metrics": {"metrics": None},
    "top-2 beside": {"metrics": lambda: [losses.Accuracy(), losses.Accuracy(2, name="top2")]},
    "adamw": {"optimizer": lambda: optimizers.AdamW(1e-3)},
    "keras adam": {"optimizer": lambda: keras.optimizers.Adam(1e-3)},
    "clipped": {"optimizer": lambda: optimizers.SGD(0.1, global_clipnorm=0.1)},
    "accumulated": {"optimizer": lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2)},
    "keras ema": {"optimizer": lambda: optimizers.SGD(0.1, use_ema=True)},
    "sample weight": {"fit": {"sample_weight": np.linspace(0.1, 2, 20)}},
    "class weight": {"fit": {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5, 3: 1.0}}},
    "loss weight": {"loss_weights": 0.5},
    "weighted metric": {"weighted": True, "fit": {"sample_weight": np.linspace(0.1, 2, 20)}},
    "soft labels": {"y": np.eye(4, dtype="float32")[Y] * 0.8 + 0.05},
    "column labels": {"y": Y[:, None]},
    "validation": {"fit": {"validation_split": 0.25}},
    "schedule": {
        "optimizer": lambda: optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 9))
    },
    "bfloat16": {"policy": "mixed_bfloat16", "tolerance": 2e-2},
    "float16": {"policy": "mixed_float16", "tolerance": 1e-2},
}


def train(kind, case):
    net = network(kind, case.get("policy", "float32"))
    metrics = case.get("metrics", lambda: [losses.Accuracy()])
    metrics = metrics() if callable(metrics) else metrics
    net.compile(
        case.get("optimizer", lambda: optimizers.SGD(0.05))(),
        case.get("loss", losses.CrossEntropy)(),
        metrics=None if case.get("weighted") else metrics,
        weighted_metrics=metrics if case.get("weighted") else None,
        loss_weights=case.get("loss_weights"),
    )
    y = case.get("y", Y)
    history = net.fit(
        X, y, batch_size=8, epochs=2, shuffle=False, verbose=0, **case.get("fit", {})
    ).history
    weights = [np.asarray(w) for w in net.get_weights()]
    return net, history, weights, net.evaluate(X, y, verbose=0, return_dict=True)


# What differs from others in one word only.
SLOW = {"keras ema", "loss weight", "column labels", "keras adam", "no metrics", "weighted metric"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in sorted(CASES)],
)
def test_fit_gives_what_keras_gives(name):
    tolerance = CASES[name].get("tolerance", 2e-4)
    net, history, weights, scores = train(models.Model, CASES[name])
    assert net.engine == "flat plan"
    _, expected, others, wanted = train(Plain, CASES[name])
    assert history.keys() == expected.keys()
    assert scores.keys() == wanted.keys()
    for key in expected:
        np.testing.assert_allclose(history[key], expected[key], rtol=tolerance, atol=tolerance)
    for key in wanted:
        assert scores[key] == pytest.approx(wanted[key], rel=tolerance, abs=tolerance)
    for weight, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(weight, other, rtol=tolerance, atol=tolerance)


def test_sequences_of_class_numbers_are_scored_as_keras_scores_them():
    labels = RNG.integers(0, 4, (12, 6))
    x = np.linspace(-1, 1, 12 * 6 * 3, dtype="float32").reshape(12, 6, 3)
    found = {}
    for kind in (models.Model, Plain):
        keras.utils.set_random_seed(0)
        image = keras.Input((6, 3))
        net = kind(image, layers.Linear(4)(image))
        net.compile(optimizers.SGD(0.1), sparse())
        found[kind] = net.fit(x, labels, epochs=3, shuffle=False, verbose=0).history["loss"]
    assert found[models.Model] == pytest.approx(found[Plain], rel=1e-5)


def compiled(kind=models.Model, **options):
    net = network(kind)
    net.compile(optimizers.SGD(0.05), losses.CrossEntropy(), metrics=[losses.Accuracy()], **options)
    return net


def test_predict_gives_what_the_model_gives():
    net = compiled()
    with torch.no_grad():
        expected = net(X, training=False)
    np.testing.assert_allclose(net.predict(X, batch_size=8, verbose=0), expected, atol=1e-5)


class Answers(keras.callbacks.Callback):
    """Keeps what each batch gave, as users of Keras may."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def on_predict_batch_end(self, batch, logs=None):
        self.kept.append(logs["outputs"])


def test_a_callback_gets_the_answers_of_each_batch_as_from_keras():
    kept = []
    for kind in (models.Model, Plain):
        watch = Answers()
        answers = network(kind).predict(X, batch_size=8, verbose=0, callbacks=[watch])
        assert [len(part) for part in watch.kept] == [8, 8, 4]
        np.testing.assert_array_equal(np.concatenate(watch.kept), answers)
        kept.append(watch.kept)
    assert {type(part) for part in kept[0]} == {type(part) for part in kept[1]}


def own_function(net):
    """Give a network a function of the user's own in the place of kcv's."""
    net.predict_function = lambda data: net(data[0], training=False).detach()
    net.make_predict_function = lambda force=False: net.predict_function
    return net


@pytest.mark.parametrize("way", ["a subclass", "a function", "eager", "no plan"])
def test_answers_of_the_users_own_way_come_as_they_are(way):
    expected = network().predict(X, batch_size=8, verbose=0)
    net = network(Plain if way == "a subclass" else models.Model)
    if way == "a function":
        own_function(net)
    elif way == "eager":
        net.compile(loss=losses.CrossEntropy(), run_eagerly=True)
    elif way == "no plan":
        net.layers[-1].activity_regularizer = keras.regularizers.L2(1e-9)
    np.testing.assert_allclose(net.predict(X, batch_size=8, verbose=0), expected, atol=1e-5)


def test_several_answers_come_as_from_keras():
    keras.utils.set_random_seed(0)
    net = models.features(tiny("resnet18"), ["stage2", "stage4"])
    one, other = net.predict(X, batch_size=8, verbose=0)
    assert (one.shape[0], other.shape[0]) == (20, 20)
    assert not hasattr(net.predict_on_batch(X[:2])[0], "append")


def test_predictions_leave_nothing_that_training_cannot_use():
    net = compiled()
    net.predict(X, verbose=0)
    net.fit(X, Y, verbose=0)


def test_weights_unfrozen_between_fits_learn():
    net = compiled()
    for layer in net.layers[:-1]:
        layer.trainable = False
    net.compile(optimizers.SGD(0.1), losses.CrossEntropy())
    first = net.weights[0].numpy().copy()
    net.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(net.weights[0].numpy(), first)
    for layer in net.layers:
        layer.trainable = True
    net.compile(optimizers.SGD(0.1), losses.CrossEntropy())
    net.fit(X, Y, verbose=0)
    assert not np.array_equal(net.weights[0].numpy(), first)


class Freeze(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        for layer in self.model.layers[:-1]:
            layer.trainable = epoch == 0


def test_weights_frozen_by_a_callback_stay():
    net = compiled()
    kept = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append(net.trainable_weights and net.get_weights()[0])
    )
    net.fit(X, Y, epochs=2, verbose=0, callbacks=[Freeze(), keep])
    np.testing.assert_array_equal(*kept)


class Watch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs["loss"])


def test_a_callback_that_looks_at_each_batch_sees_each_batch():
    watch, expected = Watch(), Watch()
    compiled().fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[watch])
    compiled(Plain).fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[expected])
    assert len(set(watch.seen)) == 5
    np.testing.assert_allclose(watch.seen, expected.seen, rtol=1e-4)


def test_nothing_waits_for_the_device_at_each_step():
    net = compiled()
    net.fit(X, Y, batch_size=4, verbose=0)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        net.fit(X, Y, batch_size=4, epochs=1, verbose=0, callbacks=[callbacks.EMA()])
    reads = sum(e.count for e in profile.key_averages() if e.key == "aten::_local_scalar_dense")
    assert reads <= 8  # at the first step and at the end, not in 5 steps each


class Halved(models.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return 0.5 * super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {"own": 1.0}


@pytest.mark.parametrize(
    "work",
    [
        lambda net, x: net.train_on_batch(x, Y),
        lambda net, x: net.test_on_batch(x, Y),
        lambda net, x: net.predict_on_batch(x),
        lambda net, x: net(x),
    ],
    ids=["train", "test", "predict", "call"],
)
def test_a_batch_as_an_array_costs_what_a_tensor_costs(work):
    counts = []
    for x in (X, torch.from_numpy(X)):
        net = compiled()
        work(net, x)
        with Operations() as operations:
            work(net, x)
        counts.append(operations.counts.total())
    assert counts[0] <= counts[1] + 3


@pytest.mark.filterwarnings("ignore:.*compiled metric.*|.*metrics.*:UserWarning")
def test_losses_and_metrics_of_a_subclass_count():
    net = compiled(Halved)
    logs = net.train_on_batch(X, Y, return_dict=True)
    assert logs == {"own": 1.0}
    full = compiled().train_on_batch(X, Y, return_dict=True)["loss"]
    assert float(net._loss_tracker.result()) == pytest.approx(full / 2, rel=1e-4)


def test_a_step_of_a_subclass_is_used():
    class Own(models.Model):
        def train_step(self, data):
            return {"loss": 42.0}

    assert compiled(Own).train_on_batch(X, Y) == 42.0


def test_regularised_weights_add_to_the_loss():
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, kernel_regularizer=keras.regularizers.L2(10.0))(image)
    net = models.Model(image, layers.Linear(4)(keras.layers.GlobalAveragePooling2D()(x)))
    net.compile("sgd", losses.CrossEntropy())
    bare = float(losses.CrossEntropy()(Y, net.predict(X, verbose=0)))
    assert net.train_on_batch(X, Y) > bare + 10 * float((net.weights[0].numpy() ** 2).sum()) - 0.1


def test_run_eagerly_works():
    net = compiled(run_eagerly=True)
    assert net.fit(X, Y, verbose=0).history["loss"][0] > 0
    assert net.predict(X, verbose=0).shape == (20, 4)


def steps_of(policy, kind):
    net = network(kind, policy)
    net.compile(optimizers.SGD(0.05), losses.CrossEntropy())
    net.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    return net


@pytest.mark.parametrize(("policy", "share"), [("float32", 1e-4), ("mixed_bfloat16", 2e-2)])
def test_weights_get_the_gradients_of_what_stood_for_them(policy, share):
    mine, theirs = steps_of(policy, models.Model), steps_of(policy, Plain)
    assert mine.session.leaves.readers
    for a, b in zip(mine.trainable_weights, theirs.trainable_weights, strict=True):
        assert a.value.grad.shape == a.shape
        assert a.value.grad.dtype == torch.float32
        gap = float((a.value.grad - b.value.grad).abs().max())
        assert gap <= share * max(1.0, float(b.value.grad.abs().max()))


def test_nothing_stands_for_weights_between_steps():
    class Fails(models.Model):
        def _loss(self, *args):
            raise RuntimeError("lost")

    net = compiled(Fails)
    with pytest.raises(RuntimeError, match="lost"):
        net.fit(X, Y, verbose=0)
    assert all(reader.leaf is None for reader in net.session.plan.weights)


def test_a_weight_that_is_read_twice_gets_both_gradients():
    shared = layers.Linear(3)
    image = keras.Input((3,))
    both = []
    for kind in (models.Model, Plain):
        keras.utils.set_random_seed(0)
        net = kind(image, shared(shared(image)))
        shared.set_weights([np.eye(3) * 0.5, np.ones(3)])
        net.compile(optimizers.SGD(0.1), losses.CrossEntropy())
        net.fit(X[:, 0, 0], Y % 3, verbose=0)
        both.append(net.get_weights())
    np.testing.assert_allclose(both[0][0], both[1][0], rtol=1e-5)


def test_weights_that_move_elsewhere_are_followed():
    net, other = compiled(), compiled()
    for n in (net, other):
        n.fit(X, Y, batch_size=20, verbose=0)
    for w in net.trainable_weights:
        w.value.data = w.value.data.clone(memory_format=torch.preserve_format)
    for n in (net, other):
        n.fit(X, Y, batch_size=20, verbose=0)
    for a, b in zip(net.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_gradients_can_be_exchanged_before_the_optimizer():
    class Nothing(models.Model):
        def exchange_gradients(self, gradients):
            return [torch.zeros_like(g) for g in gradients]

    net = compiled(Nothing)
    before = net.trainable_weights[0].numpy().copy()
    net.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(net.trainable_weights[0].numpy(), before)


def test_a_loader_may_be_given_without_a_word_on_shuffling():
    pairs = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    compiled().fit(torch.utils.data.DataLoader(pairs, 4), verbose=0)


def test_a_model_saved_with_jit_compile_runs_as_kcv_decides(tmp_path):
    net = compiled()
    net.fit(X, Y, verbose=0)
    net._compile_config.config["jit_compile"] = True
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    assert again.jit_compile is False
    np.testing.assert_allclose(again.predict(X, verbose=0), net.predict(X, verbose=0), atol=1e-6)


def test_compiling_needs_a_plan():
    image = keras.Input((4,))
    inner = keras.Sequential([keras.layers.Dense(2)])
    net = models.Model(image, inner(image), name="net")
    net.compile("sgd", "mse", jit_compile=True)
    with pytest.raises(ValueError, match="jit_compile=True needs .* Received: net, sequential"):
        net.predict(np.ones((1, 4)))


def test_a_silent_fit_is_silent(capsys):
    compiled().fit(X, Y, validation_data=(X, Y), epochs=2, verbose=0)
    assert capsys.readouterr().out == ""


def test_hooks_run_in_the_thread_of_the_loop():
    import threading

    seen = []

    class Thread(keras.callbacks.Callback):
        async_safe = True

        def on_train_batch_end(self, batch, logs=None):
            seen.append(threading.current_thread() is threading.main_thread())

    compiled().fit(X, Y, verbose=0, callbacks=Thread())
    assert seen == [True]


FAULTS = """
import resource, keras, numpy as np
from kcv import layers, models
image = keras.Input((64, 64, 3))
net = models.Model(image, layers.Conv2D(24, 3)(image))
net.compile("sgd", "mse")
x, y = np.zeros((96, 64, 64, 3), "float32"), np.zeros((96, 62, 62, 24), "float32")

def faults(work):
    work()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(lambda: net.fit(x, y, batch_size=96, epochs=2, verbose=0)))
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the allocator of glibc")
def test_memory_stays_with_the_process_unless_that_is_forbidden():
    found = []
    for kept in ("1", "0"):
        environment = os.environ | {"KCV_KEEP_MEMORY": kept}
        done = subprocess.run(
            [sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.append(int(done.stdout))
    assert found[0] < found[1] / 4
