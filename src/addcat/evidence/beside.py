"""The other arm beside the given network: what one training buys, where the network is a run of its own arm already.

A pair costs two trainings. The given network is one half of a pair that somebody has paid for, so the other arm alone,
trained by the same recipe, says what the pair would, less what both halves have in common. On 50 networks of 25 tasks
whose branches share their weights, four fifths of a run lay as near to the truth as all of it did: by then the learning
rate has gone down. So a run that the budget does not pay for in full is the beginning of one, not a shorter one.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays
from addcat.doors.judged import Judged, cross_fitted
from addcat.evidence.problem import Problem

Losses = NDArray[np.float64]


def as_run(problem: Problem) -> Judged:
    """The given network as a run that was looked at once, at its end; outputs where metrics are to be measured."""
    outputs: Arrays = []
    if problem.metrics:
        outputs = problem.door.predictions(problem.door.write(problem.root), problem.held)
    return Judged(problem.losses_on(problem.held)[None], outputs)


def late_and_rest(curves: Sequence[Losses], share: float) -> tuple[float, float]:
    """What the log loss of some runs rose from its best point to its last, and what is left for it to fall.

    The fall between the last two looks goes on as a power of the steps: as much for each factor of their number.

    Args:
        curves: One for each run, of shape (evaluations, examples).
        share: Of a whole run that they took.

    Returns:
        Both, 0 or more; 0 where a mean loss is not positive.

    Examples:
        Halved between 2 and 4 parts of a run that would have 8:

        >>> curve = np.array([[0.4], [0.2], [0.15], [0.1]])
        >>> late, rest = late_and_rest([curve[[1, 3]]], 0.5)
        >>> late, round(rest / math.log(2), 3)
        (0.0, 1.0)
    """
    last = np.array([curve[-1].mean() for curve in curves])
    best = np.array([cross_fitted(curve).mean() for curve in curves])
    before = np.array([curve[-2:][0].mean() for curve in curves])
    if min(last.min(), best.min(), before.min()) <= 0:
        return 0.0, 0.0
    looks = len(curves[0])
    late, fall = (max(float(np.log(above / below).mean()), 0.0) for above, below in ((last, best), (before, last)))
    return late, fall * math.log(1 / share) / math.log(looks / (looks - 1)) if looks > 1 else 0.0
