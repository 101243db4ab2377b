"""What each method's figure says of the true gain: a centre and an honest variance; and what is believed before.

The true gain is that of both arms trained in full on these data, averaged over seeds. A method that does less is off by
more than its noise, and sometimes says nothing at all. How much was measured on 53 tasks whose truth is known from 32
to 48 pairs, drawn at random from digits and teachers (own, shared and residual branches, two and three of them); what
is believed before, by likelihood, on the gains of 275 (`benchmarks/prior_gains.py`). Other tasks judge the result.
`docs/advise.md` has the figures, and how many forms and constants were tried.

A stage of pairs reads g + noise + bias, and its bias is heavy-tailed and grows with what the run has still to go; one
of a share of the steps reads a range of gains around its own:

    variance = s² / pairs + v_examples + floor² + (way w)² + (tilt |gain|)²,
    w = log(loss of the run's own arm / loss of the given network), in [0, 1].
"""

import math
from dataclasses import dataclass, replace

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
        least: A run of a share of the steps shows the side of the gain before its size: the gain of full runs is at
            least this multiple of what it shows,
        most: and at most this one.
        seeds: Spread of one pair between seeds, which serves where pairs are few.
        degrees: How many observations that is worth.
    """

    floor: float
    way: float
    tilt: float
    lapse: float
    least: float = 1.0
    most: float = 1.0
    seeds: float = 0.035
    degrees: float = 1.4


BIASES: dict[tuple[str, float], Bias] = {
    ("fresh", 1.0): Bias(0.0, 0.0, 0.0, 0.0),
    ("fresh", 0.33): Bias(0.025, 0.25, 0.05, 0.03, least=0.9, most=2.5),
    ("tied", 1.0): Bias(0.025, 0.05, 0.05, 0.02),
    ("warm", 0.2): Bias(0.01, 0.05, 0.05, 0.1, least=0.5, most=20.0, seeds=0.012, degrees=3.0),
    ("heads", 0.4): Bias(0.05, 0.1, 0.2, 0.06),
    ("loose", 0.2): Bias(0.03, 0.1, 0.1, 0.05, least=0.5, most=3.0),
}
"""By kind and share of the steps."""
SEEDS = 0.035**2
"""Variance of one full pair between seeds, where none was measured."""
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
    noise = _noise_of(bias, found, found.each, way)
    if share >= 1:
        return Reading(found.gain, noise, bias.lapse)
    low, high = sorted((bias.least * found.gain, bias.most * found.gain))
    return Reading(low, noise, bias.lapse, high)


def _noise_of(bias: Bias, found: Contrast, each: float, way: float) -> Noise:
    """Of the seeds, where `each` is what a mean has of the variance of one pair, of the examples, and of the bias."""
    degrees = max(found.pairs - 1, 0)
    own, whole = found.seeds * degrees if degrees else 0.0, degrees + bias.degrees
    seeds = Noise((own + bias.seeds**2 * bias.degrees) / whole * each, whole)
    tilt = min(abs(found.gain), 1.0)
    more = bias.floor**2 + (bias.way * min(max(way, 0.0), 1.0)) ** 2 + (bias.tilt * tilt) ** 2
    return satterthwaite(seeds, Noise(found.examples, EXAMPLES_DEGREES), Noise(more, BIAS_DEGREES))


BESIDE = Bias(0.01, 0.0, 0.05, 0.05, seeds=0.06, degrees=3.0)
"""One arm beside the given network, which may have been trained by another recipe than it says."""
BEHIND = 0.1
"""Log loss by which heads on a network's own branches have to be better than the network, to say that it was not kept
at its best point."""


def read_beside(now: str, found: Contrast, way: float, late: float, rest: float) -> Reading:
    """What runs of the other arm say beside the given network, which is a run of its own arm.

    A run may stop short of its end, and one that is past its best point may have had it between two looks. The given
    network may stand at its best point, as most are kept, or where its recipe ended. So the gain lies in a range: in
    favour of the run by as much as its loss is reckoned to go on falling, or rose from the best point that was seen;
    against it by that rise where the given network is behind what its own branches give.

    Args:
        now: Side of the given network, "add" or "concat".
        found: Contrast of the given network and the runs at their best points.
        way: How far heads on the given network's branches are from it, in log loss.
        late: Rise of the runs' log loss from their best points to their last.
        rest: Fall of their log loss that is reckoned to be left.

    Returns:
        The reading.
    """
    both = replace(found, seeds=2 * found.seeds)  # the given network varies as much, and does not average out
    noise = _noise_of(BESIDE, both, (1 + found.each) / 2, 0.0)
    better, worse = late + rest, late if way < -BEHIND else 0.0
    low, high = (-worse, better) if now == "add" else (-better, worse)
    return Reading(found.gain + low, noise, BESIDE.lapse, found.gain + high)


SHARED = ((0.24, -0.03, 0.022), (0.4, 0.09, 0.07), (0.22, 0.42, 0.18), (0.14, 1.5, 0.4))
"""Weight, centre and spread of what is believed where branches share their weights: Add is a right constraint or a
fatal one."""
OWN = ((0.66, 0.012, 0.008), (0.28, 0.05, 0.025), (0.06, 0.4, 0.35))
"""Where they do not: mostly nothing, sometimes what Add cannot express."""
PRIOR_DEGREES = 3


FULLY = "full"
"""Name of the reading of full pairs, which is taken under the budget of the question; others are at equal widths."""
NARROWER, LOOSER, ELSEWHERE = 0.03, 0.045, 0.1
"""Where both arms have as many parameters, the readers of Concatenate are narrower: gains are lower by so much on
average, with this spread, on 24 dense tasks; and the least probability that the two have nothing to do with each
other."""


OVERFITTED = Reading(-0.012, Noise(0.015**2, PRIOR_DEGREES))
"""Networks that learn nothing differ by what they overfit, and a Concatenate has more weights for it. Of the five
Concatenates among the tasks that did no better than a constant, none gained more than 0.001."""


def prior(*, shared: bool = False, matched: bool = False, idle: float = 0.0) -> Belief:
    """What is believed of a merge before anything is measured.

    Args:
        shared: Whether its branches share their weights.
        matched: Whether both arms have as many parameters, not the same widths.
        idle: Probability that there is nothing to learn.
    """
    parts = SHARED if shared else OWN
    shift, more = (NARROWER, LOOSER) if matched else (0.0, 0.0)
    readings = [Reading(c - shift, Noise(spread**2 + more**2, PRIOR_DEGREES)) for _, c, spread in parts]
    weights = [(1 - idle) * weight for weight, _, _ in parts]
    return Belief.around(OVERFITTED, *readings, weights=(idle, *weights))


def at_equal_widths(reading: Reading) -> Reading:
    """What a reading at equal widths says of arms with as many parameters."""
    noise = Noise(reading.noise.variance + LOOSER**2, reading.noise.degrees)
    upto = None if reading.upto is None else reading.upto - NARROWER
    return Reading(reading.gain - NARROWER, noise, max(reading.lapse, ELSEWHERE), upto)


FURTHEST = 3.0
"""Log loss beyond which nothing is told apart."""


SCORED, SILENT = Bias(0.045, 0.0, 0.0, 0.04), Bias(0.045, 0.0, 0.0, 0.25)
LEAST_SEEN, MOST_UNSEEN = 1.2, 0.04
"""A gain by the score is exceeded by this multiple of it; one that it does not see lies below this, and two of its
errors."""
LEAST_ERROR = 0.4
"""The error of a silent score is at least this, over the root of its examples: a step that serves nobody has none."""


def read_score(gain: float, error: float, examples: int) -> Reading:
    """What the untying score says: a gain speaks for Concatenate, and none against a large one.

    From here understates what training anew would gain, so a gain is a lower end and no estimate.

    Args:
        gain: Predicted gain, as a share of the loss.
        error: Its standard error, in the same unit.
        examples: That judged it.
    """
    if gain <= error:
        unseen = MOST_UNSEEN + 2 * max(error, LEAST_ERROR / math.sqrt(max(examples, 1)))
        return Reading(-FURTHEST, Noise(SILENT.floor**2, BIAS_DEGREES), SILENT.lapse, unseen)
    seen = -math.log1p(-min(gain, 0.9))
    return Reading(LEAST_SEEN * seen, Noise(SCORED.floor**2 + error**2, BIAS_DEGREES), SCORED.lapse, FURTHEST)


KERNEL = Bias(0.03, 0.2, 0.3, 0.05)
"""Set on 96 networks of 48 tasks of seeds 34, 55 and 89."""


def read_kernel(gain: float, error: float, way: float) -> Reading:
    """What an infinitely wide head says, fitted to the branches as they are.

    Args:
        gain: Log of the squared errors' ratio.
        error: Its standard error.
        way: How far the better of its two arms is behind the given network, in log loss.
    """
    way, tilt = min(max(way, 0.0), 1.0), min(abs(gain), 1.0)
    variance = KERNEL.floor**2 + (KERNEL.way * way) ** 2 + (KERNEL.tilt * tilt) ** 2 + error**2
    return Reading(gain, Noise(variance, BIAS_DEGREES), KERNEL.lapse)


MINDED = 0.1
"""Rise of the log loss from which on a network minds that its branches change places."""
ALIKE = Reading(-FURTHEST, Noise(0.02**2, BIAS_DEGREES), 0.1, 0.07)
APART = Reading(0.02, Noise(0.02**2, BIAS_DEGREES), 0.1, FURTHEST)
PLAINLY_MINDED, PLAINLY_ORDERED = 0.5, 1e-5
"""A rise, or a p value of the order, beyond which it is plain that the order matters: none of 34 such networks, of 18
tasks of seed 89, was better off with Add."""
PLAINLY = Reading(0.04, Noise(0.015**2, BIAS_DEGREES), 0.05, FURTHEST)


def read_swap(rise: float) -> Reading:
    """What exchanging branches that share their weights says: Add cannot express a target that minds their order.

    Args:
        rise: Of the logarithm of the loss.
    """
    if rise > PLAINLY_MINDED:
        return PLAINLY
    return APART if rise > MINDED else ALIKE


ORDERED, UNORDERED, ENOUGH = 0.008, 0.04, 600
"""The order of added branches tells something where its p value lies below the first; nothing where it lies above the
second and at least so many examples say it."""
SYMMETRIC = Reading(-FURTHEST, Noise(0.02**2, BIAS_DEGREES), 0.1, 0.02)


def read_order(p: float, sizes: float, examples: int) -> Reading | None:
    """What the order of added branches that share weights says: Add cannot express what it tells.

    Args:
        p: Of the test that it tells nothing of what the network gets wrong.
        sizes: The same of the sizes of the branches' differences.
        examples: That judged it.

    Returns:
        The reading; None between the two, where the sizes tell something, and for silence of few examples.
    """
    if p < ORDERED:
        return PLAINLY if p < PLAINLY_ORDERED else APART
    return SYMMETRIC if min(p, sizes) > UNORDERED and examples >= ENOUGH else None


TIED = Bias(0.02, 0.0, 0.02, 0.13, least=0.4, most=1.15)


def read_tie(rise: float, error: float) -> Reading:
    """What tying a Concatenate by regression says: the rise of its log loss, without training.

    Where the rise is small, the Concatenate did not use what Add forgets; where it is large, Add may learn its way
    around nearly all of it.

    Args:
        rise: Of the logarithm of the loss.
        error: Its standard error.
    """
    low, high = sorted((TIED.least * rise, TIED.most * rise))
    variance = TIED.floor**2 + (TIED.tilt * rise) ** 2 + error**2
    return Reading(low, Noise(variance, BIAS_DEGREES), TIED.lapse, high)


MEANS = 0.2
"""Rise of the log loss up to which a tie may have broken the means of a symmetric function, not the function."""


def read_tie_beside(tied: Reading, swapped: Reading) -> Reading:
    """What a tie says where an exchange of the same branches was read too.

    A Concatenate may compute by unequal kernels what equal ones can compute as well: sums of digits, each read by its
    own kernel. Where an exchange does not matter, a small rise bounds the gain from above and says no more.

    Args:
        tied: By `read_tie`.
        swapped: By `read_swap`.
    """
    small = tied.upto is not None and 0 < tied.upto < TIED.most * MEANS
    return replace(tied, gain=-FURTHEST) if small and swapped is ALIKE else tied
