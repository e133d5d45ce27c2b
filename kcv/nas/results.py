"""What a search found: the best, the front of accuracy and cost, a table, a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcv.cost import aligned
from kcv.nas import history
from kcv.nas.history import Trial
from kcv.nas.ranking import front
from kcv.recipes.run import write_text
from kcv.report.plots import BLUE, GRID, INK, MUTED, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COSTS = {"macs": "multiply-adds", "parameters": "parameters"}


@dataclass
class Search:
    """A search that is finished, or was interrupted.

    Attributes:
        path: its folder: `search.json`, and `table.txt` and `front.svg` at its end.
        trials: every candidate, in the order in which it was judged.
        settings: space, strategy, budget, seed, judge and environment, as in `search.json`.
    """

    path: Path
    trials: list[Trial]
    settings: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, folder: str | Path) -> Search:
        """Read a search from its folder.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if its history cannot be read.
        """
        settings, trials = history.read(Path(folder))
        return cls(Path(folder), trials, settings)

    @property
    def finished(self) -> list[Trial]:
        """Return the trials that have a score."""
        return [trial for trial in self.trials if trial.score is not None]

    @property
    def best(self) -> Trial:
        """Return the trial with the highest score; of equal ones the cheapest.

        Raises:
            ValueError: if no candidate has a score.
        """
        if not self.finished:
            raise ValueError(
                "The best candidate needs one that has a score. "
                f"Received: {len(self.trials)} candidates, all failed."
            )
        return max(self.finished, key=lambda t: (t.rank, -(t.macs or 0), -t.number))

    @property
    def epochs(self) -> int:
        """Return how many epochs were trained in all, what the search has spent."""
        return sum(trial.epochs for trial in self.trials)

    @property
    def front(self) -> list[Trial]:
        """Return the trials that no other beats in score and multiply-adds, by rising cost."""
        known = [trial for trial in self.finished if trial.macs is not None]
        chosen = front([t.macs or 0 for t in known], [t.rank for t in known])
        return [known[i] for i in chosen]

    def table(self, top: int | None = None) -> str:
        """Return a line for each candidate, best first; `*` marks the front.

        Args:
            top: lines at most.
        """
        on_front = {trial.number for trial in self.front}
        ordered = sorted(self.trials, key=lambda t: (-t.rank, t.macs or 0, t.number))[:top]
        head = ("", "no", "score", "epochs", "parameters", "mult-adds", "seconds", "architecture")
        rows = [
            (
                "*" if trial.number in on_front else "",
                str(trial.number + 1),
                "failed" if trial.score is None else f"{trial.score:.4f}",
                str(trial.epochs),
                "-" if trial.parameters is None else f"{trial.parameters:,}",
                "-" if trial.macs is None else f"{trial.macs:,}",
                f"{trial.seconds:.1f}",
                str(trial.architecture) + (f"  {trial.error}" if trial.error else ""),
            )
            for trial in ordered
        ]
        return "\n".join(aligned([head, *rows], left=1, last="left")) + "\n"

    def figure(self, cost: str = "macs") -> Figure:
        """Draw score against cost with the front, and the best score so far over epochs spent.

        Args:
            cost: `"macs"` or `"parameters"`.

        Returns:
            A Matplotlib figure, 900 pixels wide at its own resolution.

        Raises:
            ValueError: for another cost, or if no candidate has a score.
        """
        from matplotlib.figure import Figure

        if cost not in COSTS:
            raise ValueError(f"cost must be macs or parameters. Received: cost={cost!r}.")
        figure = Figure(figsize=(9, 3.4), dpi=100, layout="constrained")
        left, right = figure.subplots(1, 2)
        self._draw_cost(left, cost)
        self._draw_course(right)
        return figure

    def _draw_cost(self, axes: Axes, cost: str) -> None:
        from matplotlib.ticker import EngFormatter

        best = self.best
        known = [t for t in self.finished if getattr(t, cost) is not None]
        costs, scores = [getattr(t, cost) for t in known], [t.rank for t in known]
        _style(axes, "score and cost", COSTS[cost], "score")
        if not known:
            axes.text(0.5, 0.5, "no costs known", transform=axes.transAxes, ha="center")
            return
        chosen = front(costs, scores)
        axes.plot(costs, scores, "o", color=MUTED, ms=4, alpha=0.6, label="candidate")
        line = [costs[i] for i in chosen], [scores[i] for i in chosen]
        axes.plot(*line, "o-", color=BLUE, ms=5, lw=1.4, label="front")
        if getattr(best, cost) is not None:
            axes.plot(getattr(best, cost), best.rank, "*", color=ORANGE, ms=13, label="best")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower right")

    def _draw_course(self, axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        _style(axes, "course of the search", "epochs trained", "score")
        spent, best, points, course = 0, float("-inf"), [], []
        for trial in self.trials:
            spent += trial.epochs
            best = max(best, trial.rank)
            if trial.score is not None:
                points.append((spent, trial.score))
            if best > float("-inf"):
                course.append((spent, best))
        axes.plot(*zip(*points, strict=True), "o", color=MUTED, ms=4, alpha=0.6, label="candidate")
        axes.step(*zip(*course, strict=True), where="post", color=BLUE, lw=1.6, label="best so far")
        axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower right")

    def write(self) -> None:
        """Write `table.txt` and, if any candidate has a score, `front.svg` into the folder."""
        write_text(self.path / "table.txt", self.table())
        if self.finished:
            self.figure().savefig(self.path / "front.svg")


def _style(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.set_xlabel(x, fontsize=9, color=MUTED)
    axes.set_ylabel(y, fontsize=9, color=MUTED)
    axes.tick_params(labelsize=8, color=GRID, labelcolor=MUTED)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
