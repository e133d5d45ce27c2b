"""Time families of the zoo that no bound names against timm's and torchvision's own code.

    python -m benchmarks.families                                   one network a family
    python -m benchmarks.families resnet50d nasnet_large --at 96x8  networks of one's choice

Needs timm and torchvision, which `make test` installs. Measured as `benchmarks.speed` measures:
the same weights on both sides, turns in one process, the best of PyTorch's layouts and optimizers.
"""

import argparse
import functools
import gc
import importlib
import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import keras
import torch

from benchmarks import cases, loops, report, speed
from kcv import models
from kcv.weights import names

FAMILIES = (
    *("alexnet", "vgg11_bn", "googlenet", "inception_v3", "resnet50d", "resnext50_32x4d"),
    *("seresnext50_32x4d", "squeezenet1_1", "mobilenet_v1", "mobilenet_v3_small"),
    *("mobilenet_v3_large", "mnasnet_100", "efficientnet_b0", "shufflenet_v2_100"),
    *("vit_small_32", "deit_tiny_distilled_16", "convnext_atto", "swin_tiny"),
)
LIBRARIES = ("timm", "torchvision")
TRANSFORMERS = ("vit", "deit", "convnext")  # the others train with SGD, as in benchmarks.speed
HEADED = ("googlenet", "inception_v3")  # their heads for training are left out
BARE = {"aux_logits": False, "init_weights": False, "transform_input": False}
OFF = ("dropout", "attention_dropout", "drop_rate")


def main() -> None:
    """Run the command."""
    args = _arguments()
    torch.set_num_threads(1)
    keras.utils.set_random_seed(0)
    size, batch = cases.size_and_batch(args.at)
    about = {"reference": ", ".join(f"{n} {importlib.metadata.version(n)}" for n in LIBRARIES)}
    rows: list[report.Time] = []
    for name in args.networks:
        rows += measure(name, size, batch, args)
        report.write(args.out, speed.header(args) | about, rows, [])
        gc.collect()
    speed.say("\n".join(report.table(rows)))


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("networks", nargs="*", default=list(FAMILIES), metavar="NAME", help="networks of kcv")
    add("--at", default="128x4", metavar="SIZExBATCH", help="pixels and images; 128x4")
    add("--rounds", type=int, default=5, help="rounds, each of every variant")
    add("--seconds", type=float, default=0.7, help="aim for one variant's turn in a round")
    add("--out", type=Path, default=Path("runs/families"), help="stem of the .csv, .md and .png")
    args = parser.parse_args()
    args.narrow = False
    args.precision = keras.config.dtype_policy().name
    return args


def measure(name: str, size: int, batch: int, args) -> list[report.Time]:
    """Time one network; return a row for every turn."""
    model, make = build(name, size)
    probe = loops.make_data(2, size, cases.CLASSES)
    gap = cases.check_outputs(model, make(), probe.images)
    speed.say(f"{name} at {size} px, batch {batch}: answers agree to {gap:.0e}")
    kind = "adamw" if name.startswith(TRANSFORMERS) else "sgd"
    cases.compile_kcv(model, kind)
    count = speed.most_steps(batch, size) * batch
    data = loops.make_data(count, size, cases.CLASSES)
    device = model.weights[0].value.device
    ready = {k: loops.tensors(data, k == "channels_last", device) for k in speed.LAYOUTS}
    rows = []
    for mode in ("train", "predict"):
        runs = speed.variants(mode, model, make, kind, data, ready, batch)
        steps = speed.steps(runs["kcv"], args.seconds, count // batch)
        for turn, variant, took in speed.turns(runs, args.rounds, steps):
            rows.append(report.Time(name, mode, size, batch, variant, turn, steps, took))
    speed.say("\n".join(report.table(rows)[2:]))
    return rows


def build(name: str, size: int):
    """Return kcv's network and a maker of the same one elsewhere, of equal weights, dropout off.

    Raises:
        ValueError: if neither library has it.
    """
    references = _references()
    found = [c for c in references.cases() if c.model == name and c.dialect in LIBRARIES]
    if not found:
        raise ValueError(f"timm and torchvision have no network like it. Received: {name!r}.")
    case = max(found, key=lambda one: one.odd)  # those of any size first
    changes: dict[str, Any] = {key: 0.0 for key in OFF if key in models.fields(name)}
    changes |= names.numerics(name, f"{case.dialect}/{case.reference}")
    if name in HEADED:
        changes["aux"] = False
    model = models.build(name, image_size=size, **changes)
    make = functools.partial(_reference, references, case, size)
    reference = make()
    _shake(reference)
    tensors = {k: v.detach().numpy().copy() for k, v in reference.state_dict().items()}
    names.load(model, tensors, case.dialect)

    def same():
        twin = make()
        twin.load_state_dict(reference.state_dict())
        return twin

    return model, same


@functools.cache
def _references():
    """Return the module of the references of the parity table, ready for torchvision."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    module = importlib.import_module("parity_references")
    module.prepare()
    return module


def _reference(references, case, size: int) -> torch.nn.Module:
    if case.model not in HEADED:
        return references.make(case, (size, size)).module.float()
    library = importlib.import_module("torchvision.models")
    bare = library.get_model(case.model, weights=None, **BARE)
    return references.Torch(bare).module.float()


def _shake(network: torch.nn.Module) -> None:
    """Move what has one axis off its zeros and ones, which would hide an error."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.ndim == 1 and value.is_floating_point():
                value += 0.5 * torch.rand(value.shape, generator=generator)


if __name__ == "__main__":
    main()
