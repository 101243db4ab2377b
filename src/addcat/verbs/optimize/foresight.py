"""From where a graph could gain to how much it is expected to gain, with an interval.

    gain = sum over f of w_f x_f,    interval = gain + [-a, b] (s + t reach),

where x are the features of `openings`, all of them shares of the time of the whole, and reach is the share of it that
is expected to be tidied away or saved, and a fifth of what is named or touched. The weights lie between 0 and 1; where
no rule applies there is no gain. The interval is conformal: a and b are quantiles of the residuals of networks whose
whole family was left out of the fit, divided by (s + t reach), since where more is at stake more can come out otherwise
(Lei et al. 2018, "Distribution-free predictive inference for regression", section 5.2; Vovk et al. 2005 for the ranks).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from addcat.verbs.optimize.openings import NAMING

LEVEL = 0.8
"""How often the measured gain is to lie in the interval."""
TOUCHED = 0.2
"""How much less than what is saved what is only named or touched leaves open."""
MEASURABLE = 0.015
"""The least gain of a whole that can be told from the noise in the seconds that a search spends on it."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What was learnt, of both runtimes together.

    Attributes:
        weights: How much of each feature becomes a gain.
        floor: s, the width where nothing is at stake.
        slope: t, how the width grows with what is.
        below: a, in units of the width.
        above: b, in units of the width.
        networks: How many networks were measured.
        families: Of how many families.
        error: Median absolute error on networks whose family was left out.
        covered: Share of these whose gain lay in the interval, which was fitted without their family, too.
    """

    weights: Mapping[str, float]
    floor: float
    slope: float
    below: float
    above: float
    networks: int
    families: int
    error: float
    covered: float


@dataclass(frozen=True, slots=True)
class Foretold:
    """A gain that is to be expected.

    Attributes:
        gain: Share of the time that is expected to be saved.
        low: Lower end of its interval; never below 0, since a result that is slower is not handed over.
        high: Upper end.
    """

    gain: float
    low: float
    high: float

    @property
    def worthwhile(self) -> bool:
        """Whether a gain that can be measured lies in the interval."""
        return self.high >= MEASURABLE


def reach(features: Mapping[str, float]) -> float:
    """What is at stake: the share of the time that is tidied away or saved, and a fifth of what is named or touched.

    Examples:
        >>> reach({"tidying": 0.1, "opening saves": 0.2, "opening touches": 0.5})
        0.4
    """
    less = {name for name in features if name == NAMING or name.endswith("touches")}
    return sum(value * (TOUCHED if name in less else 1.0) for name, value in features.items())


def width(features: Mapping[str, float], floor: float, slope: float) -> float:
    """How far a gain may lie from what is expected, in units of a and b; the more, the more is at stake."""
    return floor + slope * reach(features)


def expected(features: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The gain that is expected.

    Examples:
        >>> expected({"tidying": 0.1, "opening saves": 0.2}, {"tidying": 1.0, "opening saves": 0.5})
        0.2
    """
    return sum(weights.get(name, 0.0) * value for name, value in features.items())


def foretell(features: Mapping[str, float], fit: Fit) -> Foretold:
    """The gain to expect of a model with some features.

    Args:
        features: See `Openings.features`.
        fit: What was learnt.

    Returns:
        The gain and its interval, between 0 and 1.
    """
    if not reach(features):  # no rule applies
        return Foretold(0.0, 0.0, 0.0)
    gain, room = expected(features, fit.weights), width(features, fit.floor, fit.slope)
    low, high = gain - fit.below * room, gain + fit.above * room
    return Foretold(*(min(max(value, 0.0), 0.95) for value in (gain, low, high)))
