"""The interval that decides, and what it claims.

A verdict is a claim about the gain g of the second choice over the first, whose margin m was fixed beforehand:

    concat      g > m, the whole interval above the margin
    equal       -m <= g <= m, the whole interval inside it
    add         g < m, the whole interval below it: the first choice is kept unless the second pays for itself
    undecided   none of these, or fewer than four pairs

The interval has two sources of noise where losses of single examples are known: the pairs, and the held-out examples.
"""

import math

import numpy as np

from addcat.statistics import Interval, Noise, few_pairs_interval
from addcat.statistics.interval import overlapping, t_quantile
from addcat.trials.trial import Losses
from addcat.verbs.compare.settings import FEWEST

LEVEL = 0.95


def verdict_of(gain: Interval | None, margin: float, choices: tuple[str, str]) -> str:
    """What an interval claims about a gain.

    Args:
        gain: Of the second choice over the first; None where there is none.
        margin: In its unit.
        choices: The two.

    Returns:
        One of the choices, "equal" or "undecided".

    Examples:
        >>> for low, high in ((0.03, 0.09), (-0.01, 0.01), (-0.09, 0.01), (0.01, 0.03)):
        ...     print(verdict_of(Interval((low + high) / 2, low, high, 0.95, 8), 0.02, ("add", "concat")))
        concat
        equal
        add
        undecided
    """
    if gain is None or gain.n < FEWEST:
        return "undecided"
    if gain.low > margin:
        return choices[1]
    if gain.inside(margin):
        return "equal"
    return choices[0] if gain.high < margin else "undecided"


def noises(each: Losses, single: Losses | None, redrawn: float = 0.0) -> list[Noise]:
    """What disturbs a mean difference: the pairs and, where single examples are known, the examples.

    Where each pair draws a share of one set of examples, pairs are alike because their draws overlap (see
    `addcat.statistics.interval.overlapping`).

    Args:
        each: One difference a pair, (pairs,).
        single: One for each pair and example, (pairs, examples).
        redrawn: That share; 0 where nothing is drawn anew.

    Returns:
        One or two sources of noise in the mean.
    """
    pairs = len(each)
    found = [Noise(float(np.var(each, ddof=1)) * overlapping(pairs, redrawn) / pairs, pairs - 1)]
    if single is not None and single.shape[1] > 1:
        examples = single.shape[1]
        found.append(Noise(float(np.var(single.mean(axis=0), ddof=1)) / examples, examples - 1))
    return found


def sequence_interval(each: Losses, single: Losses | None, redrawn: float = 0.0) -> Interval:
    """The interval that may be looked at after every pair.

    The examples are one sample, the same at every look: their t interval is added to the sequence of the pairs in
    quadrature, as two independent errors add.
    """
    found = few_pairs_interval(each, level=LEVEL)
    if not math.isfinite(found.high):
        return found
    half = (found.high - found.estimate) * math.sqrt(overlapping(len(each), redrawn))
    for noise in noises(each, single)[1:]:
        half = math.hypot(half, t_quantile(LEVEL, noise.degrees) * math.sqrt(noise.variance))
    return Interval(found.estimate, found.estimate - half, found.estimate + half, LEVEL, found.n)
