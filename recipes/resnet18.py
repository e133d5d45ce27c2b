"""ResNet-18 on fashion_mini, 12 epochs.

test accuracy 0.9010 (0.8990, 0.9005, 0.9035 with seeds 0, 1, 2); linear classifier 0.842
command: kcv train resnet18 (seed 0, two threads, commit b06fe21);
    kcv train resnet18 --seed S --threads 1 --epochs 12 (seeds 1 and 2, commit f7479e4)
machine: 2 cores of a shared AMD EPYC, torch 2.13.0, Keras 3.15.1
minutes: 8.1 for seed 0, nothing else running; 14 and 17 for the others beside other work; about 16
    on an EPYC without AVX-512, where an epoch takes 74 to 83 s (two threads, nothing else running,
    commit b0cd8bd, stopped after seven)
choice: the rate 0.03 after 0.1 had been unstable, 12 epochs by the time they take
"""

import statistics
import sys

import kcv

SEEDS = [int(word) for word in sys.argv[1:]] or [0, 1, 2]


def main() -> None:
    accuracies = []
    for seed in SEEDS:
        run = kcv.recipes.train("resnet18", seed=seed, out=f"runs/resnet18-seed{seed}")
        accuracies.append(run.metrics["test"]["accuracy"])
    mean, spread = statistics.mean(accuracies), max(accuracies) - min(accuracies)
    sys.stdout.write(f"test accuracy {mean:.4f}, spread {spread:.4f}, seeds {SEEDS}\n")


if __name__ == "__main__":
    main()
