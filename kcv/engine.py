"""The model class that `kcv.models.build` returns."""

import keras


@keras.saving.register_keras_serializable("kcv")
class Model(keras.Model):
    """A functional Keras model; everything Keras says of `keras.Model` holds.

    One thing is added: a network with auxiliary heads (outputs `logits`, `logits_aux1`, ...) trains
    with one label. Their losses count in training only, each by the weight that its layer holds;
    metrics and `predict` see the main scores alone.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if not self._has_auxiliary(y_pred):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        main, *others = y_pred
        loss = super().compute_loss(x, y, main, sample_weight, training)
        if not training:
            return loss
        for name, scores in zip(self.output_names[1:], others, strict=True):
            weight = self.get_layer(name).loss_weight
            loss = loss + weight * self._compile_loss(y, scores, sample_weight)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        y_pred = y_pred[0] if self._has_auxiliary(y_pred) else y_pred
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def predict(self, *args, **kwargs):
        scores = super().predict(*args, **kwargs)
        return scores[0] if self._has_auxiliary(scores) else scores

    def _has_auxiliary(self, scores) -> bool:
        several = isinstance(scores, list | tuple)
        return several and self.output_names[-1].startswith("logits_aux")
