"""What a comparison says to somebody who has to choose: odds, and the regret of either choice.

With a flat prior on the mean and on the log of the spread, the mean difference m, its standard error s and its degrees
of freedom v make a posterior: the true gain is m + s T, T of Student's distribution with v degrees of freedom. Then,
with x = m / s, F its distribution function and f its density,

    P(gain > a)         = F((m - a) / s)
    E[max(0, gain)]     = m F(x) + s f(x) (v + x²) / (v - 1)          (v > 1)

The second is the regret of keeping the first arm; the regret of taking the other is E[max(0, -gain)].
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from addcat.errors import OptionError
from addcat.statistics.interval import Float64, Noise, as_differences, special


@dataclass(frozen=True, slots=True)
class Odds:
    """What the posterior of a gain says.

    Attributes:
        better: Probability that the gain is above zero, in [0, 1].
        beyond: Probability that it is above the margin.
        regret_keep: Expected loss given away by keeping the first arm, in the unit of the gain; infinite for two pairs.
        regret_take: Expected loss given away by taking the other arm.
    """

    better: float
    beyond: float
    regret_keep: float
    regret_take: float


def odds(estimate: float, noise: Noise, margin: float = 0.0) -> Odds:
    """Odds and regrets of a gain.

    Args:
        estimate: The mean gain.
        noise: Variance of the estimate, with the degrees of freedom behind it.
        margin: The gain that is asked for, in the same unit.

    Returns:
        Probabilities and regrets; where the variance is 0, those of a known gain.

    Raises:
        OptionError: if the variance is negative or the degrees are not positive.

    Examples:
        A gain of two standard errors, seven degrees of freedom behind them:

        >>> found = odds(0.2, Noise(0.01, 7), margin=0.1)
        >>> f"{found.better:.3f} {found.beyond:.3f} {found.regret_keep:.3f} {found.regret_take:.4f}"
        '0.957 0.825 0.203 0.0030'
    """
    if not (noise.variance >= 0.0 and noise.degrees > 0.0):
        raise OptionError(f"noise has a variance of 0 or more and degrees above 0. Got {noise}.")
    spread = math.sqrt(noise.variance)
    if spread == 0.0:
        return Odds(_step(estimate), _step(estimate - margin), max(0.0, estimate), max(0.0, -estimate))
    keep = _expected_excess(estimate / spread, noise.degrees) * spread
    take = _expected_excess(-estimate / spread, noise.degrees) * spread
    return Odds(
        _distribution(estimate / spread, noise.degrees),
        _distribution((estimate - margin) / spread, noise.degrees),
        keep,
        take,
    )


def paired_odds(differences: Sequence[float] | Float64, margin: float = 0.0) -> Odds:
    """Odds from paired differences, one a pair, of shape (n,), n of 2 or more.

    Args:
        differences: Gains of the pairs.
        margin: The gain that is asked for.

    Returns:
        The odds of the mean gain.

    Raises:
        DataError: if there are fewer than two, or one is not finite.
    """
    values = as_differences(differences, 2)
    return odds(float(values.mean()), Noise(float(values.var(ddof=1)) / values.size, values.size - 1), margin)


def effect_size(differences: Sequence[float] | Float64) -> float:
    """Standardised effect: mean over standard deviation, shrunk for few pairs (Hedges 1981).

    Args:
        differences: One per pair, of shape (n,), n of 2 or more.

    Returns:
        J d, d = mean / s and J = Γ(v / 2) / (sqrt(v / 2) Γ((v - 1) / 2)), v = n - 1; unbiased for normal differences
        from three pairs on. 0 where all are 0, infinite where all are equal.

    Raises:
        DataError: if there are fewer than two, or one is not finite.

    Examples:
        >>> f"{effect_size([1.0, 2.0, 3.0]):.3f}"
        '1.128'
    """
    values = as_differences(differences, 2)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if spread <= np.finfo(np.float64).eps * abs(mean):
        return math.copysign(math.inf, mean) if mean else 0.0
    degrees = values.size - 1
    if degrees < 2:
        return mean / spread
    shrink = math.exp(math.lgamma(degrees / 2) - math.lgamma((degrees - 1) / 2)) / math.sqrt(degrees / 2)
    return shrink * mean / spread


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust the p values of several questions, so that one false "yes" among all is as rare as for one (Holm 1979).

    Args:
        p_values: One a question, each in [0, 1].

    Returns:
        Adjusted values in the same order; never below the given one, never above 1.

    Raises:
        OptionError: if one is outside [0, 1].

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        (0.03, 0.06, 0.06)
    """
    if any(not 0.0 <= p <= 1.0 for p in p_values):
        raise OptionError(f"p values lie between 0 and 1. Got {list(p_values)}.")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def _distribution(x: float, degrees: float) -> float:
    return float(special.ndtr(x) if math.isinf(degrees) else special.stdtr(degrees, x))


def _expected_excess(x: float, degrees: float) -> float:
    """E[max(0, x + T)]."""
    if math.isinf(degrees):
        return x * _distribution(x, degrees) + math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    if degrees <= 1.0:
        return math.inf
    log = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    density = math.exp(log - (degrees + 1) / 2 * math.log1p(x * x / degrees))
    return max(0.0, x * _distribution(x, degrees) + density * (degrees + x * x) / (degrees - 1))


def _step(value: float) -> float:
    """Probability that a known value is above zero; a half at zero itself."""
    return 0.5 if value == 0.0 else float(value > 0.0)
