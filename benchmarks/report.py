"""Results as a CSV of every turn, a Markdown table and a picture.

python -m benchmarks.report results/tuned.csv results/untuned.csv --out results/all
"""

import argparse
import csv
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

FIGURES = "-figures"


class Time(NamedTuple):
    """One turn: milliseconds of a step, mean over the steps of the turn."""

    network: str
    mode: str
    size: int
    batch: int
    variant: str
    round: int
    steps: int
    milliseconds: float


class Figure(NamedTuple):
    """One counted figure of both."""

    network: str
    size: int
    batch: int
    figure: str
    kcv: float
    torch: float


class Ratio(NamedTuple):
    """kcv's time over that of the best of PyTorch, round by round."""

    key: tuple[str, str, int, int]
    ours: float
    best: str
    theirs: float
    ratios: list[float]
    stock: list[float]
    compiled: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)


def ratios(rows: list[Time]) -> list[Ratio]:
    """Compare kcv with the best variant of PyTorch in every network, mode and setting."""
    groups: dict[tuple, dict[str, list[float]]] = {}
    for row in sorted(rows, key=lambda row: row.round):
        group = groups.setdefault((row.network, row.mode, row.size, row.batch), {})
        group.setdefault(row.variant, []).append(row.milliseconds)
    found = []
    for key, group in groups.items():
        medians = {name: statistics.median(times) for name, times in group.items()}
        hand = {n: t for n, t in medians.items() if not n.startswith(("kcv", "stock"))}
        best = min(hand, key=hand.__getitem__)
        over = lambda times, best=best, group=group: [  # noqa: E731
            a / b for a, b in zip(times, group[best], strict=True)
        ]
        plain, compiled = (
            over(group[name]) if name in group else [] for name in ("stock Keras", "kcv, compiled")
        )
        found.append(
            Ratio(key, medians["kcv"], best, hand[best], over(group["kcv"]), plain, compiled)
        )
    return sorted(found, key=lambda ratio: ratio.key[1] == "predict")


def table(rows: list[Time]) -> list[str]:
    """Return the lines of a Markdown table: ratios below 1 are faster than PyTorch.

    The last columns are stock Keras and kcv's compiled plan, by the same measure.
    """
    lines = [
        "| network | mode | size x batch | kcv ms | best PyTorch | ms | ratio | min, max "
        "| stock | compiled |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in ratios(rows):
        network, mode, size, batch = r.key
        plain, fused = (
            f"{statistics.median(found):.2f}" if found else "" for found in (r.stock, r.compiled)
        )
        lines.append(
            f"| {network} | {mode} | {size} x {batch} | {r.ours:.4g} | {r.best} | {r.theirs:.4g} "
            f"| **{r.median:.2f}** | {min(r.ratios):.2f}, {max(r.ratios):.2f} | {plain} | {fused} |"
        )
    return lines


def figures_table(figures: list[Figure]) -> list[str]:
    """Return the lines of a Markdown table of the counted figures."""
    lines = [
        "| network | size x batch | figure | kcv | PyTorch | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for f in figures:
        share = f"{f.kcv / f.torch:.2f}" if f.torch else ""
        lines.append(
            f"| {f.network} | {f.size} x {f.batch} | {f.figure} "
            f"| {f.kcv:,.10g} | {f.torch:,.10g} | {share} |"
        )
    return lines


def write(stem: Path, header: dict[str, str], rows: list[Time], figures: list[Figure]) -> None:
    """Write `stem.csv`, `stem-figures.csv`, `stem.md` and `stem.png`."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    _write_csv(stem.with_name(f"{stem.name}.csv"), header, Time._fields, rows)
    if figures:
        _write_csv(stem.with_name(f"{stem.name}{FIGURES}.csv"), header, Figure._fields, figures)
    about = [f"- {key}: {value}" for key, value in header.items()]
    lines = ["# Speed against PyTorch by hand", "", *about, "", *table(rows)]
    if figures:
        lines += ["", "Figures that no load disturbs:", "", *figures_table(figures)]
    stem.with_name(f"{stem.name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    picture(stem.with_name(f"{stem.name}.png"), header, rows)


def _write_csv(path: Path, header, fields, rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in header.items())
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fields)
        writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows)


def read(path: Path, kind: type) -> tuple[dict[str, str], list]:
    """Return header and rows of a CSV that `write` wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line[2:].partition(": ") for line in lines if line.startswith("# ")]
    records = csv.DictReader(line for line in lines if not line.startswith("# "))
    types = kind.__annotations__
    rows = [kind(**{key: types[key](value) for key, value in row.items()}) for row in records]
    return {key: value for key, _, value in comments}, rows


def picture(path: Path, header: dict[str, str], rows: list[Time]) -> None:
    """Draw the ratio of every round, and their medians, network by network."""
    from matplotlib.figure import Figure as Canvas

    found = ratios(rows)
    modes = list(dict.fromkeys(r.key[1] for r in found))
    height = 1.7 + 0.34 * max(sum(r.key[1] == mode for r in found) for mode in modes)
    canvas = Canvas(figsize=(5.2 * len(modes) + 0.8, height), layout="constrained")
    axes = canvas.subplots(1, len(modes), squeeze=False)[0]
    for axis, mode in zip(axes, modes, strict=True):
        _draw(axis, mode, [r for r in found if r.key[1] == mode])
    about = (header.get(key, "") for key in ("device", "machine", "precision", "date", "commit"))
    canvas.supxlabel(", ".join(word for word in about if word), fontsize=7, color="0.4")
    canvas.savefig(path, dpi=130)


def _draw(axis, mode: str, found: list[Ratio]) -> None:
    places = range(len(found))
    axis.axvline(1.0, color="0.6", linewidth=1, zorder=0)
    for place, r in zip(places, found, strict=True):
        color = "#1b7f5c" if r.median <= 1.0 else "#c05a1c"
        axis.plot(r.ratios, [place] * len(r.ratios), "o", color=color, alpha=0.35, markersize=4)
        axis.plot([r.median], [place], "|", color=color, markersize=14, markeredgewidth=2.5)
        text = f" {r.median:.2f}"
        axis.annotate(text, (max(r.ratios), place), va="center", fontsize=8, color=color)
        if r.stock:
            axis.plot([statistics.median(r.stock)], [place], "x", color="0.5", markersize=6)
        if r.compiled:
            axis.plot([statistics.median(r.compiled)], [place], "+", color="#1f5fa8", markersize=8)
    axis.set_ylim(-0.6, len(found) - 0.4)
    axis.set_yticks(places, [f"{r.key[0]}  {r.key[2]} x {r.key[3]}" for r in found], fontsize=8)
    axis.invert_yaxis()
    low, high = axis.get_xlim()
    axis.set_xlim(min(0.9, low), high + 0.1 * (high - low))
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    word = {"train": "Training step through fit", "predict": "Batch through predict"}[mode]
    axis.set_title(word, fontsize=9, loc="left")
    crosses = "; x: stock Keras" if any(r.stock for r in found) else ""
    crosses += "; +: kcv compiled" if any(r.compiled for r in found) else ""
    axis.set_xlabel(f"time of kcv / time of the best PyTorch{crosses}", fontsize=8)


def main() -> None:
    """Join several results into one table and one picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help="CSV files of benchmarks.speed")
    parser.add_argument("--out", type=Path, required=True, help="stem of the .csv, .md and .png")
    args = parser.parse_args()
    header: dict[str, str] = {}
    rows: list[Time] = []
    figures: list[Figure] = []
    for path in args.files:
        head, found = read(path, Time)
        header = {k: v if header.get(k, v) == v else f"{header[k]}; {v}" for k, v in head.items()}
        rows += found
        beside = path.with_name(f"{path.stem}{FIGURES}.csv")
        figures += read(beside, Figure)[1] if beside.is_file() else []
    write(args.out, header, rows, figures)
    sys.stdout.write("\n".join(table(rows)) + "\n")


if __name__ == "__main__":
    main()
