"""Whether a checkpoint and the model that is to go on from it belong together."""

import re

import keras
import numpy as np

from kcv.callbacks import weights
from kcv.version import __version__


def require_built(model) -> None:
    """Make sure that a model has all the variables that it would have in `fit`.

    Raises:
        RuntimeError: if it is not built or not compiled.
    """
    optimizer = getattr(model, "optimizer", None)
    if not model.built or optimizer is None:
        raise RuntimeError(
            "Resuming needs a model that is built and compiled. "
            f"Received: built={model.built}, optimizer={optimizer}."
        )
    if not optimizer.built:
        optimizer.build(model.trainable_variables)


def groups(model) -> dict[str, list]:
    """Return the variables that a checkpoint holds, in two groups."""
    return {"model": model.variables, "optimizer": model.optimizer.variables}


def arrays(variables) -> list[np.ndarray]:
    """Return arrays of the kinds that NumPy and safetensors both know."""
    found = weights.arrays(variables)
    # bfloat16 and the 8-bit floats are exact in single precision
    return [a.astype("float32") if a.dtype.kind == "V" else a for a in found]


def pick(tensors, group) -> list[np.ndarray]:
    """Return the arrays of one group of a checkpoint, in order."""
    count = sum(key.startswith(f"{group}/") for key in tensors)
    return [tensors[f"{group}/{i}"] for i in range(count)]


def describe(model, callbacks, meta: dict, seed: int) -> dict:
    """Return what must be the same for a run to go on, as it stands in a manifest."""
    found = {name: [_name(v) for v in variables] for name, variables in groups(model).items()}
    return {
        "seed": seed,
        "meta": meta,
        "keras": keras.__version__,
        "kcv": __version__,
        "backend": keras.backend.backend(),
        **found,
        "callbacks": [type(callback).__name__ for callback in callbacks],
    }


def differences(then: dict, now: dict) -> list[str]:
    """Return in which ways two descriptions are not of the same run, in words.

    Backend and minor versions may differ: the run goes on, if not bit for bit.
    """
    found = []
    old, new = ({**d["meta"], "seed": d["seed"], "Keras": _major(d)} for d in (then, now))
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            found.append(f"{key}={new.get(key)!r} instead of {old.get(key)!r}")
    for what in ("model", "optimizer", "callbacks"):
        found += _first_difference(what, then[what], now[what])
    return found


def _name(variable) -> str:
    """Return name and shape of a variable, without the numbers that Keras counts layers with."""
    return f"{re.sub(r'_[0-9]+(?=/|_|$)', '', variable.path)} {tuple(variable.shape)}"


def _major(description: dict) -> str:
    return description["keras"].split(".")[0]


def _first_difference(what: str, then: list[str], now: list[str]) -> list[str]:
    if len(then) != len(now):
        return [f"{what} of {len(now)} parts instead of {len(then)}"]
    for old, new in zip(then, now, strict=True):
        if old != new:
            return [f"{what} with {new} instead of {old}"]
    return []
