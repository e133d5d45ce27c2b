"""Compare kcv's networks with those of other libraries, and write `docs/parity.csv` and `.md`.

    pip install --no-deps torchvision==0.28.0 timm==1.0.31 transformers==5.23.0 \
        mmpretrain==1.2.0 mmengine==0.10.7 mmcv-lite==2.2.0      # beside torch 2.13, moved by none
    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python scripts/parity.py [pattern ...]

Every row builds the reference with random weights and random batch-norm statistics, moves its
tensors to kcv by `kcv.weights.names` and compares. Rows that the CSV has already are left alone:
delete a row to measure it again. Patterns (of the shell) pick rows by "model dialect/reference".
"""

import csv
import fnmatch
import gc
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import parity_references as references
import torch

from kcv import models
from kcv.layers.init import postponed
from kcv.weights import names

FOLDER = Path(__file__).parents[1] / "docs"
STATISTICS = ("running_mean", "running_var", "moving_mean", "moving_variance")
OFF = ("dropout", "aux_dropout", "attention_dropout", "drop_rate")


class Result(NamedTuple):
    """One row of the table; errors are divided by the largest logit (gradient, statistic).

    `own32` is the reference's own float32 error. `training` compares the logits of a training
    step, `statistics` the running means and variances after it. `tensors` counts those that came
    back identical and that the reference loaded strictly.
    """

    model: str
    dialect: str
    reference: str
    size: str
    std: float
    float64: float
    gradient: float
    training: float
    statistics: float
    float32: float
    own32: float
    tensors: int
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether the row is within the bounds of the table."""
        exact = max(self.float64, self.training, self.statistics) <= 1e-8
        return exact and self.gradient <= 1e-6 and self.float32 <= max(2e-5, 20 * self.own32)


def wide(on: bool) -> None:
    """Compute in float64, or in float32 again.

    Keras takes float64 for float32 where it works out result types, on all backends but
    TensorFlow (keras issue 23704): the entry that says so is set right.
    """
    from keras.src.backend.common import dtypes

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64" if on else "float32"
    keras.config.set_floatx("float64" if on else "float32")
    keras.config.set_dtype_policy("float64" if on else "float32")


def build(case, size: tuple[int, int]):
    """Build kcv's network with the numerics of a case, dropout off, for weights loaded next."""
    known = models.fields(case.model)
    changes = {key: 0.0 for key in OFF if key in known}
    changes |= names.numerics(case.model, f"{case.dialect}/{case.reference}")
    with postponed():
        return models.build(case.model, image_size=size, **changes)


def scores(model, images, training: bool = False):
    """Return kcv's logits, the main ones where there are several."""
    answer = model(images, training=training)
    return answer[0] if isinstance(answer, list | tuple) else answer


def gradient(function, images: torch.Tensor, weights: torch.Tensor) -> np.ndarray:
    """Return the gradient of a weighted sum of the logits with respect to the images."""
    images = images.clone().requires_grad_()
    return torch.autograd.grad((function(images) * weights).sum(), images)[0].numpy()


def distance(ours, theirs) -> float:
    """Return the largest difference, divided by the largest value of the reference."""
    ours, theirs = np.asarray(ours, "float64"), np.asarray(theirs, "float64")
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def in_float64(case, size, reference, images, weights) -> tuple[dict, np.ndarray]:
    """Compare logits, gradients and a training step in float64."""
    model = build(case, size)
    names.load(model, reference.tensors(), case.dialect)
    found = {}
    with torch.no_grad():
        theirs = reference(images).numpy()
        found["float64"] = distance(scores(model, images).numpy(), theirs)
    found["std"] = float(theirs.std())
    found["gradient"] = distance(
        gradient(lambda x: scores(model, x), images, weights),
        gradient(reference, images, weights),
    )
    with torch.no_grad():
        training, after = reference.step(images)
        found["training"] = distance(scores(model, images, True), training)
    ours = names.dump(model, case.dialect)
    moved = [n for n in ours if n.endswith(STATISTICS)]
    found["statistics"] = max((distance(ours[n], after[n]) for n in moved), default=0.0)
    return found, theirs


def in_float32(case, size, reference, images, exact) -> dict:
    """Compare logits in float32, and send the tensors there and back."""
    wide(False)
    reference.float()
    images = images.float()
    model = build(case, size)
    tensors = reference.tensors()
    names.load(model, tensors, case.dialect)
    with torch.no_grad():
        theirs = reference(images).numpy()
        found = {"float32": distance(scores(model, images).numpy(), theirs)}
    found["own32"] = distance(theirs, exact)
    back = names.dump(model, case.dialect)
    whole = tensors | back  # heads for training that kcv left out come from the reference
    reference.strict({name: whole[name] for name in whole if name in tensors} | back, model)
    same = [n for n in back if np.array_equal(back[n], tensors[n])]
    different = [n for n in back if n not in same and not n.endswith("num_batches_tracked")]
    if different:
        raise RuntimeError(f"{case}: not identical after the round trip: {different[:5]}")
    found["tensors"] = len(same)
    return found


def measure(case, size: tuple[int, int]) -> Result:
    """Return one row of the table."""
    start = time.perf_counter()
    wide(True)
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.standard_normal((2, *size, 3)))
    weights = torch.from_numpy(rng.standard_normal((2, 1000)))
    reference = references.make(case, size)
    with torch.no_grad():
        reference.randomise(images)
        reference.spread(images)
    found, exact = in_float64(case, size, reference, images, weights)
    keras.backend.clear_session()
    gc.collect()
    found |= in_float32(case, size, reference, images, exact)
    place = (case.model, case.dialect, case.reference, "x".join(str(n) for n in size))
    return Result(*place, **found, seconds=time.perf_counter() - start)


def plan() -> list[tuple]:
    """Return (case, size) of all rows: the native size, and an odd one that is not square."""
    rows = []
    for case in references.cases():
        native = models.fields(case.model)["image_size"]
        rows.append((case, (native, native)))
        if case.odd:
            rows.append((case, references.ODD))
    return rows


def read(path: Path) -> list[Result]:
    """Return the rows that were measured already."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Result(*(kind(cells[name]) for name, kind in Result.__annotations__.items()))
            for cells in csv.DictReader(file)
        ]


def write(path: Path, results: list[Result]) -> None:
    """Write the rows as CSV, figures with three digits."""
    order = {
        (*case[:3], "x".join(str(n) for n in size)): i for i, (case, size) in enumerate(plan())
    }
    results = sorted(results, key=lambda row: order.get(row[:4], len(order)))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Result._fields)
        for row in results:
            writer.writerow([f"{v:.3g}" if isinstance(v, float) else v for v in row])


def markdown(results: list[Result]) -> str:
    """Return the table for people."""
    lines = [TEXT, "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for row in results:
        cells = [row.model, f"{row.dialect} `{row.reference}`", row.size]
        cells += [f"{v:.0e}" for v in (row.float64, row.gradient, row.training, row.statistics)]
        cells += [f"{row.float32:.0e} ({row.own32:.0e})", f"{row.tensors}"]
        lines.append("| " + " | ".join([*cells, "yes" if row.equal else "**no**"]) + " |")
    left = [
        f"- {c.model}, {c.dialect} `{c.reference}`: {c.why}." for c in references.cases() if c.why
    ]
    parts = {
        "Not compared at 225x193:": left,
        "One member only, of a family or in a reference (two are compared of all others):": alone(),
        "In the plan and not measured yet:": missing(results),
    }
    for title, items in parts.items():
        if items:
            lines += ["", title, "", *items]
    return "\n".join([*lines, ""])


def alone() -> list[str]:
    """Return the pairs of family and reference with one member in the plan, and why.

    Raises:
        KeyError: if there is no reason: the plan lacks a row.
    """
    members: dict[tuple[str, str], set[str]] = {}
    for case in references.cases():
        family = names.family_of(case.model)
        members.setdefault((family, case.dialect), set()).add(case.model)
    found = []
    for (family, dialect), compared in members.items():
        zoo = [
            name for name in models.list() if name != "lenet5" and names.family_of(name) == family
        ]
        if len(compared) == 1:
            why = "kcv has one" if len(zoo) == 1 else references.ALONE[family, dialect]
            found.append(f"- {family}, {dialect}: {why}.")
    return found


def missing(results: list[Result]) -> list[str]:
    """Return the rows of the plan that the table lacks."""
    done = {row[:4] for row in results}
    return [
        f"- {case.model}, {case.dialect} `{case.reference}`, {size[0]}x{size[1]}."
        for case, size in plan()
        if (*case[:3], f"{size[0]}x{size[1]}") not in done
    ]


HEAD = (
    *("kcv", "reference", "size", "float64", "gradient", "training", "statistics"),
    *("float32 (reference's own)", "tensors", "equal"),
)
TEXT = """# Parity with other libraries

Written by `scripts/parity.py`; the figures stand in `parity.csv`. Weights and batch-norm statistics
are random, every tensor is non-trivial, the last layer is scaled so that logits have a standard
deviation of 2; two images of random pixels. The tensors go from the reference to kcv and back
through `kcv.weights.names`.

- *float64*: largest difference of logits, divided by the largest logit. Bound: 1e-8.
- *gradient*: the same of the gradient of a weighted sum of logits by the images. Bound: 1e-6.
- *training*: logits of a training step, dropout and stochastic depth at rate 0, one
  momentum on both sides; *statistics*: the
  worst running mean or variance after it. Bound: 1e-8. kcv's `BatchNorm` takes the unbiased
  variance, as PyTorch does; Keras's own layer would be 1/n off.
- *float32*: as float64, in float32 on both sides, and in brackets how far the reference's float32
  is from its own float64. Bound: 2e-5, or 20 times the reference's own.
- *tensors*: how many came back identical; the reference then loaded kcv's file strictly.

Versions: torch 2.13.0+cpu, Keras 3.15.1, timm 1.0.31, torchvision 0.28.0, transformers 5.23.0,
mmpretrain 1.2.0; keras.applications is Keras's own. On a CPU; no published checkpoint was loaded
here.

keras.applications' tensors go through the files that Keras writes and reads. Keras keeps the biased
variance of a batch, kcv the unbiased one: Keras's are multiplied by n/(n-1) before *statistics* is
taken. Its ResNet and VGG are given the images blue-green-red, as their own preprocessing does. On
torch, the gradient of `hard_sigmoid` holds a sixth in float32, those who write it out do not: 2e-9
to 1e-7 of MobileNetV3's.

Networks with squeeze-and-excite, of all libraries, have running variances of 1 to 2 times those of
the batch, the others of 0.5 to 1.5: with these, rounding errors grew by 1e5 to 1e6 through 23 gated
blocks and float32 said nothing (EfficientNet-B1 at 225x193 of Keras 2e-2, its own 2e-4; of
mmpretrain 0.45, its own 0.38).
"""


def main() -> None:
    """Measure what the table lacks."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    references.prepare()
    patterns = sys.argv[1:] or ["*"]
    results = read(FOLDER / "parity.csv")
    done = {row[:4] for row in results}
    for case, size in plan():
        key = (*case[:3], "x".join(str(n) for n in size))
        name = f"{case.model} {case.dialect}/{case.reference}"
        if key in done or not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            continue
        results.append(measure(case, size))
        write(FOLDER / "parity.csv", results)
        sys.stdout.write(f"{results[-1]}\n")
        sys.stdout.flush()
        keras.backend.clear_session()
        gc.collect()
    results = read(FOLDER / "parity.csv")
    (FOLDER / "parity.md").write_text(markdown(results), encoding="utf-8")


if __name__ == "__main__":
    main()
