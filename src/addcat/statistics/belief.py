"""What is believed of a gain: a heavy-tailed prior, and readings that multiply it.

The gain is g = log(loss of Add / loss of Concatenate); as a share of Add's loss it is 1 - exp(-g). A reading is a
measured gain r with a variance v and v's degrees of freedom d, and r - g is Student's t with them, so that a reading
whose error was larger than it thought is outweighed, not averaged. A method can also fail altogether, as a network that
has learnt nothing shows no wish for anything: with a probability e, its lapse, a reading has nothing to do with g, and
lies anywhere in a width of 1. The posterior is kept on a grid that is fine around zero, where choices are made, and
coarse far away:

    p(g | r_1 ... r_n) ~ p(g) prod_i [(1 - e_i) t((r_i - g) / sqrt(v_i); d_i) / sqrt(v_i) + e_i]

Odds and regrets are sums over the grid.
"""

from dataclasses import dataclass

import numpy as np

from addcat.errors import OptionError
from addcat.statistics.interval import Float64, Interval, Noise, special

POINTS = np.sinh(np.linspace(-9.0, 9.0, 2401)) * 1e-3
"""Gains from -4 to 4, a tenth of a thousandth apart around zero; a loss that another halves has a gain of 0.69."""
LOG_WIDTHS = np.log(np.gradient(POINTS))


def share_of(gain: float | Float64) -> Float64:
    """A gain as a share of Add's loss, 1 - exp(-g).

    Examples:
        >>> float(share_of(0.0)), round(float(share_of(np.log(2))), 3)
        (0.0, 0.5)
    """
    return -np.expm1(-np.asarray(gain, np.float64))


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured gain.

    Attributes:
        gain: log(loss of Add / loss of Concatenate).
        noise: Variance of its error, with degrees of freedom.
        lapse: Probability that the reading has nothing to do with the gain.
        upto: Where a method says no more than that the gain lies between `gain` and this, else None.
    """

    gain: float
    noise: Noise
    lapse: float = 0.0
    upto: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """A distribution of the gain.

    Attributes:
        mass: Probability of each of `POINTS`, of shape (2401,); sums to 1.

    Examples:
        >>> prior = Belief.around(Reading(0.0, Noise(0.05**2, 3)))
        >>> prior.above(0.0).__round__(3)
        0.5
        >>> after = prior.told(Reading(0.04, Noise(0.01**2, 20)))
        >>> after.above(0.0) > 0.99, after.regret("concat") < 1e-4 < after.regret("add")
        (True, True)
    """

    mass: Float64

    @classmethod
    def around(cls, *readings: Reading, weights: tuple[float, ...] = ()) -> "Belief":
        """A mixture of Student's distributions, with equal weights where none are given."""
        shares = weights or (1.0,) * len(readings)
        if len(shares) != len(readings) or not readings:
            raise OptionError(f"Give one weight for each reading, got {len(shares)} for {len(readings)}.")
        total = np.zeros_like(POINTS)
        for share, reading in zip(shares, readings, strict=True):
            logs = _log_density(reading) + LOG_WIDTHS
            density = np.exp(logs - logs.max())
            total += share * density / density.sum()
        return cls(total / total.sum())

    def told(self, reading: Reading) -> "Belief":
        """The posterior after one more reading."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.mass) + _log_density(reading)
        density = np.exp(logs - logs.max())
        return Belief(density / density.sum())

    def above(self, gain: float) -> float:
        """Probability that the gain exceeds a value."""
        found = float(self.mass[gain < POINTS].sum() + 0.5 * self.mass[gain == POINTS].sum())
        return min(found, 1.0)  # sums of shares may round to more

    def sure(self, choice: str) -> float:
        """Probability that a choice has the lower loss.

        Args:
            choice: "add" or "concat".
        """
        return self.above(0.0) if choice == "concat" else 1.0 - self.above(0.0)

    def regret(self, choice: str) -> float:
        """Expected loss given away by a choice, as a share of Add's loss.

        Args:
            choice: "add" or "concat".
        """
        lost = np.clip(share_of(POINTS) if choice == "add" else -share_of(POINTS), 0.0, MOST)
        return float((self.mass * lost).sum())

    def interval(self, level: float = 0.95) -> Interval:
        """Mean and central interval of the gain as a share of Add's loss."""
        total, shares = np.cumsum(self.mass), share_of(POINTS)
        low, high = (float(np.interp((1 + side * level) / 2, total, shares)) for side in (-1, 1))
        mean = float((self.mass * np.clip(shares, -MOST, MOST)).sum())
        return Interval(min(max(mean, low), high), low, high, level, 1)


MOST_TOLD = 0.5
"""A range that begins farther out than this says no more than that the gain is as large: no prior believes much of what
lies beyond, so that the reading would be taken for a lapse."""
MOST = 2.0
"""A regret counts up to twice Add's loss: beyond that a run has diverged, and its mean would say nothing."""


def _log_density(reading: Reading) -> Float64:
    """Logarithm of the density of what was read, for each gain."""
    variance, degrees = max(reading.noise.variance, 1e-12), min(reading.noise.degrees, 1e6)
    gain, upto = _ends(reading)
    away = np.maximum(np.maximum(gain - POINTS, POINTS - upto), 0.0)
    log_scale = special.gammaln((degrees + 1) / 2) - special.gammaln(degrees / 2)
    log_scale -= 0.5 * np.log(degrees * np.pi * variance)
    logs = log_scale - (degrees + 1) / 2 * np.log1p(away**2 / (variance * degrees))
    if reading.lapse <= 0:
        return logs
    return np.logaddexp(logs + np.log1p(-reading.lapse), np.log(reading.lapse))


def _ends(reading: Reading) -> tuple[float, float]:
    """Between which gains a reading lies; a single one is both.

    Beyond the furthest gain nothing is told apart, so a reading of more is one of that.
    """
    gain, upto = reading.gain, reading.gain
    if reading.upto is not None:
        upto = max(gain, reading.upto, -MOST_TOLD)
        gain = min(gain, MOST_TOLD)
    low, high = np.clip((gain, upto), POINTS[0], POINTS[-1])
    return float(low), float(high)
