"""Recipes: from a model name to a trained, tested and reported run."""

from kcv.recipes.parts import (
    make_batches,
    make_callbacks,
    make_loss,
    make_metrics,
    make_optimizer,
)
from kcv.recipes.recipe import Recipe
from kcv.recipes.run import Run
from kcv.recipes.table import RECIPES, get
from kcv.recipes.training import evaluate, finetune, train

__all__ = [
    "RECIPES",
    "Recipe",
    "Run",
    "evaluate",
    "finetune",
    "get",
    "make_batches",
    "make_callbacks",
    "make_loss",
    "make_metrics",
    "make_optimizer",
    "train",
]
