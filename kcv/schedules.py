"""Learning-rate schedules: Keras's own where it has them, what it lacks beside, one warmup for all.

Every function returns a `keras.optimizers.schedules.LearningRateSchedule` for the `learning_rate`
of any Keras optimizer: it saves with the model and, as it reads the optimizer's step counter, a
resumed run continues where it was. Steps are optimizer steps, counted from 0 over the whole run,
warmup included.

    optimizer = keras.optimizers.SGD(kcv.schedules.cosine(base=0.1, steps=10_000, warmup=500))
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import keras
import numpy as np
from keras import ops

Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule
PACKAGE = "kcv"


@keras.saving.register_keras_serializable(PACKAGE)
class Warmup(Schedule):
    """Linear warmup in front of any schedule, kcv's, Keras's or a user's.

    The rate rises from `start * schedule(0)` at step 0 to `schedule(0)` at step `steps`; from there
    the schedule runs as it is, its own step 0 at step `steps`. Goyal et al. 2017,
    https://arxiv.org/abs/1706.02677.

    Args:
        schedule: what follows the warmup.
        steps: length of the warmup, >= 1.
        start: first rate as a share of `schedule(0)`, 0 <= start <= 1.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(self, schedule, steps, start=0.0):
        known = isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)
        _need(known, "Warmup", "a Keras schedule", schedule=schedule)
        _need(steps >= 1, "Warmup", "steps >= 1", steps=steps)
        _need(0 <= start <= 1, "Warmup", "0 <= start <= 1", start=start)
        self.schedule = schedule
        self.steps = int(steps)
        self.start = float(start)

    def __call__(self, step):
        # before the end of the warmup the schedule stands at its step 0: one evaluation serves both
        rate = self.schedule(ops.maximum(step - self.steps, 0))
        done = ops.minimum(ops.cast(step, rate.dtype) / self.steps, 1.0)
        return rate * (self.start + (1.0 - self.start) * done)

    def get_config(self):
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "steps": self.steps, "start": self.start}

    @classmethod
    def from_config(cls, config):
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(**{**config, "schedule": schedule})


@keras.saving.register_keras_serializable(PACKAGE)
class Constant(Schedule):
    """The same rate at every step; there to be warmed up.

    Args:
        base: the learning rate, > 0.

    Raises:
        ValueError: if `base` is not positive.
    """

    def __init__(self, base):
        self.base = _base("Constant", base)

    def __call__(self, step):
        return ops.convert_to_tensor(self.base, dtype=keras.config.floatx())

    def get_config(self):
        return {"base": self.base}


@keras.saving.register_keras_serializable(PACKAGE)
class OneCycle(Schedule):
    """Up and down once, both ways along a half cosine; made by `one_cycle`.

    Args:
        base: highest rate, at step `rise`, > 0.
        steps: length of the run.
        rise: steps until the highest rate, 1 <= rise < steps.
        start: first rate as a share of `base`, 0 <= start <= 1.
        end: rate at step `steps` and after it, 0 <= end <= base.

    Raises:
        ValueError: if an argument is outside its range.
    """

    def __init__(self, base, steps, rise, start=0.04, end=0.0):
        self.base = _base("OneCycle", base)
        _need(1 <= rise < steps, "OneCycle", "1 <= warmup < steps", warmup=rise, steps=steps)
        _need(0 <= start <= 1, "OneCycle", "0 <= warmup_start <= 1", warmup_start=start)
        _need(0 <= end <= base, "OneCycle", "0 <= end <= base", end=end, base=base)
        self.steps, self.rise = int(steps), int(rise)
        self.start, self.end = float(start), float(end)

    def __call__(self, step):
        step = ops.cast(step, keras.config.floatx())
        up = ops.clip(step / self.rise, 0.0, 1.0)
        down = ops.clip((step - self.rise) / (self.steps - self.rise), 0.0, 1.0)
        low = self.start * self.base
        rising = low + (self.base - low) * (1.0 - ops.cos(math.pi * up)) / 2
        rate = rising - (self.base - self.end) * (1.0 - ops.cos(math.pi * down)) / 2
        return ops.maximum(rate, min(low, self.end))  # the difference may round to less than zero

    def get_config(self):
        names = ("base", "steps", "rise", "start", "end")
        return {name: getattr(self, name) for name in names}


def constant(base: float, warmup: int = 0, warmup_start: float = 0.0) -> Schedule:
    """Keep the rate at `base` after `warmup` steps of linear warmup from `warmup_start * base`.

    Raises:
        ValueError: if an argument is outside its range.
    """
    return _warm("constant", Constant(_base("constant", base)), warmup, warmup_start)


def step(
    base: float,
    boundaries: Sequence[int],
    factor: float = 0.1,
    warmup: int = 0,
    warmup_start: float = 0.0,
) -> Schedule:
    """Multiply the rate by `factor` at each step of `boundaries`: He et al. 2015, arXiv 1512.03385.

    Args:
        base: rate before the first boundary, > 0.
        boundaries: steps that are the first with a new rate, increasing, all > `warmup`; may be
            empty.
        factor: 0 < factor <= 1.
        warmup: steps of linear warmup.
        warmup_start: first rate as a share of `base`, 0 to 1.

    Raises:
        ValueError: if an argument is outside its range.
    """
    base = _base("step", base)
    _need(0 < factor <= 1, "step", "0 < factor <= 1", factor=factor)
    edges = list(boundaries)
    rising = all(low < high for low, high in zip([warmup, *edges], edges, strict=False))
    _need(rising, "step", "increasing boundaries > warmup", boundaries=boundaries)
    if not edges:
        return constant(base, warmup, warmup_start)
    # Keras keeps the old rate at the boundary itself, hence one less
    keras_edges = [int(edge) - warmup - 1 for edge in edges]
    rates = [base * factor**n for n in range(len(edges) + 1)]
    decay = keras.optimizers.schedules.PiecewiseConstantDecay(keras_edges, rates)
    return _warm("step", decay, warmup, warmup_start)


def exponential(
    base: float,
    rate: float,
    every: int,
    staircase: bool = False,
    warmup: int = 0,
    warmup_start: float = 0.0,
) -> Schedule:
    """Decay as `base * rate ** (t / every)`, t counted from the end of the warmup.

    Args:
        base: rate after the warmup, > 0.
        rate: what `every` steps multiply the rate by, 0 < rate <= 1.
        every: steps, >= 1.
        staircase: round t / every down: one drop each `every` steps.
        warmup: steps of linear warmup.
        warmup_start: first rate as a share of `base`, 0 to 1.

    Raises:
        ValueError: if an argument is outside its range.
    """
    base = _base("exponential", base)
    _need(0 < rate <= 1, "exponential", "0 < rate <= 1", rate=rate)
    _need(every >= 1, "exponential", "every >= 1", every=every)
    decay = keras.optimizers.schedules.ExponentialDecay(base, every, float(rate), staircase)
    return _warm("exponential", decay, warmup, warmup_start)


def inverse_time(
    base: float, rate: float, every: int, warmup: int = 0, warmup_start: float = 0.0
) -> Schedule:
    """Decay as `base / (1 + rate * t / every)`, t counted from the end of the warmup.

    Args:
        base: rate after the warmup, > 0.
        rate: strength of the decay, >= 0.
        every: steps, >= 1.
        warmup: steps of linear warmup.
        warmup_start: first rate as a share of `base`, 0 to 1.

    Raises:
        ValueError: if an argument is outside its range.
    """
    base = _base("inverse_time", base)
    _need(rate >= 0, "inverse_time", "rate >= 0", rate=rate)
    _need(every >= 1, "inverse_time", "every >= 1", every=every)
    decay = keras.optimizers.schedules.InverseTimeDecay(base, every, float(rate))
    return _warm("inverse_time", decay, warmup, warmup_start)


def polynomial(
    base: float,
    steps: int,
    power: float = 1.0,
    end: float = 0.0,
    warmup: int = 0,
    warmup_start: float = 0.0,
) -> Schedule:
    """Fall from `base` to `end` as `(1 - progress) ** power`; `power=1` is a straight line.

    Args:
        base: rate after the warmup, > 0.
        steps: length of the run, warmup included; the rate stays at `end` after it.
        power: > 0.
        end: last rate, 0 <= end <= base.
        warmup: steps of linear warmup, < steps.
        warmup_start: first rate as a share of `base`, 0 to 1.

    Raises:
        ValueError: if an argument is outside its range.
    """
    base = _base("polynomial", base)
    _need(warmup < steps, "polynomial", "warmup < steps", warmup=warmup, steps=steps)
    _need(power > 0, "polynomial", "power > 0", power=power)
    _need(0 <= end <= base, "polynomial", "0 <= end <= base", end=end, base=base)
    decay = keras.optimizers.schedules.PolynomialDecay(
        base, steps - warmup, float(end), float(power)
    )
    return _warm("polynomial", decay, warmup, warmup_start)


def cosine(
    base: float, steps: int, end: float = 0.0, warmup: int = 0, warmup_start: float = 0.0
) -> Schedule:
    """Fall from `base` to `end` along half a cosine, without restarts.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983.

    Args:
        base: rate after the warmup, > 0.
        steps: length of the run, warmup included; the rate stays at `end` after it.
        end: last rate, 0 <= end <= base.
        warmup: steps of linear warmup, < steps.
        warmup_start: first rate as a share of `base`, 0 to 1.

    Raises:
        ValueError: if an argument is outside its range.
    """
    base = _base("cosine", base)
    _need(warmup < steps, "cosine", "warmup < steps", warmup=warmup, steps=steps)
    _need(0 <= end <= base, "cosine", "0 <= end <= base", end=end, base=base)
    decay = keras.optimizers.schedules.CosineDecay(base, steps - warmup, alpha=end / base)
    return _warm("cosine", decay, warmup, warmup_start)


def one_cycle(
    base: float,
    steps: int,
    end: float = 0.0,
    warmup: int | None = None,
    warmup_start: float = 0.04,
) -> Schedule:
    """Rise from `warmup_start * base` to `base`, then anneal to `end`: one cycle for the whole run.

    Smith and Topin 2018, https://arxiv.org/abs/1708.07120; half cosines both ways instead of their
    straight lines, and the momentum is left alone.

    Args:
        base: the highest rate, > 0.
        steps: length of the run, warmup included.
        end: rate at step `steps` and after it, 0 <= end <= base.
        warmup: steps of the rise, 1 <= warmup < steps; None for 30 % of `steps`.
        warmup_start: first rate as a share of `base`, 0 to 1.

    Raises:
        ValueError: if an argument is outside its range.
    """
    rise = max(1, round(0.3 * steps)) if warmup is None else warmup
    return OneCycle(_base("one_cycle", base), steps, rise, warmup_start, end)


def scaled(base: float, batch: int, base_batch: int = 256) -> float:
    """Scale a learning rate in proportion to the batch: Goyal et al. 2017, arXiv 1706.02677.

    Args:
        base: the rate that suits `base_batch` images a step.
        batch: images a step of this run, over all processes.
        base_batch: images a step that `base` was found with.

    Raises:
        ValueError: if an argument is not positive.
    """
    base = _base("scaled", base)
    _need(
        batch >= 1 and base_batch >= 1, "scaled", "batches >= 1", batch=batch, base_batch=base_batch
    )
    return base * batch / base_batch


def values(schedule: Schedule, steps: int) -> np.ndarray:
    """Return the rates of the first `steps` steps, (steps,) float64: look before training.

    Raises:
        ValueError: if `steps` is negative.
    """
    _need(steps >= 0, "values", "steps >= 0", steps=steps)
    return np.array([float(ops.convert_to_numpy(schedule(t))) for t in range(steps)])


def _warm(caller: str, schedule: Schedule, warmup: int, start: float) -> Schedule:
    _need(warmup >= 0, caller, "warmup >= 0", warmup=warmup)
    _need(0 <= start <= 1, caller, "0 <= warmup_start <= 1", warmup_start=start)
    return Warmup(schedule, warmup, start) if warmup else schedule


def _base(caller: str, base: float) -> float:
    _need(base > 0 and math.isfinite(base), caller, "a finite base > 0", base=base)
    return float(base)  # Keras refuses an int as learning rate


def _need(ok: object, caller: str, rule: str, **received: object) -> None:
    if not ok:
        came = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"{caller} needs {rule}. Received: {came}.")
