"""The judge of an architecture: a short training by kcv's own recipe, scored on validation data."""

import gc
from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from kcv import cost, kernels, seeding
from kcv.callbacks.interrupt import Interrupt
from kcv.data import Data
from kcv.engine import Model
from kcv.layers.init import postponed
from kcv.nas.architecture import Architecture
from kcv.nas.network import build
from kcv.recipes import Recipe, settings
from kcv.recipes.parts import (
    make_batches,
    make_callbacks,
    make_loss,
    make_metrics,
    make_optimizer,
    monitored,
)
from kcv.recipes.run import default_threads

# fields of a recipe that say what a candidate is or where its weights come from
NOT_HERE = ("model", "network", "epochs", "weights", "freeze", "layer_decay", "start_size")


class Training:
    """Train an architecture from random weights and say how well it does on validation data.

    `judge(architecture, epochs)` is the accuracy (mean average precision where images have several
    classes) after so many epochs. Every candidate gets the same seed, order of images and recipe;
    the test part is never looked at. The same call gives the same score, bit for bit on a CPU.

    Args:
        data: what `kcv.data.load` takes: `"digits"`, `"folder:PATH"`, `"tfds:cifar10"` ...
        stem: as in `kcv.nas.build`; by default `"medium"` up to 64 pixels, else `"standard"`.
        **changes: fields of `kcv.recipes.Recipe`, e.g. `batch_size=64, learning_rate=0.05`. The
            schedule runs its whole course in however few epochs a candidate gets.

    Raises:
        ValueError: for a field that a search does not have, an unknown one, or a wrong value.
    """

    def __init__(self, data="fashion_mini", *, stem: str = "", **changes):
        for name in NOT_HERE:
            if name in changes:
                raise ValueError(
                    "A search trains its own networks from random weights, for as many epochs as "
                    f"its strategy says. Received: {name}={changes[name]!r}. Leave it out."
                )
        named = {"data": data} if isinstance(data, str) else {}
        recipe = Recipe("searched").changed(**changes, **named)
        self.data: Data = settings.load(recipe, data)
        small = max(self.data.image_size) <= settings.SMALL_IMAGE
        self.recipe = recipe.changed(
            data=self.data.spec,
            stem=stem or ("medium" if small else "standard"),
            channels=self.data.channels,
            loss=settings.loss_name(recipe.loss, self.data),
            threads=recipe.threads or default_threads(),
        )
        self._costs: dict[Architecture, tuple[int, int]] = {}

    def __call__(self, architecture: Architecture, epochs: int) -> float:
        """Return the validation score after `epochs`.

        Raises:
            FloatingPointError: if the loss is no number any more.
        """
        model = self.fit(architecture, epochs)
        try:
            scores = model.evaluate(self.data.val, verbose=0, return_dict=True)
        finally:
            del model
            gc.collect()  # a network is a ring of references: thousands would pile up
        return float(scores[monitored(self.data).removeprefix("val_")])

    def fit(self, architecture: Architecture, epochs: int) -> Model:
        """Return the network of an architecture, trained for `epochs`.

        Raises:
            FloatingPointError: if the loss is no number any more.
        """
        recipe = self.recipe.changed(epochs=epochs)
        kernels.keep_memory()
        kernels.set_threads(recipe.threads)
        seeding.set_seed(recipe.seed)
        model, train = self.build(architecture), make_batches(recipe, self.data)
        monitor = monitored(self.data)
        model.compile(
            make_optimizer(recipe, len(self.data.train), model),
            make_loss(recipe, self.data),
            metrics=make_metrics(self.data.num_classes, self.data.multi_label),
            jit_compile=recipe.compile or "auto",
        )
        averaging = make_callbacks(recipe, train, monitor)
        with Interrupt() as interrupt:
            model.fit(
                train,
                validation_data=self.data.val if recipe.patience else None,
                epochs=epochs,
                shuffle=False,
                verbose=0,
                callbacks=[interrupt, *averaging, _Epochs(train)],
            )
        return model

    def build(self, architecture: Architecture) -> Model:
        """Return the network of an architecture for this data, untrained."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.recipe.precision)
        try:
            return build(
                architecture,
                num_classes=self.data.num_classes,
                image_size=self.data.image_size,
                channels=self.data.channels,
                normalize=(self.data.mean, self.data.std),
                stem=self.recipe.stem,
            )
        finally:
            keras.config.set_dtype_policy(before)

    def cost(self, architecture: Architecture) -> tuple[int, int]:
        """Return (parameters, multiply-adds for one image); nothing is trained or run."""
        if architecture not in self._costs:
            with postponed():
                figures = cost.cost(self.build(architecture))
            self._costs[architecture] = figures.parameters, figures.macs
        return self._costs[architecture]

    def about(self) -> dict[str, Any]:
        """Return what decides the scores, for the history of a search."""
        found = asdict(self.recipe)
        return {k: v for k, v in found.items() if k not in (*NOT_HERE, "threads", "source")}


class _Epochs(keras.callbacks.Callback):
    """Tells the batches which epoch they give, and ends a training that has diverged."""

    def __init__(self, train):
        super().__init__()
        self.train = train

    def on_epoch_begin(self, epoch, logs=None):
        self.train.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        loss = float((logs or {}).get("loss", 0.0))
        if not np.isfinite(loss):
            raise FloatingPointError(f"The loss is {loss} after epoch {epoch + 1}.")
