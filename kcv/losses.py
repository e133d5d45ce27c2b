"""Cross-entropies that take class numbers or soft labels, and the metrics that go with them."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kcv import kernels


@keras.saving.register_keras_serializable("kcv")
class CrossEntropy(keras.losses.Loss):
    """Softmax cross-entropy from logits: labels `(B,)` or `(B, K)`, logits `(B, K)`.

    One loss for both kinds of labels: mixup and CutMix make soft ones in training while validation
    keeps class numbers. Computed in float32 under mixed precision.

    A class number that no logit has is refused where it can be read at no cost: on torch in labels
    on the CPU, and of NumPy arrays at the start of `fit` and `evaluate` of a `kcv.models.Model`.
    Elsewhere it makes the loss NaN, and labels on a GPU end in CUDA's own error.

    Args:
        label_smoothing: share of the label spread evenly over all classes, 0..1 (Szegedy et al.
            2015, https://arxiv.org/abs/1512.00567).

    Raises:
        ValueError: if the smoothing is outside 0 <= label_smoothing < 1; when it is called, if
            logits are not `(B, K)` or labels do not fit them.
    """

    def __init__(self, label_smoothing=0.0, name="cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "CrossEntropy needs 0 <= label_smoothing < 1. "
                f"Received: label_smoothing={label_smoothing}."
            )
        self.label_smoothing = float(label_smoothing)

    def call(self, y_true, y_pred):
        if len(y_pred.shape) != 2:
            raise ValueError(
                "CrossEntropy needs logits (images, classes); pool a map or a sequence first. "
                f"Received: y_pred.shape={tuple(y_pred.shape)}."
            )
        kernels.check_labels("CrossEntropy", y_true, y_pred)
        return kernels.cross_entropy(y_pred, y_true, self.label_smoothing)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("kcv")
class BinaryCrossEntropy(keras.losses.Loss):
    """Sigmoid cross-entropy from logits: a yes or no for each class, labels and logits `(B, K)`.

    For images of several classes, or none. The loss of an image is the mean over its classes.
    Labels may be soft, or class numbers `(B,)`: all other classes are then a no, and what
    `CrossEntropy` says of numbers outside the classes holds. Computed in float32 under mixed
    precision.

    Args:
        label_smoothing: share of each label that is moved to one half, 0..1.
        positive_weights: weight of a yes of each class `(K,)`, against 1 of a no; None for 1.

    Raises:
        ValueError: if the smoothing is outside 0 <= label_smoothing < 1, or a weight is not above
            zero; when it is called, if labels do not fit logits `(B, K)`.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        positive_weights: Sequence[float] | None = None,
        name="binary_cross_entropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "BinaryCrossEntropy needs 0 <= label_smoothing < 1. "
                f"Received: label_smoothing={label_smoothing}."
            )
        if positive_weights is not None and not np.all(np.asarray(positive_weights) > 0):
            raise ValueError(
                "BinaryCrossEntropy needs positive_weights over 0. "
                f"Received: positive_weights={positive_weights}."
            )
        self.label_smoothing = float(label_smoothing)
        given = positive_weights
        self.positive_weights = None if given is None else [float(weight) for weight in given]

    def call(self, y_true, y_pred):
        if len(y_pred.shape) == 2:
            kernels.check_labels("BinaryCrossEntropy", y_true, y_pred)
        return kernels.binary_cross_entropy(
            y_pred, y_true, self.label_smoothing, self.positive_weights
        )

    def get_config(self):
        own = {"label_smoothing": self.label_smoothing, "positive_weights": self.positive_weights}
        return {**super().get_config(), **own}


def _class_numbers(y_true, y_pred):
    """Return labels `(B,)`: soft ones count as their largest class."""
    y_true = ops.convert_to_tensor(y_true)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == y_pred.shape[-1]:
        return ops.argmax(y_true, axis=-1)
    return ops.reshape(y_true, (-1,))


@keras.saving.register_keras_serializable("kcv")
class Accuracy(keras.metrics.MeanMetricWrapper):
    """Share of images whose true class is among the `top` best scores; labels as in `CrossEntropy`.

    A class number outside the classes is refused on the CPU of torch, and a miss elsewhere.

    Args:
        top: how many of the best scores count; never more than there are classes.

    Raises:
        ValueError: if labels do not fit scores `(B, K)` when it is updated.
    """

    def __init__(self, top=1, name="accuracy", dtype=None):
        super().__init__(self._hits, name=name, dtype=dtype)
        self.top = int(top)

    def _hits(self, y_true, y_pred):
        if len(y_pred.shape) == 2:
            kernels.check_labels("Accuracy", y_true, y_pred)
        labels = _class_numbers(y_true, y_pred)
        if self.top == 1:
            found = ops.equal(ops.cast(labels, "int32"), ops.cast(ops.argmax(y_pred, -1), "int32"))
        else:
            top = min(self.top, y_pred.shape[-1])
            found = ops.in_top_k(ops.cast(labels, "int32"), ops.cast(y_pred, "float32"), top)
        return ops.cast(found, "float32")

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "top": self.top}


@keras.saving.register_keras_serializable("kcv")
class MeanAveragePrecision(keras.metrics.Metric):
    """Mean over the classes of the area under precision over recall; labels 0 or 1, `(B, K)`.

    The average precision of a class is the mean of the precision down to each of its images, all
    images sorted by their score. Scores are counted in 512 bins between the logits -16 and 16, so
    that nothing grows with the data; images in a bin are taken as evenly mixed. Classes that no
    image has do not count.

    Args:
        num_classes: K.
    """

    BINS, LIMIT = 512, 16.0

    def __init__(self, num_classes, name="mean_average_precision", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_classes = int(num_classes)
        shape = (self.num_classes, self.BINS)
        self.yes = self.add_variable(shape, "zeros", name="yes")
        self.no = self.add_variable(shape, "zeros", name="no")

    def update_state(self, y_true, y_pred, sample_weight=None):
        scores = ops.clip(ops.cast(y_pred, "float32"), -self.LIMIT, self.LIMIT)
        place = ops.cast((scores + self.LIMIT) * (self.BINS / (2 * self.LIMIT)), "int32")
        place = ops.minimum(place, self.BINS - 1) + self.BINS * ops.arange(self.num_classes)
        is_yes = ops.cast(ops.cast(y_true, "float32") > 0.5, self.dtype)
        for counter, share in ((self.yes, is_yes), (self.no, 1 - is_yes)):
            size = self.num_classes * self.BINS
            counts = ops.segment_sum(ops.reshape(share, (-1,)), ops.reshape(place, (-1,)), size)
            counter.assign_add(ops.reshape(counts, counter.shape))

    def result(self):
        yes, no = (ops.flip(ops.convert_to_tensor(one), 1) for one in (self.yes, self.no))
        found, taken = ops.cumsum(yes, 1), ops.cumsum(yes + no, 1)
        total = found[:, -1]
        # down to the middle of the bin; where an image is alone in it, down to that
        precision = (found - (yes - 1) / 2) / (taken - (yes + no - 1) / 2)
        area = ops.sum(yes * precision, 1) / ops.maximum(total, 1.0)
        present = ops.cast(total > 0, self.dtype)
        return ops.sum(area * present) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "num_classes": self.num_classes}


@keras.saving.register_keras_serializable("kcv")
class F1(keras.metrics.Metric):
    """Mean over the classes of the F1 of their yes, which is a logit over 0; labels `(B, K)`.

    Classes that no image has do not count.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes, name="f1", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_classes = int(num_classes)
        self.right, self.said, self.true = (
            self.add_variable((self.num_classes,), "zeros", name=one)
            for one in ("right", "said", "true")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        true = ops.cast(ops.cast(y_true, "float32") > 0.5, self.dtype)
        said = ops.cast(y_pred > 0, self.dtype)
        for counter, of_image in ((self.right, true * said), (self.said, said), (self.true, true)):
            counter.assign_add(ops.sum(of_image, 0))

    def result(self):
        f1 = 2 * self.right / ops.maximum(self.said + self.true, 1.0)
        present = ops.cast(ops.convert_to_tensor(self.true) > 0, self.dtype)
        return ops.sum(f1 * present) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "num_classes": self.num_classes}
