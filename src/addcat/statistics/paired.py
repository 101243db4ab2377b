"""The mean of paired differences, for a number of pairs that was fixed before looking.

Pairing takes out what both arms share (the seed, the example), so only the difference is left to judge.
"""

import math
from collections.abc import Sequence

import numpy as np

from addcat.errors import OptionError
from addcat.statistics.interval import Float64, Interval, as_differences, check_level, special, t_quantile

EXACT = 20
"""Up to so many pairs all sign flips are listed: 2^19 sums, a few megabytes."""

BATCH = 1 << 22
"""Random numbers held at a time."""


def t_interval(differences: Sequence[float] | Float64, *, level: float = 0.95) -> Interval:
    """Student's interval of the mean difference.

    Exact for normal differences; for others good from a few dozen pairs on.

    Args:
        differences: One per pair, of shape (n,), n of 2 or more.
        level: Coverage.

    Returns:
        mean -+ t s / sqrt(n), with n - 1 degrees of freedom.

    Raises:
        DataError: if there are too few, or one is not finite.
        OptionError: if the level is out of range.

    Examples:
        >>> found = t_interval([1.0, 2.0, 3.0])
        >>> f"{found.estimate:.2f} from {found.low:.2f} to {found.high:.2f}"
        '2.00 from -0.48 to 4.48'
    """
    check_level(level)
    values = as_differences(differences, 2)
    mean = float(values.mean())
    half = t_quantile(level, values.size - 1) * float(values.std(ddof=1)) / math.sqrt(values.size)
    return Interval(mean, mean - half, mean + half, level, values.size)


def bca_interval(
    differences: Sequence[float] | Float64, *, level: float = 0.95, resamples: int = 9999, seed: int = 0
) -> Interval:
    """Bias-corrected and accelerated bootstrap interval of the mean difference (Efron 1987).

    Follows the skewness of the differences, so that it errs on both sides alike, which the t interval does not. It is
    too narrow for few pairs: below some twenty, prefer t. For a mean the acceleration is known:
    a = sum d³ / (6 (sum d²)^1.5), d the deviations.

    Args:
        differences: One per pair, of shape (n,), n of 2 or more.
        level: Coverage.
        resamples: How often to draw n differences with replacement.
        seed: Seed of the draws.

    Returns:
        The mean and its interval; of zero width where all differences are equal.

    Raises:
        DataError: if there are too few, or one is not finite.
        OptionError: if the level or `resamples` is out of range.

    Examples:
        A few large gains among many small ones: the interval reaches further to the right.

        >>> found = bca_interval([0.0] * 20 + [1.0] * 6 + [9.0])
        >>> found.high - found.estimate > 1.4 * (found.estimate - found.low)
        True
    """
    check_level(level)
    if resamples < 1:
        raise OptionError(f"resamples must be 1 or more. Got {resamples}.")
    values = as_differences(differences, 2)
    mean, deviations = float(values.mean()), values - values.mean()
    squares = float(np.sum(deviations**2))
    if squares <= (np.finfo(np.float64).eps * float(np.max(np.abs(values)))) ** 2 * values.size:
        return Interval(mean, mean, mean, level, values.size)
    means = np.sort(_bootstrap_means(values, resamples, seed))
    below = (int(np.sum(means < mean)) + 0.5 * int(np.sum(means == mean))) / resamples
    edge = 0.5 / resamples  # keeps the bias finite where every resample falls on one side
    bias = float(special.ndtri(min(max(below, edge), 1.0 - edge)))
    acceleration = float(np.sum(deviations**3)) / (6.0 * squares**1.5)
    ends: list[float] = []
    for tail in (0.5 - level / 2.0, 0.5 + level / 2.0):
        shifted = bias + float(special.ndtri(tail))
        ends.append(float(special.ndtr(bias + shifted / (1.0 - acceleration * shifted))))
    low, high = (float(end) for end in np.quantile(means, ends))
    return Interval(mean, low, high, level, values.size)


def sign_flip(differences: Sequence[float] | Float64, *, draws: int = 9_999, seed: int = 0) -> float:
    """Two-sided p value of "the arms are exchangeable": every difference could as well have had the other sign.

    Fisher's randomisation test (1935): the share of sign patterns whose |sum| reaches that observed. Assumes nothing
    about the distribution but that swapping the arms of a pair changes nothing.

    Args:
        differences: One per pair, of shape (n,), n of 1 or more.
        draws: Beyond 20 pairs, how many patterns to draw; up to 20 all are counted.
        seed: Seed of the draws.

    Returns:
        p in (0, 1]: exact up to 20 pairs, and (1 + hits) / (1 + draws) beyond, which is valid too. Never below
        `smallest_p(n)`.

    Raises:
        DataError: if there are none, or one is not finite.
        OptionError: if `draws` is below 1.

    Examples:
        Six pairs that all agree, the fewest that can reach 0.05:

        >>> sign_flip([0.1, 0.2, 0.3, 0.1, 0.2, 0.3])
        0.03125
    """
    if draws < 1:
        raise OptionError(f"draws must be 1 or more. Got {draws}.")
    values = as_differences(differences, 1)
    # sums of the same numbers in another order differ by rounding
    reached = abs(float(values.sum())) - 1e-12 * float(np.sum(np.abs(values)))
    if values.size <= EXACT:
        sums = values[:1]  # the pattern with all signs turned has the same |sum|: the first sign stays
        for value in values[1:]:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= reached))
    random, hits = np.random.default_rng(seed), 0
    step = max(1, BATCH // values.size)
    for start in range(0, draws, step):
        positive = random.integers(0, 2, size=(min(step, draws - start), values.size), dtype=np.int8)
        hits += int(np.sum(np.abs((2.0 * positive - 1.0) @ values) >= reached))
    return (1 + hits) / (1 + draws)


def smallest_p(n: int) -> float:
    """The smallest p value that a two-sided sign-flip test of n pairs can give: 2 / 2^n.

    Args:
        n: Number of pairs, 1 or more.

    Returns:
        p in (0, 1].

    Raises:
        OptionError: if `n` is below 1.

    Examples:
        >>> smallest_p(5), smallest_p(6)
        (0.0625, 0.03125)
    """
    if n < 1:
        raise OptionError(f"n is a number of pairs, 1 or more. Got {n}.")
    return math.ldexp(1.0, 1 - n)


def pairs_needed(alpha: float) -> int:
    """The fewest pairs with which a sign-flip test can reach p <= alpha.

    Args:
        alpha: Threshold, between 0 and 1.

    Returns:
        The smallest n with `smallest_p(n)` <= alpha.

    Raises:
        OptionError: if `alpha` is not between 0 and 1.

    Examples:
        >>> pairs_needed(0.05)
        6
    """
    if not 0.0 < alpha < 1.0:
        raise OptionError(f"alpha is a threshold between 0 and 1, such as 0.05. Got {alpha}.")
    return next(n for n in range(1, 1100) if smallest_p(n) <= alpha)


def _bootstrap_means(values: Float64, resamples: int, seed: int) -> Float64:
    random, step = np.random.default_rng(seed), max(1, BATCH // values.size)
    return np.concatenate(
        [
            values[random.integers(0, values.size, size=(min(step, resamples - start), values.size))].mean(axis=1)
            for start in range(0, resamples, step)
        ]
    )
