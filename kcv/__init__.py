"""Image classification in Keras 3: models, weights, data, recipes, reports."""

from kcv import (
    backend,  # first: it chooses the Keras backend before Keras is imported
    callbacks,
    data,
    layers,
    losses,
    models,
    optimizers,
    recipes,
    report,
    schedules,
    weights,
)
from kcv.inference import predict
from kcv.seeding import set_seed
from kcv.version import __version__

__all__ = [
    "__version__",
    "backend",
    "callbacks",
    "data",
    "layers",
    "losses",
    "models",
    "optimizers",
    "predict",
    "recipes",
    "report",
    "schedules",
    "set_seed",
    "weights",
]
