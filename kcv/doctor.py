"""`kcv doctor`: what is installed, what is missing, and whether training works here."""

import importlib.util
import os
import platform
from importlib import metadata
from pathlib import Path

import keras

from kcv import kernels
from kcv.version import __version__

NEEDED = ("keras", "torch", "numpy", "pillow", "safetensors", "matplotlib", "tqdm")
# extra of the package -> (module that shows it is there, what for)
EXTRAS = {
    "course": ("sklearn", "digits, photo tiles and the notebooks"),
    "export": ("onnxscript", "networks as ONNX files"),
    "fast": ("simplejpeg", "photographs read in half of the time"),
    "hf": ("datasets", "data sets of the Hugging Face hub"),
    "hub": ("huggingface_hub", "weights of timm and of the Hugging Face hub"),
    "tfds": ("tensorflow_datasets", "data sets of TensorFlow Datasets"),
}


def check() -> list[str]:
    """Return a line for each thing that matters, `!` before what needs attention."""
    device = kernels.device()
    lines = [
        f"kcv {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"backend {device['backend']} {device['version']}, device {device['device']}, "
        f"{os.cpu_count()} cores",
    ]
    for name in NEEDED:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f'! {name} is missing: pip install "kcv"')
    for extra, (module, purpose) in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            lines.append(f'{extra}: not installed ({purpose}): pip install "kcv[{extra}]"')
        else:
            lines.append(f"{extra}: installed")
    lines.append(_writable(Path.cwd()))
    lines.append(_trains())
    return lines


def _writable(folder: Path) -> str:
    good = os.access(folder, os.W_OK)
    return f"run folders go to {folder / 'runs'}" if good else f"! cannot write in {folder}"


def _trains() -> str:
    """Train one step of a tiny network: the check that counts."""
    import numpy as np

    from kcv import losses, models

    net = models.build("mobilenet_v2_035", num_classes=2, image_size=32, stem="small")
    net.compile("sgd", losses.CrossEntropy())
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")
    loss = net.fit(images, np.array([0, 1, 0, 1]), verbose=0).history["loss"][0]
    return f"a training step works (Keras {keras.__version__}, loss {loss:.2f})"
