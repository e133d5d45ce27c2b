"""Exercises of notebook 09: VGG's block, a share of AlexNet, the Inception block, LeNet today."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from kcv import data, layers, models
from kcv.cost import cost
from kcv.course.answers.trained import trained
from kcv.course.exercises import Mutant, StubError, Task
from kcv.models.googlenet import Block, inception
from kcv.models.vgg import vgg_block

BAR, WEIGHTS = 0.96, 20_000
FIRST = (6 * 6 * 256 + 1) * 4096  # weights of AlexNet's first dense layer
SECOND, LAST = (4096 + 1) * 4096, (4096 + 1) * 1000
VGG_BLOCKS = ((8, 3, (1, 4)), (12, 6, (3, 8)))  # image side, channels, arguments
INCEPTIONS = ((8, 8, (4, 6, 8, 2, 5, 3)), (7, 12, (3, 4, 10, 5, 6, 7)))


def _vgg(x, depth, width):
    return layers.MaxPool2D(2)(vgg_block(x, depth, width))


def _inception(x, *widths):
    return inception(x, Block(*widths), kernel=5)


def _late_relu(x, depth, width):
    """One ReLU after all convolutions, in place of one after each."""
    for _ in range(depth):
        x = layers.Conv2D(width, 3, padding=1)(x)
    return layers.MaxPool2D(2)(layers.activate(x, "relu"))


def _parts(x, one, three_in, three, five_in, five, pooled) -> list:
    """The branches of an Inception block."""
    conv, around = layers.conv_norm, layers.MaxPool2D(3, 1, 1)(x)
    return [
        conv(x, one, 1),
        conv(conv(x, three_in, 1), three, 3),
        conv(conv(x, five_in, 1), five, 5),
        conv(around, pooled, 1),
    ]


def _joined(branches: list):
    return keras.layers.Concatenate()(branches)


def _same_block(reference: Callable, cases: tuple) -> Callable:
    """Return a check that a function builds the same network as `reference`."""

    def check(answer, context: Mapping) -> str:
        if not callable(answer):
            return f"A function is wanted. Received: {type(answer).__name__}."
        for side, channels, arguments in cases:
            image = keras.Input((side, side, channels))
            got = answer(image, *arguments)
            if got is None or got is ...:
                raise StubError
            wanted = reference(image, *arguments)
            problem = _difference(image, got, wanted)
            if problem:
                return f"With {channels} channels in and {arguments} {problem}"
        return ""

    return check


def _difference(image, got, wanted) -> str:
    """Return what differs between two outputs of one image."""
    if tuple(got.shape) != tuple(wanted.shape):
        return f"the shape is {tuple(got.shape[1:])}, not {tuple(wanted.shape[1:])}."
    model, reference = keras.Model(image, got), keras.Model(image, wanted)
    found, due = cost(model), cost(reference)
    if found.macs != due.macs:
        return f"there are {found.macs} multiply-adds, not {due.macs}."
    if found.parameters != due.parameters:
        return f"there are {found.parameters} weights, not {due.parameters}."
    images = np.random.default_rng(0).normal(size=(2, *image.shape[1:])).astype("float32")
    out, right = (_filled(m).predict(images, verbose=0) for m in (model, reference))
    if np.allclose(out, right, rtol=1e-4, atol=1e-4):
        return ""
    if np.allclose(np.sort(out), np.sort(right), rtol=1e-4, atol=1e-4):
        return "the maps are right, but in another order."
    return "the maps are others with the same weights: look at the ReLUs, the poolings, the order."


def _filled(model):
    """Give weights of one shape the same values, whatever the order of the layers."""
    model.set_weights(
        [
            np.random.default_rng(w.size).uniform(-0.5, 1, w.shape) ** (1 if w.ndim > 1 else 2)
            for w in model.get_weights()
        ]
    )
    return model


def _share(context: Mapping) -> float:
    return FIRST / context["weights"]


def _check_share(answer, context: Mapping) -> str:
    total = context["weights"]
    if np.ndim(answer) or not isinstance(answer, int | float | np.number):
        return f"A number is wanted. Received: {type(answer).__name__}."
    if np.isclose(answer, FIRST / total, rtol=1e-3):
        return ""
    if np.isclose(answer, (FIRST + SECOND + LAST) / total, rtol=1e-3):
        return "That is the share of all three dense layers."
    if np.isclose(answer, FIRST, rtol=1e-3):
        return "That is their number; a share of all weights is wanted."
    return "Its inputs are all values of the last maps, its outputs 4096 units."


def _check_modern(answer, context: Mapping) -> str:
    if not isinstance(answer, keras.Model):
        return f"A model is wanted. Received: {type(answer).__name__}."
    weights = sum(int(np.prod(w.shape)) for w in answer.trainable_weights)
    if weights > WEIGHTS:
        return f"At most {WEIGHTS:,} weights are allowed. Received: {weights:,}."
    test = context["data"].test
    right = [
        (answer.predict_on_batch(images).argmax(-1) == labels).sum() for images, labels in test
    ]
    reached = sum(right) / len(test.labels)
    return "" if reached >= BAR else f"The test accuracy is {reached:.3f}, below the bar of {BAR}."


def _modern(digits, widths=(16, 32)):
    image, x = layers.image_input(28, 1, (digits.mean, digits.std))
    for width in widths:
        x = layers.MaxPool2D(2)(layers.conv_norm(x, width))
    x = layers.conv_norm(x, widths[-1])
    return models.Model(image, layers.classify(x, digits.num_classes))


def _train_modern(context: Mapping):
    return trained(_modern, context["data"])


def _digits() -> dict:
    return {"data": data.load("digits", image_size=28, batch_size=32)}


TASKS = {
    1: Task(
        kind="fn",
        check=_same_block(_vgg, VGG_BLOCKS),
        hints=(
            "A loop over depth; what a turn makes is the input of the next.",
            "layers.Conv2D(width, 3, padding=1) and layers.activate(x, 'relu') in the loop, "
            "layers.MaxPool2D(2) after it.",
        ),
        solution="for _ in range(depth):\n"
        "    x = layers.Conv2D(width, 3, padding=1)(x)\n"
        "    x = layers.activate(x, 'relu')\n"
        "return layers.MaxPool2D(2)(x)\n"
        "A border of one keeps the map; only the pooling makes it smaller.",
        reference=lambda context: _vgg,
        mutants=(
            Mutant("no pooling", lambda c: vgg_block, "the shape is"),
            Mutant("one layer", lambda c: lambda x, d, w: _vgg(x, 1, w), "multiply-adds"),
            Mutant(
                "ReLU at the end only",
                lambda c: _late_relu,
                "look at the ReLUs",
            ),
            Mutant("a number", lambda c: 3, "A function is wanted"),
        ),
    ),
    2: Task(
        kind="num",
        check=_check_share,
        hints=(
            "Before the dense layer the maps become one long list; how long is it?",
            "6 x 6 x 256 inputs and a bias, for each of 4096 units, over the number printed above.",
        ),
        solution="(6 * 6 * 256 + 1) * 4096 / 61_100_840\n"
        "One layer of eight holds more than half, which is why averaging the maps saves so much.",
        reference=_share,
        mutants=(
            Mutant(
                "all dense layers",
                lambda c: (FIRST + SECOND + LAST) / c["weights"],
                "all three dense",
            ),
            Mutant("a number of weights", lambda c: FIRST, "share of all weights"),
            Mutant("one map", lambda c: 256 * 4096 / c["weights"], "all values of the last maps"),
            Mutant("a text", lambda c: "most", "number is wanted"),
        ),
        context=lambda: {"weights": 61_100_840},
    ),
    3: Task(
        kind="fn",
        check=_same_block(_inception, INCEPTIONS),
        hints=(
            "Every branch starts from x, and ends in a list for keras.layers.Concatenate().",
            "layers.conv_norm(x, width, kernel) keeps the map; so must the pooling: "
            "layers.MaxPool2D(3, 1, 1).",
        ),
        solution="conv = layers.conv_norm\n"
        "branches = [\n"
        "    conv(x, one, 1),\n"
        "    conv(conv(x, three_in, 1), three, 3),\n"
        "    conv(conv(x, five_in, 1), five, 5),\n"
        "    conv(layers.MaxPool2D(3, 1, 1)(x), pooled, 1),\n"
        "]\n"
        "return keras.layers.Concatenate()(branches)\n"
        "All branches keep height and width, or their maps could not be joined.",
        reference=lambda context: _inception,
        mutants=(
            Mutant(
                "3x3 in the third branch",
                lambda c: lambda x, *w: inception(x, Block(*w), kernel=3),
                "multiply-adds",
            ),
            Mutant(
                "a branch left out",
                lambda c: lambda x, *w: _joined(_parts(x, *w)[:3]),
                "the shape is",
            ),
            Mutant(
                "another order",
                lambda c: lambda x, *w: _joined(_parts(x, *w)[::-1]),
                "another order",
            ),
            Mutant(
                "no pooling",
                lambda c: (
                    lambda x, *w: _joined([*_parts(x, *w)[:3], layers.conv_norm(x, w[-1], 1)])
                ),
                "the poolings",
            ),
        ),
    ),
    4: Task(
        kind="train",
        check=_check_modern,
        hints=(
            "Which came after LeNet: ReLU, batch normalisation, an average in place of what?",
            "Two layers.conv_norm of 16 and 32 channels with a pooling after each, one more of "
            "32, then layers.classify; as in the experiment, with a rate of 0.1 and eight epochs.",
        ),
        solution="data = plain_digits\n"
        "image, x = layers.image_input(28, 1, (data.mean, data.std))\n"
        "for width in (16, 32):\n"
        "    x = layers.MaxPool2D(2)(layers.conv_norm(x, width))\n"
        "x = layers.conv_norm(x, 32)\n"
        "modern_lenet = kcv.models.Model(image, layers.classify(x, 10))\n"
        "and then compile and fit on data.train as in the experiment, with a rate of 0.1 and "
        "eight epochs. The average over the maps takes the place of LeNet's largest layer.",
        reference=_train_modern,
        mutants=(
            Mutant("too many weights", lambda c: _modern(c["data"], (16, 48)), "At most"),
            Mutant("not trained", lambda c: _modern(c["data"]), "below the bar"),
            Mutant("a number", lambda c: 0.99, "model is wanted"),
        ),
        context=_digits,
    ),
}
