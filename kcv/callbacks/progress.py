"""One progress bar for the whole run."""

import os
import sys
import time

import keras


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
        from tqdm import tqdm

        self.started = time.perf_counter()
        if not (hasattr(self.file, "isatty") and self.file.isatty()):
            return
        columns, rows = _size(self.file)
        self.bar = tqdm(
            total=self.images * self.params["epochs"],
            unit=" images",
            unit_scale=True,
            file=self.file,
            ncols=columns,
            nrows=rows,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
        )
        self.bar.dynamic_ncols = _size  # at each change of the bar; `True` would be tqdm's own

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


def _size(file) -> tuple[int | None, int | None]:
    """Return columns and rows to draw in, one less than there are; None where nobody knows.

    Some terminals report 0 (`docker exec -t`, some CI), which for tqdm leaves no room for a bar.
    """
    try:
        columns, rows = os.get_terminal_size(file.fileno())
    except (OSError, ValueError, AttributeError):
        return None, None
    return (columns or 80) - 1, (rows or 24) - 1


def _numbers(logs) -> str:
    short = {"loss": "loss", "accuracy": "acc", "mean_average_precision": "mAP"}
    names = {**short, **{f"val_{name}": f"val {text}" for name, text in short.items()}}
    parts = [f"{text} {float(logs[name]):.3f}" for name, text in names.items() if name in logs]
    return ", ".join(parts)
