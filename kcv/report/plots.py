"""The figures of a report. Matplotlib is imported where it draws, and never through pyplot.

Text inside the figures is ASCII (the font of Matplotlib lacks most scripts); the page around them
holds every name as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kcv.report import folder, scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2933", "#5c6773", "#d8dee4"
# Two colours of Okabe and Ito's palette, told apart by every kind of colour vision and in grey:
# "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/
BLUE, ORANGE = "#0072b2", "#d55e00"

WRITTEN = 12  # up to so many classes every cell carries its figure,
NAMED = 40  # up to so many every row its name,
CELLS = 250  # and beyond so many neighbouring classes share a cell.


def curves(run: Any) -> Figure:
    """Draw loss, accuracy and learning rate over the epochs of a run.

    Args:
        run: Path of a run folder, or an object with a ``path``.

    Returns:
        A Matplotlib figure, 900 pixels wide at its own resolution.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds nothing of a run.
    """
    from matplotlib.figure import Figure

    log = folder.read(run).log
    figure = Figure(figsize=(9, 2.9), dpi=100)
    panels = figure.subplots(1, 3)
    _lines(panels[0], log, "loss", ("loss", "val_loss"))
    key = quality(log)
    _lines(panels[1], log, key.replace("_", " "), (key, f"val_{key}"))
    _lines(panels[2], log, "learning rate", ("learning_rate",))
    _mark_best(panels[1], log, f"val_{key}")
    panels[2].set_ylim(bottom=0)
    return _laid_out(figure)


def quality(log: list[dict]) -> str:
    """Return the number of the epochs that tells how good they are."""
    several = any("mean_average_precision" in row for row in log)
    return "mean_average_precision" if several else "accuracy"


def confusion(run: Any) -> Figure:
    """Draw the confusion matrix of a run: right answers blue, mistakes orange, both by true class.

    Strength of colour follows the square root of the share, so that rare mistakes stay visible.
    Above 250 classes neighbouring ones share a cell.

    Args:
        run: Path of a run folder, or an object with a ``path``.

    Returns:
        A Matplotlib figure, at most 900 pixels wide at its own resolution.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds no predictions, or images have several classes.
    """
    from matplotlib.figure import Figure

    contents = folder.read(run)
    if contents.predictions is None:
        raise ValueError(
            "A confusion matrix needs predictions.npz, which a finished run has. "
            f"Received: {contents.path} without a readable one."
        )
    if contents.predictions.several:
        raise ValueError(
            "A confusion matrix needs images of one class each. "
            f"Received: {contents.path}, whose images have several."
        )
    names, (probabilities, labels, *_) = contents.class_names, contents.predictions
    matrix = scores.confusion_matrix(probabilities.argmax(axis=1), labels, len(names))
    block = classes_per_cell(len(names))
    side = 6.2 if len(names) <= WRITTEN else 8.4
    figure = Figure(figsize=(side + 0.6, side), dpi=100)
    axes = figure.subplots()
    share = _row_share(_in_blocks(matrix, block))
    axes.imshow(_colours(share), interpolation="nearest")
    _name_cells(axes, names, block)
    if len(names) <= WRITTEN:
        _write_cells(axes, share)
    return _laid_out(figure)


def shows_names(names: list[str]) -> bool:
    """Return whether the confusion matrix names its classes, rather than numbering them."""
    return len(names) <= NAMED and all(name.isascii() for name in names)


def classes_per_cell(count: int) -> int:
    """Return how many neighbouring classes share a cell of the confusion matrix."""
    return -(-count // CELLS)


def _laid_out(figure: Figure) -> Figure:
    """Place everything for good: Matplotlib would do so twice for each file that it writes."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    ConstrainedLayoutEngine().execute(figure)
    return figure


def _lines(axes: Axes, log: list[dict], title: str, keys: tuple[str, ...]) -> None:
    """Draw one panel; the first of two keys is training, the second validation."""
    _style(axes, title)
    styles = [("training", ORANGE, "--", "s"), ("validation", BLUE, "-", "o")]
    if len(keys) == 1:
        styles = [("", INK, "-", "o")]
    for key, (label, colour, line, marker) in zip(keys, styles, strict=True):
        points = _points(log, key)
        if not points:
            continue
        # Markers say where the epochs are, as long as they do not run into each other.
        shape = marker if len(points) <= 30 else None
        x, y = zip(*points, strict=True)
        axes.plot(
            x, y, line, color=colour, marker=shape, markersize=3.5, linewidth=1.6, label=label
        )
    if not axes.lines:
        axes.set_xticks([]), axes.set_yticks([])
        axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center", color=MUTED)
    elif len(keys) == 2:
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)


def _style(axes: Axes, title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.set_xlabel("epoch", fontsize=9, color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.tick_params(labelsize=8, color=GRID, labelcolor=MUTED)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)


def _mark_best(axes: Axes, log: list[dict], key: str) -> None:
    points = _points(log, key)
    if not points:
        return
    epoch, value = max(points, key=lambda point: point[1])
    axes.plot(epoch, value, "o", color=BLUE, markersize=8, markerfacecolor="none")
    axes.set_title(f"best {value:.3f}, epoch {epoch}", loc="right", fontsize=8, color=BLUE)


def _points(log: list[dict], key: str) -> list[tuple[int, float]]:
    """Return epochs with their values, where these are finite: a run that diverged logs NaN."""
    values = [(row["epoch"], row.get(key)) for row in log]
    return [(x, y) for x, y in values if isinstance(y, int | float) and np.isfinite(y)]


def _in_blocks(matrix: np.ndarray, block: int) -> np.ndarray:
    """Add up ``block`` neighbouring rows and columns; the last block may be smaller."""
    starts = np.arange(0, len(matrix), block)
    return np.add.reduceat(np.add.reduceat(matrix, starts, axis=0), starts, axis=1)


def _row_share(matrix: np.ndarray) -> np.ndarray:
    """Divide by the images of the true class; a class without images gets zeros."""
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def _colours(share: np.ndarray) -> np.ndarray:
    """Turn shares (K, K) into RGBA (K, K, 4): the background shows where there is nothing."""
    from matplotlib.colors import to_rgba

    image = np.empty((*share.shape, 4))
    image[:] = to_rgba(ORANGE)
    image[np.diag_indices(len(share))] = to_rgba(BLUE)
    image[..., 3] = np.where(share > 0, 0.2 + 0.8 * np.sqrt(share), 0)
    return image


def _name_cells(axes: Axes, names: list[str], block: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("predicted class", fontsize=9, color=MUTED)
    axes.set_ylabel("true class", fontsize=9, color=MUTED)
    axes.spines[:].set_color(GRID)
    axes.tick_params(labelsize=8, color=GRID, labelcolor=INK)
    if len(names) <= NAMED:
        edges = np.arange(len(names) + 1) - 0.5
        axes.set_xticks(edges, minor=True), axes.set_yticks(edges, minor=True)
        axes.grid(which="minor", color=GRID, linewidth=0.6)
        axes.tick_params(which="minor", length=0)
    if len(names) <= NAMED:
        numbers = np.arange(len(names))
    else:
        numbers = np.array(MaxNLocator(10, integer=True).tick_values(0, len(names) - 1)[:-1], int)
    labels = [_short(names[i]) if shows_names(names) else str(i) for i in numbers.tolist()]
    ticks = numbers // block
    turned = max(map(len, labels)) > 3
    axes.set_xticks(ticks, labels, rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(ticks, labels)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)  # a class may be called "$5"
        if turned and label in axes.get_xticklabels():
            label.set_rotation_mode("anchor")


def _write_cells(axes: Axes, share: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(share):
        if value:
            text = f"{100 * value:.0f}" if round(100 * value) else "<1"
            colour = "white" if value > 0.5 else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= 16 else name[:14] + ".."
