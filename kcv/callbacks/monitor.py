"""Which number of an epoch is watched, and which of two is better."""

import math

LOWER = ("loss", "error", "mse", "mae")
HIGHER = ("accuracy", "acc", "auc", "precision", "recall", "f1", "iou")


class Monitor:
    """Compares one entry of the epoch logs over time.

    Args:
        owner: who asks, for messages.
        name: key of the logs, such as `"val_accuracy"`.
        mode: `"min"`, `"max"`, or `"auto"` to tell by the name.
        min_delta: a smaller gain is no gain, >= 0.

    Raises:
        ValueError: if an argument is outside its range, or the name does not tell the mode.
    """

    def __init__(self, owner: str, name: str, mode: str = "auto", min_delta: float = 0.0):
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'{owner} needs mode "auto", "min" or "max". Received: mode={mode!r}.')
        if min_delta < 0:
            raise ValueError(f"{owner} needs min_delta >= 0. Received: min_delta={min_delta}.")
        self.name, self.min_delta = name, float(min_delta)
        self.sign = {"min": -1.0, "max": 1.0}.get(mode) or self._sign(owner)

    def _sign(self, owner: str) -> float:
        for ends, sign in ((LOWER, -1.0), (HIGHER, 1.0)):
            if self.name.lower().endswith(ends):
                return sign
        raise ValueError(
            f"{owner} needs to know whether more is better. Received: monitor={self.name!r}, "
            'mode="auto". Say mode="min" or mode="max".'
        )

    def read(self, logs: dict | None) -> float | None:
        """Return the number of this epoch, None if the logs lack it."""
        value = (logs or {}).get(self.name)
        return None if value is None else float(value)

    def better(self, value: float | None, best: float | None) -> bool:
        """Return whether `value` beats `best`; a NaN never does, any other number beats None."""
        if value is None or math.isnan(value):
            return False
        return best is None or self.sign * (value - best) > self.min_delta
