"""Position tables at another size, by the rule of each reference.

All rules interpolate rows, then columns; each is one matrix `(new, old)` per axis. Checkpoints do
not say the shape of their grid: it is taken to be square, as the references do.
"""

import math

import numpy as np


def cubic(old: int, new: int, rule: str) -> np.ndarray:
    """Return the matrix of bicubic interpolation along one axis, `(new, old)`.

    Args:
        rule: `"antialias"` (PIL's and timm's: Keys's cubic with a = -0.5, widened when shrinking),
            `"corners"` (torchvision's tables: a = -0.75, the outer pixels keep their places) or
            `"centers"` (transformers and mmpretrain: a = -0.75, pixels are squares).
    """
    if rule == "corners":
        place = np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 0.0)
    else:
        place = (np.arange(new) + 0.5) * (old / new) - 0.5
    if rule == "antialias":
        wide = max(1.0, old / new)
        weights = _keys((np.arange(old)[None] - place[:, None]) / wide, -0.5)
        return weights / weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((new, old))
    start = np.floor(place).astype(int)
    for tap in range(-1, 3):
        # pixels beyond the border repeat it
        column = np.clip(start + tap, 0, old - 1)
        np.add.at(matrix, (np.arange(new), column), _keys(start + tap - place, -0.75))
    return matrix


def _keys(distance: np.ndarray, a: float) -> np.ndarray:
    """Return Keys's cubic kernel (1981) of a distance in pixels."""
    d = np.abs(distance)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def geometric(old: int, new: int) -> np.ndarray:
    """Return timm's matrix for a relative-position table's axis, `(new, old)`, both odd.

    Offsets of the old table are spread over the new range, those near the middle densely and each
    further step longer by one ratio; between them it is linear, beyond them constant.
    """
    low, high, ratio = 1.01, 1.5, 1.01
    while high - low > 1e-6:
        ratio = (low + high) / 2
        if (1 - ratio ** (old // 2)) / (1 - ratio) > new // 2:
            high = ratio
        else:
            low = ratio
    right = np.cumsum(ratio ** np.arange(old // 2))
    place = np.concatenate([-right[::-1], [0.0], right])
    wanted = np.arange(new) - new // 2
    return np.stack([np.interp(wanted, place, row) for row in np.eye(old)], axis=1)


CUBIC = {
    "timm": "antialias",
    "torchvision": "corners",
    "hf": "centers",
    "mmpretrain": "centers",
}


def positions(array: np.ndarray, grid: tuple[int, int], prefix: int, dialect: str):
    """Resize a position embedding `(1, prefix + n*n, C)` to a grid; None if it is not square."""
    head, body = array[:, :prefix], array[:, prefix:]
    side = math.isqrt(body.shape[1])
    if side * side != body.shape[1]:
        return None
    rule = CUBIC[dialect]
    body = body.reshape(side, side, -1).astype("float64")
    body = _both(cubic(side, grid[0], rule), cubic(side, grid[1], rule), body)
    return np.concatenate([head, body.reshape(1, -1, array.shape[2])], axis=1).astype(array.dtype)


def table(array: np.ndarray, window: int, dialect: str):
    """Resize a relative-position table `(n*n, heads)` to a window; None where no rule is known.

    transformers has none, torchvision neither, and mmpretrain's needs a function that SciPy
    removed.
    """
    side = math.isqrt(array.shape[0])
    if dialect != "timm" or side * side != array.shape[0]:
        return None
    matrix = geometric(side, 2 * window - 1)
    body = _both(matrix, matrix, array.reshape(side, side, -1).astype("float64"))
    return body.reshape(-1, array.shape[1]).astype(array.dtype)


def _both(rows: np.ndarray, columns: np.ndarray, body: np.ndarray) -> np.ndarray:
    return np.einsum("ik,jl,klc->ijc", rows, columns, body, optimize=True)
