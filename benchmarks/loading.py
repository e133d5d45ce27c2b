"""How long ResNet-50 takes to load from a local safetensors file, here and in timm.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python -m benchmarks.loading [rounds]

Needs timm (and torchvision, see `scripts/parity_references.py`). Both build the network and load
the same file that timm wrote; time of the process's own CPU, in pairs by turns, one thread. The
file is in memory already, as after a download.
"""

import gc
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from safetensors.torch import save_file

from kcv import models

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


def seconds(load) -> float:
    """Return CPU seconds of one call; what it leaves is collected outside of the time."""
    gc.collect()
    start = time.process_time()
    network = load()
    spent = time.process_time() - start
    del network
    return spent


def pairs(rounds: int) -> list[tuple[float, float]]:
    """Return (kcv, timm) CPU seconds of each round, after one that does not count."""
    import parity_references

    parity_references.prepare()
    import timm

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resnet50.safetensors"
        save_file(timm.create_model("resnet50").state_dict(), path)
        ours = lambda: models.build("resnet50", weights=path)  # noqa: E731
        theirs = lambda: timm.create_model("resnet50", checkpoint_path=str(path))  # noqa: E731
        found = [(seconds(ours), seconds(theirs)) for _ in range(rounds + 1)]
    return found[1:]


def main() -> None:
    """Print both times and the median of their ratio."""
    torch.set_num_threads(1)
    found = pairs(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
    ours, theirs = (median(pair[i] for pair in found) for i in range(2))
    ratio = median(a / b for a, b in found)
    sys.stdout.write(
        f"ResNet-50 from safetensors, median of {len(found)} pairs, CPU seconds: "
        f"kcv {ours:.2f}, timm {theirs:.2f}, ratio {ratio:.2f} (asked: at most 2)\n"
    )


if __name__ == "__main__":
    main()
