"""Cross-entropy that takes class numbers or soft labels, and the accuracies that go with it."""

import keras
from keras import ops

from kcv import kernels


@keras.saving.register_keras_serializable("kcv")
class CrossEntropy(keras.losses.Loss):
    """Softmax cross-entropy from logits: labels `(B,)` or `(B, K)`, logits `(B, K)`.

    One loss for both kinds of labels: mixup and CutMix make soft ones in training while validation
    keeps class numbers. Computed in float32 under mixed precision.

    Args:
        label_smoothing: share of the label spread evenly over all classes, 0..1 (Szegedy et al.
            2015, https://arxiv.org/abs/1512.00567).

    Raises:
        ValueError: if the smoothing is outside 0 <= label_smoothing < 1.
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
        return kernels.cross_entropy(y_pred, y_true, self.label_smoothing)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def _class_numbers(y_true, y_pred):
    """Return labels `(B,)`: soft ones count as their largest class."""
    y_true = ops.convert_to_tensor(y_true)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == y_pred.shape[-1]:
        return ops.argmax(y_true, axis=-1)
    return ops.reshape(y_true, (-1,))


@keras.saving.register_keras_serializable("kcv")
class Accuracy(keras.metrics.MeanMetricWrapper):
    """Share of images whose true class is among the `top` best scores; labels as in `CrossEntropy`.

    Args:
        top: how many of the best scores count; never more than there are classes.
    """

    def __init__(self, top=1, name="accuracy", dtype=None):
        super().__init__(self._hits, name=name, dtype=dtype)
        self.top = int(top)

    def _hits(self, y_true, y_pred):
        labels = _class_numbers(y_true, y_pred)
        if self.top == 1:
            found = ops.equal(ops.cast(labels, "int32"), ops.cast(ops.argmax(y_pred, -1), "int32"))
        else:
            top = min(self.top, y_pred.shape[-1])
            found = ops.in_top_k(ops.cast(labels, "int32"), ops.cast(y_pred, "float32"), top)
        return ops.cast(found, "float32")

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "top": self.top}
