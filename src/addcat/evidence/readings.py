"""What each method's figure says of the true gain: a centre and an honest variance; and what is believed before.

The true gain is that of both arms trained in full on these data, averaged over seeds. A method that does less is off by
more than its noise, and sometimes says nothing at all. How much was measured on 49 tasks whose truth is known from 32
pairs, drawn at random from digits and teachers (own, shared and residual branches, two and three of them); other tasks
judge the result. `docs/advise.md` has the tables.

A stage of pairs reads g + noise + bias, and its bias is heavy-tailed and grows with what the run has still to go:

    variance = s² / pairs + v_examples + floor² + (way w)² + (tilt |gain|)²,
    w = log(loss of the run's own arm / loss of the given network), in [0, 1].
"""

import math
from dataclasses import dataclass

from addcat.evidence.contrast import Contrast
from addcat.statistics.belief import Belief, Reading
from addcat.statistics.interval import Noise, satterthwaite


@dataclass(frozen=True, slots=True)
class Bias:
    """Constants of one kind of stage.

    Attributes:
        floor: Spread of the bias of a run that has nothing left to go.
        way: More, for each unit of log loss that is left.
        tilt: More, for each unit of gain.
        lapse: Probability that the stage has nothing to do with the gain.
    """

    floor: float
    way: float
    tilt: float
    lapse: float


BIASES: dict[tuple[str, float], Bias] = {
    ("fresh", 1.0): Bias(0.0, 0.0, 0.0, 0.0),
    ("fresh", 0.33): Bias(0.03, 0.4, 0.5, 0.1),
    ("tied", 1.0): Bias(0.012, 0.0, 0.3, 0.02),
    ("tied", 0.33): Bias(0.03, 0.6, 0.5, 0.15),
    ("warm", 0.2): Bias(0.03, 0.1, 0.8, 0.15),
    ("warm", 0.1): Bias(0.03, 0.6, 0.8, 0.2),
}
"""By kind and share of the steps."""
SEEDS, SEEDS_DEGREES = 0.035**2, 1.4
"""Variance of one pair between seeds, and how many observations that prior is worth; it serves where pairs are few."""
BIAS_DEGREES = 4
"""The bias is heavy-tailed."""
EXAMPLES_DEGREES = 500


def read_pairs(kind: str, share: float, found: Contrast, way: float) -> Reading:
    """What a stage of pairs says of the gain.

    Args:
        kind: How the pairs started.
        share: Of the steps.
        found: Their contrast.
        way: How far the run's own arm is from the given network, in log loss.

    Returns:
        The reading.
    """
    bias = BIASES[kind, round(share, 2)]
    degrees = max(found.pairs - 1, 0)
    own, whole = found.seeds * degrees if degrees else 0.0, degrees + SEEDS_DEGREES
    seeds = Noise((own + SEEDS * SEEDS_DEGREES) / whole / found.pairs, whole)
    tilt = min(abs(found.gain), 1.0)
    more = bias.floor**2 + (bias.way * min(max(way, 0.0), 1.0)) ** 2 + (bias.tilt * tilt) ** 2
    noise = satterthwaite(seeds, Noise(found.examples, EXAMPLES_DEGREES), Noise(more, BIAS_DEGREES))
    return Reading(found.gain, noise, bias.lapse)


SHARED = ((0.5, -0.025, 0.025), (0.42, 0.15, 0.15), (0.08, 0.6, 0.5))
"""Weight, centre and spread of what is believed where branches share their weights: Add is a right constraint or a
fatal one."""
OWN = ((0.7, 0.003, 0.015), (0.26, 0.06, 0.06), (0.04, 0.4, 0.4))
"""Where they do not: mostly nothing, sometimes what Add cannot express."""
PRIOR_DEGREES = 3


def prior(*, shared: bool = False) -> Belief:
    """What is believed of a merge before anything is measured.

    Args:
        shared: Whether its branches share their weights.
    """
    parts = SHARED if shared else OWN
    readings = [Reading(centre, Noise(spread**2, PRIOR_DEGREES)) for _, centre, spread in parts]
    return Belief.around(*readings, weights=tuple(weight for weight, _, _ in parts))


def read_score(gain: float, error: float) -> Reading:
    """What the untying score says: a gain speaks for Concatenate, and none for nothing.

    Args:
        gain: Predicted gain beyond the control's, as a share of the loss.
        error: Its standard error, in the same unit.
    """
    seen = -math.log1p(-min(max(gain, 0.0), 0.9))
    return Reading(seen + 0.02, Noise(0.06**2 + (0.6 * seen) ** 2 + error**2, BIAS_DEGREES), 0.3)


def read_tie(rise: float, error: float) -> Reading:
    """What tying a Concatenate by regression says: the rise of its log loss, without training.

    Where the rise is small, the Concatenate did not use what Add forgets; where it is large, Add may learn its way
    around it, and only two thirds of the rise are left on average.

    Args:
        rise: Of the logarithm of the loss.
        error: Its standard error.
    """
    return Reading(0.65 * rise, Noise(0.033**2 + (0.37 * max(rise, 0.0)) ** 2 + error**2, BIAS_DEGREES), 0.05)
