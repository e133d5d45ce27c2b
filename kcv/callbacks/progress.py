"""One progress bar for the whole run, and one for a prediction."""

import sys
import time

import keras

from kcv import bars


class Progress(keras.callbacks.Callback):
    """Show one bar over all epochs: images a second, time left, losses and accuracies.

    Pass `verbose=0` to `fit` beside it. The bar is tqdm's; in a file or a pipe it is silent but
    for one line an epoch.

    Args:
        images: training images in an epoch.
        batch_size: images in a step.
        file: where to write, by default standard output.
    """

    def __init__(self, images: int, batch_size: int, file=None):
        super().__init__()
        self.images, self.batch_size = images, batch_size
        self.file = file or sys.stdout
        self.bar, self.shown = None, 0.0

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()
        if not bars.is_terminal(self.file):
            return
        self.bar = bars.fitted(
            self.file,
            total=self.images * self.params["epochs"],
            unit=" images",
            unit_scale=True,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
        )

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        if self.bar is None:
            return
        if self.bar.n < epoch * self.images:  # a resumed run starts in the middle of the bar
            self.bar.n = self.bar.initial = epoch * self.images
        self.bar.set_description_str(f"epoch {epoch + 1}/{self.params['epochs']}")

    def on_train_batch_end(self, batch, logs=None):
        if self.bar is None:
            return
        self.bar.update(self.batch_size)
        now = time.perf_counter()
        if now - self.shown > 0.5:
            self.shown = now
            self.bar.set_postfix_str(_numbers(logs))

    def on_epoch_end(self, epoch, logs=None):
        took = time.perf_counter() - self.started
        text = f"epoch {epoch + 1}/{self.params['epochs']}  {_numbers(logs)}  {took:.0f} s"
        if self.bar is not None:
            self.bar.write(text, file=self.file)
        else:
            self.file.write(text + "\n")
            self.file.flush()

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Take the bar away; safe to call twice, also after an exception."""
        if self.bar is not None:
            self.bar.close()


class PredictionProgress(keras.callbacks.Callback):
    """Moves a bar on with every batch that `predict` has answered.

    Args:
        bar: of `kcv.bars`, whose total is the number of images.
        batch_size: images in a batch.
    """

    def __init__(self, bar, batch_size: int):
        super().__init__()
        self.bar, self.batch_size = bar, batch_size

    def on_predict_batch_end(self, batch, logs=None):
        self.bar.update(min(self.batch_size, self.bar.total - self.bar.n))


def _numbers(logs) -> str:
    short = {"loss": "loss", "accuracy": "acc", "mean_average_precision": "mAP"}
    names = {**short, **{f"val_{name}": f"val {text}" for name, text in short.items()}}
    parts = [f"{text} {float(logs[name]):.3f}" for name, text in names.items() if name in logs]
    return ", ".join(parts)
