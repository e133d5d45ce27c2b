"""Where the operations of a step come from, line by line, kcv beside PyTorch by hand.

    python -m benchmarks.origins resnet50 --size 64 --batch 4
    python -m benchmarks.origins vit_tiny_16 --mode predict

An operation of the backward pass belongs to the line whose forward operation it differentiates.
"""

import argparse
import re
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import keras
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import cases, counts, loops

ROOT = Path(__file__).parent.parent
KERAS = Path(keras.__file__).parent
FRAME = re.compile(r'File "(.+?)", line (\d+), in (\S+)')


class Origins(TorchDispatchMode):
    """Count operations by (line, pass, operation)."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        node = torch._C._current_autograd_node()
        if node is None:
            frames = [(f.filename, f.lineno, f.name) for f in traceback.extract_stack()]
            phase = "forward"
        else:
            text = "".join(node.metadata.get("traceback_", []))
            frames, phase = FRAME.findall(text), "backward"
        self.counts[_place(frames), phase, str(func.overloadpacket)] += 1
        return func(*args, **(kwargs or {}))


def _place(frames) -> str:
    """Return the innermost line of kcv, of Keras or of the twins."""
    for name, line, function in reversed(frames):
        path = Path(name)
        for root, label in ((ROOT / "kcv", "kcv"), (KERAS, "keras"), (Path(__file__).parent, "")):
            if path.is_relative_to(root) and path.name != "origins.py":
                if label == "keras" and _is_plumbing(path):
                    break
                return f"{Path(label, path.relative_to(root))}:{line} {function}"
    return "elsewhere"


def _is_plumbing(path: Path) -> bool:
    """Return whether a file of Keras only hands calls on, or serves every layer alike."""
    return path.name in ("traceback_utils.py", "operation.py", "layer.py", "core.py")


def origins(run: Callable[[int], object], short: int = 2, long: int = 4) -> Counter:
    """Return how often a step dispatches each operation, by line and pass."""
    totals = []
    for steps in (short, long):
        traces = torch.autograd.set_detect_anomaly(True, check_nan=False)
        with counts.no_clock(), traces, Origins() as mode:
            run(steps)
        totals.append(mode.counts)
    few, many = totals
    return Counter({k: (many[k] - few[k]) / (long - short) for k in many if many[k] > few[k]})


def text(found: Counter, top: int) -> str:
    """Return the lines with most operations, and which operations they are."""
    places: dict[str, Counter] = {}
    for (place, phase, name), count in found.items():
        places.setdefault(place, Counter())[f"{name.removeprefix('aten.')}/{phase[0]}"] += count
    lines = [f"{found.total():8.1f} operations a step"]
    for place, names in sorted(places.items(), key=lambda item: -item[1].total())[:top]:
        what = ", ".join(f"{name} {count:g}" for name, count in names.most_common(12))
        lines.append(f"{names.total():8.1f}  {place}  ({what})")
    return "\n".join(lines)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=cases.CASES, help="network")
    parser.add_argument("--size", type=int, help="pixels; by default those of the case")
    parser.add_argument("--batch", type=int, default=2, help="images")
    parser.add_argument("--mode", choices=("train", "predict"), default="train")
    parser.add_argument("--top", type=int, default=25, help="lines to show")
    parser.add_argument("--tiny", action="store_true", help="a network of two or three blocks")
    args = parser.parse_args()
    model, network = cases.build(args.name, args.size, tiny=args.tiny)
    cases.compile_kcv(model, cases.CASES[args.name].optimizer)
    optimizer = cases.make_torch_optimizer(network, **cases.best_optimizer(args.name))
    data = loops.make_data(4 * args.batch, model.input_shape[1], cases.CLASSES)
    if args.mode == "train":
        ours = loops.fit(model, data, args.batch)
        theirs = loops.torch_fit(network, optimizer, data, args.batch)
    else:
        ours = loops.predict(model, data, args.batch)
        theirs = loops.torch_predict(network, data, args.batch)
    runs = {"kcv": ours, "PyTorch": theirs}
    for title, run in runs.items():
        run(1)
        sys.stdout.write(f"{args.name}, {title}\n{text(origins(run), args.top)}\n\n")


if __name__ == "__main__":
    main()
