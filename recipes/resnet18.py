"""ResNet-18 on fashion_mini, 9 epochs.

test accuracy of a shorter run: 0.8895 (6 epochs, seed 0); these 9 epochs are not measured yet
command: kcv train resnet18 --epochs 6 --threads 1 --set learning_rate=0.03, commit dd1ff74
machine: 2 cores of a shared AMD EPYC, one thread, torch 2.13.0, Keras 3.15.1
minutes: not measured alone; about 97 to 203 s of wall time an epoch under heavy other load
"""

import statistics
import sys

import kcv

SEEDS = [int(word) for word in sys.argv[1:]] or [0, 1, 2]


def main() -> None:
    accuracies = []
    for seed in SEEDS:
        run = kcv.recipes.train("resnet18", epochs=9, seed=seed, out=f"runs/resnet18-seed{seed}")
        accuracies.append(run.metrics["test"]["accuracy"])
    mean, spread = statistics.mean(accuracies), max(accuracies) - min(accuracies)
    sys.stdout.write(f"test accuracy {mean:.4f}, spread {spread:.4f}, seeds {SEEDS}\n")


if __name__ == "__main__":
    main()
