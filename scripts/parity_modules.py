"""A network of another library as `scripts/parity.py` uses it: its tensors, logits, one step."""

import copy
import importlib
import math
import re
import tempfile
from collections import OrderedDict
from pathlib import Path

import keras
import numpy as np
import torch
from safetensors.torch import save_file

from kcv import weights
from kcv.weights import files
from kcv.weights.names import families

Tensors = dict[str, np.ndarray]
# timm's SqueezeExcite and SEModule, torchvision's SqueezeExcitation, mmpretrain's SELayer,
# EfficientNetSqueezeExciteLayer of transformers
GATES = re.compile("SqueezeExcit|SEModule|SELayer")


def _planes(images: torch.Tensor) -> torch.Tensor:
    """Return images channel by channel, in memory too: mmpretrain's AlexNet flattens by `view`."""
    return images.permute(0, 3, 1, 2).contiguous()


class Torch:
    """A reference that is a torch module, dropout and stochastic depth off, momentum 0.1."""

    def __init__(self, module):
        self.module = module.double()
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 0.1
            for name in ("p", "drop_prob", "drop_rate", "drop"):
                if isinstance(getattr(part, name, None), float):
                    setattr(part, name, 0.0)

    def tensors(self) -> Tensors:
        """Return the tensors as the library's own files name them."""
        return {name: value.detach().numpy().copy() for name, value in self._state().items()}

    def _state(self):
        return self.module.state_dict()

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        scores = self.module(_planes(images))
        scores = getattr(scores, "logits", scores)
        return scores[0] if isinstance(scores, tuple) else scores

    def float(self) -> None:
        """Compute in float32 from now on."""
        self.module.float()

    def step(self, images: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        """Return logits in training and the tensors after it; the network stays as it was."""
        kept = copy.deepcopy(self.module.state_dict())
        self.module.train()
        scores = self(images)
        after = self.tensors()
        self.module.eval().load_state_dict(kept)
        return scores, after

    def strict(self, tensors: Tensors, model) -> None:
        """Load tensors as the library does, refusing missing and unknown names."""
        state = OrderedDict(
            (name, torch.from_numpy(np.array(value))) for name, value in tensors.items()
        )
        # the version of a layout, which torchvision's MnasNet asks for; .pth files hold it
        state._metadata = self.module.state_dict()._metadata
        self._load(state)

    def _load(self, state):
        self.module.load_state_dict(state, strict=True)

    def randomise(self, images: torch.Tensor) -> None:
        """Give every tensor random values: no zero biases, no scales of one.

        The statistics are those of a batch, moved at random, so that no layer blows up. Where maps
        are multiplied by what they excite, variances lie above those of the batch: maps that grow
        from block to block multiplied rounding errors by 1e6, and float32 said nothing.
        """
        gated = any(GATES.search(type(m).__name__) for m in self.module.modules())
        least = 1.0 if gated else 0.5
        generator = torch.Generator().manual_seed(0)
        for name, value in self.module.named_parameters():
            r = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            if name.endswith("bias"):
                r = 0.1 * r
            elif value.numel() == max(value.shape):
                r = 1 + 0.2 * r
            elif value.ndim == 3 or name.endswith("bias_table"):
                r = 0.3 * r
            else:
                r = r * (2 / value[0].numel()) ** 0.5
            value.copy_(r)
        norms = [m for m in self.module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0
        self.module.train()(_planes(images))
        self.module.eval()
        for norm in norms:
            norm.momentum = 0.1
            r = torch.randn(norm.running_mean.shape, generator=generator, dtype=torch.float64)
            norm.running_mean.add_(0.1 * r * norm.running_var.sqrt())
            norm.running_var.mul_(least + torch.rand(r.shape, generator=generator))

    def spread(self, images: torch.Tensor) -> None:
        """Scale the last layer so that the logits have a standard deviation of 2."""
        factor = 2 / self(images).std()
        for layer in self.module.modules():
            if getattr(layer, "out_features", getattr(layer, "out_channels", 0)) == 1000:
                layer.weight.mul_(factor)
                layer.bias.mul_(factor)


class Transformers(Torch):
    """transformers names tensors in its files other than in its modules."""

    def _state(self):
        revert = importlib.import_module("transformers.core_model_loading").revert_weight_conversion
        return revert(self.module, self.module.state_dict())

    def _load(self, state):
        with tempfile.TemporaryDirectory() as folder:
            self.module.config.save_pretrained(folder)
            save_file(state, f"{folder}/model.safetensors", metadata={"format": "pt"})
            again, about = type(self.module).from_pretrained(folder, output_loading_info=True)
        wrong = about["missing_keys"] or about["unexpected_keys"] or about["mismatched_keys"]
        if wrong:
            raise RuntimeError(f"transformers does not load the file: {about}")
        self.module.load_state_dict(again.state_dict())


class Keras:
    """A network of keras.applications on torch; its tensors go through files that Keras writes.

    Args:
        make: builds the network.
        factor: what images are multiplied by first, where the network divides them.
        reverse: whether it takes blue-green-red.
    """

    def __init__(self, make, factor: float = 1.0, reverse: bool = False):
        self.make, self.factor, self.reverse = make, factor, reverse
        self.module = self._fresh()

    def _fresh(self):
        # automatic names count through a session, and are what files hold
        keras.backend.clear_session()
        module = self.make()
        for layer in module.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.9
            for name in ("rate", "drop_path_rate"):
                if hasattr(layer, name):
                    setattr(layer, name, 0.0)
        return module

    def tensors(self) -> Tensors:
        """Return the tensors as kcv reads them from a file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.weights.h5"
            self.module.save_weights(path)
            found = families.numbered(files.read(path), "keras")
        return {name: found[name] for name in found if not families.UNUSED.search(name)}

    def __call__(self, images: torch.Tensor, training: bool = False) -> torch.Tensor:
        images = images.flip(-1) if self.reverse else images
        return self.module(self.factor * images, training=training)

    def float(self) -> None:
        """Compute in float32 from now on."""
        values = self.module.get_weights()
        self.module = self._fresh()
        self.module.set_weights([value.astype("float32") for value in values])

    def step(self, images: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        """Return logits in training and the tensors after it; the network stays as it was.

        Keras keeps the biased variance of a batch; the tensors have the unbiased one.
        """
        kept = self.module.get_weights()
        norms = self._norms()
        before = [layer.moving_variance.numpy() for layer in norms]
        scores = self(images, training=True)
        for layer, old in zip(norms, before, strict=True):
            n = len(images) * math.prod(layer.input.shape[1:-1])
            new = layer.moving_variance.numpy()
            layer.moving_variance.assign(0.9 * old + (new - 0.9 * old) * n / (n - 1))
        after = self.tensors()
        self.module.set_weights(kept)
        return scores, after

    def _norms(self):
        return [m for m in self.module.layers if isinstance(m, keras.layers.BatchNormalization)]

    def strict(self, tensors: Tensors, model) -> None:
        """Load kcv's file by name into a new network, which must then hold these tensors."""
        with tempfile.TemporaryDirectory() as folder:
            path = weights.save(model, Path(folder) / "network.h5", format="keras")
            values = [np.full_like(value, 7) for value in self.module.get_weights()]
            kept, self.module = self.module, self._fresh()
            self.module.set_weights(values)
            self.module.load_weights(path, by_name=True)
            loaded, self.module = self.tensors(), kept
        wrong = [name for name in loaded if not np.array_equal(loaded[name], tensors[name])]
        if wrong:
            raise RuntimeError(f"Keras does not load these of the file: {wrong}")

    def randomise(self, images: torch.Tensor) -> None:
        """Give every weight random values, as `Torch.randomise` does."""
        gated = any(isinstance(m, keras.layers.Multiply) for m in self.module.layers)
        least = 1.0 if gated else 0.5
        rng = np.random.default_rng(0)
        for weight in self.module.weights:
            value, name = rng.standard_normal(weight.shape), weight.name
            if name.endswith("kernel"):
                depthwise = weight.shape[-1] == 1
                fan = math.prod(weight.shape[: 2 if depthwise else -1])
                weight.assign(value * (2 / fan) ** 0.5)
            elif name in ("beta", "bias"):
                weight.assign(0.1 * value)
            elif name not in ("mean", "variance", "count", "moving_mean", "moving_variance"):
                weight.assign(1 + 0.2 * value)
        for layer in self._norms():
            layer.momentum = 0.0
        self(images, training=True)
        for layer in self._norms():
            layer.momentum = 0.9
            variance = layer.moving_variance.numpy()
            r = rng.standard_normal(variance.shape)
            layer.moving_mean.assign(layer.moving_mean.numpy() + 0.1 * r * variance**0.5)
            layer.moving_variance.assign(variance * (least + rng.random(r.shape)))

    def spread(self, images: torch.Tensor) -> None:
        """Scale the last layer so that the logits have a standard deviation of 2."""
        factor = 2 / float(self(images).std())
        last = [layer for layer in self.module.layers if layer.weights][-1]
        last.set_weights([factor * value for value in last.get_weights()])
