"""Pairs that are measured against each other: networks of kcv, and the same by hand in PyTorch."""

import kcv  # noqa: F401  # chooses Keras' backend, so it comes before any import of Keras
