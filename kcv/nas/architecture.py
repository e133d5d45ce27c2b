"""One point of a search space: a plain value that can be compared, hashed, written and read."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

# operation -> the fields of a stage that it has besides width, depth and gate
OPERATIONS: dict[str, tuple[str, ...]] = {
    "conv": ("kernel",),
    "separable": ("kernel",),
    "residual": (),
    "bottleneck": (),
    "inverted": ("kernel", "expansion"),
}
KERNEL, EXPANSION = 3, 1  # what a stage says where its operation has no choice


class Stage(NamedTuple):
    """Equal blocks at one resolution; the first of them halves it.

    Attributes:
        operation: `"conv"`, `"separable"` (depthwise, then 1x1), `"residual"` (two 3x3),
            `"bottleneck"` (1x1, 3x3, 1x1) or `"inverted"` (the inverted residual).
        width: channels out.
        depth: blocks.
        kernel: side of the filter; 3 where the operation has no choice.
        expansion: channels inside an inverted residual over those that come in; else 1.
        gate: whether squeeze-and-excite weighs the channels of each block.
    """

    operation: str
    width: int
    depth: int
    kernel: int = KERNEL
    expansion: int = EXPANSION
    gate: bool = False

    def __str__(self):
        has = OPERATIONS[self.operation]
        text = self.operation + (str(self.kernel) if "kernel" in has else "")
        text += f"x{self.expansion}" if "expansion" in has else ""
        return f"{text}{'+se' if self.gate else ''} {self.width}*{self.depth}"


@dataclass(frozen=True)
class Architecture:
    """A chain of stages behind a 3x3 convolution, and a classifier behind them.

    Two architectures that differ are two different networks.

    Attributes:
        stem: channels of the first convolution.
        stages: at least one.

    Raises:
        ValueError: if an operation is unknown, a number is no positive integer (kernels odd), or a
            stage has a value that its operation does not use.
    """

    stem: int
    stages: tuple[Stage, ...]

    def __post_init__(self):
        object.__setattr__(self, "stages", tuple(Stage(*stage) for stage in self.stages))
        if not _positive(self.stem) or not self.stages:
            raise ValueError(
                "An architecture needs stem >= 1 and at least one stage. "
                f"Received: stem={self.stem!r} with {len(self.stages)} stages."
            )
        for stage in self.stages:
            _check(stage)

    def __str__(self):
        return " | ".join([str(self.stem), *map(str, self.stages)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"stem": self.stem, "stages": [stage._asdict() for stage in self.stages]}

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Architecture":
        """Make an architecture of what `to_dict` returns.

        Raises:
            ValueError: if that is not its form, or a value does not fit.
        """
        try:
            return cls(content["stem"], tuple(Stage(**stage) for stage in content["stages"]))
        except (KeyError, TypeError):
            raise ValueError(
                "An architecture needs stem and stages, each stage with the fields "
                f"{', '.join(Stage._fields)}. Received: {content!r}."
            ) from None

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """Read what `to_json` wrote.

        Raises:
            ValueError: if it is no JSON, or no architecture.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ValueError(f"An architecture is written as JSON: {error}.") from None
        return cls.from_dict(content)


def _positive(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check(stage: Stage) -> None:
    if stage.operation not in OPERATIONS:
        raise ValueError(
            f"A stage needs an operation of {', '.join(OPERATIONS)}. "
            f"Received: operation={stage.operation!r}."
        )
    numbers = (stage.width, stage.depth, stage.kernel, stage.expansion)
    if not all(map(_positive, numbers)) or stage.kernel % 2 == 0 or stage.gate not in (True, False):
        raise ValueError(
            "A stage needs positive integers, an odd kernel, and a gate of true or false. "
            f"Received: {stage!r}."
        )
    for field, neutral in (("kernel", KERNEL), ("expansion", EXPANSION)):
        if field not in OPERATIONS[stage.operation] and getattr(stage, field) != neutral:
            raise ValueError(
                f"The operation {stage.operation} has no choice of {field}: it is {neutral}. "
                f"Received: {field}={getattr(stage, field)!r}."
            )
