"""Write ``kcv/models/figures.csv``: what `kcv list` says of each network without building it.

    python scripts/make_figures.py

Run it after a change of the zoo; a test compares the names, and some rows. It takes about a second
a network.
"""

import csv
from pathlib import Path

from kcv import listing, models

TARGET = Path(models.__file__).parent / "figures.csv"


def main() -> None:
    """Run the command."""
    rows = [listing.count(name) for name in models.list()]
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(listing.Figures._fields)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
