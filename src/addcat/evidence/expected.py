"""What evidence is expected to buy, before any is gathered.

Where a belief is right about the gain g, and a method errs as its reading says, the belief after the method can be
drawn: take g from the belief, let the method read it, and hear the reading. The mean over draws is the probability that
the recommendation will be right, and the regret it will leave (preposterior analysis; Raiffa and Schlaifer 1961). It is
as good as the constants of the readings, and knows nothing of the network at hand but its structure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from addcat.evidence.contrast import Contrast
from addcat.evidence.pairs import Stage
from addcat.evidence.readings import (
    SEEDS,
    read_beside,
    read_kernel,
    read_order,
    read_pairs,
    read_score,
    read_swap,
    read_tie,
)
from addcat.statistics.belief import POINTS, Belief, Reading, share_of

DRAWS = 200
"""Gains that are tried, each as likely as the others: the expected regret moves by a tenth from seed to seed."""
SPREAD = 0.15
"""Spread of one example's difference between the arms, in units of the mean loss, over what seeds do. This and the two
below are the middle of what three small networks had, whose figures differed tenfold."""
ERROR = 0.3
"""Spread of one example's gain by the score or rise by tying, in the same unit."""
WAY = 0.4
"""Log loss that a run of a share of the steps has still to go."""
MATTERS, TOLD, FALSELY_TOLD = 0.03, 0.9, 0.2
"""From which gain on the order of branches that share weights matters; how often it is told then, and else."""

Reads = Callable[[float, np.random.Generator], Reading | None]
"""What a method would read where the gain is known; None where it would say nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """A method that may be run.

    Attributes:
        kind: Of two methods of one kind the later takes the earlier's place, as more pairs hold the fewer.
        reads: What it would read.
    """

    kind: str
    reads: Reads


@dataclass(frozen=True, slots=True)
class Bought:
    """What is expected after a method.

    Attributes:
        probability: That the recommendation will have the lower loss.
        regret: Expected, as a share of Add's loss.
    """

    probability: float
    regret: float


def expected(belief: Belief, steps: Sequence[Step], *, seed: int = 0) -> tuple[Bought, ...]:
    """What is expected of the recommendation after each of some methods, one behind the other.

    Args:
        belief: Before them.
        steps: In the order in which they would be run.
        seed: Of what is drawn.

    Returns:
        One entry before the first step, and one after each.

    Examples:
        >>> from addcat.evidence.readings import prior
        >>> before, after = expected(prior(), [of_pairs(Stage("fresh", 1.0, 8), examples=500)])
        >>> before.regret > 2 * after.regret, after.probability > before.probability
        (True, True)
    """
    rng, total = np.random.default_rng(seed), np.cumsum(belief.mass)
    places = np.searchsorted(total, (np.arange(DRAWS) + 0.5) / DRAWS)
    found = np.zeros((len(steps) + 1, 2))
    for gain in POINTS[np.minimum(places, len(POINTS) - 1)]:
        heard: dict[str, Reading] = {}
        found[0] += _worth(belief)
        for place, step in enumerate(steps, 1):
            reading = step.reads(float(gain), rng)
            if reading is not None:
                heard[step.kind] = reading
            after = belief
            for one in heard.values():
                after = after.told(one)
            found[place] += _worth(after)
    return tuple(Bought(float(right), float(regret)) for right, regret in found / DRAWS)


def of_pairs(stage: Stage, *, examples: int, redrawn: float = 0.0) -> Step:
    """Pairs of one stage.

    Args:
        stage: How they start, how long they run, and how many.
        examples: Distinct held-out examples.
        redrawn: Share of the training examples that each pair draws; 0 where all train on the same.
    """

    def reads(gain: float, rng: np.random.Generator) -> Reading:
        shown = gain
        if stage.share < 1 and stage.kind != "beside":  # the side before the size: read as a range of multiples
            shown = gain / _between(read(1.0), rng)
        return _erred(read(shown), rng)

    def read(shown: float) -> Reading:
        contrast = Contrast(shown, SEEDS, SPREAD**2 / max(examples, 1), stage.pairs, 1.0, math.exp(-shown), redrawn)
        if stage.kind == "beside":
            return read_beside("add", contrast, 0.0, 0.0, 0.0)
        return read_pairs(stage.kind, stage.share, contrast, WAY)

    return Step(stage.kind, reads)


def of_score(examples: int) -> Step:
    """The untying score, which sees some of a gain and nothing where there is none.

    Args:
        examples: Held-out examples that it would take.
    """
    error = ERROR / max(examples, 1) ** 0.5

    def reads(gain: float, rng: np.random.Generator) -> Reading | None:
        seen = float(share_of(max(gain, 0.0))) * rng.uniform() + error * rng.standard_normal()
        return read_score(seen, error, examples)

    return Step("score", reads)


def of_kernel(examples: int) -> Step:
    """An infinitely wide head on the branches as they are.

    Args:
        examples: Held-out examples that would judge it.
    """
    error = ERROR / max(examples, 1) ** 0.5
    return Step("kernel", lambda gain, rng: _erred(read_kernel(gain, error, WAY), rng))


def of_tie(examples: int) -> Step:
    """Tying a Concatenate by regression.

    Args:
        examples: Held-out examples that it would take.
    """
    error = ERROR / max(examples, 1) ** 0.5

    def reads(gain: float, rng: np.random.Generator) -> Reading:
        return _erred(read_tie(gain / _between(read_tie(1.0, error), rng), error), rng)

    return Step("tie", reads)


def of_order(examples: int) -> Step:
    """What the order of added branches tells.

    Args:
        examples: Held-out examples that it would take.
    """

    def reads(gain: float, rng: np.random.Generator) -> Reading | None:
        return read_order(float(not _told(gain, rng)), 1.0, examples)

    return Step("order", reads)


def of_swap(_: int) -> Step:
    """Exchanging the branches of a Concatenate."""

    def reads(gain: float, rng: np.random.Generator) -> Reading:
        return read_swap(float(_told(gain, rng)))

    return Step("swap", reads)


def _told(gain: float, rng: np.random.Generator) -> bool:
    """Whether the order of the branches is seen to matter."""
    return bool(rng.uniform() < (TOLD if gain > MATTERS else FALSELY_TOLD))


def _between(reading: Reading, rng: np.random.Generator) -> float:
    """A multiple of what a method shows, where it reads a one as a range of them."""
    low, high = reading.gain, reading.gain if reading.upto is None else reading.upto
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _erred(reading: Reading, rng: np.random.Generator) -> Reading:
    """A reading moved by an error of the size that it admits, or one that has nothing to do with the gain."""
    error = float(rng.standard_t(min(reading.noise.degrees, 1e6))) * reading.noise.variance**0.5
    if rng.uniform() < reading.lapse:
        error = rng.uniform(-0.5, 0.5) - reading.gain
    return replace(reading, gain=reading.gain + error, upto=None if reading.upto is None else reading.upto + error)


def _worth(belief: Belief) -> tuple[float, float]:
    """Probability that the better choice is right, and its regret."""
    regret, choice = min((belief.regret(choice), choice) for choice in ("add", "concat"))
    above = belief.above(0.0)
    return (above if choice == "concat" else 1 - above), regret
