"""Exercises of notebook 20: override, top-k accuracy, a run that reaches a bar, the log."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from kcv import data, recipes
from kcv.course.exercises import Mutant, Task, same_values

SCHEDULE_FIELDS = {"schedule", "warmup_epochs", "step_epochs", "step_factor"}
BAR, EPOCHS = 0.85, 6


def _check_override(answer, context: Mapping) -> str:
    base = context["recipe"]
    if not isinstance(answer, recipes.Recipe):
        return f"A Recipe is wanted. Received: {type(answer).__name__}."
    old, new = asdict(base), asdict(answer)
    changed = {name for name in old if old[name] != new[name]}
    if "schedule" not in changed:
        return f"The schedule is still {base.schedule!r}."
    others = sorted(changed - SCHEDULE_FIELDS)
    return f"More than the schedule changed: {', '.join(others)}." if others else ""


def _top_k(scores, labels, k):
    best = np.argsort(-np.asarray(scores), axis=1)[:, :k]
    return float((best == np.asarray(labels)[:, None]).any(axis=1).mean())


def _scores() -> list[tuple]:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(60, 7)), rng.integers(0, 7, 60)
    labels[:25] = scores[:25].argmax(1)  # better than chance: the highest are not the lowest
    return [(scores, labels, k) for k in (1, 3, 7)]


def _check_run(answer, context: Mapping) -> str:
    if not hasattr(answer, "metrics") or not hasattr(answer, "recipe"):
        return f"What kcv.recipes.train returns is wanted. Received: {type(answer).__name__}."
    if answer.recipe.epochs > EPOCHS:
        return f"At most {EPOCHS} epochs are allowed. Received: {answer.recipe.epochs}."
    reached = answer.metrics.get("test", {}).get("accuracy", 0.0)
    if reached < BAR:
        mirrored = answer.recipe.augment == "flip_shift"
        advice = " A mirrored digit is another sign: look at augment." if mirrored else ""
        return f"The test accuracy is {reached:.3f}, below the bar of {BAR}.{advice}"
    return ""


def _train_digits(context: Mapping):
    return recipes.train(
        "lenet5",
        "digits",
        image_size=16,
        stem="small",
        augment="none",
        batch_size=32,
        epochs=5,
        threads=1,
        out=Path(context["folder"]) / "digits",
    )


def _run_with(accuracy: float, **changes):
    recipe = recipes.Recipe("resnet18", **changes)
    return recipes.Run(Path("runs/digits"), recipe, None, [], {"test": {"accuracy": accuracy}})


def _halved(context: Mapping) -> int:
    rates = np.array([row["learning_rate"] for row in context["history"]])
    peak = int(rates.argmax())
    return peak + int(np.argmax(rates[peak:] <= rates[peak] / 2)) + 1


def _check_halved(answer, context: Mapping) -> str:
    wanted = _halved(context)
    if answer == wanted:
        return ""
    if answer == wanted - 1:
        return "One too low: the log counts epochs from 1, a list from 0."
    return "The rate of that epoch is not the first one at or below half of the highest."


def _logged() -> dict:
    rates = [0.02, 0.06, 0.1, 0.08, 0.04, 0.01]
    return {"history": [{"epoch": i + 1, "learning_rate": r} for i, r in enumerate(rates)]}


def _drafted() -> dict:
    return {"recipe": recipes.get("resnet18").changed(epochs=4, schedule="one_cycle")}


def _data_exists() -> dict:
    data.load("digits")  # the sentence about scikit-learn comes now, not after the training
    return {"folder": None}


TASKS = {
    1: Task(
        kind="prop",
        check=_check_override,
        hints=(
            "A recipe is frozen; one of its methods returns a copy with other values.",
            "recipe.changed(...) with a value of schedule that `kcv show resnet18` does not print.",
        ),
        solution='recipe.changed(schedule="cosine")\nEvery other field is copied, so that two runs '
        "differ by the schedule and by nothing else.",
        reference=lambda context: context["recipe"].changed(schedule="cosine"),
        mutants=(
            Mutant(
                "also the learning rate",
                lambda c: c["recipe"].changed(schedule="cosine", learning_rate=0.01),
                "learning_rate",
            ),
            Mutant("nothing changed", lambda c: c["recipe"].changed(), "still"),
            Mutant("a dict", lambda c: {"schedule": "cosine"}, "Recipe is wanted"),
        ),
        context=_drafted,
    ),
    2: Task(
        kind="fn",
        check=same_values(_top_k, _scores),
        hints=(
            "Sort each row by score, keep k columns, and look for the label among them.",
            "np.argsort sorts upwards: sort the negative scores, compare with labels[:, None].",
        ),
        solution="best = np.argsort(-scores, axis=1)[:, :k]\n"
        "return (best == labels[:, None]).any(axis=1).mean()\n"
        "With k = 1 it is accuracy; with k = number of classes it is 1.",
        reference=lambda context: _top_k,
        mutants=(
            Mutant("k ignored", lambda c: lambda s, y, k: _top_k(s, y, 1), "With 3"),
            Mutant(
                "lowest scores", lambda c: lambda s, y, k: _top_k(-s, y, k), "the result should be"
            ),
            Mutant(
                "not averaged",
                lambda c: lambda s, y, k: (np.argsort(-s, 1)[:, :k] == y[:, None]).any(1),
                "shape",
            ),
        ),
    ),
    3: Task(
        kind="train",
        check=_check_run,
        hints=(
            "1,797 small images make few steps: a smaller batch makes more of them.",
            'lenet5 with image_size=16, stem="small", batch_size=32; and which random changes '
            "leave a digit the same digit?",
        ),
        solution='kcv.recipes.train("lenet5", "digits", image_size=16, stem="small",\n'
        '    augment="none", batch_size=32, epochs=5, out=nb.folder / "digits")\n'
        "A mirrored digit is another sign, so no flips; small batches give more steps.",
        reference=_train_digits,
        mutants=(
            Mutant(
                "mirrored digits",
                lambda c: _run_with(0.7, epochs=3, augment="flip_shift"),
                "mirrored",
            ),
            Mutant("too long", lambda c: _run_with(0.99, epochs=40), "At most 6 epochs"),
            Mutant("below the bar", lambda c: _run_with(0.5, epochs=3, augment="none"), "below"),
            Mutant("a number", lambda c: 0.99, "returns is wanted"),
        ),
        context=_data_exists,
    ),
    4: Task(
        kind="num",
        check=_check_halved,
        hints=(
            "The rate rises first: begin to look at the epoch of the highest one.",
            "[row['learning_rate'] for row in run.history] counts from 0, epochs from 1.",
        ),
        solution="peak = rates.argmax()\n"
        "epoch = peak + np.argmax(rates[peak:] <= rates[peak] / 2) + 1\n"
        "One cycle rises for 30 % of the steps and then falls along half a cosine.",
        reference=_halved,
        mutants=(
            Mutant("counted from 0", lambda c: _halved(c) - 1, "counts epochs from 1"),
            Mutant("the first low rate", lambda c: 1, "not the first one"),
            Mutant("the last epoch", lambda c: len(c["history"]), "not the first one"),
        ),
        context=_logged,
    ),
}
