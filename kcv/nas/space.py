"""The search space: which architectures there are, how many, and which are neighbours."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kcv.nas.architecture import OPERATIONS, Architecture, Stage

# field of a stage -> the choices of a space that it is drawn from; widths differ by stage
CHOICES = {"kernel": "kernels", "expansion": "expansions", "depth": "depths", "gate": "gates"}


@dataclass(frozen=True)
class Space:
    """Every stage chooses its operation, width, depth, kernel, expansion and gate on its own.

    So the space of MnasNet is made (Tan et al. 2018, https://arxiv.org/abs/1807.11626), here with
    more operations and, by default, with sizes for small images on a CPU.

    Attributes:
        widths: the choices of each stage; their number is the number of stages.
        depths: how many blocks a stage may have.
        operations: keys of `OPERATIONS`.
        kernels: sides of the filters of `conv`, `separable` and `inverted`.
        expansions: of `inverted`.
        gates: `(False, True)` leaves squeeze-and-excite to the search.
        stem: channels of the first convolution.

    Raises:
        ValueError: if there is nothing to choose from, a choice comes twice, or does not fit.
    """

    widths: tuple[tuple[int, ...], ...] = ((8, 16, 24), (16, 32, 48), (32, 64, 96))
    depths: tuple[int, ...] = (1, 2, 3)
    operations: tuple[str, ...] = tuple(OPERATIONS)
    kernels: tuple[int, ...] = (3, 5)
    expansions: tuple[int, ...] = (3, 6)
    gates: tuple[bool, ...] = (False, True)
    stem: int = 16

    def __post_init__(self):
        object.__setattr__(self, "widths", tuple(map(tuple, self.widths)))
        for name in ("operations", *CHOICES.values()):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            _check_choices(name, getattr(self, name))
        for number, widths in enumerate(self.widths):
            _check_choices(f"widths[{number}]", widths)
        for operation in self.operations:  # each choice once: the architecture judges it
            for number in range(len(self.widths)):
                for stage in self._stages(number, operation):
                    Architecture(self.stem, (stage,))
        if not self.widths:
            raise ValueError("A space needs at least one stage. Received: widths=().")

    @property
    def size(self) -> int:
        """Return how many architectures there are, all of them different networks."""
        return math.prod(
            sum(self._count(number, operation) for operation in self.operations)
            for number in range(len(self.widths))
        )

    def _count(self, number: int, operation: str) -> int:
        own = [len(getattr(self, CHOICES[field])) for field in OPERATIONS[operation]]
        return math.prod([len(self.widths[number]), len(self.depths), len(self.gates), *own])

    def __iter__(self) -> Iterator[Architecture]:
        """Yield every architecture; think of `size` first."""
        stages = [
            [s for operation in self.operations for s in self._stages(number, operation)]
            for number in range(len(self.widths))
        ]
        for chosen in itertools.product(*stages):
            yield Architecture(self.stem, chosen)

    def _stages(self, number: int, operation: str) -> Iterator[Stage]:
        fields = _fields(operation)
        options = [self._options(number, field) for field in fields]
        for values in itertools.product(*options):
            yield Stage(operation, **dict(zip(fields, values, strict=True)))

    def _options(self, number: int, field: str) -> tuple[Any, ...]:
        if field == "width":
            return self.widths[number]
        return self.operations if field == "operation" else getattr(self, CHOICES[field])

    def __contains__(self, architecture) -> bool:
        return (
            isinstance(architecture, Architecture)
            and architecture.stem == self.stem
            and len(architecture.stages) == len(self.widths)
            and all(
                getattr(stage, field) in self._options(number, field)
                for number, stage in enumerate(architecture.stages)
                for field in ("operation", *_fields(stage.operation))
            )
        )

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture: first the operation of each stage, then what it has."""
        stages = [
            self._draw(number, self.operations, {}, rng) for number in range(len(self.widths))
        ]
        return Architecture(self.stem, tuple(stages))

    def _draw(self, number: int, operations, keep: dict[str, Any], rng) -> Stage:
        """Draw a stage with one of some operations; fields in `keep` are not drawn."""
        operation = _pick(operations, rng)
        drawn = {
            field: keep[field] if field in keep else _pick(self._options(number, field), rng)
            for field in _fields(operation)
        }
        return Stage(operation, **drawn)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Change one field of one stage to another value; a new operation draws what it adds.

        Raises:
            ValueError: if the architecture is not of this space, or is the only one in it.
        """
        self._require(architecture)
        places = [
            (number, field)
            for number, stage in enumerate(architecture.stages)
            for field in ("operation", *_fields(stage.operation))
            if len(self._options(number, field)) > 1
        ]
        if not places:
            raise ValueError(
                "A mutation needs a space of two architectures or more. "
                f"Received: a space of {self.size}."
            )
        number, field = places[rng.integers(len(places))]
        stage = architecture.stages[number]
        others = [v for v in self._options(number, field) if v != getattr(stage, field)]
        if field == "operation":
            kept = {name: getattr(stage, name) for name in _fields(stage.operation)}
            new = self._draw(number, others, kept, rng)
        else:
            new = stage._replace(**{field: _pick(others, rng)})
        stages = list(architecture.stages)
        stages[number] = new
        return Architecture(self.stem, tuple(stages))

    def cross(
        self, first: Architecture, second: Architecture, rng: np.random.Generator
    ) -> Architecture:
        """Take each stage whole from one of two architectures, with equal chances.

        Raises:
            ValueError: if one of them is not of this space.
        """
        self._require(first)
        self._require(second)
        pairs = zip(first.stages, second.stages, strict=True)
        return Architecture(self.stem, tuple(pair[rng.integers(2)] for pair in pairs))

    def _require(self, architecture: Architecture) -> None:
        if architecture not in self:
            raise ValueError(
                f"The architecture needs to be one of the space. Received: {architecture}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `Space(**values)` is the same space."""
        return asdict(self)


def _fields(operation: str) -> tuple[str, ...]:
    """Return the fields, besides the operation, in which stages of an operation differ."""
    return ("width", "depth", *OPERATIONS[operation], "gate")


def _pick(options, rng: np.random.Generator):
    return options[rng.integers(len(options))]


def _check_choices(name: str, values: tuple) -> None:
    if not values or len(set(values)) < len(values):
        raise ValueError(
            f"A space needs different choices, at least one, in {name}. Received: {values!r}."
        )
    unknown = [v for v in values if name == "operations" and v not in OPERATIONS]
    if unknown:
        raise ValueError(
            f"A space needs operations of {', '.join(OPERATIONS)}. Received: {unknown[0]!r}."
        )
