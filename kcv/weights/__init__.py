"""Pretrained weights: where they come from, what they need, and their safe loading.

model = kcv.models.build("resnet50", weights="timm/resnet50.a1_in1k", num_classes=5)
kcv.weights.list("resnet50")                               # what there is
kcv.weights.save(model, "mine.safetensors", format="timm")  # for the reference to load

A word of `weights=` is `timm/NAME.TAG` or `hf/ORG/NAME` (Hugging Face hub, with `@revision` if
wanted), `torchvision/NAME.TAG`, `mmpretrain/NAME`, `keras/NAME`, a file (`.safetensors`, `.pth`,
`.pt`, `.bin`, `.h5`, `.keras`), a folder with `config.json` and weights, or a run folder of kcv.
`kcv.weights.places` says how to choose the cache, a mirror, and work offline.
"""

from kcv.weights.catalogue import Row
from kcv.weights.catalogue import matching as list  # noqa: A001
from kcv.weights.loading import load
from kcv.weights.preprocessing import Preprocessing
from kcv.weights.tuning import freeze, layer_decay
from kcv.weights.writing import save

__all__ = ["Preprocessing", "Row", "freeze", "layer_decay", "list", "load", "save"]
