"""Time kcv's `fit` and `predict` against PyTorch by hand, in pairs that take turns.

    python -m benchmarks.speed                                  the table: six networks, tuned sizes
    python -m benchmarks.speed --at untuned                     sizes nobody tuned on
    python -m benchmarks.speed --narrow --at 32x2               what the host does around operations
    python -m benchmarks.speed --networks resnet18 --at 32x3 --rounds 2 --seconds 0.1

A round runs every variant once, each for the same number of steps; ratios are taken within a round.
The reference is the best of PyTorch: the variant (memory layout, optimizer) of smallest median.
"""

import argparse
import datetime
import functools
import gc
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import torch

import kcv
from benchmarks import cases, counts, loops, report, stock

STEPS = {"sgd": ("default", "foreach", "fused"), "adamw": ("default", "fused")}
# A call of `fit` costs some milliseconds whatever its length, which few steps would have to share.
LEAST_STEPS = 4
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def main() -> None:
    """Run the command."""
    args = _arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    keras.config.set_dtype_policy(args.precision)
    keras.utils.set_random_seed(0)
    rows, figures = [], []
    for name in args.networks:
        if args.precision == "float32":
            say(f"{name}: gradients agree to {cases.check_step(name):.0e}")
        for setting in [s for at in args.at for s in cases.settings(name, at)]:
            times, figure = measure(name, *setting, args)
            rows += times
            figures += figure
            report.write(args.out, header(args), rows, figures)
    for line in report.table(rows):
        say(line)


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--networks", nargs="+", choices=cases.CASES, default=list(cases.CASES), metavar="NAME")
    add("--at", nargs="+", default=["tuned"], help="tuned, untuned or SIZExBATCH such as 96x3")
    add("--narrow", action="store_true", help="all layers, few channels: the work of the host")
    add("--mode", choices=("train", "predict", "both"), default="both")
    add("--rounds", type=int, default=5, help="rounds, each of every variant")
    add("--seconds", type=float, default=1.0, help="aim for one variant's turn in a round")
    add("--steps", type=int, help="steps of a turn; by default from --seconds, at least 4")
    add("--threads", type=int, default=1, help="threads of torch, 0 to leave them")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--precision", default="float32", help="a dtype policy of Keras, e.g. mixed_bfloat16")
    add("--compile", action="store_true", help="also kcv with its plan compiled")
    add("--stock", action="store_true", help="also the network of stock Keras layers")
    add("--no-counts", action="store_true", help="leave out what does not depend on the load")
    add("--out", type=Path, default=Path("runs/speed"), help="stem of the .csv, .md and .png")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if args.device != device:
        parser.error(f"Keras computes on {device} here; CUDA_VISIBLE_DEVICES= hides a GPU")
    for name in args.networks:
        for at in args.at:
            try:
                cases.settings(name, at)
            except ValueError as error:
                parser.error(str(error))
    return args


def measure(name: str, size: int, batch: int, args) -> tuple[list[report.Time], list]:
    """Time one network at one setting; return a row for every turn, and the counted figures."""
    case = cases.CASES[name]
    changes, classes = (cases.NARROW[name], 10) if args.narrow else ({}, cases.CLASSES)
    model, network = cases.build(name, size, classes, **changes)
    probe = loops.make_data(2, size, classes)
    gap = cases.check_outputs(model, network, probe.images)
    say(f"{name} at {size} px, batch {batch}: answers agree to {gap:.0e}")
    cases.compile_kcv(model, case.optimizer)
    figures = [] if args.no_counts else counted(name, model, network, size, batch)
    data = loops.make_data(most_steps(batch, size) * batch, size, classes)
    device = model.weights[0].value.device
    ready = {k: loops.tensors(data, k == "channels_last", device) for k in LAYOUTS}
    rows = []
    for mode in ("train", "predict") if args.mode == "both" else (args.mode,):
        twin = functools.partial(cases.twin, name, model, **changes)
        runs = variants(mode, model, twin, case.optimizer, data, ready, batch)
        if args.stock:
            runs["stock Keras"] = stocked(mode, model, case.optimizer, data, batch)
        if args.compile:
            runs["kcv, compiled"] = compiled(
                name, mode, size, data, batch, classes=classes, **changes
            )
        count = args.steps or steps(runs["kcv"], args.seconds, len(data.labels) // batch)
        for turn, variant, took in turns(runs, args.rounds, count):
            rows.append(report.Time(name, mode, size, batch, variant, turn, count, took))
        del runs
        gc.collect()
    for line in report.table(rows)[2:]:
        say(line)
    return rows, figures


def most_steps(batch: int, size: int) -> int:
    """Return how many batches to hold: at most 200, or half a gigabyte, at least 6."""
    return max(6, min(200, 2**29 // (12 * batch * size * size)))


def variants(mode: str, model, twin, kind: str, data, ready, batch: int) -> dict[str, loops.Run]:
    """Return what is timed: kcv, and every layout and optimizer of PyTorch.

    Args:
        twin: makes the PyTorch network with the weights of the model.
        kind: a key of `STEPS`, what both train with.
        ready: for each of `LAYOUTS`, what `loops.tensors` made of the data.
    """
    runs = {"kcv": (loops.fit if mode == "train" else loops.predict)(model, data, batch)}
    for layout, order in LAYOUTS.items():
        network = twin().to(memory_format=order)
        last = layout == "channels_last"
        if mode == "predict":
            runs[layout] = loops.torch_predict(network, data, batch, last, ready[layout])
            continue
        for step in STEPS[kind]:
            how = {} if step == "default" else {step: True}
            optimizer = cases.make_torch_optimizer(network, kind, **how)
            run = loops.torch_fit(network, optimizer, data, batch, last, ready[layout])
            runs[f"{layout}, {step}"] = run
    return runs


def turns(runs: dict[str, loops.Run], rounds: int, steps: int) -> Iterator[tuple[int, str, float]]:
    """Yield (round, variant, milliseconds a step), every variant once a round, by turns."""
    for run in runs.values():
        run(2)
    for turn in range(rounds):
        for variant in _rotated(list(runs), turn):
            yield turn, variant, 1000 * _time(runs[variant], steps) / steps


def stocked(mode: str, model, kind: str, data, batch: int) -> loops.Run:
    """Return the run of the same network of stock Keras layers."""
    plain = stock.rebuild(model)
    stock.compile_stock(plain, kind)
    return (loops.fit if mode == "train" else loops.predict)(plain, data, batch)


def compiled(name: str, mode: str, size: int, data, batch: int, **changes) -> loops.Run:
    """Return kcv's own run with a compiled plan; `changes` as in `cases.build`."""
    model, _ = cases.build(name, size, **changes)
    cases.compile_kcv(model, cases.CASES[name].optimizer, jit_compile=True)
    return (loops.fit if mode == "train" else loops.predict)(model, data, batch)


def counted(name, model, network, size, batch) -> list[report.Figure]:
    """Return the figures that no load disturbs, kcv beside PyTorch with its leanest optimizer."""
    optimizer = cases.make_torch_optimizer(network, **cases.best_optimizer(name))
    data = loops.make_data(6 * batch, size, model.output_shape[-1])
    one = loops.Data(*(part[:batch] for part in data))
    ours = (model, [w.value for w in model.weights], loops.fit, loops.predict)
    by_hand = lambda *args: loops.torch_fit(args[0], optimizer, *args[1:])  # noqa: E731
    tensors = [*network.parameters(), *network.buffers()]
    theirs = (network, tensors, by_hand, loops.torch_predict)
    columns = []
    for net, own, fit, predict in (ours, theirs):
        run = fit(net, data, batch)
        run(1)
        cuda = torch.cuda.is_available()
        columns.append(
            ({} if not cuda else on_a_gpu(run, predict(net, data, batch)))
            | {
                "operations per training step": counts.operations(run).total(),
                "host reads per training step": counts.host_reads(run).total(),
                "bytes kept for backward": counts.saved_bytes(fit(net, one, batch), own),
                "peak bytes of predict": counts.peak_bytes(predict(net, data, batch)),
                "operations per predicted batch": counts.operations(
                    predict(net, data, batch)
                ).total(),
            }
        )
    both = zip(columns[0].items(), columns[1].values(), strict=True)
    return [report.Figure(name, size, batch, key, a, b) for (key, a), b in both]


def on_a_gpu(train: loops.Run, predict: loops.Run) -> dict[str, float]:
    """Return the figures that only a GPU has."""
    return {
        "peak bytes of a training step": counts.training_peak_bytes(train),
        "idle share of training": counts.idle_share(train),
        "idle share of predict": counts.idle_share(predict),
    }


def steps(run: Callable[[int], object], seconds: float, most: int) -> int:
    """Return how many steps take about `seconds`: from the time of four more than two."""
    run(2)
    few, many = _time(run, 2), _time(run, 6)
    step = max((many - few) / 4, many / 24, 1e-5)
    return int(min(most, max(LEAST_STEPS, seconds / step)))


def _rotated(names: list[str], turn: int) -> list[str]:
    """Let another variant begin in every round."""
    first = turn % len(names)
    return names[first:] + names[:first]


def _time(run: Callable[[int], object], steps: int) -> float:
    """Return seconds: of the processor on a CPU, of the clock with a waiting host on a GPU."""
    cuda = torch.cuda.is_available()
    clock = time.perf_counter if cuda else time.process_time
    if cuda:
        torch.cuda.synchronize()
    start = clock()
    run(steps)
    if cuda:
        torch.cuda.synchronize()
    return clock() - start


def header(args) -> dict[str, str]:
    """Return what the figures were measured on, and how."""
    gpu = torch.cuda.is_available()
    return {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "device": torch.cuda.get_device_name(0) if gpu else "cpu",
        "threads": str(torch.get_num_threads()),
        "precision": args.precision,
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"Keras {keras.__version__}, kcv {kcv.__version__}",
        "clock": "wall time, synchronised" if gpu else "process CPU time",
        "rounds": str(args.rounds),
        "channels": "few" if args.narrow else "all",
        "load": " ".join(f"{n:.1f}" for n in os.getloadavg()),
    }


def _commit() -> str:
    """Return the commit, marked where files differ from it."""
    ask = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+changes"]
    done = subprocess.run(ask, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
