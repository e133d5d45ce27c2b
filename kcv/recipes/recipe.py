"""A recipe: everything that decides the result of a training run, in one frozen record."""

import difflib
import math
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tomli_w

from kcv.data.sampling import CLASS_WEIGHTS, SAMPLINGS

OPTIMIZERS = ("sgd", "adamw", "rmsprop")
SCHEDULES = ("one_cycle", "cosine", "step", "exponential", "polynomial", "constant")
LOSSES = ("auto", "cross_entropy", "binary_cross_entropy")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Recipe:
    """Settings of one training run; printed with `to_toml`, read back with `from_toml`.

    Attributes:
        model: a name of `kcv.models.list()`.
        stem: `"standard"`, or `"medium"` or `"small"` where the network has them: one or two
            halvings fewer keep early resolution, for images of 64 pixels or less.
        data: what `kcv.data.load` takes.
        image_size: pixels on each side; 0 takes the data's own.
        channels: 1 or 3; 0 takes the data's own.
        augment: random changes of training images, see `kcv.data.augment`.
        val_fraction: share of the training images held out for validation, 0..1.
        batch_size: images in a step.
        workers: processes that load images; 0 loads in the training process.
        epochs: passes over the training images.
        optimizer: `"sgd"`, `"adamw"` or `"rmsprop"`, all with PyTorch's mathematics.
        learning_rate: highest rate, for a batch of `base_batch` images.
        base_batch: the batch that `learning_rate` was tuned for; another `batch_size` scales it in
            proportion (Goyal et al. 2017, https://arxiv.org/abs/1706.02677).
        momentum: of SGD (with Nesterov's look-ahead where `nesterov`) and RMSprop; first beta of
            AdamW.
        epsilon: of AdamW and RMSprop.
        weight_decay: coupled for SGD and RMSprop, decoupled for AdamW; norms, biases and position
            embeddings are spared.
        clip_norm: largest norm of all gradients together, 0 for no limit.
        loss: `"cross_entropy"`, one class an image; `"binary_cross_entropy"`, a yes or no for each
            class; `"auto"` takes the first, or the second where images have several classes.
        class_weights: `"balanced"` weighs rare classes more in the loss, so that all count alike,
            `"root"` half-way, `"none"` not; see `kcv.data.load`.
        label_smoothing: share of a label spread over all classes, or, with
            `"binary_cross_entropy"`, moved to one half.
        mixup, cutmix: alpha of the Beta distribution that mixes pairs of images (Zhang et al.
            2017, https://arxiv.org/abs/1710.09412) or pastes one into another (Yun et al. 2019,
            https://arxiv.org/abs/1905.04899), 0 for never; with both, each batch draws one.
        schedule: how the rate falls: `"one_cycle"`, `"cosine"`, `"step"`, `"exponential"`,
            `"polynomial"`, `"constant"`.
        warmup_epochs: epochs (or parts of one) over which the rate first rises.
        step_epochs, step_factor: the rate is multiplied by the factor after that many epochs
            (`"step"`), or decays smoothly so (`"exponential"`); counted from the end of the warmup,
            as torchvision's recipes do.
        ema_decay: of the running mean of weights that is validated and kept, 0 for none.
        swa_start: epoch from which weights are averaged equally, 0 for never; their average is what
            the run ends with, also where `patience` stops it.
        patience: epochs without a better validation accuracy before training stops, 0 for never.
        sampling: `"shuffled"`, or `"balanced"`: every class as often as any other.
        repeats: how often each image of a batch is repeated with other random changes.
        start_size: pixels of the first epoch, growing to `image_size` over three quarters of the
            epochs; 0 for no growth. Needs a network whose weights suit images of several sizes.
        mix_epochs: epochs with mixup and CutMix, 0 for all.
        precision: `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.
        compile: whether `torch.compile` makes kernels of the network: minutes at the start, less
            time a step on a GPU; for images of one size.
        weights: what training starts from, as `kcv.weights` takes it (`"timm/resnet50.a1_in1k"`, a
            file, a run folder); empty for random weights. Its normalisation is kept.
        freeze: what stays as it is, see `kcv.weights.freeze`: `"features"` trains the head alone.
        layer_decay: factor of the learning rate for each block towards the image, 1 for none.
        seed: of weights, order and random changes.
        threads: CPU threads of torch; 0 takes `OMP_NUM_THREADS`, or all cores.
        source: where the settings come from.
        network: other arguments of the network, e.g. `{"width": 0.5}`.

    Raises:
        ValueError: if a value is outside its range; the sentence names it.
    """

    model: str
    stem: str = "standard"
    data: str = "fashion_mini"
    image_size: int = 0
    channels: int = 0
    augment: str = "flip_shift"
    val_fraction: float = 0.1
    batch_size: int = 128
    workers: int = 0
    epochs: int = 8
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    base_batch: int = 128
    momentum: float = 0.9
    nesterov: bool = True
    epsilon: float = 1e-8
    weight_decay: float = 5e-4
    clip_norm: float = 0.0
    loss: str = "auto"
    class_weights: str = "none"
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    schedule: str = "one_cycle"
    warmup_epochs: float = 0.0
    step_epochs: float = 30.0
    step_factor: float = 0.1
    ema_decay: float = 0.0
    swa_start: int = 0
    patience: int = 0
    sampling: str = "shuffled"
    repeats: int = 1
    start_size: int = 0
    mix_epochs: int = 0
    precision: str = "float32"
    compile: bool = False
    weights: str = ""
    freeze: str = ""
    layer_decay: float = 1.0
    seed: int = 0
    threads: int = 0
    source: str = ""
    network: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        for name, default in ((f.name, f.type) for f in fields(self)):
            object.__setattr__(self, name, _typed(name, getattr(self, name), default))
        _check_words(self)
        _check_ranges(self)

    def changed(self, **changes) -> "Recipe":
        """Return a copy with other values.

        Raises:
            ValueError: if a field is unknown (near names are listed) or a value does not fit.
        """
        known = [f.name for f in fields(self)]
        for name in changes:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
                raise ValueError(
                    f"A recipe has no such field. Received: {name!r}. "
                    f"Did you mean {', '.join(near)}?"
                )
        return replace(self, **changes)

    def to_toml(self, path: str | Path | None = None) -> str:
        """Return the recipe as TOML, and write it to `path` if one is given."""
        text = tomli_w.dumps(asdict(self))
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_toml(cls, path: str | Path) -> "Recipe":
        """Read a recipe from a TOML file.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not TOML, names no model, or has an unknown field.
        """
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no recipe file {path}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a TOML file: {error}.") from None
        if not isinstance(content.get("model"), str):
            raise ValueError(f'The recipe {path} needs a line like model = "resnet18".')
        return cls(content.pop("model")).changed(**content)


def _typed(name: str, value, kind):
    """Return the value as the field's type: numbers and strings of numbers are converted."""
    if kind is dict or str(kind).startswith("dict"):
        if isinstance(value, dict):
            return dict(value)
    elif kind is bool:
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
    elif kind is str:
        if isinstance(value, str):
            return value
    elif not isinstance(value, bool):
        try:
            number = kind(value)
            if number == float(value) and math.isfinite(number):
                return number
        except (OverflowError, TypeError, ValueError):
            pass
    word = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
    raise ValueError(
        f"The recipe needs {name} to be {word.get(kind, 'a table')}. Received: {name}={value!r}."
    )


def _check_words(recipe: Recipe) -> None:
    for name, words in (
        ("stem", ("standard", "medium", "small")),
        ("optimizer", OPTIMIZERS),
        ("schedule", SCHEDULES),
        ("loss", LOSSES),
        ("sampling", SAMPLINGS),
        ("class_weights", tuple(CLASS_WEIGHTS)),
        ("precision", PRECISIONS),
    ):
        if getattr(recipe, name) not in words:
            raise ValueError(
                f"The recipe needs {name} to be one of {', '.join(words)}. "
                f"Received: {name}={getattr(recipe, name)!r}."
            )


# name -> (smallest, largest value; None for no limit)
RANGES = {
    "image_size": (0, None),
    "channels": (0, 3),
    "val_fraction": (0.01, 0.9),
    "batch_size": (1, None),
    "workers": (0, None),
    "epochs": (1, None),
    "base_batch": (1, None),
    "momentum": (0.0, 1.0),
    "epsilon": (0.0, 1.0),
    "weight_decay": (0.0, None),
    "mixup": (0.0, None),
    "cutmix": (0.0, None),
    "clip_norm": (0.0, None),
    "label_smoothing": (0.0, 0.99),
    "warmup_epochs": (0.0, None),
    "step_factor": (0.0, 1.0),
    "ema_decay": (0.0, 0.999999),
    "swa_start": (0, None),
    "patience": (0, None),
    "threads": (0, None),
    "layer_decay": (0.01, 1.0),
    "repeats": (1, None),
    "start_size": (0, None),
    "mix_epochs": (0, None),
}


def _check_ranges(recipe: Recipe) -> None:
    for name, (low, high) in RANGES.items():
        value = getattr(recipe, name)
        if value < low or (high is not None and value > high):
            limit = f"{low} <= {name}" + (f" <= {high}" if high is not None else "")
            raise ValueError(f"The recipe needs {limit}. Received: {name}={value}.")
    for name in ("learning_rate", "step_epochs"):
        if getattr(recipe, name) <= 0:
            raise ValueError(
                f"The recipe needs {name} > 0. Received: {name}={getattr(recipe, name)}."
            )
    if recipe.compile and recipe.start_size:
        raise ValueError(
            "The recipe needs start_size = 0 with compile = true: kernels are made for one size. "
            f"Received: start_size={recipe.start_size}."
        )
    if recipe.sampling == "balanced" and recipe.class_weights != "none":
        raise ValueError(
            "Balanced sampling makes classes count alike already. Received: sampling='balanced' "
            f"with class_weights={recipe.class_weights!r}. Leave one of them out."
        )
    if recipe.channels == 2:
        raise ValueError("The recipe needs channels to be 0, 1 or 3. Received: channels=2.")
