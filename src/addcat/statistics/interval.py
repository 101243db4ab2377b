"""An estimate with its interval, and intervals for estimates that several independent sources of noise disturb.

The variance of a sum of independent noises is the sum of their variances. Where each is estimated from its own few
observations, the sum behaves like one estimate with an effective number of degrees of freedom (Satterthwaite 1946):

    v = sum_i v_i        df = v² / sum_i (v_i² / df_i)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from addcat.errors import DataError, OptionError

Float64 = NDArray[np.float64]
special: Any = scipy.special  # its types are partial


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the range that covers the truth in a share `level` of all repetitions.

    Attributes:
        estimate: The estimate, in the unit of what was measured.
        low: Lower end; may be minus infinity.
        high: Upper end; may be infinity.
        level: Coverage, between 0 and 1, such as 0.95.
        n: Number of independent observations behind it: pairs, or examples.

    Raises:
        OptionError: if `level` is not between 0 and 1.

    Examples:
        >>> gain = Interval(0.3, 0.1, 0.5, 0.95, 8)
        >>> gain.excludes(0.0), gain.inside(0.4)
        (True, False)
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int

    def __post_init__(self) -> None:
        check_level(self.level)

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside the interval."""
        return not self.low <= value <= self.high

    def inside(self, margin: float) -> bool:
        """Whether the whole interval lies within `margin` of zero, so that it says "equal", not "undecided"."""
        return -margin <= self.low and self.high <= margin

    def scaled(self, factor: float) -> "Interval":
        """The same in another unit; a negative factor swaps the ends."""
        low, high = sorted((self.low * factor, self.high * factor))
        return Interval(self.estimate * factor, low, high, self.level, self.n)


@dataclass(frozen=True, slots=True)
class Noise:
    """One independent source of noise in an estimate.

    Attributes:
        variance: Its share of the variance of the estimate (already divided by the number of observations).
        degrees: Degrees of freedom behind that figure; infinite where it is known.
    """

    variance: float
    degrees: float


def satterthwaite(*sources: Noise) -> Noise:
    """Add independent sources of noise.

    Args:
        *sources: One or more, with variances of 0 or more and degrees above 0.

    Returns:
        The total variance, with its effective degrees of freedom: from the smallest of theirs up to their sum.

    Raises:
        OptionError: if there is no source, a variance is negative or degrees are not positive.

    Examples:
        >>> satterthwaite(Noise(1.0, 4), Noise(1.0, 4))
        Noise(variance=2.0, degrees=8.0)
        >>> satterthwaite(Noise(1.0, 4), Noise(0.0, 1000))
        Noise(variance=1.0, degrees=4.0)
    """
    if not sources or any(not (source.variance >= 0.0 and source.degrees > 0.0) for source in sources):
        raise OptionError(
            f"Give one or more sources, each with a variance of 0 or more and degrees above 0. Got {list(sources)}."
        )
    total = sum(source.variance for source in sources)
    if total == 0.0:
        return Noise(0.0, min(source.degrees for source in sources))
    # shares, not squares of variances, so that tiny variances do not underflow
    doubt = sum((source.variance / total) ** 2 / source.degrees for source in sources)
    return Noise(total, 1.0 / doubt if doubt else math.inf)


def combined_interval(estimate: float, sources: Sequence[Noise], *, n: int, level: float = 0.95) -> Interval:
    """Interval of an estimate that independent sources of noise disturb.

    Args:
        estimate: The estimate.
        sources: What disturbs it, such as the seeds and the examples.
        n: Number of observations to report.
        level: Coverage.

    Returns:
        estimate -+ t sqrt(v), with Satterthwaite's v and degrees of freedom for t.

    Raises:
        OptionError: if a source or the level is out of range.

    Examples:
        >>> found = combined_interval(1.0, [Noise(0.03, 5), Noise(0.01, 200)], n=6)
        >>> f"{found.low:.2f} {found.high:.2f}"
        '0.55 1.45'
    """
    check_level(level)
    total = satterthwaite(*sources)
    half = t_quantile(level, total.degrees) * math.sqrt(total.variance)
    return Interval(estimate, estimate - half, estimate + half, level, n)


def within(values: Float64, bound: float, level: float) -> Interval:
    """Interval of a mean from the t statistic that it may reach.

    Args:
        values: Of shape (n,), n of 1 or more.
        bound: Largest |t| that is not excluded; infinite where none is.
        level: Coverage.

    Returns:
        mean -+ bound s / sqrt(n); without limits where the bound is.
    """
    n, mean, half = values.size, float(values.mean()), math.inf
    if math.isfinite(bound):
        half = bound * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, level, n)


def overlapping(runs: int, redrawn: float) -> float:
    """How many times larger the variance of a mean is where runs draw a share f of one set of examples each.

    Let r be the correlation of two runs over data sets. The mean of n runs has the variance v (r + (1 - r) / n), and
    the variance s² between them has the mean v (1 - r), so that of the mean is s² (1 / n + r / (1 - r)). Nadeau and
    Bengio (2003) take r = 1 - f, which gives s² (1 / n + (1 - f) / f). Draws have f of their examples in common, so r
    is f times the share of v that the examples cause: 1 - f is right where that share is (1 - f) / f, a ninth for
    f = 0.9. Where examples cause more of what differs from run to run, the interval is too narrow.

    Args:
        runs: n.
        redrawn: f; 0 where nothing is drawn anew.

    Examples:
        >>> overlapping(9, 0.0), round(overlapping(9, 0.9), 3)
        (1.0, 2.0)
    """
    return 1.0 + runs * (1.0 - redrawn) / redrawn if redrawn else 1.0


def crossed_interval(
    differences: Float64, *, level: float = 0.95, redrawn: float = 0.0, shared: float = 1.0
) -> Interval:
    """Interval of the mean where the same examples are judged by models of several seeds.

    Both the seeds and the examples are samples, and the answer is wanted for new ones of either. The variance of the
    grand mean is estimated by that of the seeds' means plus that of the examples' means, s_seed² / S + s_example² / E.
    Both carry a share of the seed-by-example noise, so it is counted twice and the interval is a little wide, never too
    narrow; under normality the two are independent, as Satterthwaite's rule asks.

    Args:
        differences: One paired difference for each seed and example, of shape (seeds, examples), two or more of each.
        level: Coverage.
        redrawn: Share of the training examples that each seed draws; 0 where all train on the same.
        shared: How many times larger the examples' variance is for what they share (`addcat.statistics.crossing`).

    Returns:
        The grand mean and its interval; `n` is the number of seeds.

    Raises:
        DataError: if there are too few, or a value is not finite.
        OptionError: if the level is out of range.

    Examples:
        Ten thousand examples do not make up for three seeds that disagree:

        >>> seeds = np.array([[0.0], [1.0], [2.0]]) + np.zeros((3, 10_000))
        >>> found = crossed_interval(seeds)
        >>> f"{found.estimate:.1f} from {found.low:.1f} to {found.high:.1f}"
        '1.0 from -1.5 to 3.5'
    """
    if differences.ndim != 2 or min(differences.shape) < 2:
        raise DataError(
            "Differences must have shape (seeds, examples), with two or more of each, for the noise of either to show. "
            f"Got shape {differences.shape}."
        )
    values = as_finite(differences)
    seeds, examples = values.shape
    sources = [
        Noise(float(np.var(values.mean(axis=1), ddof=1)) * overlapping(seeds, redrawn) / seeds, seeds - 1),
        Noise(shared * float(np.var(values.mean(axis=0), ddof=1)) / examples, examples - 1),
    ]
    return combined_interval(float(values.mean()), sources, n=seeds, level=level)


def t_quantile(level: float, degrees: float) -> float:
    """The t beyond which a share (1 - level) / 2 lies on either side."""
    upper = 0.5 + level / 2.0
    return float(special.ndtri(upper) if math.isinf(degrees) else special.stdtrit(degrees, upper))


def check_level(level: float) -> None:
    """Refuse a coverage that is not between 0 and 1.

    Raises:
        OptionError: if it is not.
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"level is a coverage between 0 and 1, such as 0.95. Got {level}.")


def as_finite(values: Any) -> Float64:
    """The values in float64.

    Raises:
        DataError: if one of them is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), array.shape))
        raise DataError(
            f"{int(bad.sum())} of {array.size} values are not finite; the first is {float(array[first])} at index "
            f"{first[0] if array.ndim == 1 else first}. A run that diverged must be reported, not averaged: leave its "
            "pair out and say so."
        )
    return array


def as_differences(values: Any, least: int) -> Float64:
    """Paired differences in float64, of shape (n,).

    Raises:
        DataError: if there are fewer than `least`, they have another shape, or one is not finite.
    """
    array = as_finite(values)
    if array.ndim != 1 or array.size < least:
        raise DataError(
            f"Differences must have shape (n,), one per pair, with n = {least} or more. Got shape {array.shape}."
        )
    return array
