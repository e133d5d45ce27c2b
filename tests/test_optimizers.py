"""SGD and AdamW against torch's own, and against their formulas."""

import keras
import numpy as np
import pytest

from kcv import kernels, optimizers
from kcv.layers import Conv2D, Linear

torch = pytest.importorskip("torch")

from benchmarks import counts  # noqa: E402


def network():
    x = keras.Input((6, 6, 2))
    y = Conv2D(4, 3, padding=1)(x)
    return keras.Model(x, Linear(3)(keras.layers.Flatten()(y)))


def gradients(net, step):
    rng = np.random.default_rng(step)
    return [rng.normal(size=w.shape).astype("float32") for w in net.trainable_weights]


def rate(step):
    return [0.1, 0.3, 0.05, 0.2][step]


def ours(make, steps=4):
    """Return (start, end) weights after steps with a changing learning rate."""
    keras.utils.set_random_seed(0)
    net = network()
    start = net.get_weights()
    optimizer = make()
    for step in range(steps):
        optimizer.learning_rate = rate(step)
        grads = [keras.ops.convert_to_tensor(g) for g in gradients(net, step)]
        optimizer.apply(grads, net.trainable_weights)
    return net, start


def theirs(net, start, make, steps=4):
    values = [torch.nn.Parameter(torch.tensor(w)) for w in start]
    plain = [v for v in values if v.ndim > 1], [v for v in values if v.ndim == 1]
    optimizer = make([{"params": plain[0]}, {"params": plain[1], "weight_decay": 0.0}])
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        for value, grad in zip(values, gradients(net, step), strict=True):
            value.grad = torch.tensor(grad)
        optimizer.step()
    return [v.detach().numpy() for v in values]


@pytest.mark.parametrize(
    ("momentum", "changes", "fused"),
    [
        (0.0, {}, 0),
        (0.9, {}, 1),
        (0.9, {"nesterov": True}, 1),
        (0.9, {"weight_decay": 0.01}, 2),
    ],
)
def test_sgd_with_momentum_is_fused(momentum, changes, fused):
    with counts.Operations() as seen:
        ours(lambda: optimizers.SGD(0.1, momentum, **changes), steps=1)
    assert seen.counts["aten._fused_sgd_.default"] == fused


@pytest.mark.parametrize("make", [lambda: optimizers.SGD(0.1, 0.9), lambda: optimizers.AdamW(0.1)])
def test_a_fused_step_copies_nothing(monkeypatch, make):
    monkeypatch.setattr(kernels.updates, "LEAST_TURNED", 1)
    net, optimizer = network(), make()
    grads = [torch.randn_like(w.value) for w in net.trainable_weights]
    assert any(not g.is_contiguous() for g in grads)
    optimizer.apply(grads, net.trainable_weights)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.apply(grads, net.trainable_weights)
    seen = {event.key for event in profile.key_averages()}
    assert {"aten::_fused_sgd_", "aten::_fused_adamw_"} & seen
    assert "aten::clone" not in seen


@pytest.mark.parametrize("make", [lambda: optimizers.SGD(0.1, 0.9), lambda: optimizers.AdamW(0.1)])
def test_weights_that_move_elsewhere_go_on_learning(monkeypatch, make):
    monkeypatch.setattr(kernels.updates, "LEAST_TURNED", 1)
    net, optimizer = network(), make()
    weights = net.trainable_weights
    grads = [torch.ones_like(w.value) for w in weights]
    for _ in range(2):  # the first builds the optimizer, the second remembers where weights lie
        optimizer.apply(grads, weights)
    for w in weights:
        w.value.data = w.value.data.clone()
    before = [w.numpy().copy() for w in weights]
    optimizer.apply(grads, weights)
    for w, old in zip(weights, before, strict=True):
        assert (w.numpy() != old).all()


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_that_of_torch(momentum, nesterov):
    if nesterov and not momentum:
        pytest.skip("torch knows no look-ahead without momentum")
    net, start = ours(lambda: optimizers.SGD(0.1, momentum, nesterov=nesterov, weight_decay=0.01))
    wanted = theirs(
        net,
        start,
        lambda groups: torch.optim.SGD(
            groups, lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=0.01
        ),
    )
    for a, b in zip(net.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_adamw_is_that_of_torch():
    net, start = ours(lambda: optimizers.AdamW(0.1, 0.05))
    wanted = theirs(net, start, lambda groups: torch.optim.AdamW(groups, weight_decay=0.05))
    for a, b in zip(net.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_is_that_of_torch(momentum):
    options = {"momentum": momentum, "weight_decay": 0.01}
    net, start = ours(lambda: optimizers.RMSprop(0.1, epsilon=0.03, **options))
    wanted = theirs(
        net,
        start,
        lambda groups: torch.optim.RMSprop(groups, lr=0.1, alpha=0.9, eps=0.03, **options),
    )
    for a, b in zip(net.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.AdamW])
def test_the_step_of_other_backends_is_the_same(make):
    fused, _ = ours(lambda: make(0.1, weight_decay=0.01))
    keras.utils.set_random_seed(0)
    net, optimizer = network(), make(0.1, weight_decay=0.01)
    for step in range(4):
        optimizer.build(net.trainable_weights)
        optimizer.learning_rate = rate(step)
        for variable, grad in zip(net.trainable_weights, gradients(net, step), strict=True):
            optimizer.update_step(keras.ops.convert_to_tensor(grad), variable, rate(step))
        optimizer.iterations.assign_add(1)
    for a, b in zip(net.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_slots_are_stored_as_their_variables_are():
    net, optimizer = network(), optimizers.AdamW()
    optimizer.build(net.trainable_weights)
    for slot, variable in zip(optimizer._momentums, net.trainable_weights, strict=True):
        assert slot.value.stride() == variable.value.stride()


def test_gradients_in_another_memory_order_are_copied():
    net, optimizer = network(), optimizers.AdamW(0.1)
    again, other = network(), optimizers.AdamW(0.1)
    again.set_weights(net.get_weights())
    grads = [torch.tensor(g) for g in gradients(net, 0)]
    shuffled = [g if g.ndim == 1 else g.movedim(0, -1).contiguous().movedim(-1, 0) for g in grads]
    optimizer.apply(grads, net.trainable_weights)
    other.apply(shuffled, again.trainable_weights)
    for a, b in zip(net.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.AdamW, optimizers.RMSprop])
def test_an_optimizer_survives_its_config(make):
    first = make(0.5, weight_decay=0.25, decay="all")
    again = keras.optimizers.deserialize(keras.optimizers.serialize(first))
    assert type(again) is make
    assert again.get_config() == first.get_config()


def test_whole_numbers_are_learning_rates():
    assert float(optimizers.SGD(1).learning_rate) == 1.0


def test_decay_spares_norms_biases_and_positions():
    names = {"kernel": (3, 3), "bias": (3,), "position": (1, 4, 3), "token": (1, 1, 3)}
    chosen = [
        name
        for name, shape in names.items()
        if optimizers.decays(keras.Variable(np.zeros(shape), name=name))
    ]
    assert chosen == ["kernel"]


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="Received: decay='some'"):
        optimizers.SGD(decay="some")
    with pytest.raises(ValueError, match="no amsgrad"):
        optimizers.AdamW(amsgrad=True)
    with pytest.raises(ValueError, match="no centered form"):
        optimizers.RMSprop(centered=True)


def test_keras_clips_before_the_step():
    net, optimizer = network(), optimizers.SGD(1.0, 0.0, global_clipnorm=0.001)
    before = net.get_weights()
    optimizer.apply([torch.tensor(g) for g in gradients(net, 0)], net.trainable_weights)
    moved = sum(((a - b) ** 2).sum() for a, b in zip(before, net.get_weights(), strict=True))
    assert np.sqrt(moved) == pytest.approx(0.001, rel=1e-2)


def test_torch_is_the_backend_of_this_file():
    assert kernels.TORCH


@pytest.mark.parametrize("clip", [{}, {"global_clipnorm": 1e6}], ids=["plain", "clipped"])
@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.AdamW, optimizers.RMSprop])
def test_a_factor_multiplies_the_learning_rate_of_one_variable(make, clip):
    moved = []
    for factor in (1.0, 0.25):
        keras.utils.set_random_seed(0)
        net = network()
        optimizer = make(0.01, weight_decay=0.0, **clip)
        optimizer.factors = {net.trainable_weights[0].path: factor}
        before = net.get_weights()
        grads = [keras.ops.convert_to_tensor(g) for g in gradients(net, 0)]
        optimizer.apply(grads, net.trainable_weights)
        moved.append([a - b for a, b in zip(net.get_weights(), before, strict=True)])
    np.testing.assert_allclose(moved[1][0], 0.25 * moved[0][0], rtol=1e-3, atol=1e-7)
    for slow, fast in zip(moved[1][1:], moved[0][1:], strict=True):
        np.testing.assert_allclose(slow, fast, rtol=1e-6)


def test_the_learning_rate_is_read_from_the_device_only_when_it_changed():
    net = network()
    optimizer = optimizers.SGD(0.1)
    grads = [keras.ops.convert_to_tensor(g) for g in gradients(net, 0)]
    optimizer.apply(grads, net.trainable_weights)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(3):
            optimizer.apply(grads, net.trainable_weights)
    assert not [e for e in profile.key_averages() if e.key == "aten::_local_scalar_dense"]
    optimizer.learning_rate = 0.0
    before = net.get_weights()
    optimizer.apply([0 * g for g in grads], net.trainable_weights)
    np.testing.assert_array_equal(before[0], net.get_weights()[0])
    assert int(optimizer.iterations) == 5


@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.AdamW])
def test_a_list_of_variables_may_be_changed_in_place(make):
    a, b, other = (keras.Variable(np.ones(3, "float32")) for _ in range(3))
    optimizer = make(0.1)
    optimizer.build([a, b])
    given, grads = [a, b], [torch.ones(3), torch.zeros(3)]
    optimizer.apply(grads, given)
    given.reverse()
    before = [np.array(v) for v in (a, b)]
    optimizer.apply(grads, given)
    after = [np.array(v) for v in (a, b)]
    assert (after[1] < before[1]).all()  # now the first
    given[0] = other
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply(grads, given)
    np.testing.assert_array_equal(other, np.ones(3))
