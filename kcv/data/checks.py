"""Checks of settings that several operations share."""


def check_rate(owner: str, rate: float) -> None:
    """Raise ValueError unless the rate is a probability."""
    if not 0 <= rate <= 1:
        raise ValueError(f"{owner} needs 0 <= rate <= 1. Received: {rate=}")


def check_range(owner: str, field: str, values: tuple[float, float]) -> None:
    """Raise ValueError unless the two values are positive and in order."""
    if not 0 < values[0] <= values[1]:
        raise ValueError(f"{owner} needs 0 < {field}[0] <= {field}[1]. Received: {field}={values}")
