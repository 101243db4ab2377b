"""From curves of held-out losses to one paired difference, its interval, and the side of the margin it lies on.

Each run is judged at its best evaluation, which one half of the held-out examples chooses for the other
(`addcat.doors.judged.cross_fitted`).
"""

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Examples
from addcat.errors import DataError
from addcat.evidence.contrast import collapsed
from addcat.evidence.result import Evidence
from addcat.statistics import Interval, crossed_interval
from addcat.statistics.crossing import crossing

Curves = NDArray[np.float64]


def require_trained(losses: NDArray[np.float64], site: str) -> None:
    """Check the held-out losses of a training run.

    Raises:
        DataError: if one is not finite.
    """
    if not np.isfinite(losses).all():
        raise DataError(f"{site!r}: training gave NaN. Check the data, or lower the learning rate.")


LEVELS = ((4, 0.995), (8, 0.97), (16, 0.95), (32, 0.90))
"""From so many pairs on, the level of the interval that must clear the margin. Each end of an interval is a claim of
its own, so looks at 4, 8, 16 and 32 pairs spend 0.25 + 1.5 + 2.5 + 5 = 9.25 % on a wrong verdict where the truth lies
right on the margin, and far less elsewhere: nine verdicts of ten hold. Early looks get little of it, because with few
pairs the spread between seeds is itself poorly known; fewer than 4 pairs never decide. A run that the clock cuts short
takes its last look at the level that it has reached."""


def proven(pairs: int) -> float:
    """Probability that a side which so many full pairs prove is the better one: one end of the interval alone can err.

    Args:
        pairs: At least as many as the first look takes.

    Examples:
        >>> proven(4), proven(10)
        (0.9975, 0.985)
    """
    return (1 + [level for fewest, level in LEVELS if pairs >= fewest][-1]) / 2


def side(gain: Interval, threshold: float) -> str:
    """On which side of the margin an interval lies.

    Add is the cheaper merge, so a gain below the margin speaks for it.

    Args:
        gain: Interval of the loss of Add minus that of Concatenate.
        threshold: The margin, times the loss that it is a share of.

    Returns:
        "concat" above, "add" below, "undecided" across.

    Examples:
        >>> side(Interval(0.3, 0.2, 0.4, 0.9, 4), 0.02), side(Interval(0.0, -0.01, 0.01, 0.9, 4), 0.02)
        ('concat', 'add')
    """
    if gain.low > threshold:
        return "concat"
    return "add" if gain.high < threshold else "undecided"


def beyond(found: Evidence, loss: float, lowest: float) -> bool:
    """Whether an estimate says that Concatenate gains more than there is to gain.

    Args:
        found: Evidence with an estimate in units of the loss.
        loss: Of Add.
        lowest: The least that the loss can be.

    Examples:
        >>> gain = Interval(1.4, 1.3, 1.5, 0.95, 9)
        >>> found = Evidence.of(gain, start=0.0, method="score", question="from here", words="")
        >>> beyond(found, 1.0, 0.0), beyond(found, 1.0, float("-inf")), beyond(found, 1.5, 0.0)
        (True, False, False)
    """
    return found.estimate is not None and found.estimate > loss - lowest


def decide(add: Curves, concat: Curves, held: Examples, margin: float, *, redrawn: float = 0.0) -> str:
    """Decide between paired runs: repeats are one observation, and what examples share of their inputs is counted.

    Args:
        add: Held-out losses of the Add arm, of shape (pairs, examples).
        concat: Of the Concatenate arm, the same.
        held: The held-out examples.
        margin: As a share of Add's mean loss.
        redrawn: Share of the training examples that each pair drew; 0 where all trained on the same.

    Returns:
        "add", "concat" or "undecided".
    """
    one, other, shared = _observed(add, concat, held)
    return choose(one, other, margin, redrawn=redrawn, shared=shared)


def of_pairs_alone(add: Curves, concat: Curves, held: Examples, *, redrawn: float = 0.0) -> Interval:
    """The interval of 95 % that the decision is made by, at a level of its own: it believes nothing beforehand.

    Args:
        add: Held-out losses of the Add arm, of shape (pairs, examples).
        concat: Of the Concatenate arm, the same.
        held: The held-out examples.
        redrawn: Share of the training examples that each pair drew; 0 where all trained on the same.
    """
    one, other, shared = _observed(add, concat, held)
    return crossed_interval(one - other, redrawn=redrawn, shared=shared)


def _observed(add: Curves, concat: Curves, held: Examples) -> tuple[Curves, Curves, float]:
    """Losses of what is one observation, and how many times larger their variance is for what they share."""
    distinct = held.distinct()
    shared = crossing((add - concat).mean(axis=0), distinct, held.crossed())
    return collapsed(add, distinct), collapsed(concat, distinct), shared


def choose(add: Curves, concat: Curves, margin: float, *, redrawn: float = 0.0, shared: float = 1.0) -> str:
    """Decide between paired runs.

    Args:
        add: Held-out losses of the Add arm, of shape (pairs, examples).
        concat: Of the Concatenate arm, the same.
        margin: As a share of Add's mean loss.
        redrawn: Share of the training examples that each pair drew; 0 where all trained on the same.
        shared: How many times larger the examples' variance is for what they share.

    Returns:
        "add", "concat" or "undecided".
    """
    reached = [level for pairs, level in LEVELS if len(add) >= pairs]
    if not reached:
        return "undecided"
    gain = crossed_interval(add - concat, level=reached[-1], redrawn=redrawn, shared=shared)
    return side(gain, margin * abs(float(add.mean())))
