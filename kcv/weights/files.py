"""Reading tensors from files, without running anything that a file contains.

safetensors by its own library; pickles by `torch.load(weights_only=True)` and in no other way;
`.h5` and `.keras` as arrays by h5py: the description of the network in them is never built.
"""

import io
import json
import logging
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from safetensors import SafetensorError, safe_open

log = logging.getLogger("kcv")

PICKLES = (".pth", ".pt", ".bin", ".tar", ".ckpt")
H5 = (".h5", ".hdf5")
SUFFIXES = (".safetensors", *PICKLES, *H5, ".keras")
# Where training scripts keep the weights among other things; the averaged ones come first.
WRAPPINGS = ("state_dict_ema", "ema_state_dict", "model_ema", "state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")

Tensors = dict[str, np.ndarray]


def read(path: Path) -> Tensors:
    """Return the tensors of a file by name, in the file's own layout.

    Half-precision numbers become float32 where numpy has no type for them.

    Args:
        path: `.safetensors`, `.pth`, `.pt`, `.bin`, `.h5`, `.weights.h5` or `.keras`.

    Raises:
        ValueError: if the file is damaged, of another kind, or holds anything but tensors.
    """
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensors(path)
    if suffix in PICKLES:
        return _read_pickle(path)
    if suffix in H5 or suffix == ".keras":
        return _read_h5(path)
    raise ValueError(f"Weights are read from {', '.join(SUFFIXES)} files. Received: {path.name!r}.")


def _read_safetensors(path: Path) -> Tensors:
    try:
        # the torch reader maps the file: numpy's would copy it
        with safe_open(path, framework="pt") as file:
            return {name: _array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}.") from None


def note(path: Path) -> dict[str, Any] | None:
    """Return what `kcv.weights.save` wrote into a safetensors file beside its tensors, or None."""
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("kcv")
        return None if text is None else json.loads(text)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}.") from None


def _array(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype == torch.bfloat16 or "float8" in str(tensor.dtype):
        tensor = tensor.float()
    return tensor.detach().cpu().numpy()


def _read_pickle(path: Path) -> Tensors:
    try:
        # files of torch 1.5 and before are no archives and cannot be mapped
        content = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    # A damaged file raises whatever its first broken part meets, a dangerous one UnpicklingError.
    except Exception as error:
        if re.search(r"Unsupported (global|class)|Trying to|REDUCE|BUILD", str(error)):
            raise ValueError(
                f"{path} holds more than tensors, and kcv runs no code of a checkpoint. Ask its "
                "author for a safetensors file, or write one where you trust it."
            ) from None
        raise ValueError(f"{path} is damaged or no file of torch: {_first_line(error)}.") from None
    return {name: _array(value) for name, value in _state_dict(content, path).items()}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _state_dict(content, path: Path) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a training script's dict, without the wrappers' prefixes."""
    found = content
    for name in WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            log.info("%s: taking its %r", path.name, name)
            found = content[name]
            break
    tensors = {}
    for name, value in found.items() if isinstance(found, Mapping) else ():
        if isinstance(value, torch.Tensor):
            for prefix in PREFIXES:
                name = str(name).removeprefix(prefix)
            tensors[name] = value
    if not tensors:
        inside = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content)
        raise ValueError(
            f"{path} needs to hold tensors by name, or a dict with {' or '.join(WRAPPINGS)}. "
            f"Received: {inside}."
        )
    return tensors


def _read_h5(path: Path) -> Tensors:
    try:
        if path.suffix.lower() != ".keras":
            with h5py.File(path, "r") as file:
                return _datasets(file, path)
        with zipfile.ZipFile(path) as archive:
            content = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(content, "r") as file:
            return _datasets(file, path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged or no file of Keras: {_first_line(error)}.") from None


# Names of the variables of Keras's layers, in the order of `vars/0`, `vars/1` ...
VARIABLES = {
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "layer_normalization": ("gamma", "beta"),
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "conv2d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "layer_scale": ("gamma",),
    "normalization": ("mean", "variance", "count"),
}


def _datasets(file: h5py.File, path: Path) -> Tensors:
    """Return every array by its place in the file; optimisers and other files are left out."""
    tensors: Tensors = {}

    def visit(name, item):  # follows no links, so that nothing outside the file is read
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            return
        if item.external or item.is_virtual:
            raise ValueError(f"{path} refers to other files, which kcv does not read.")
        if not name.startswith(("optimizer", "_")) and item.dtype.kind in "fiub":
            tensors[_short(name, file)] = item[()]

    file.visititems(visit)
    if not tensors:
        raise ValueError(f"{path} holds no weights.")
    return tensors


def _short(place: str, file: h5py.File) -> str:
    """Return `layer/kernel` of a place in a file, in Keras's old form or its present one.

    Those are `model_weights/layer/layer/kernel:0`, and `layers/conv2d_3/vars/0` with the layer's
    name beside it. What kcv wrote itself, and layers of other kinds, keep their places.
    """
    words = place.removeprefix("model_weights/").removesuffix(":0").split("/")
    if "vars" not in words:
        # a variable without a name is called so, with a number that counts through the session
        return re.sub(r"(layer_scale/)[Vv]ariable(_\d+)?$", r"\1gamma", "/".join(words[-2:]))
    name = file[place].parent.attrs.get("name")
    inside = words[-4:-3] == ["layers"]  # of the model, or of a model in it
    kind = re.sub(r"_\d+$", "", words[-3])
    if name is None or not inside or kind not in VARIABLES:
        return place
    variables = VARIABLES[kind]
    if kind == "batch_normalization":  # one without a factor has three
        variables = variables[-len(file[place].parent) :]
    return f"{name}/{variables[int(words[-1])]}"
