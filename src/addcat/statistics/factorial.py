"""Many questions from the same runs: main effects of a balanced two-level design, and the interactions it can see.

K merges can each be Add (-1) or Concatenate (+1). A run is a row of signs; its mirror has every sign turned. Both are
trained from one seed, and their difference

    D_i = loss(mirror of r_i) - loss(r_i) = sum_k r_ik g_k + noise

has every effect of one merge (g_k is the gain of Concatenate there, averaged over the others), and nothing of effects
of two merges together, which are the same in both. Where the columns of r are orthogonal, each g_k uses every run, with
the variance of D / n: K questions for the runs of one (Plackett and Burman 1946; the mirror is Box, Hunter and Hunter's
foldover). The sums of a pair, on the other hand, have the effects of two merges together and no effect of one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from addcat.errors import DataError, OptionError
from addcat.statistics.interval import Float64, Interval, Noise, as_finite, special, t_quantile

Signs = NDArray[np.int64]
linalg: Any = scipy.linalg  # its types are partial

MOST_FACTORS = 63
ORDERS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64)
"""Orders up to 64 for which a Hadamard matrix is made here: Sylvester's doubling of 1, 12 and 20."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of a design.

    Attributes:
        gain: Estimate and interval, in the unit of the losses.
        noise: Variance of the estimate and its degrees of freedom.
        p: Two-sided p value of "no effect", from t.
    """

    gain: Interval
    noise: Noise
    p: float


def balanced_design(factors: int) -> Signs:
    """Orthogonal rows of signs: over all rows each factor is +1 as often as -1, and so is each product of two.

    Args:
        factors: K, from 1 to 63.

    Returns:
        Signs of shape (N, K), N the smallest order of a Hadamard matrix above K. Used with their mirrors, every factor
        is +1 in half of all runs.

    Raises:
        OptionError: if there are too many factors.

    Examples:
        >>> rows = balanced_design(3)
        >>> rows.shape, (rows.T @ rows).tolist()
        ((4, 3), [[4, 0, 0], [0, 4, 0], [0, 0, 4]])
    """
    if not 1 <= factors <= MOST_FACTORS:
        raise OptionError(f"A design takes 1 to {MOST_FACTORS} questions at a time. Got {factors}. Ask by families.")
    order = next(order for order in ORDERS if order > factors)
    return _hadamard(order)[:, 1 : factors + 1]


def _hadamard(order: int) -> Signs:
    """A Hadamard matrix whose first row and column are +1."""
    if order in (12, 20, 24, 40, 48):
        base = _paley(11 if order % 5 else 19)
        times = order // len(base)
        found = np.kron(np.asarray(linalg.hadamard(times), np.int64), base)
    else:
        found = np.asarray(linalg.hadamard(order), np.int64)
    return found * found[:1] * found[:, :1] * found[0, 0]


def _paley(prime: int) -> Signs:
    """Paley's first construction, of order prime + 1, for a prime that leaves 3 when divided by 4."""
    squares = {value * value % prime for value in range(1, prime)}
    residue = [0 if d == 0 else 1 if d in squares else -1 for d in range(prime)]
    core = np.array([[residue[(j - i) % prime] for j in range(prime)] for i in range(prime)], np.int64)
    skew = np.zeros((prime + 1, prime + 1), np.int64)
    skew[0, 1:], skew[1:, 0], skew[1:, 1:] = 1, -1, core
    return skew + np.eye(prime + 1, dtype=np.int64)


def main_effects(rows: Signs, differences: Float64, *, level: float = 0.95) -> tuple[Effect, ...]:
    """Gain of +1 over -1 for every factor.

    Args:
        rows: Signs of shape (n, K); pair i was trained at `rows[i]` and at its mirror. A design may be run through
            several times, or in part.
        differences: Loss of the mirror minus loss of the row, of shape (n,).
        level: Coverage of the intervals.

    Returns:
        One effect a factor, by least squares, with n - K degrees of freedom.

    Raises:
        DataError: if there are not more pairs than factors, the rows do not tell the factors apart, or a value is not
            finite.

    Examples:
        Two factors, the second without effect:

        >>> rows = balanced_design(2)
        >>> first, second = main_effects(rows, rows @ np.array([0.5, 0.0]) + np.array([0.01, -0.01, 0.02, 0.0]))
        >>> f"{first.gain.estimate:.2f}; {second.gain.low:.3f} to {second.gain.high:.3f}"
        '0.51; -0.020 to 0.010'
    """
    effects, covariance, degrees = _least_squares(rows, differences)
    return tuple(
        _effect(float(effects[k]), Noise(float(covariance[k, k]), degrees), len(rows), level)
        for k in range(rows.shape[1])
    )


def total_effect(rows: Signs, differences: Float64, *, level: float = 0.95) -> Effect:
    """Gain of all factors at +1 over all at -1: the sum of the main effects, as the runs of the design tell it.

    Args:
        rows: As for `main_effects`.
        differences: As for `main_effects`.
        level: Coverage.

    Returns:
        The sum and its interval; effects of three merges together are not in it.

    Raises:
        DataError: as `main_effects`.
    """
    effects, covariance, degrees = _least_squares(rows, differences)
    return _effect(float(effects.sum()), Noise(float(covariance.sum()), degrees), len(rows), level)


def interactions(
    rows: Signs, sums: Float64, names: Sequence[str], *, level: float = 0.95
) -> tuple[tuple[str, Effect], ...]:
    """What two factors do together beyond each alone, as far as the design tells.

    Args:
        rows: As for `main_effects`.
        sums: Loss of the row plus loss of its mirror, of shape (n,).
        names: Of the factors.
        level: Coverage.

    Returns:
        Named effects, in the unit of the losses: half of what the gain at one changes by when the other goes from -1 to
        +1. Pairs that the design cannot tell apart come as one, "a x b or c x d"; none where there are too few pairs.

    Raises:
        DataError: if a value is not finite.
    """
    values = as_finite(sums)
    columns: dict[tuple[int, ...], list[str]] = {}
    for j, k in combinations(range(rows.shape[1]), 2):
        column = rows[:, j] * rows[:, k]
        sign = int(column[0]) or 1
        columns.setdefault(tuple((sign * column).tolist()), []).append(f"{names[j]} x {names[k]}")
    constant = tuple([1] * len(rows))
    columns.pop(constant, None)
    design = np.array([constant, *columns], np.float64).T
    if len(rows) <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        return ()
    effects, covariance, degrees = _least_squares(design, values)
    return tuple(
        (
            " or ".join(pairs),
            _effect(-float(effects[i]), Noise(float(covariance[i, i]), degrees), len(rows), level),
        )
        for i, pairs in enumerate(columns.values(), 1)
    )


def _least_squares(rows: NDArray[Any], values: Float64) -> tuple[Float64, Float64, int]:
    """Coefficients, their covariance, and the degrees of freedom of the residuals."""
    design, y = np.asarray(rows, np.float64), as_finite(values)
    n, factors = design.shape
    if y.shape != (n,):
        raise DataError(f"A design of {n} pairs needs {n} values. Got shape {y.shape}.")
    if n <= factors:
        raise DataError(f"{factors} effects need more than {factors} pairs. Got {n}.")
    gram = design.T @ design
    if np.linalg.matrix_rank(gram) < factors:
        raise DataError(f"These {n} pairs do not tell the {factors} effects apart. Run the whole design.")
    inverse = np.linalg.inv(gram)
    effects = inverse @ (design.T @ y)
    residual = y - design @ effects
    return effects, inverse * float(residual @ residual) / (n - factors), n - factors


def _effect(estimate: float, noise: Noise, n: int, level: float) -> Effect:
    half = t_quantile(level, noise.degrees) * math.sqrt(noise.variance)
    if noise.variance == 0.0:
        return Effect(Interval(estimate, estimate, estimate, level, n), noise, float(estimate == 0.0))
    p = 2.0 * float(special.stdtr(noise.degrees, -abs(estimate) / math.sqrt(noise.variance)))
    return Effect(Interval(estimate, estimate - half, estimate + half, level, n), noise, min(1.0, p))
