"""Architecture search: a space of networks, ways to walk through it, and a cheap judge.

import kcv.nas

judge = kcv.nas.Training("fashion_mini", batch_size=64)
found = kcv.nas.search(judge, kcv.nas.Space(), kcv.nas.Evolution(), trials=30, out="runs/nas")
print(found.table())
model = judge.fit(found.best.architecture, epochs=20)

Keras Tuner, the library nearest to this, was left aside: it has no evolution, bounds parameters
but not multiply-adds, judges one flat list of values in which unused ones make two names of the
same network, and brings gRPC, protobuf and requests (version 1.4.8).
"""

from kcv.nas.architecture import OPERATIONS, Architecture, Stage
from kcv.nas.budget import Budget
from kcv.nas.halving import Halving, Hyperband
from kcv.nas.history import Trial
from kcv.nas.network import build
from kcv.nas.ranking import front, spearman
from kcv.nas.results import Search
from kcv.nas.searching import search
from kcv.nas.space import Space
from kcv.nas.strategies import Evolution, Proposal, RandomSearch
from kcv.nas.training import Training

__all__ = [
    "OPERATIONS",
    "Architecture",
    "Budget",
    "Evolution",
    "Halving",
    "Hyperband",
    "Proposal",
    "RandomSearch",
    "Search",
    "Space",
    "Stage",
    "Training",
    "Trial",
    "build",
    "front",
    "search",
    "spearman",
]
