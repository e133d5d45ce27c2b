"""What a candidate may cost."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Budget:
    """What a candidate may cost for one image; what costs more is never trained.

    Attributes:
        macs: multiply-adds, None for no limit.
        parameters: trainable weights, None for no limit.

    Raises:
        ValueError: if a limit is no positive number.
    """

    macs: float | None = None
    parameters: float | None = None

    def __post_init__(self):
        for name, value in asdict(self).items():
            if value is not None and not value > 0:
                raise ValueError(f"A budget needs {name} > 0, or None. Received: {name}={value!r}.")

    def allows(self, parameters: int, macs: int) -> bool:
        """Return whether a network of this cost is within the budget."""
        return (self.parameters is None or parameters <= self.parameters) and (
            self.macs is None or macs <= self.macs
        )
