"""Are two models the same? Their outputs on fresh random inputs, relative to the largest value of each output.

Rounding differs with the order of sums, so equality is up to the tolerance and what the original itself shows: its
difference to itself where the runtime uses other kernels. Where the model is of moderate size, both are also held
against an evaluation in float64, which tells a rewrite that is wrong from one that rounds otherwise: before one is
refused, the original's distance from float64 on all inputs counts as what it shows itself.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from addcat.graph import Array

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def difference(expected: Sequence[Array], found: Sequence[Array]) -> float:
    """Largest difference between two lists of outputs, each relative to the largest finite value that is expected.

    Args:
        expected: Outputs of the original.
        found: Outputs of the other.

    Returns:
        0 for equal outputs; infinite where shapes or non-finite values do not agree.

    Examples:
        >>> difference([np.array([0.0, 2.0])], [np.array([0.0, 2.1])])
        0.05...
    """
    if len(expected) != len(found):
        return float("inf")
    return max((_difference(np.asarray(a), np.asarray(b)) for a, b in zip(expected, found, strict=True)), default=0.0)


def _difference(expected: Array, found: Array) -> float:
    if expected.shape != found.shape:
        return float("inf")
    if expected.dtype.kind not in "fV":
        return 0.0 if np.array_equal(expected, found) else float("inf")
    a, b = expected.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = float(np.abs(a[finite]).max()) or 1.0
    return float(np.abs(a[finite] - b[finite]).max()) / scale


def precision(dtypes: Iterable[str]) -> str:
    """The narrowest real type among those of a model's tensors; "float32" where there is none."""
    found = [dtype for dtype in dtypes if dtype in EPSILON]
    return max(found, key=lambda dtype: EPSILON[dtype], default="float32")


def scaled_tolerance(tolerance: float, dtype: str) -> float:
    """A tolerance meant for float32, for another type: a few times its rounding where that is coarser.

    Examples:
        >>> scaled_tolerance(1e-5, "float32"), scaled_tolerance(1e-5, "float16")
        (1e-05, 0.00390625)
    """
    return max(tolerance, 4 * EPSILON[dtype]) if EPSILON[dtype] > EPSILON["float32"] else tolerance
