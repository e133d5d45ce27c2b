"""The flat plan gives what Keras's own way gives, and stands back where it cannot."""

import functools

import keras
import numpy as np
import pytest
from families import MEMBERS
from test_models import TINY, still, tiny

from kcv import kernels, layers, losses, models

if not kernels.TORCH:
    pytest.skip("the plan is torch's", allow_module_level=True)
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from kcv.engine import plan as plans


def images(net, count=3, seed=0):
    size = tuple(net.inputs[0].shape[1:])
    values = np.random.default_rng(seed).normal(size=(count, *size))
    return torch.tensor(values, dtype=torch.float32)


def keras_way(net, x, training):
    """Return what Keras's own walk through the graph gives."""
    call = lambda op, *args, **kwargs: op(*args, **kwargs)  # noqa: E731

    def with_training(op):
        def run(*args, **kwargs):
            if getattr(op, "_call_has_training_arg", False):
                kwargs["training"] = training
            return call(op, *args, **kwargs)

        return run

    return net._run_through_graph([x.clone()], operation_fn=with_training)


def state(net):
    return [w._value.detach().clone() for w in net.weights]


def put(net, values):
    for w, value in zip(net.weights, values, strict=True):
        w.assign(value)


def run(net, x, training, way):
    """Return (outputs, gradients, weights after) of one forward and backward pass."""
    before = state(net)
    net.zero_grad()
    torch.manual_seed(0)
    outputs = keras.tree.flatten(way(net, x, training))
    sum((y.float() ** 2).mean() for y in outputs).backward()
    gradients = [w._value.grad for w in net.trainable_weights]
    after = state(net)
    put(net, before)
    return [y.detach() for y in outputs], gradients, after


def flat(net, x, training):
    assert net.engine == "flat plan"
    return net.session.plan(x.clone(), training)


def assert_same(first, second, tolerance=1e-5):
    """Compare groups of tensors: outputs, gradients, weights; share of a group's largest number.

    Sums run in another order where a map is read in another form: gradients get ten times as much.
    """
    for i, (group, other) in enumerate(zip(first, second, strict=True)):
        share = 10 * tolerance if i == 1 else tolerance
        scale = max(float(b.float().abs().max()) for b in other if b is not None)
        for a, b in zip(group, other, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert float((a.float() - b.float()).abs().max()) <= share * scale


@functools.cache
def larger(name):
    """Return a tiny network for 64 pixels, made once: what runs it puts its weights back."""
    # masks of dropout come from generators that count their calls
    return tiny(name, image_size=64, dropout=0.0)


@pytest.mark.parametrize("name", sorted(TINY))
def test_plan_equals_keras(name):
    assert_plan_equals_keras(name, training=True)


@pytest.mark.parametrize("name", MEMBERS)
def test_plan_equals_keras_outside_training(name):
    assert_plan_equals_keras(name, training=False)


def assert_plan_equals_keras(name, training):
    net = larger(name)
    x = images(net)
    assert_same(run(net, x, training, flat), run(net, x, training, keras_way))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_plan_equals_keras_in_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = tiny(name)
    x = images(net)
    mine, theirs = run(net, x, False, flat), run(net, x, False, keras_way)
    assert mine[0][0].dtype == torch.bfloat16
    assert_same(mine, theirs)


class Dispatched(TorchDispatchMode):
    """Notes the names of operations."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_pixels_are_normalised_as_by_keras_with_numbers_that_are_there(policy):
    keras.config.set_dtype_policy(policy)
    net = tiny("resnet18", normalize=((120.0, 115.0, 100.0), (60.0, 55.0, 65.0)))
    pixels = np.random.default_rng(0).integers(0, 256, (3, *net.input_shape[1:]), np.uint8)
    answers = net.predict(pixels, verbose=0)  # its numbers must be of use in training too
    x = torch.tensor(pixels, dtype=torch.float32)
    mine, theirs = run(net, x, False, flat), run(net, x, False, keras_way)
    assert_same(mine, theirs)
    np.testing.assert_allclose(
        answers, mine[0][0].float(), atol=1e-5 if policy == "float32" else 0.1
    )
    with Dispatched() as seen, torch.no_grad():
        net.session.plan(x, True)
    assert "lift_fresh.default" not in seen.names  # a number that is sent to the device


@pytest.mark.parametrize("name", ["vit_tiny_16", "swin_tiny", "convnext_atto"])
def test_plan_is_as_exact_as_keras_in_mixed_precision(name):
    # torch rounds a layer normalisation in other places than Keras does
    exact = still(name)
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = tiny(name)
    net.set_weights(exact.get_weights())
    x = images(net, 8)
    truth, mine, theirs = (
        run(*which)[0][0].float()
        for which in ((exact, x, False, flat), (net, x, False, flat), (net, x, False, keras_way))
    )
    errors = [float((y - truth).square().mean()) for y in (mine, theirs)]
    assert 0 < errors[0] <= 1.5 * errors[1]


def test_float32_layers_inside_a_mixed_network_stay_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    net = models.Model(image, layers.Linear(2, dtype="float32")(x))
    x = images(net)
    mine, theirs = run(net, x, False, flat), run(net, x, False, keras_way)
    assert mine[0][0].dtype == torch.float32
    assert_same(mine, theirs, 1e-6)
    # around a call of the network stands a scope that casts weights
    torch.testing.assert_close(net(x).detach(), mine[0][0].detach())
    net.compile("sgd", losses.CrossEntropy())
    net.fit(x, np.arange(3) % 2, verbose=0)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_layer_norms_without_a_weight_run_in_the_plan(scale, center):
    image = keras.Input((4, 6))
    norm = keras.layers.LayerNormalization(scale=scale, center=center)
    net = models.Model(image, norm(image))
    assert net.engine == "flat plan"
    x = images(net)
    wanted = keras_way(net, x, False).detach()
    torch.testing.assert_close(net(x).detach(), wanted)
    np.testing.assert_allclose(net.predict(x, verbose=0), wanted, rtol=1e-5, atol=1e-6)


def test_one_map_may_be_concatenated_alone():
    image = keras.Input((8, 8, 3))
    net = models.Model(image, keras.layers.Concatenate()([layers.Conv2D(4, 3)(image)]))
    x = images(net)
    torch.testing.assert_close(net(x).detach(), keras_way(net, x, False).detach())


def test_several_outputs_come_as_a_list():
    net = models.features(still("resnet18"), ["stage2", "stage4"])
    maps = flat(net, images(net), False)
    assert type(maps) is list
    theirs = keras_way(net, images(net), False)
    assert_same([[m.detach() for m in maps]], [[m.detach() for m in theirs]])


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_a_list_of_one_output_comes_as_from_keras(kind):
    net = still("resnet18")
    image = kind(np.zeros((2, 32, 32, 3), "float32"))
    outputs = [model(net.input, [net.output])(image) for model in (keras.Model, models.Model)]
    assert outputs[0].shape == outputs[1].shape == (2, 4)


def test_outputs_are_not_overwritten_by_what_follows():
    image = keras.Input((4, 4, 3))
    early = layers.Conv2D(3, 1, name="early")(image)
    net = models.Model(image, [early, keras.layers.ReLU()(early)])
    x = images(net)
    assert float(flat(net, x, False)[0].detach().min()) < 0


def test_branches_do_not_see_what_another_branch_overwrites():
    image = keras.Input((4, 4, 3))
    x = layers.BatchNorm()(image)
    net = models.Model(image, keras.layers.Add()([keras.layers.ReLU()(x), x]))
    assert_same(run(net, images(net), True, flat), run(net, images(net), True, keras_way))


def test_dropped_paths_that_give_back_their_input_are_not_overwritten():
    image = keras.Input((4, 4, 3))
    x = layers.BatchNorm()(image)
    y = layers.DropPath(0.5)(x)
    net = models.Model(image, keras.layers.Add()([y, x]))
    assert_same(run(net, images(net), False, flat), run(net, images(net), False, keras_way))


def test_the_input_is_not_overwritten():
    image = keras.Input((4, 4, 3))
    net = models.Model(image, keras.layers.Add()([keras.layers.ReLU()(image), image]))
    x = images(net)
    given = x.clone()
    net.session.plan(given, False)
    assert torch.equal(given, x)


def test_tensors_die_after_their_last_use():
    image = keras.Input((64, 64, 8))
    x = image
    for _ in range(20):
        x = layers.Conv2D(8, 1)(x)
    net = models.Model(image, x)
    alive = []
    step, dead = net.session.plan.steps[10]
    net.session.plan.steps[10] = (
        lambda buffer, training: (step(buffer, training), alive.append(list(buffer))),
        dead,
    )
    with torch.no_grad():
        net.session.plan(images(net), False)
    assert sum(y is not None for y in alive[0]) == 2


@keras.saving.register_keras_serializable("test")
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class Own(models.Model):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) + 1.0


def uncovered():
    image = keras.Input((8, 8, 3))
    conv = layers.Conv2D(4, 3)
    inner = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    regular = layers.Conv2D(4, 3, activity_regularizer="l2")
    other = keras.Input((8, 8, 3))
    sequence = keras.Input((5, 3))
    masked = keras.layers.Masking()(sequence)
    return {
        "custom layer": models.Model(image, Doubled()(conv(image))),
        "model inside": models.Model(image, inner(image)),
        "activity regularizer": models.Model(image, regular(image)),
        "two inputs": models.Model([image, other], keras.layers.Add()([image, other])),
        "mask": models.Model(sequence, keras.layers.Dense(2)(masked)),
        "own call": Own(image, conv(image)),
        "nested outputs": models.Model(image, {"a": conv(image)}),
    }


@pytest.mark.parametrize("case", sorted(uncovered()))
def test_what_the_plan_does_not_cover_goes_keras_way(case):
    net = uncovered()[case]
    assert net.engine.startswith("Keras: ")
    x = [images(net)] * len(net.inputs)
    with torch.no_grad():
        mine = keras.tree.flatten(net(x if len(x) > 1 else x[0], training=False))[0]
        theirs = keras.tree.flatten(net._run_through_graph(x))[0]
    assert_same([[mine]], [[theirs + (1.0 if case == "own call" else 0.0)]])


def test_a_quantized_layer_ends_the_plan():
    image = keras.Input((8,))
    net = models.Model(image, keras.layers.Dense(4)(image))
    assert net.engine == "flat plan"
    net.layers[-1].quantize("int8")
    assert "quantized" in net.engine


@pytest.mark.parametrize("called_with", [None, True, False])
def test_dropout_acts_in_training_only(called_with):
    image = keras.Input((50,))
    net = models.Model(image, keras.layers.Dropout(0.5)(image, training=called_with))
    x = torch.ones(2, 50)
    assert 0 < int((flat(net, x, True) == 0).sum()) < 100
    assert torch.equal(flat(net, x, False), x)


def test_a_frozen_layer_stays_as_it_is():
    net = tiny("resnet18")
    bn = next(layer for layer in net.layers if isinstance(layer, layers.BatchNorm))
    net(images(net), training=True)
    bn.trainable = False
    before = bn.moving_mean.numpy().copy()
    net(images(net), training=True)
    np.testing.assert_array_equal(bn.moving_mean.numpy(), before)


@pytest.mark.parametrize("value", [np.ones((2, 32, 32, 3)), np.ones((2, 32, 32, 3), "uint8")])
def test_arrays_of_any_kind_are_taken(value):
    assert tuple(still("resnet18")(value).shape) == (2, 4)


def test_a_wrong_shape_is_refused_as_by_keras():
    with pytest.raises(ValueError, match="32"):
        still("resnet18")(np.ones((2, 16, 16, 3), "float32"))


# Prediction


def predictor(net):
    """Return a plan for prediction, and the network with numbers that a fold could get wrong."""
    generator = torch.Generator().manual_seed(0)
    for w in net.weights:
        if len(w.shape) == 1 and keras.backend.is_float_dtype(w.dtype):
            w.assign(w.value + 0.5 * torch.rand(tuple(w.shape), generator=generator).to(w.value))
    return plans.Predictor(net)


def answers(way, x):
    with torch.inference_mode():
        return keras.tree.flatten(way(x.clone(), False))


@pytest.mark.parametrize("name", MEMBERS)
def test_folded_chains_answer_as_the_graph_does(name):
    net = larger(name)
    before = state(net)
    folded, x = predictor(net), images(net)
    assert folded.plan.folded
    assert len(folded.plan.steps) <= len(net.session.plan.steps)
    assert_same([answers(folded, x)], [answers(net.session.plan, x)])
    put(net, before)


@pytest.mark.parametrize("name", ["mobilenet_v2", "vit_tiny_16"])
def test_dropout_and_dropped_paths_are_left_out_of_prediction(name):
    keras.config.set_dtype_policy("float64")
    rates = {"dropout": 0.5} | ({"drop_rate": 0.5} if name == "vit_tiny_16" else {})
    net = tiny(name, **rates)
    assert any(isinstance(layer, keras.layers.Dropout) for layer in net.layers)
    folded, x = predictor(net), images(net)
    assert len(folded.plan.steps) < len(net.session.plan.steps)
    assert_same([answers(folded, x)], [answers(net.session.plan, x)], 1e-12)


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_folded_chains_answer_so_in_other_types(policy):
    keras.config.set_dtype_policy(policy)
    net = tiny("resnet18")
    folded, x = predictor(net), images(net).to(getattr(torch, net.inputs[0].dtype))
    mine, theirs = answers(folded, x), answers(net.session.plan, x)
    assert mine[0].dtype == theirs[0].dtype
    assert_same([mine], [theirs], {"float64": 1e-12, "mixed_bfloat16": 3e-2}[policy])


ENDS = {
    "relu": keras.layers.ReLU,
    "relu6": lambda: keras.layers.ReLU(6.0),
    "leaky": lambda: keras.layers.ReLU(negative_slope=0.1),
    "silu": lambda: keras.layers.Activation("silu"),
    "hard_silu": lambda: keras.layers.Activation("hard_silu"),
    "hard_sigmoid": lambda: keras.layers.Activation("hard_sigmoid"),
    "softmax": lambda: keras.layers.Activation("softmax"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("conv", ["bias", "none", "depthwise", "same", "activated"])
def test_a_chain_may_end_in_many_ways(conv, adds, end):
    kinds = {
        "bias": lambda: layers.Conv2D(6, 3, padding=1, bias_initializer="normal"),
        "none": lambda: layers.Conv2D(6, 3, padding=1, groups=2, use_bias=False),
        "depthwise": lambda: layers.DepthwiseConv2D(3, padding=1),
        "same": lambda: layers.Conv2D(6, 4, padding="same"),
        "activated": lambda: layers.Conv2D(6, 3, padding=1, activation="relu"),
    }
    image = keras.Input((8, 8, 6))
    x = layers.BatchNorm()(kinds[conv]()(image))
    x = keras.layers.Add()([image, x]) if adds else x
    net = models.Model(image, ENDS[end]()(x))
    folded, x = predictor(net), images(net)
    assert_same([answers(folded, x)], [answers(net.session.plan, x)])


def test_what_others_read_is_not_folded_away():
    image = keras.Input((8, 8, 3))
    conv = layers.Conv2D(3, 1)(image)
    norm = layers.BatchNorm()(conv)
    net = models.Model(image, [keras.layers.ReLU()(norm), keras.layers.Add()([conv, image])])
    folded, x = predictor(net), images(net)
    assert_same([answers(folded, x)], [answers(net.session.plan, x)])


def test_both_sides_of_a_sum_may_be_chains():
    image = keras.Input((8, 8, 3))
    sides = [layers.BatchNorm()(layers.Conv2D(4, 1)(image)) for _ in range(2)]
    net = models.Model(image, keras.layers.ReLU()(keras.layers.Add()(sides)))
    folded, x = predictor(net), images(net)
    assert len(folded.plan.folded) == 2
    assert_same([answers(folded, x)], [answers(net.session.plan, x)])


def test_dropped_outputs_are_still_outputs():
    image = keras.Input((8, 8, 3))
    x = layers.BatchNorm()(layers.Conv2D(4, 1)(image))
    net = models.Model(image, keras.layers.Dropout(0.5)(x))
    folded, x = predictor(net), images(net)
    assert_same([answers(folded, x)], [answers(net.session.plan, x)])


def change(net, how):
    kernel, variance = net.weights[0], net.layers[2].moving_variance
    if how == "assign":
        kernel.assign(2 * kernel.value)
    elif how == "statistics":
        variance.assign(3 * variance.value)
    elif how == "other memory":
        kernel.value.data = 2 * kernel.value.data
    else:
        net.set_weights([1.5 * w for w in net.get_weights()])


@pytest.mark.parametrize("how", ["assign", "statistics", "other memory", "set_weights"])
def test_folded_numbers_follow_the_weights(how):
    net = tiny("resnet18")
    folded, x = predictor(net), images(net)
    before = answers(folded, x)
    change(net, how)
    after = answers(folded, x)
    assert not torch.allclose(before[0], after[0], rtol=1e-3)
    assert_same([after], [answers(net.session.plan, x)])


def test_other_batch_sizes_and_sizes_of_a_last_batch_are_answered():
    net = tiny("mobilenet_v2")
    folded, x = predictor(net), images(net, 5)
    whole = answers(folded, x)[0]
    parts = [answers(folded, part)[0] for part in (x[:4], x[4:])]
    assert_same([[torch.cat(parts)]], [[whole]])


def test_cast_weights_are_kept_until_a_weight_changes():
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = tiny("vit_tiny_16")
    folded, x = predictor(net), images(net)
    answers(folded, x)
    kept = [reader.leaf for reader in folded.kept]
    assert len(kept) > 10
    answers(folded, x)
    assert all(reader.leaf is leaf for reader, leaf in zip(folded.kept, kept, strict=True))
    net.set_weights([1.5 * w for w in net.get_weights()])
    assert_same([answers(folded, x)], [answers(net.session.plan, x)], 3e-2)
    assert folded.kept[0].leaf is not kept[0]


def test_an_adapter_inside_of_a_layer_is_used():
    image = keras.Input((4, 8))
    net = models.Model(image, layers.Attention(2)(image))
    x = torch.randn(2, 4, 8)
    before = flat(net, x, False).detach()
    attention = net.layers[-1]
    attention.qkv.enable_lora(2)
    attention.qkv.lora_kernel_b.assign(torch.ones(2, 24))
    after = flat(net, x, False).detach()
    assert not torch.allclose(before, after)
    assert_same([[after]], [[y.detach() for y in keras.tree.flatten(keras_way(net, x, False))]])


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("library", ["cudnn", "cublas"])
def test_what_a_library_refuses_or_multiplies_is_the_same_convolution(library, adds):
    # cuDNN has no engine without a GPU, as it has none for some shapes with one
    generator = torch.Generator().manual_seed(0)
    x, kernel, bias, other = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in [(2, 5, 6, 7), (3, 5, 1, 1), (3,), (2, 3, 6, 7)]
    )
    act = kernels.packed.ACTIVATIONS["relu"]
    plain = kernels.packed.pack(kernel, bias, x.shape, (1, 1), (0, 0), (1, 1), 1, act)
    assert plain.library == ""
    others = [other] if adds else []
    found = plain._replace(library=library)(x, *(t.clone() for t in others))
    wanted = torch.einsum("bchw,oc->bohw", x, kernel[:, :, 0, 0]) + bias[:, None, None]
    wanted = (wanted + other if adds else wanted).relu()
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
