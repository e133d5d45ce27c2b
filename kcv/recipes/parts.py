"""The Keras objects that a recipe describes: optimiser, loss, metrics, callbacks."""

from typing import Any

import keras

from kcv import callbacks, losses, optimizers, schedules, weights
from kcv.data.mix import Mixed
from kcv.recipes.recipe import Recipe


def make_schedule(recipe: Recipe, steps_per_epoch: int):
    """Return the learning rate over the steps of the run, scaled to the recipe's batch."""
    base = schedules.scaled(recipe.learning_rate, recipe.batch_size, recipe.base_batch)
    steps = recipe.epochs * steps_per_epoch
    warmup = min(round(recipe.warmup_epochs * steps_per_epoch), steps - 1)
    # from a hundredth, as torchvision's recipes: from zero the first step would be wasted
    rise: dict[str, Any] = {"warmup": warmup, "warmup_start": 0.01}
    every = max(1, round(recipe.step_epochs * steps_per_epoch))
    if recipe.schedule == "one_cycle":
        return schedules.one_cycle(base, steps, **({"warmup": warmup} if warmup else {}))
    if recipe.schedule == "cosine":
        return schedules.cosine(base, steps, **rise)
    if recipe.schedule == "polynomial":
        return schedules.polynomial(base, steps, **rise)
    if recipe.schedule == "step":
        edges = list(range(warmup + every, steps, every))
        return schedules.step(base, edges, recipe.step_factor, **rise)
    if recipe.schedule == "exponential":
        return schedules.exponential(base, recipe.step_factor, every, **rise)
    return schedules.constant(base, **rise)


def make_optimizer(
    recipe: Recipe, steps_per_epoch: int, model: keras.Model | None = None
) -> keras.optimizers.Optimizer:
    """Return the optimiser with its schedule.

    Args:
        steps_per_epoch: batches in an epoch, `len(data.train)`.
        model: what it is to train; needed where the recipe has a `layer_decay`.
    """
    optimizer = _make_optimizer(recipe, steps_per_epoch)
    if recipe.layer_decay != 1:
        optimizer.factors = weights.layer_decay(model, recipe.layer_decay)
    return optimizer


def _make_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    rate = make_schedule(recipe, steps_per_epoch)
    clip = {"global_clipnorm": recipe.clip_norm} if recipe.clip_norm else {}
    if recipe.optimizer == "adamw":
        return optimizers.AdamW(
            rate, recipe.weight_decay, beta_1=recipe.momentum, epsilon=recipe.epsilon, **clip
        )
    if recipe.optimizer == "rmsprop":
        return optimizers.RMSprop(
            rate,
            momentum=recipe.momentum,
            epsilon=recipe.epsilon,
            weight_decay=recipe.weight_decay,
            **clip,
        )
    return optimizers.SGD(
        rate, recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay, **clip
    )


def make_batches(recipe: Recipe, data):
    """Return the training batches, mixed in pairs where the recipe says so."""
    if not recipe.mixup and not recipe.cutmix:
        return data.train
    return Mixed(
        data.train,
        data.num_classes,
        mixup=recipe.mixup,
        cutmix=recipe.cutmix,
        seed=recipe.seed,
        end_epoch=recipe.mix_epochs or None,
    )


def make_loss(recipe: Recipe, data=None) -> keras.losses.Loss:
    """Return the cross-entropy of the recipe; labels may be class numbers or soft.

    Args:
        data: the `kcv.data.Data` to train on, which knows what a yes of each class weighs; needed
            for `class_weights` where images have several classes.
    """
    if recipe.loss == "binary_cross_entropy":
        weights = None if data is None else data.positive_weights
        return losses.BinaryCrossEntropy(recipe.label_smoothing, weights)
    return losses.CrossEntropy(recipe.label_smoothing)


def make_metrics(num_classes: int, multi_label: bool = False) -> list[keras.metrics.Metric]:
    """Return accuracy, and top-5 accuracy where there are more than five classes.

    Args:
        multi_label: that images have several classes: mean average precision and F1 then.
    """
    if multi_label:
        return [losses.MeanAveragePrecision(num_classes), losses.F1(num_classes)]
    top5 = [losses.Accuracy(5, name="top5_accuracy")] if num_classes > 5 else []
    return [losses.Accuracy(), *top5]


class _Grown:
    """Training batches of the size that the network has at the end, whatever the epoch is."""

    def __init__(self, train, epochs: int):
        self.train, self.epochs = train, epochs

    def __iter__(self):
        epoch = self.train.epoch
        self.train.epoch = max(epoch, self.epochs)
        try:
            yield from self.train
        finally:
            self.train.epoch = epoch


def _grown(recipe: Recipe, train):
    """Return what SWA measures batch-norm statistics on, also where a run stops before its end."""
    return _Grown(train, recipe.epochs) if recipe.start_size else train


def monitored(data) -> str:
    """Return the number of the epoch logs that tells the best epoch of a run on this data."""
    return "val_mean_average_precision" if data.multi_label else "val_accuracy"


def make_callbacks(
    recipe: Recipe, train, monitor: str = "val_accuracy"
) -> list[keras.callbacks.Callback]:
    """Return the averaging and stopping callbacks of the recipe, in the order that `fit` needs.

    Args:
        train: the training batches, over which SWA re-estimates batch-norm statistics.
        monitor: the number that early stopping watches.
    """
    made: list[keras.callbacks.Callback] = []
    ema = callbacks.EMA(recipe.ema_decay) if recipe.ema_decay else None
    if ema is not None:
        made.append(ema)
    if recipe.patience:
        made.append(
            callbacks.EarlyStopping(monitor, recipe.patience, restore_best=True, averaged=ema)
        )
    # last: the best epoch would take the place of the average otherwise
    if recipe.swa_start:
        made.append(callbacks.SWA(recipe.swa_start, data=_grown(recipe, train)))
    return made
