"""Is the mean score zero? A test that holds for networks that are not at a maximum of the likelihood.

The score of example i is the gradient g_i of its loss in p directions, at the constrained network. If moving along
them would help nothing, E[g] = 0. The classical score test divides by the Fisher information, which is right only for a
well-specified model at its maximum. The robust form divides by the covariance that the scores really have (the sandwich
form; White 1982, Boos 1992), and is then Hotelling's T² of the mean score:

    T² = n ḡ' S⁻¹ ḡ        F = T² (n - r) / (r (n - 1))  ~  F(r, n - r),   r the rank

Chi-squared with r degrees of freedom is its limit for many examples; F also holds for few.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from addcat.errors import DataError, ShapeError
from addcat.statistics.interval import Float64, as_finite, special

TOLERANCE = 1e-12
"""Directions in which the scores' second moment is below this share of the largest carry no information."""


@dataclass(frozen=True, slots=True)
class ScoreTest:
    """What a robust score test says.

    Attributes:
        statistic: T², 0 or more; about r where the mean score is zero. Infinite where all scores are equal.
        rank: r, the number of directions in which scores vary or differ from zero; 0 where all scores are zero.
        p: Two-sided p value from F(r, n - r), in [0, 1].
        n: Number of examples.
    """

    statistic: float
    rank: int
    p: float
    n: int


def score_test(scores: Float64) -> ScoreTest:
    """Test whether the mean score is zero in every direction, with a robust variance.

    Args:
        scores: Gradient of each example's loss, of shape (n, p). Positions of one image are not independent: sum them
            first. The directions must not be chosen on the same examples.

    Returns:
        T², its rank and p value. Directions that repeat one another are counted once.

    Raises:
        ShapeError: if `scores` is not of shape (n, p).
        DataError: if a score is not finite, or there are not more examples than directions.

    Examples:
        >>> random = np.random.default_rng(0)
        >>> still, moving = random.normal(size=(200, 2)), random.normal(loc=[0.5, 0.0], size=(200, 2))
        >>> score_test(still).p > 0.05, score_test(moving).p < 0.001
        (True, True)
    """
    if scores.ndim != 2:
        raise ShapeError(f"scores must have shape (n, p), one row per example. Got shape {scores.shape}.")
    values = as_finite(scores)
    n = values.shape[0]
    # each direction in its own unit, then principal directions of the second moment: the mean always lies among them
    size = np.sqrt(np.mean(values**2, axis=0)) if n else np.zeros(values.shape[1])
    unit = values[:, size > 0.0] / size[size > 0.0]
    left, singular, _ = np.linalg.svd(unit, full_matrices=False)
    rank = int(np.sum(singular**2 > TOLERANCE * np.max(singular, initial=0.0) ** 2))
    if n <= rank or n < 2:
        raise DataError(
            f"A test of rank {rank} needs {max(rank, 1) + 1} examples or more. Got {n}. "
            "Give more examples, or test one direction (see direction_test)."
        )
    if rank == 0:
        return ScoreTest(0.0, 0, 1.0, n)
    # share of the constant vector that the scores explain, q in [0, 1]: T² = (n - 1) q / (1 - q)
    explained = min(1.0, float(np.sum(np.sum(left[:, :rank], axis=0) ** 2)) / n)
    rest = max(0.0, 1.0 - explained)
    if rest <= n * np.finfo(np.float64).eps:
        return ScoreTest(float("inf"), rank, 0.0, n)
    odds = explained / rest
    return ScoreTest((n - 1) * odds, rank, float(special.fdtrc(rank, n - rank, odds * (n - rank) / rank)), n)


def direction_test(scores: Float64, direction: Float64) -> ScoreTest:
    """Test whether the mean score is zero along one direction: the squared t statistic of g_i' v.

    Worth more than `score_test` where there are many parameters and a good guess, as a natural gradient step fitted on
    the other half of the data. `t_interval(scores @ direction)` gives the slope with its sign.

    Args:
        scores: Of shape (n, ...): a gradient per example.
        direction: v, of shape (...), fixed without looking at these examples.

    Returns:
        T² with rank 1, and its two-sided p value.

    Raises:
        ShapeError: if the direction does not have the shape of one score.
        DataError: if a score is not finite, or there are fewer than two examples.

    Examples:
        >>> scores = np.array([[1.0, 5.0], [2.0, -5.0], [3.0, 0.0]])
        >>> found = direction_test(scores, np.array([1.0, 0.0]))
        >>> f"{found.statistic:.1f} {found.p:.3f}"
        '12.0 0.074'
    """
    if scores.shape[1:] != direction.shape or scores.ndim < 2:
        raise ShapeError(
            f"direction must have the shape of one score. Got scores of shape {scores.shape} and a direction of shape "
            f"{direction.shape}."
        )
    along: Any = scores.reshape(scores.shape[0], -1) @ direction.reshape(-1)
    return score_test(along[:, None])
