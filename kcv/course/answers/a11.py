"""Exercises of notebook 11: the price of a convolution, a share, a block, a light network."""

from collections.abc import Mapping

import keras
import numpy as np

from kcv import data, layers, models
from kcv.cost import cost
from kcv.course.answers.trained import trained
from kcv.course.exercises import Mutant, StubError, Task, same_values

BAR, WEIGHTS = 0.65, 8_000
# image height, width, channels; filters, kernel, stride, groups
CONVOLUTIONS = (
    (8, 8, 3, 16, 3, 1, 1),
    (9, 7, 4, 8, 3, 2, 1),
    (16, 12, 8, 12, 1, 1, 1),
    (15, 15, 12, 24, 5, 3, 4),
    (10, 11, 6, 6, 3, 2, 6),
)
# image side, channels; width, stride, inner
BLOCKS = ((8, 4, 4, 1, 12), (8, 4, 6, 1, 12), (9, 6, 6, 2, 18))


def _counted(height, width, channels, filters, kernel, stride, groups) -> tuple[int, int]:
    """Return what kcv counts for the layer itself: no formula is shared with the answer below."""
    image = keras.Input((height, width, channels))
    layer = layers.Conv2D(filters, kernel, stride, kernel // 2, groups=groups)
    found = cost(keras.Model(image, layer(image)))
    return found.parameters, found.macs


def _price(height, width, channels, filters, kernel, stride, groups):
    window = kernel * kernel * channels // groups
    area = -(-height // stride) * -(-width // stride)
    return filters * (window + 1), area * filters * window


def _share(context: Mapping) -> float:
    return 1 / context["filters"] + 1 / context["kernel"] ** 2


def _check_share(answer, context: Mapping) -> str:
    wanted = _share(context)
    if np.ndim(answer) or not isinstance(answer, int | float | np.number):
        return f"A number is wanted. Received: {type(answer).__name__}."
    if np.isclose(answer, wanted, rtol=1e-3):
        return ""
    if np.isclose(answer, 1 - wanted, rtol=1e-3):
        return "That is the share saved, not the share left."
    if np.isclose(answer, 1 / context["kernel"] ** 2, rtol=1e-3):
        return "That is the pointwise half alone; the depthwise half costs a little too."
    return "Divide the multiply-adds of both halves by those of the plain convolution."


def _inverted(x, width, stride, inner):
    y = layers.conv_norm(x, inner, 1)
    y = layers.conv_norm(y, inner, 3, stride, groups=inner)
    y = layers.conv_norm(y, width, 1, act=None)
    return keras.layers.Add()([x, y]) if stride == 1 and width == x.shape[-1] else y


def _types(model) -> list[str]:
    return sorted(type(layer).__name__ for layer in model.layers)


def _check_inverted(answer, context: Mapping) -> str:
    if not callable(answer):
        return f"A function is wanted. Received: {type(answer).__name__}."
    for side, channels, width, stride, inner in BLOCKS:
        image = keras.Input((side, side, channels))
        got = answer(image, width, stride, inner)
        if got is None or got is ...:
            raise StubError
        wanted = layers.inverted_residual(image, width, stride, inner=inner)
        case = f"With {channels} channels in, width {width}, stride {stride}, inner {inner}"
        if tuple(got.shape) != tuple(wanted.shape):
            return f"{case} the shape is {tuple(got.shape[1:])}, not {tuple(wanted.shape[1:])}."
        model, reference = keras.Model(image, got), keras.Model(image, wanted)
        if cost(model).macs != cost(reference).macs:
            return f"{case} there are {cost(model).macs} multiply-adds, not {cost(reference).macs}."
        problem = _compared(model, reference)
        if problem:
            return f"{case} {problem}"
    return ""


def _compared(model, reference) -> str:
    """Return what differs between two blocks of the same multiply-adds."""
    extra, missing = _types(model), _types(reference)
    if extra.count("Add") != missing.count("Add"):
        return "the input is added where it does not fit, or is not where it does."
    if extra.count("ReLU") != missing.count("ReLU"):
        return "the number of activations is wrong: the projection has none, the others one each."
    model.set_weights(reference.get_weights())
    images = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
    gap = np.abs(model.predict(images, verbose=0) - reference.predict(images, verbose=0)).max()
    return "" if gap < 1e-4 else "the result is another one with the same weights."


def _check_light(answer, context: Mapping) -> str:
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


def _light(tiles, widths=(16, 32, 64)):
    image, x = layers.image_input(32, 3, (tiles.mean, tiles.std))
    x = layers.conv_norm(x, widths[0], 3, 2)
    for width in widths:
        x = layers.depthwise_separable(x, width, 3, 2, conv=layers.conv_norm)
    return models.Model(image, layers.classify(x, tiles.num_classes))


def _train_light(context: Mapping):
    return trained(_light, context["data"])


def _tiles() -> dict:
    return {"data": data.load("tiles", batch_size=32)}


TASKS = {
    1: Task(
        kind="fn",
        check=same_values(_counted, lambda: list(CONVOLUTIONS)),
        hints=(
            "Write the number of weights of one filter first; an output value uses each once.",
            "With half a window of padding the map out has ceil(height / stride) rows; a bias is "
            "a weight but no multiplication.",
        ),
        solution="window = kernel * kernel * channels // groups\n"
        "area = ceil(height / stride) * ceil(width / stride)\n"
        "return filters * (window + 1), area * filters * window\n"
        "The short formula weights x H x W would count the bias at every place.",
        reference=lambda context: _price,
        mutants=(
            Mutant(
                "weights x area",
                lambda c: lambda h, w, *a: (_price(h, w, *a)[0], _price(h, w, *a)[0] * h * w),
                "the result should be",
            ),
            Mutant(
                "groups ignored",
                lambda c: lambda h, w, i, f, k, s, g: _price(h, w, i, f, k, s, 1),
                "the result should be",
            ),
            Mutant("weights only", lambda c: lambda *a: _price(*a)[0], "shape"),
        ),
    ),
    2: Task(
        kind="num",
        check=_check_share,
        hints=(
            "The depthwise half costs H W C K K, the pointwise half H W C C'.",
            "Divide their sum by H W C C' K K: two fractions are left.",
        ),
        solution="1 / 128 + 1 / 3 ** 2\nThe first term is the depthwise half, the second the "
        "pointwise one; the number of channels in cancels.",
        reference=_share,
        mutants=(
            Mutant("share saved", lambda c: 1 - _share(c), "share saved"),
            Mutant("one half only", lambda c: 1 / c["kernel"] ** 2, "pointwise half alone"),
            Mutant("a ratio upside down", lambda c: 1 / _share(c), "Divide the multiply-adds"),
            Mutant("a text", lambda c: "a ninth", "number is wanted"),
        ),
        context=lambda: {"kernel": 3, "filters": 128},
    ),
    3: Task(
        kind="fn",
        check=_check_inverted,
        hints=(
            "Three calls of conv_norm: 1x1, 3x3 with as many groups as channels, 1x1.",
            "The stride belongs to the middle one, act=None to the last one; add x where stride "
            "is 1 and the widths agree.",
        ),
        solution="y = layers.conv_norm(x, inner, 1)\n"
        "y = layers.conv_norm(y, inner, 3, stride, groups=inner)\n"
        "y = layers.conv_norm(y, width, 1, act=None)\n"
        "return keras.layers.Add()([x, y]) if stride == 1 and width == x.shape[-1] else y\n"
        "A ReLU on the narrow end would set about half of its few numbers to zero.",
        reference=lambda context: _inverted,
        mutants=(
            Mutant(
                "activation at the end",
                lambda c: lambda x, w, s, i: keras.layers.ReLU()(_inverted(x, w, s, i)),
                "number of activations",
            ),
            Mutant(
                "never added",
                lambda c: (
                    lambda x, w, s, i: layers.conv_norm(
                        layers.conv_norm(layers.conv_norm(x, i, 1), i, 3, s, groups=i),
                        w,
                        1,
                        act=None,
                    )
                ),
                "input is added",
            ),
            Mutant(
                "not depthwise",
                lambda c: (
                    lambda x, w, s, i: layers.conv_norm(
                        layers.conv_norm(layers.conv_norm(x, i, 1), i, 3, s), w, 1, act=None
                    )
                ),
                "multiply-adds",
            ),
            Mutant(
                "stride forgotten", lambda c: lambda x, w, s, i: _inverted(x, w, 1, i), "the shape"
            ),
        ),
    ),
    4: Task(
        kind="train",
        check=_check_light,
        hints=(
            "The functions network and train of the notebook are a start; which block was cheap?",
            "Depthwise separable blocks, one for each width of 16, 32, 64, each with stride 2, "
            "trained for twice the epochs.",
        ),
        solution="image, x = layers.image_input(32, 3, (data.mean, data.std))\n"
        "x = layers.conv_norm(x, 16, 3, 2)\n"
        "for width in (16, 32, 64):\n"
        "    x = layers.depthwise_separable(x, width, 3, 2, conv=layers.conv_norm)\n"
        "light = kcv.models.Model(image, layers.classify(x, data.num_classes))\n"
        "and then compile and fit as in train, for eight epochs. Most weights sit in the last "
        "pointwise layer, so the widths decide.",
        reference=_train_light,
        mutants=(
            Mutant("too many weights", lambda c: _light(c["data"], (32, 64, 128)), "At most"),
            Mutant("not trained", lambda c: _light(c["data"]), "below the bar"),
            Mutant("a number", lambda c: 0.9, "model is wanted"),
        ),
        context=_tiles,
    ),
}
