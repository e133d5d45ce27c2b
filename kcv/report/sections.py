"""Sections about the run as a whole: contents of a run folder go in, HTML or nothing comes out."""

import math
from html import escape

import numpy as np

from kcv.report import folder, markup, pictures, plots, scores
from kcv.report.folder import Contents

LISTED = 100  # skipped files that are named
UNCHANGED = {"augment": "none", "mixup": 0, "cutmix": 0}  # training images are as they are


def headline(contents: Contents) -> str:
    """Return the title and the tiles that answer the first questions."""
    recipe, environment = contents.recipe, contents.environment
    model = recipe.get("model") or contents.model.get("model") or contents.path.name
    # ISO 8601 in UTC, as the run writes it, is not pleasant to read.
    date = str(environment.get("date", "date unknown")).replace("T", " ").replace("+00:00", " UTC")
    data = f" on {recipe['data']}" if recipe.get("data") else ""
    return (
        f"<header><p>kcv run &middot; {escape(contents.path.resolve().name)}"
        f" &middot; {escape(date)}</p>"
        f"<h1>{escape(f'{model}{data}')}</h1></header>"
        f'<div class="tiles">{_accuracy_tile(contents)}{_facts(contents)}</div>\n'
    )


def problems(contents: Contents) -> str:
    """Say what is missing, and why."""
    found = list(contents.problems)
    broken = [row["epoch"] for row in contents.log if _diverged(row)]
    if broken:
        found.append(
            f"The loss is not a finite number from epoch {broken[0]} on: the run diverged. "
            "A lower learning rate or a longer warmup is the usual cure."
        )
    return markup.section("What is missing", "", markup.bullets(found), "note") if found else ""


def comparison(contents: Contents) -> str:
    """Draw the accuracy beside what needs no network: a linear model, and a constant answer."""
    if contents.predictions is not None and contents.predictions.several:
        return _comparison_of_several(contents.predictions)
    measured = test_accuracy(contents)
    if measured is None:
        return ""
    accuracy, count = measured
    bars = [markup.bar("this run", accuracy, scores.wilson_interval(accuracy, count))]
    floor = contents.metrics.get("floor") or {}
    if "accuracy" in floor:
        bars.append(markup.bar(str(floor.get("name", "linear classifier")), floor["accuracy"]))
    if contents.predictions:
        share = np.bincount(contents.predictions.labels).max() / len(contents.predictions.labels)
        bars.append(markup.bar("always the most frequent class", float(share)))
    text = (
        "Test accuracy beside answers that need no network. The whisker is the 95% interval "
        f"(Wilson): with {count:,} test images, differences smaller than it say little."
    )
    return markup.section("How good is it?", text, f'<div class="bars">{"".join(bars)}</div>')


def _comparison_of_several(predictions: folder.Predictions) -> str:
    """Draw the mean average precision beside that of answers that know nothing."""
    labels = predictions.labels
    area = float(np.nanmean(scores.average_precision(predictions.probabilities, labels)))
    # the precision of a random order is the share of the images that have the class
    chance = float(labels.mean(axis=0)[labels.any(axis=0)].mean())
    bars = [markup.bar("this run", area), markup.bar("images in random order", chance)]
    text = (
        f"Mean average precision on {len(labels):,} images of the {escape(predictions.split)} "
        "part, beside that of answers that know nothing of the image."
    )
    return markup.section("How good is it?", text, f'<div class="bars">{"".join(bars)}</div>')


def curves(contents: Contents) -> str:
    """Draw the training."""
    if not contents.log:
        return ""
    alt = f"Loss, {plots.quality(contents.log).replace('_', ' ')} and learning rate over the epochs"
    svg = pictures.inline_svg(plots.curves(contents), "curves", alt)
    changed = any(contents.recipe.get(name, off) != off for name, off in UNCHANGED.items())
    text = (
        f"Per epoch. Training is measured {'on augmented images ' if changed else ''}while the "
        "weights still move, so it may well lie below validation."
    )
    return markup.section("Training", text, f'<div class="figure">{svg}</div>')


def skipped(contents: Contents) -> str:
    """List the files that could not be read."""
    found = {
        part: value.get("skipped") for part, value in contents.metrics.items() if _is_part(value)
    }
    found["data"] = contents.metrics.get("skipped")
    lines = [_file(one) for listed in found.values() if isinstance(listed, list) for one in listed]
    if not lines:
        lines = [f"{count} in the {part} part" for part, count in found.items() if count]
    if not lines:
        return ""
    rest = f"<p>and {len(lines) - LISTED} more.</p>" if len(lines) > LISTED else ""
    text = "These could not be read as images, and count neither for nor against the model."
    return markup.section("Skipped files", text, markup.bullets(lines[:LISTED]) + rest, "long")


def recipe(contents: Contents) -> str:
    """List everything that decided the result."""
    if not contents.recipe:
        return ""
    text = "Everything that decides the result, as it stands in recipe.toml."
    values: dict[str, object] = {}
    for name, value in contents.recipe.items():
        inner = value.items() if isinstance(value, dict) else ()
        values |= {f"{name}.{key}": one for key, one in inner} if inner else {name: value}
    return markup.section("Recipe", text, markup.fields(values), "long")


def environment(contents: Contents) -> str:
    """List where and with what the run was made."""
    if not contents.environment:
        return ""
    values = dict(contents.environment)
    command = values.pop("command", None)
    if isinstance(command, list):
        command = " ".join(map(str, command))
    line = f"<h3>Command</h3><code>{escape(str(command))}</code>" if command else ""
    return markup.section("Environment", "", markup.fields(values) + line)


def test_accuracy(contents: Contents) -> tuple[float, int] | None:
    """Return accuracy and number of images of the test part, where it was measured."""
    test = contents.metrics.get("test") or {}
    if test.get("count") and isinstance(test.get("accuracy"), int | float):
        return float(test["accuracy"]), int(test["count"])
    if contents.predictions is None or contents.predictions.split != "test":
        return None
    right = contents.predictions.probabilities.argmax(axis=1) == contents.predictions.labels
    return float(right.mean()), len(right)


def _precision_tile(contents: Contents) -> str:
    test = contents.metrics.get("test") or {}
    if not test:
        best = max((row.get("val_mean_average_precision") or 0 for row in contents.log), default=0)
        note = f"best validation {markup.percent(best)}" if best else ""
        return markup.tile("test mean average precision", "not measured", note, "main")
    note = f"F1 {test['f1']:.3f}, all classes right {markup.percent(test['exact'])}"
    note += f", n = {test['count']:,}"
    value = markup.percent(test["mean_average_precision"])
    return markup.tile("test mean average precision", value, note, "main big")


def _accuracy_tile(contents: Contents) -> str:
    if contents.model.get("multi_label"):
        return _precision_tile(contents)
    measured = test_accuracy(contents)
    if measured is None:
        best = max((row.get("val_accuracy") or 0 for row in contents.log), default=0)
        note = f"best validation accuracy {markup.percent(best)}" if best else ""
        return markup.tile("test accuracy", "not measured", note, "main")
    accuracy, count = measured
    low, high = scores.wilson_interval(accuracy, count)
    note = f"95% interval {100 * low:.1f} to {markup.percent(high)}, n = {count:,}"
    top5 = (contents.metrics.get("test") or {}).get("top5_accuracy")
    if top5 and len(contents.class_names) > 5:
        note += f", top-5 {markup.percent(top5)}"
    return markup.tile("test accuracy", markup.percent(accuracy), note, "main big")


def _facts(contents: Contents) -> str:
    metrics, log, environment = contents.metrics, contents.log, contents.environment
    seconds = metrics.get("seconds") or sum(row.get("seconds") or 0 for row in log)
    speeds = [row["images_per_second"] for row in log if row.get("images_per_second")]
    planned, done = contents.recipe.get("epochs"), metrics.get("epochs") or len(log)
    of_planned = f" of {planned}" if planned and planned != done else ""
    epochs = f"{done}{of_planned} epoch{'s' if (planned or done) != 1 else ''}"
    speed = f", {np.median(speeds):,.0f} images/s" if speeds else ""
    parameters = metrics.get("parameters")
    versions = " ".join(
        f"{name} {environment[name]}"
        for name in ("keras", str(environment.get("backend")))
        if environment.get(name)
    )
    size = markup.quantity(parameters) if parameters else "unknown"
    return (
        markup.tile("parameters", size, f"{parameters:,} exactly" if "illion" in size else "")
        + markup.tile("time", markup.duration(seconds) if seconds else "unknown", epochs + speed)
        + markup.tile("device", str(environment.get("device", "unknown")), versions)
    )


def _diverged(row: dict) -> bool:
    return any(
        isinstance(row.get(k), float) and not math.isfinite(row[k]) for k in ("loss", "val_loss")
    )


def _is_part(value: object) -> bool:
    return isinstance(value, dict) and "skipped" in value


def _file(item: object) -> str:
    """Return one skipped file as a sentence; the reason is its end, as `kcv.data` gives it."""
    return f"{item['path']} {item['reason']}" if isinstance(item, dict) else str(item)
