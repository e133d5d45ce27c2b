"""Writing weights in the names and layouts of other libraries."""

import json
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from safetensors.torch import save_file

from kcv.weights import names

FORMATS = (".safetensors", ".pth", ".pt", ".bin", ".h5")


def save(model, path: str | os.PathLike, format: str = "timm") -> Path:
    """Write a network's weights for a reference implementation to load.

    The file appears whole or not at all. A `.safetensors` file also says, for kcv, which network it
    belongs to and how its images are prepared; others leave that to their reader.

    Args:
        model: a network of `kcv.models.build`.
        path: `.safetensors`, `.pth`, `.pt` or `.bin`; `.h5` for `format="keras"`, which
            `load_weights(path, by_name=True)` of keras.applications reads.
        format: whose names and layouts: `"timm"`, `"torchvision"`, `"hf"`, `"mmpretrain"` or
            `"keras"`.

    Returns:
        The path.

    Raises:
        ValueError: if the format, or the ending of the path, is none of these, or the reference has
            no such network.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS or (suffix == ".h5") != (format == "keras"):
        raise ValueError(
            'Weights are saved to .h5 with format="keras", to .safetensors, .pth, .pt or .bin with '
            f"another. Received: {path.name!r}, format={format!r}."
        )
    tensors = names.dump(model, format)
    aside = path.with_name(f".aside-{os.getpid()}-{path.name}")
    try:
        if suffix == ".safetensors":
            save_file(_torch(tensors), aside, {"format": "pt", "kcv": _note(model, format)})
        elif suffix == ".h5":
            _write_h5(model, tensors, aside)
        else:
            torch.save(_state_dict(tensors, format), aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def _torch(tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}


def _note(model, format: str) -> str:
    """Return what the header of a safetensors file says of its network."""
    seen = getattr(model, "preprocessing", None)
    arguments = dict(model.arguments)
    name = arguments.pop("model")
    arguments.pop("family")
    note = {
        "dialect": format,
        "model": name,
        "arguments": arguments,
        "preprocessing": None if seen is None else seen.to_dict(),
    }
    return json.dumps(note)


def _state_dict(tensors: dict[str, np.ndarray], format: str):
    state: Any = OrderedDict(_torch(tensors))
    state._metadata = OrderedDict({"": {"version": 2}})  # torchvision's MNASNet asks for it
    return {"state_dict": state} if format == "mmpretrain" else state


def _write_h5(model, tensors: dict[str, np.ndarray], path: Path) -> None:
    """Write `layer/variable` arrays as `Model.load_weights(path, by_name=True)` reads them."""
    layers: dict[str, list[str]] = {}
    for name in tensors:
        layers.setdefault(names.outer_layer(model, name.partition("/")[0]), []).append(name)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"3"
        for layer, weights in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{name}:0".encode() for name in weights]
            for name in weights:
                group.create_dataset(f"{name}:0", data=tensors[name])
