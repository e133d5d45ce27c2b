"""ViT-Tiny on fashion_mini, 120 epochs on a GPU."""

import statistics
import sys

import kcv

SEEDS = [int(word) for word in sys.argv[1:]] or [0, 1, 2]
# a transformer learns from few images slowly: ten times the epochs, at the rate for large batches
CHANGES = {
    "epochs": 120,
    "batch_size": 256,
    "base_batch": 256,
    "schedule": "cosine",
    "warmup_epochs": 5.0,
    "label_smoothing": 0.1,
}


def main() -> None:
    accuracies = []
    for seed in SEEDS:
        out = f"runs/vit_tiny_16-seed{seed}"
        run = kcv.recipes.train("vit_tiny_16", seed=seed, out=out, **CHANGES)
        accuracies.append(run.metrics["test"]["accuracy"])
    mean, spread = statistics.mean(accuracies), max(accuracies) - min(accuracies)
    sys.stdout.write(f"test accuracy {mean:.4f}, spread {spread:.4f}, seeds {SEEDS}\n")


if __name__ == "__main__":
    main()
