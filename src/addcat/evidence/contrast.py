"""Paired runs become one gain with its two sources of noise: the seeds, and the examples that judge.

The gain is log(A / C) of the arms' mean losses, so that it means the same at every size of the loss; where a loss is
not positive it is (A - C) / |A|. With D = A_ij / mean A - C_ij / mean C, of shape (pairs, examples), the seeds' noise
is the variance of D's means over examples, the examples' noise that of its means over pairs; what both share of single
cells is taken off the second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from addcat.statistics.crossing import crossing
from addcat.statistics.interval import overlapping

Losses = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contrast:
    """What some pairs of runs say.

    Attributes:
        gain: log(loss of Add / loss of Concatenate).
        seeds: Variance of one pair's gain between seeds; NaN for one pair.
        examples: Variance of `gain` that the choice of examples brings.
        pairs: How many.
        add: Mean loss of the Add arm.
        concat: Mean loss of the Concatenate arm.
        redrawn: Share of the training examples that each pair drew; 0 where all trained on the same.
    """

    gain: float
    seeds: float
    examples: float
    pairs: int
    add: float
    concat: float
    redrawn: float = 0.0

    @property
    def each(self) -> float:
        """Variance of the mean of `pairs` for each unit of that between seeds."""
        return overlapping(self.pairs, self.redrawn) / self.pairs


def contrast(
    add: Losses,
    concat: Losses,
    distinct: NDArray[np.int64],
    *,
    crossed: Sequence[NDArray[np.int64]] = (),
    redrawn: float = 0.0,
) -> Contrast:
    """Compare paired runs.

    Args:
        add: Held-out losses of the Add arm, of shape (pairs, examples).
        concat: Of the Concatenate arm, the same.
        distinct: A number for each example, the same for examples with the same inputs: repeats are one observation.
        crossed: The same for examples that share one input (see `Examples.crossed`).
        redrawn: Share of the training examples that each pair drew; 0 where all trained on the same.

    Returns:
        The contrast.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> add = rng.exponential(1.0, (8, 500))
        >>> found = contrast(add, 0.5 * add, np.arange(500))
        >>> round(found.gain, 3), found.seeds < 1e-20, found.examples < 1e-20
        (0.693, True, True)
    """
    a, c = float(add.mean()), float(concat.mean())
    if a > 0 and c > 0:
        gain, difference = math.log(a / c), add / a - concat / c
    else:
        scale = abs(a) or 1.0
        gain, difference = (a - c) / scale, (add - concat) / scale
    pairs, cells = len(add), collapsed(difference, distinct)
    of_seeds = difference.mean(axis=1)
    seeds = float(of_seeds.var(ddof=1)) if pairs > 1 else math.nan
    number = cells.shape[1]
    examples = float(cells.mean(axis=0).var(ddof=1)) / number if number > 1 else 0.0
    if pairs > 1 and number > 1:
        rest = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
        shared = float((rest**2).sum()) / ((pairs - 1) * (number - 1))
        examples = max(examples - shared / pairs / number, 0.1 * examples)
    examples *= crossing(difference.mean(axis=0), distinct, crossed)
    return Contrast(gain, seeds, examples, pairs, a, c, redrawn)


def collapsed(losses: Losses, distinct: NDArray[np.int64]) -> Losses:
    """Repeats of one example as one observation, weighted so that the mean stays that of all.

    Args:
        losses: Of shape (runs, examples).
        distinct: A number for each example, the same for repeats.

    Returns:
        Of shape (runs, distinct examples).

    Examples:
        >>> collapsed(np.array([[1.0, 2.0, 3.0]]), np.array([0, 1, 0]))
        array([[2.66666667, 1.33333333]])
    """
    number = int(distinct.max()) + 1
    if number == losses.shape[1]:
        return losses
    sums = np.zeros((len(losses), number))
    np.add.at(sums.T, distinct, losses.T)
    return sums * number / losses.shape[1]
