"""Random search against evolution at the same budget, and a short training against a longer one.

command: python recipes/architecture_search.py fashion_mini 0 1 2   (or tiles, or an .npz file with
    x_train, y_train, x_test and y_test, of which the first 10,000 images are taken)
measured: the first 10,000 images of CIFAR-10, 16 candidates of 1 epoch, seeds 0, 1, 2: best
    validation accuracy 0.402, 0.361, 0.375 by random search and 0.400, 0.404, 0.405 by evolution;
    mean of the candidates after the first 6 0.326, 0.303, 0.315 and 0.378, 0.380, 0.376. Spearman
    of 1 epoch and 4, 8 candidates: 0.62. A search took 2 to 4 minutes, beside one other process. On
    tiles, seed 0, 1 epoch of 15 steps each, evolution lost: best 0.578 and 0.431, hence 4 epochs of
    tiles now; fashion_mini is not measured yet
machine: 2 cores of a shared AMD EPYC, one thread, torch 2.13.0, Keras 3.15.1
"""

import statistics
import sys
from pathlib import Path

import numpy as np

import kcv.nas

DATA = sys.argv[1] if len(sys.argv) > 1 else "fashion_mini"
SEEDS = [int(word) for word in sys.argv[2:]] or [0, 1, 2]
NAME, IMAGES = Path(DATA).stem, 10_000
TRIALS = 16  # candidates of a search
# (short, long) epochs, and how many are trained for long; an epoch of tiles has 15 steps, else 140
PROXY, TRUTH, RANKED = {"fashion_mini": (1, 6, 12), "tiles": (4, 16, 12)}.get(DATA, (1, 4, 8))
STRATEGIES = {
    "random": kcv.nas.RandomSearch(epochs=PROXY),
    "evolution": kcv.nas.Evolution(epochs=PROXY, population=6, sample=3),
}
BUDGET = kcv.nas.Budget(macs=2e6)


def data():
    """Return what `Training` takes: the word, or arrays."""
    if not DATA.endswith(".npz"):
        return DATA
    with np.load(DATA) as arrays:
        parts = [arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    return (*(part[:IMAGES] for part in parts[:2]), *parts[2:])


def compare(judge: kcv.nas.Training) -> dict[str, list[kcv.nas.Search]]:
    """Search with each strategy and seed for the same number of epochs."""
    found: dict[str, list[kcv.nas.Search]] = {name: [] for name in STRATEGIES}
    for seed in SEEDS:
        for name, strategy in STRATEGIES.items():
            out = f"runs/nas-{NAME}-{name}-{seed}"
            options = {"trials": TRIALS, "budget": BUDGET, "seed": seed, "out": out}
            found[name].append(kcv.nas.search(judge, None, strategy, **options, resume="auto"))
    return found


def rank(judge: kcv.nas.Training, searched: kcv.nas.Search) -> float:
    """Train the first random candidates for longer; return the rank correlation with the proxy."""
    chosen = searched.trials[:RANKED]
    truth = [judge(trial.architecture, TRUTH) for trial in chosen]
    sys.stdout.write(f"truth {[round(t, 4) for t in truth]}\n")
    return kcv.nas.spearman([trial.rank for trial in chosen], truth)


def main() -> None:
    judge = kcv.nas.Training(data(), batch_size=64, threads=1)
    found = compare(judge)
    for name, searches in found.items():
        best = [s.best.score for s in searches]
        late = [t.rank for s in searches for t in s.trials[6:]]
        sys.stdout.write(
            f"{NAME} {name}: best {[round(b, 4) for b in best]}, mean of the candidates after the "
            f"first 6 {statistics.mean(late):.4f}\n"
        )
    sys.stdout.write(
        f"{NAME} Spearman of {PROXY} and {TRUTH} epochs, {RANKED} candidates: "
        f"{rank(judge, found['random'][0]):.2f}\n"
    )


if __name__ == "__main__":
    main()
