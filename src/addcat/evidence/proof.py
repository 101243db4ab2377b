"""Would full pairs prove a side? A belief and the noise of seeds say how likely that is, before they are trained."""

import math

from addcat.evidence.decision import LEVELS
from addcat.statistics.belief import Belief
from addcat.statistics.interval import overlapping, t_quantile


def provable(belief: Belief, margin: float, seeds: float, pairs: int, *, redrawn: float = 0.0) -> float:
    """Probability that the interval of so many full pairs clears the margin, as if it were centred on the true gain.

    Args:
        belief: Of the gain.
        margin: As a share of Add's loss.
        seeds: Variance of one pair's gain between seeds.
        pairs: How many; fewer than four never prove anything.
        redrawn: Share of the training examples that each draws; 0 where all train on the same.

    Examples:
        >>> from addcat.statistics.belief import Reading
        >>> from addcat.statistics.interval import Noise
        >>> clear, close = (Belief.around(Reading(gain, Noise(0.01**2, 9))) for gain in (0.5, 0.02))
        >>> provable(clear, 0.02, 0.035**2, 4) > 0.99, provable(close, 0.02, 0.035**2, 16) < 0.2
        (True, True)
    """
    reached = [level for fewest, level in LEVELS if pairs >= fewest]
    if not reached:
        return 0.0
    half = t_quantile(reached[-1], pairs - 1) * math.sqrt(seeds * overlapping(pairs, redrawn) / pairs)
    limit = -math.log1p(-margin)
    return belief.above(limit + half) + 1 - belief.above(limit - half)
