"""Looking after every pair: intervals that stay valid however often one looks, and whenever one stops.

A fixed-n interval looked at after every pair errs far more often than it says. Here the evidence against a mean m is a
mixture of likelihood ratios of the t statistic, over a normal prior N(0, g) on the standardised effect, g = effect²:

    E_n(m) = (1 + n g)^(-1/2) ((1 + u) / (1 + u / (1 + n g)))^(n / 2),   u = t² / (n - 1) = n (mean - m)² / (s² (n - 1))

For normal differences this is a nonnegative martingale that starts at 1 when m is the true mean, whatever the variance,
so it ever reaches 1 / alpha with probability alpha at most (Ville's inequality; Lai 1976; Pérez-Ortiz et al. 2024; Wang
and Ramdas 2024). For other differences of finite variance it approaches, as n grows, the asymptotic confidence sequence
of Waudby-Smith et al. (2024).
"""

import math
from collections.abc import Sequence

from addcat.errors import OptionError
from addcat.statistics.interval import Float64, Interval, as_differences, check_level, within


def anytime_interval(differences: Sequence[float] | Float64, *, level: float = 0.95, effect: float = 1.0) -> Interval:
    """Interval of the mean difference, to be looked at after every pair.

    The chance that it ever misses the mean, over all n together, is 1 - level at most: stop when it excludes zero, when
    it lies inside the margin, or when time is up, and it still holds. The price is width: 2.1 times that of the t
    interval at 6 pairs, 1.6 times at 20.

    Args:
        differences: One per pair so far, in the order in which they came, of shape (n,), n of 1 or more.
        level: Coverage of the whole sequence.
        effect: Size of effect, mean over standard deviation, for which the interval is to be narrow early. Fix it
            before the first pair. Smaller values pay off later: 1 suits a few seeds, 0.1 some hundred examples.

    Returns:
        The m with E_n(m) < 1 / (1 - level); without limits while there are too few pairs to exclude any.

    Raises:
        DataError: if there are none, or one is not finite.
        OptionError: if `level` or `effect` is out of range.

    Examples:
        >>> gains = [0.9, 1.1, 1.0, 0.8, 1.2, 1.0, 0.9, 1.1]
        >>> for n in (2, 5, 8):
        ...     found = anytime_interval(gains[:n])
        ...     print(f"{n} pairs: {found.low:.2f} to {found.high:.2f}")
        2 pairs: -inf to inf
        5 pairs: 0.40 to 1.60
        8 pairs: 0.80 to 1.20
    """
    check_level(level)
    values, spread = as_differences(differences, 1), _prior(effect, len(differences))
    n, bound = values.size, math.inf
    ratio = (math.sqrt(spread) / (1.0 - level)) ** (2.0 / n)
    if ratio < spread and n > 1:
        bound = math.sqrt((ratio - 1.0) / (1.0 - ratio / spread) * (n - 1))
    return within(values, bound, level)


def e_value(differences: Sequence[float] | Float64, *, mean: float = 0.0, effect: float = 1.0) -> float:
    """Evidence so far against a given mean difference; may be looked at after every pair.

    Args:
        differences: One per pair so far, of shape (n,), n of 1 or more.
        mean: The mean to speak against.
        effect: As in `anytime_interval`.

    Returns:
        E_n(mean), 0 or more; 1 at the start. It ever reaches 1 / alpha with probability alpha at most if `mean` is
        true, so 20 rejects at 0.05.

    Raises:
        DataError: if there are none, or one is not finite.
        OptionError: if `effect` is out of range.

    Examples:
        >>> e_value([0.9, 1.1, 1.0, 0.8, 1.2]) > 20
        True
        >>> e_value([0.9, -1.1, 1.0, -0.8, 0.2]) < 1
        True
    """
    values, spread = as_differences(differences, 1), _prior(effect, len(differences))
    n, apart, scatter = values.size, float(values.mean()) - mean, float(values.var()) * values.size
    if n == 1:
        return 1.0
    # with q = u / (1 + u) in [0, 1], equal differences (s = 0) need no division by zero
    q = n * apart**2 / (n * apart**2 + scatter) if apart else 0.0
    log = -0.5 * math.log(spread) - n / 2.0 * math.log1p(-q * (1.0 - 1.0 / spread))
    return math.exp(min(log, 700.0))


def _prior(effect: float, n: int) -> float:
    """1 + n g: how much wider the prior makes the mean than its noise."""
    if not effect > 0.0:
        raise OptionError(f"effect is a ratio of mean to standard deviation, above 0. Got {effect}.")
    return 1.0 + n * effect**2
