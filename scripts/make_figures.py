"""Write ``kcv/models/figures.csv``: what `kcv list` says of each network without building it.

    python scripts/make_figures.py

Run it after a change of the zoo; a test compares the names, and some rows.
"""

import csv
from pathlib import Path

import keras

from kcv import kernels, models
from kcv.cost import cost
from kcv.listing import Figures

TARGET = Path(models.__file__).parent / "figures.csv"


def row(name: str) -> Figures:
    """Build a network at its native size, without values for its weights, and count it."""
    with keras.device("meta" if kernels.TORCH else "cpu"):
        counted = cost(models.build(name))
    size = models.fields(name)["image_size"]
    return Figures(name, counted.parameters, counted.statistics, counted.macs, size)


def main() -> None:
    """Run the command."""
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Figures._fields)
        for name in models.list():
            writer.writerow(row(name))


if __name__ == "__main__":
    main()
