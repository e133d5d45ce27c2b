"""The model class that `kcv.models.build` returns."""

import keras

from kcv import kernels
from kcv.engine.objective import check_arrays

if kernels.TORCH:
    from kcv.engine.steps import Steps
else:

    class Steps:  # type: ignore[no-redef]
        """Elsewhere Keras's own steps are as fast as they can be."""


NOTES = ("arguments", "preprocessing")  # set by `kcv.models.build` and `kcv.weights`


@keras.saving.register_keras_serializable("kcv")
class Model(Steps, keras.Model):
    """A functional Keras model; everything Keras says of `keras.Model` holds.

    Two things are added. On torch `fit`, `evaluate` and `predict` run the graph as a flat plan
    (`kcv.engine.plan`) wherever that gives the same result, else as Keras does; `engine` says
    which. Metrics are read twice a second and at the end of an epoch, and at every step only if a
    callback of the user's looks at each batch. On a CPU memory that is freed stays with the process
    for the next step (`kcv.kernels.keep_memory`; `KCV_KEEP_MEMORY=0` forbids it).

    A network with auxiliary heads (outputs `logits`, `logits_aux1`, ...) trains with one label:
    their losses count in training only, each by the weight that its layer holds; metrics and
    `predict` see the main scores alone.
    """

    @property
    def others(self) -> dict[tuple[int, int], "Model"]:
        """The same network for images of other sizes, which it then takes too; none by default."""
        return self.__dict__.get("_others", {})

    def take_others(self, models: dict[tuple[int, int], "Model"]) -> None:
        """Set `others`, past Keras, which would count them as layers."""
        self.__dict__["_others"] = models

    def __call__(self, inputs, *args, **kwargs):
        others = self.__dict__.get("_others")
        other = others.get(tuple(inputs.shape[1:3])) if others else None
        call = super().__call__ if other is None else other
        return call(inputs, *args, **kwargs)

    @property
    def has_auxiliary(self) -> bool:
        """Whether the network has auxiliary heads."""
        return self.output_names[-1].startswith("logits_aux")

    def main_scores(self, scores):
        """Return the scores without those of auxiliary heads."""
        several = isinstance(scores, list | tuple)
        return scores[0] if several and self.has_auxiliary else scores

    def fit(self, x=None, y=None, *args, **kwargs):
        held_out = kwargs.get("validation_data")
        also = held_out[1] if isinstance(held_out, list | tuple) and len(held_out) > 1 else None
        check_arrays(self, y, also)
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        check_arrays(self, y)
        return super().evaluate(x, y, *args, **kwargs)

    def export(self, *args, **kwargs):
        self._called = True  # Keras wants a call before; those of the plan pass it by
        return super().export(*args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        main = self.main_scores(y_pred)
        loss = super().compute_loss(x, y, main, sample_weight, training)
        if main is y_pred or not training:
            return loss
        for name, scores in zip(self.output_names[1:], y_pred[1:], strict=True):
            weight = self.get_layer(name).loss_weight
            loss = loss + weight * self._compile_loss(y, scores, sample_weight)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, self.main_scores(y_pred), sample_weight)

    def get_config(self):
        # what it was built of, and how its images are prepared: kcv.weights needs both
        config = super().get_config()
        for name in NOTES:
            if getattr(self, name, None) is not None:
                config[name] = keras.saving.serialize_keras_object(getattr(self, name))
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        notes = {name: config.pop(name) for name in NOTES if name in config}
        model = super().from_config(config, custom_objects)
        for name, note in notes.items():
            setattr(model, name, keras.saving.deserialize_keras_object(note))
        return model

    def predict(self, *args, **kwargs):
        return self.main_scores(super().predict(*args, **kwargs))
