"""Metrics of trained pairs: what Concatenate has more of each than Add, with an interval over pairs.

Of a balanced design the pairs speak of several merges, and each has the metric of the arms in which it is Add, of those
in which it is Concatenate, and its main effect (`addcat.statistics.factorial`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from addcat.errors import DataError
from addcat.statistics import Interval, Noise, combined_interval, main_effects
from addcat.statistics.factorial import Signs
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


def metric_gains(
    name: str, rows: Signs, values: NDArray[np.float64], share: float, *, redrawn: float = 0.0
) -> tuple[MetricGain, ...] | None:
    """Read a metric of the pairs of a balanced design.

    Args:
        name: Of the metric.
        rows: Signs, of shape (pairs, merges): -1 Add, +1 Concatenate.
        values: Of shape (2, pairs): the mirror's, then the row's.
        share: Of the recipe's steps that they were trained for.
        redrawn: Share of the training examples that each pair drew; 0 where all trained on the same.

    Returns:
        One for each merge, of the pairs in which both values are finite; None where these do not tell the merges apart.

    Examples:
        Concatenate at the first of two merges adds 0.1, at the second nothing:

        >>> rows = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> values = 0.7 + 0.05 * np.array([-rows[:, 0], rows[:, 0]])
        >>> [round(one.difference.estimate, 3) for one in metric_gains("accuracy", rows, values, 1.0)]
        [0.1, 0.0]
    """
    finite = np.isfinite(values).all(axis=0)
    signs, whole = rows[finite], values[:, finite]
    try:
        effects = main_effects(signs, whole[1] - whole[0])
    except DataError:
        return None
    found: list[MetricGain] = []
    for place, effect in enumerate(effects):
        opened = signs[:, place] > 0
        add, concat = (np.asarray(np.where(opened, *both), np.float64) for both in (whole, whole[::-1]))
        noise = Noise(effect.noise.variance * overlapping(len(signs), redrawn), effect.noise.degrees)
        difference = combined_interval(effect.gain.estimate, [noise], n=len(signs))
        found.append(MetricGain(name, float(add.mean()), float(concat.mean()), difference, len(signs), share))
    return tuple(found)
