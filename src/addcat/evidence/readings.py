"""What each method's figure says of the true gain: a centre and an honest variance; and what is believed before.

The true gain is that of both arms trained in full on these data, averaged over seeds. A method that does less is off by
more than its noise, and sometimes says nothing at all. How much was measured on 49 tasks whose truth is known from 32
pairs, drawn at random from digits and teachers (own, shared and residual branches, two and three of them); other tasks
judge the result. `docs/advise.md` has the tables.

A stage of pairs reads g + noise + bias, and its bias is heavy-tailed and grows with what the run has still to go; one
of a share of the steps reads a range of gains around its own:

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
    ("fresh", 0.33): Bias(0.03, 0.4, 0.1, 0.05),
    ("tied", 1.0): Bias(0.012, 0.0, 0.1, 0.02),
    ("tied", 0.33): Bias(0.03, 0.6, 0.1, 0.1),
    ("warm", 0.2): Bias(0.03, 0.1, 0.1, 0.05),
    ("warm", 0.1): Bias(0.03, 0.6, 0.1, 0.15),
}
"""By kind and share of the steps."""
SEEDS, SEEDS_DEGREES = 0.035**2, 1.4
"""Variance of one pair between seeds, and how many observations that prior is worth; it serves where pairs are few."""
LEAST_OF, MOST_OF = 0.5, 3.0
"""A run of a share of the steps shows the side of the gain before its size: the gain of full runs lies between these
multiples of what it shows."""
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
    if share >= 1:
        return Reading(found.gain, noise, bias.lapse)
    low, high = sorted((LEAST_OF * found.gain, MOST_OF * found.gain))
    return Reading(low, noise, bias.lapse, high)


SHARED = ((0.5, -0.025, 0.025), (0.42, 0.15, 0.15), (0.08, 0.6, 0.5))
"""Weight, centre and spread of what is believed where branches share their weights: Add is a right constraint or a
fatal one."""
OWN = ((0.7, 0.003, 0.015), (0.26, 0.06, 0.06), (0.04, 0.4, 0.4))
"""Where they do not: mostly nothing, sometimes what Add cannot express."""
PRIOR_DEGREES = 3


NARROWER, LOOSER = 0.05, 0.06
"""Where both arms have as many parameters, the readers of Concatenate are narrower: gains are lower by so much on
average, and what is seen at equal widths says less. Reckoned, not fitted."""


def prior(*, shared: bool = False, matched: bool = False) -> Belief:
    """What is believed of a merge before anything is measured.

    Args:
        shared: Whether its branches share their weights.
        matched: Whether both arms have as many parameters, not the same widths.
    """
    parts = SHARED if shared else OWN
    shift, more = (NARROWER, LOOSER) if matched else (0.0, 0.0)
    readings = [Reading(c - shift, Noise(spread**2 + more**2, PRIOR_DEGREES)) for _, c, spread in parts]
    return Belief.around(*readings, weights=tuple(weight for weight, _, _ in parts))


def at_equal_widths(reading: Reading) -> Reading:
    """What a reading at equal widths says of arms with as many parameters."""
    noise = Noise(reading.noise.variance + LOOSER**2, reading.noise.degrees)
    upto = None if reading.upto is None else reading.upto - NARROWER
    return Reading(reading.gain - NARROWER, noise, max(reading.lapse, 0.2), upto)


FURTHEST = 2.0
"""Log loss beyond which nothing is told apart."""


def read_score(gain: float, error: float) -> Reading | None:
    """What the untying score says: a gain speaks for Concatenate, and none for nothing.

    From here understates what training anew would gain, so a gain is a lower end and no estimate.

    Args:
        gain: Predicted gain, as a share of the loss.
        error: Its standard error, in the same unit.

    Returns:
        The reading; None where there is nothing to read.
    """
    if gain <= error:
        return None
    seen = -math.log1p(-min(gain, 0.9))
    return Reading(0.2 * seen, Noise(0.03**2 + error**2, BIAS_DEGREES), 0.2, FURTHEST)


def read_tie(rise: float, error: float) -> Reading:
    """What tying a Concatenate by regression says: the rise of its log loss, without training.

    Where the rise is small, the Concatenate did not use what Add forgets; where it is large, Add may learn its way
    around it, and only two thirds of the rise are left on average.

    Args:
        rise: Of the logarithm of the loss.
        error: Its standard error.
    """
    spread = 0.37 * max(rise, 0.0)
    return Reading(0.65 * rise, Noise(0.033**2 + spread**2 + error**2, BIAS_DEGREES), 0.05)
