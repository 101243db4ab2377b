"""Metrics of trained pairs: what Concatenate has more of each than Add, with an interval over pairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from addcat.statistics import Interval, Noise, combined_interval
from addcat.statistics.interval import overlapping


@dataclass(frozen=True, slots=True)
class MetricGain:
    """A metric beside the loss, in its own units and direction.

    Attributes:
        metric: Its name.
        add: Mean of Add over the pairs.
        concat: Mean of Concatenate.
        difference: Concatenate minus Add, with its 95 % interval over pairs; None for fewer than two.
        pairs: How many there are.
        share_of_steps: How much of the recipe's steps they were trained for.
    """

    metric: str
    add: float
    concat: float
    difference: Interval | None
    pairs: int
    share_of_steps: float


def metric_gain(name: str, values: NDArray[np.float64], share: float, *, redrawn: float = 0.0) -> MetricGain | None:
    """Read a metric of pairs.

    Args:
        name: Of the metric.
        values: Of shape (2, pairs): Add's, then Concatenate's.
        share: Of the recipe's steps that they were trained for.
        redrawn: Share of the training examples that each pair drew; 0 where all trained on the same.

    Returns:
        What the pairs say in which both values are finite; None where there is no such pair.

    Examples:
        >>> found = metric_gain("accuracy", np.array([[0.5, 0.6, np.nan], [0.7, 0.7, 0.9]]), 1.0)
        >>> round(found.difference.estimate, 2), found.pairs
        (0.15, 2)
    """
    whole = values[:, np.isfinite(values).all(axis=0)]
    pairs = whole.shape[1]
    if not pairs:
        return None
    add, concat = map(float, whole.mean(axis=1))
    difference = None
    if pairs > 1:
        variance = float(np.var(whole[1] - whole[0], ddof=1)) * overlapping(pairs, redrawn) / pairs
        difference = combined_interval(concat - add, [Noise(variance, pairs - 1)], n=pairs)
    return MetricGain(name, add, concat, difference, pairs, share)
