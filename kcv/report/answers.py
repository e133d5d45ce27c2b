"""Sections about the answers of the model, image by image: empty where a run has no predictions."""

from html import escape

import numpy as np

from kcv.report import markup, pictures, plots, scores
from kcv.report.folder import Contents, Predictions

CLASSES = 60  # rows of the class table; beyond, only the weakest and the strongest
MARGIN = 0.1  # a rate that lies so far below the middle class is marked
PAIRS = 10


def confusion(contents: Contents) -> str:
    """Draw the confusion matrix, and name the pairs that are mixed up most."""
    if contents.predictions is None or contents.predictions.several:
        return ""
    names = contents.class_names
    svg = pictures.inline_svg(plots.confusion(contents), "confusion", "Confusion matrix")
    text = (
        "Each row is a true class, each column an answer: blue is right, orange is wrong. The "
        "colour grows with the square root of the share, so that rare mistakes can be seen"
    )
    text += "; the figures are percent of the row." if len(names) <= plots.WRITTEN else "."
    if not plots.shows_names(names):
        text += " Classes carry the numbers of the tables below."
    if plots.classes_per_cell(len(names)) > 1:
        text += f" {plots.classes_per_cell(len(names))} neighbouring classes share a cell."
    pairs = scores.most_confused(_matrix(contents.predictions), PAIRS)
    rows = [
        (_name(contents, p.true), _name(contents, p.predicted), p.images, markup.percent(p.share))
        for p in pairs
    ]
    heads = ("true class", "taken for", "images", "share of the class")
    listed = f"<h3>Most confused pairs</h3>{markup.table(heads, rows, numbers=2)}" if rows else ""
    body = f'<div class="figure">{svg}</div>{listed}'
    return markup.section("What does it mix up?", text, body, "long")


def classes(contents: Contents) -> str:
    """List recall, precision, F1 and support of the classes, the weakest first."""
    if contents.predictions is None:
        return ""
    if contents.predictions.several:
        return _several_classes(contents, contents.predictions)
    result = scores.class_scores(_matrix(contents.predictions))
    order = np.argsort(result.f1, kind="stable")  # NaN, a class that never occurs, comes last
    text = (
        "Recall is the share of a class's images that were found, precision the share of the "
        "answers with this class that were right; F1 is their harmonic mean. Weakest class first; "
        "orange lies clearly below the middle class."
    )
    order, more = _ends(order)
    text += more
    middle = [np.nanmedian(rates) - MARGIN for rates in (result.recall, result.precision)]
    rows = [
        (
            _name(contents, c),
            markup.rate(result.recall[c], middle[0]),
            markup.rate(result.precision[c], middle[1]),
            "-" if np.isnan(result.f1[c]) else f"{result.f1[c]:.3f}",
            result.support[c],
        )
        for c in order
    ]
    heads = ("class", "recall", "precision", "F1", "images")
    return markup.section("Class by class", text, markup.table(heads, rows, numbers=2), "long")


def _several_classes(contents: Contents, predictions: Predictions) -> str:
    """List the classes by average precision, where an image may have several."""
    probabilities, labels = predictions.probabilities, predictions.labels
    area = scores.average_precision(probabilities, labels)
    result = scores.label_scores(probabilities >= 0.5, labels)
    order, more = _ends(np.argsort(area, kind="stable"))
    text = (
        "Average precision is the mean of the precision down to each image of the class, all "
        "images sorted by their score. Recall, precision and F1 are those of the answers with a "
        "score of 0.5 and more. Weakest class first; orange lies clearly below the middle class."
    )
    columns = (area, result.recall, result.precision)
    middle = [np.nanmedian(rates) - MARGIN for rates in columns]
    rows = [
        (
            _name(contents, c),
            *(markup.rate(rates[c], low) for rates, low in zip(columns, middle, strict=True)),
            "-" if np.isnan(result.f1[c]) else f"{result.f1[c]:.3f}",
            result.support[c],
        )
        for c in order
    ]
    heads = ("class", "average precision", "recall", "precision", "F1", "images")
    table = markup.table(heads, rows, numbers=2)
    return markup.section("Class by class", text + more, table, "long")


def _ends(order: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the classes to list, and what to say of those that are left out."""
    if len(order) <= CLASSES:
        return order, ""
    half = CLASSES // 2
    text = f" Of {len(order)} classes, the {half} weakest and the {half} strongest are shown."
    return np.concatenate([order[:half], order[-half:]]), text


def galleries(contents: Contents) -> str:
    """Show the most confident mistakes and the most confident right answers."""
    if contents.predictions is None:
        return ""
    several = contents.predictions.several
    choose = scores.label_examples if several else scores.examples
    best, worst = choose(contents.predictions.probabilities, contents.predictions.labels)
    wrong = (
        "The wrong answers that the model was most sure of: they show mislabelled and unclear "
        "images, and what the model has not understood. The figure is its confidence."
    )
    right = "The right answers that it was most sure of, the surest of every class first."
    if several:
        wrong = (
            "The images with a wrong class, or without a right one, whose truth the model thought "
            "least likely: they show missing labels and unclear images."
        )
        right = "The images with every class right whose truth it was most sure of."
    return _gallery("Most confident mistakes", wrong, contents, worst) + _gallery(
        "Most confident right answers", right, contents, best
    )


def _gallery(title: str, text: str, contents: Contents, positions: np.ndarray) -> str:
    if not len(positions):
        return markup.section(title, "There is none.", "")
    cards = "".join(_card(contents, int(i)) for i in positions)
    return markup.section(title, text, f'<div class="gallery">{cards}</div>', "long")


def _card(contents: Contents, position: int) -> str:
    """Return one image with what it is, what the model said, and how sure it was."""
    _, _, names, _, thumbnails = contents.predictions  # type: ignore[misc]
    path = str(names[position])
    file = escape(path.rpartition("/")[2])
    caption = _caption(contents, contents.predictions, position)  # type: ignore[arg-type]
    picture = '<span class="empty">not stored</span>'
    if position in thumbnails:
        pixels = thumbnails[position]
        kind = "pixels" if max(pixels.shape[:2]) <= pictures.SMALL else "photo"
        picture = f'<img class="{kind}" alt="" src="{pictures.thumbnail(pixels)}">'
    return (
        f'<figure title="{escape(path)}">{picture}<figcaption>{caption}'
        f"<small>{file}</small></figcaption></figure>"
    )


def _caption(contents: Contents, predictions: Predictions, position: int) -> str:
    scored, label = predictions.probabilities[position], predictions.labels[position]
    names = contents.class_names
    if predictions.several:
        said_all = [c for c in np.argsort(-scored, kind="stable").tolist() if scored[c] >= 0.5]
        shown = [f"{escape(names[c])} {markup.percent(float(scored[c]))}" for c in said_all]
        right = set(said_all) == set(np.flatnonzero(label).tolist())
        said, true = ", ".join(shown), ", ".join(names[c] for c in np.flatnonzero(label))
        said, score = said or "no class", ""
    else:
        answer = int(scored.argmax())
        right, said, true = answer == label, escape(names[answer]), names[int(label)]
        score = markup.percent(float(scored[answer]))
    if right:
        return f'<span class="right">{said}</span> {score}'
    return f'<span class="wrong">{said}</span> {score}<br>is {escape(true) or "no class"}'


def _name(contents: Contents, number: int) -> str:
    """Return the name of a class, with its number where the figure shows only that."""
    names = contents.class_names
    return names[number] if plots.shows_names(names) else f"{number}: {names[number]}"


def _matrix(predictions: Predictions) -> np.ndarray:
    answers = predictions.probabilities.argmax(axis=1)
    return scores.confusion_matrix(answers, predictions.labels, predictions.probabilities.shape[1])
