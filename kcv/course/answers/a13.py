"""Exercises of notebook 13: masked attention, order, the cost of pairs, a mark found far away."""

from collections.abc import Mapping

import keras
import numpy as np

from kcv import layers, seeding
from kcv.course.exercises import Mutant, StubError, Task, same_values

BAR, LENGTH, SYMBOLS, WINDOW = 0.9, 16, 8, 3


def _masked(q, k, v, mask):
    scores = np.where(mask, q @ k.T / np.sqrt(q.shape[-1]), -np.inf)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True) @ v


def _unmasked(q, k, v, mask):
    return _masked(q, k, v, np.ones_like(mask))


def _sequences() -> list[tuple]:
    rng = np.random.default_rng(0)
    cases = []
    for n, m, depth, width in ((4, 4, 8, 8), (3, 5, 16, 2)):
        mask = rng.random((n, m)) < 0.6
        mask[:, 0] = True  # a query that may look nowhere has no answer
        cases.append((*(rng.normal(size=s) for s in ((n, depth), (m, depth), (m, width))), mask))
    return cases


def _check_reordered(answer, context: Mapping) -> str:
    if not callable(answer):
        return f"A function is wanted. Received: {type(answer).__name__}."
    rng = np.random.default_rng(0)
    layer = layers.Attention(num_heads=2)
    x = rng.normal(size=(2, 7, 8)).astype("float32")
    order = np.array([2, 0, 1, 6, 3, 5, 4])  # not its own inverse
    out = keras.ops.convert_to_numpy(layer(x))
    got = answer(out, order)
    if got is None or got is ...:
        raise StubError
    if np.shape(got) != out.shape:
        return f"The result needs shape {out.shape}. Received: {np.shape(got)}."
    wanted = keras.ops.convert_to_numpy(layer(x[:, order]))
    if np.allclose(got, wanted, atol=1e-5):
        return ""
    if np.allclose(got, out):
        return "That is the output in the old order; the places moved, and their outputs with them."
    return "The layer itself gives another result for x[:, order]."


def _factor(context: Mapping) -> float:
    small, large = (1 + (side // context["patch"]) ** 2 for side in context["sides"])
    return (large / small) ** 2


def _check_factor(answer, context: Mapping) -> str:
    if np.ndim(answer) or not isinstance(answer, int | float | np.number):
        return f"A number is wanted. Received: {type(answer).__name__}."
    if np.isclose(answer, _factor(context), rtol=1e-3):
        return ""
    if np.isclose(answer, 16):
        return "Nearly: the class token is a token too, and does not multiply."
    if np.isclose(answer, _factor(context) ** 0.5, rtol=0.02):
        return "That is how the number of tokens grows; each of them meets all others."
    return "Count the tokens of both sizes first, then the pairs of tokens."


def _check_far(answer, context: Mapping) -> str:
    if not isinstance(answer, keras.Model):
        return f"A model is wanted. Received: {type(answer).__name__}."
    for layer in answer.layers:
        sides = getattr(layer, "kernel_size", (1,))
        if "Attention" in type(layer).__name__:
            return f"No attention is allowed. Received: the layer {layer.name!r}."
        if max(sides) > WINDOW:
            return f"Windows are at most {WINDOW} wide. Received: {sides} in {layer.name!r}."
        # a layer over the channels of all places together is a window of all places
        if "Flatten" in type(layer).__name__ or layer.output.shape[-1] >= LENGTH * SYMBOLS:
            return f"A layer sees all places at once. Received: {layer.name!r}."
    x, labels, _ = context["test"]
    reached = (answer.predict(x, verbose=0).argmax(-1) == labels).mean()
    return "" if reached >= BAR else f"The share right is {reached:.3f}, below the bar of {BAR}."


def _far(dilations=(1, 2, 4, 8), window=WINDOW):
    image = keras.Input((LENGTH, SYMBOLS + 1))
    x = keras.layers.Reshape((1, LENGTH, 32))(layers.Linear(32)(image))
    for step in dilations:
        y = layers.Conv2D(
            32,
            (1, window),
            padding=(0, step * (window // 2)),
            dilation_rate=(1, step),
            kernel_initializer="he_normal",
        )(x)
        x = keras.layers.Add()([x, layers.activate(y, "relu")])
    x = keras.layers.Reshape((LENGTH, 32))(x)
    return keras.Model(image, layers.Linear(SYMBOLS)(x))


def _train_far(context: Mapping):
    seeding.set_seed(0)
    model = _far()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss)
    model.fit(*context["train"][:2], batch_size=64, epochs=8, verbose=0)
    return model


def _draw(count: int, seed: int) -> tuple:
    rng = np.random.default_rng(seed)
    symbols, marked = rng.integers(0, SYMBOLS, (count, LENGTH)), rng.integers(0, LENGTH, count)
    x = np.eye(SYMBOLS + 1, dtype="float32")[symbols]
    x[np.arange(count), marked, SYMBOLS] = 1
    labels = np.repeat(symbols[np.arange(count), marked][:, None], LENGTH, axis=1)
    return x, labels, marked


def _drawn() -> dict:
    return {"train": _draw(2000, 0), "test": _draw(1000, 1)}


TASKS = {
    1: Task(
        kind="fn",
        check=same_values(_masked, _sequences),
        hints=(
            "A weight is zero after softmax if its score was minus infinity before.",
            "np.where(mask, q @ k.T / np.sqrt(q.shape[-1]), -np.inf), then softmax over the keys.",
        ),
        solution="scores = np.where(mask, q @ k.T / np.sqrt(q.shape[-1]), -np.inf)\n"
        "return softmax(scores) @ v\n"
        "Setting weights to zero after softmax would leave rows that do not sum to one.",
        reference=lambda context: _masked,
        mutants=(
            Mutant("mask ignored", lambda c: _unmasked, "the result should be"),
            Mutant(
                "not scaled",
                lambda c: lambda q, k, v, m: _masked(q * np.sqrt(q.shape[-1]), k, v, m),
                "the result should be",
            ),
            Mutant(
                "zero after softmax",
                lambda c: lambda q, k, v, m: m * _masked(q, k, np.eye(len(k)), m > -1) @ v,
                "the result should be",
            ),
            Mutant("weights returned", lambda c: lambda q, k, v, m: m * 1.0, "shape"),
        ),
    ),
    2: Task(
        kind="prop",
        check=_check_reordered,
        hints=(
            "Each place asks all places, in whatever order they stand.",
            "The output of a place goes where the place goes: index the second axis.",
        ),
        solution="return out[:, order]\nThis is permutation equivariance; the positions that a ViT "
        "adds are there to break it.",
        reference=lambda context: lambda out, order: out[:, order],
        mutants=(
            Mutant("old order", lambda c: lambda out, order: out, "old order"),
            Mutant(
                "inverse order",
                lambda c: lambda out, order: out[:, np.argsort(order)],
                "another result",
            ),
            Mutant("batch reordered", lambda c: lambda out, order: out[order % 2], "shape"),
            Mutant("a number", lambda c: 3, "function is wanted"),
        ),
    ),
    3: Task(
        kind="num",
        check=_check_factor,
        hints=(
            "How many tokens are there at 224 pixels, and how many at 448?",
            "1 + (side / patch) ** 2 tokens, and as many pairs as its square.",
        ),
        solution="((1 + 28 ** 2) / (1 + 14 ** 2)) ** 2\nTwice the side: four times the patches, "
        "sixteen times the pairs, but for the one class token.",
        reference=_factor,
        mutants=(
            Mutant("without class token", lambda c: 16, "class token"),
            Mutant("tokens", lambda c: 4, "number of tokens"),
            Mutant("the side", lambda c: 2, "Count the tokens"),
            Mutant("a text", lambda c: "16", "number is wanted"),
        ),
        context=lambda: {"patch": 16, "sides": (224, 448)},
    ),
    4: Task(
        kind="train",
        check=_check_far,
        hints=(
            "Layers on top of each other see further; holes in the window make it quicker.",
            "Four convolutions of width 3 with dilation 1, 2, 4, 8, each added to its input, see "
            "15 places to each side.",
        ),
        solution="x = keras.layers.Reshape((1, LENGTH, 32))(layers.Linear(32)(image))\n"
        "for step in (1, 2, 4, 8):\n"
        "    y = layers.Conv2D(32, (1, 3), padding=(0, step), dilation_rate=(1, step))(x)\n"
        '    x = keras.layers.Add()([x, layers.activate(y, "relu")])\n'
        "and Adam for eight epochs. It takes four layers and more weights for what one attention "
        "layer says at once, and a longer sequence needs more layers.",
        reference=_train_far,
        mutants=(
            Mutant("one convolution", lambda c: _far((1,)), "below the bar"),
            Mutant("a wide window", lambda c: _far((1,), 31), "at most 3 wide"),
            Mutant(
                "attention",
                lambda c: keras.Sequential(
                    [keras.Input((LENGTH, SYMBOLS + 1)), layers.Attention(3), layers.Linear(8)]
                ),
                "No attention",
            ),
            Mutant(
                "everything at once",
                lambda c: keras.Sequential(
                    [keras.Input((LENGTH, SYMBOLS + 1)), keras.layers.Flatten()]
                ),
                "all places at once",
            ),
            Mutant("a number", lambda c: 0.95, "model is wanted"),
        ),
        context=_drawn,
    ),
}
