"""Is one model faster than another? Interleaved runs, paired, and an interval of the ratio.

The two run in turn, the order of each pair alternating, so that whatever else the machine does hits both alike. Of the
ratios of the pairs the median is taken, and its distribution-free interval: for n pairs, the k-th smallest and largest,
with k from the binomial distribution (Conover, Practical Nonparametric Statistics, 3rd ed., 3.2). Slow outliers, which
every machine has, move neither.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, log2
from typing import Any

import numpy as np
import scipy.special

from addcat.errors import AddcatError
from addcat.report.rows import counted, seconds_text

special: Any = scipy.special  # its types are partial
LEVEL = 0.99
LOOKS = (8, 16, 32, 64)
"""Numbers of pairs at which a measurement may stop. At 8 pairs the 99 % interval goes from smallest to largest."""
Clock = Callable[[], float]
SHORTEST = 0.002
"""Seconds that one timing takes at least; shorter runs are repeated."""


class UndecidedError(AddcatError):
    """A comparison that ended before it could say anything: the runs are too long, or the machine too busy."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Time of one model as a share of another's.

    Attributes:
        estimate: Median of the ratios of the pairs; below 1 where the new one is faster.
        low: Lower end of its interval.
        high: Upper end.
        pairs: How many pairs were run.
        old: Median seconds of one run of the old model.
        new: Median seconds of one run of the new model.
    """

    estimate: float
    low: float
    high: float
    pairs: int
    old: float
    new: float

    @property
    def faster(self) -> bool:
        """Whether the new one is faster, beyond the noise."""
        return self.high < 1.0

    @property
    def slower(self) -> bool:
        """Whether the new one is slower, beyond the noise."""
        return self.low > 1.0


def interleave(
    old: Callable[[], object],
    new: Callable[[], object],
    *,
    limit: float = 1.0,
    level: float = LEVEL,
    clock: Clock = time.perf_counter,
    stop_early: bool = True,
    worth: float = 1.0,
    most: float = inf,
) -> Ratio:
    """Time two runs against each other.

    Args:
        old: One run of the model to compare with.
        new: One run of the other.
        limit: Seconds after which no more pairs are added; eight are run in any case.
        level: Of the interval.
        clock: `time.perf_counter`, or `time.process_time` where the runs use one thread.
        stop_early: Whether to stop once the interval lies below 1 or above `worth`. That decides sooner, and
            overstates what is seen by chance; a ratio that is reported is better taken over all pairs.
        worth: The largest ratio that is of interest.
        most: Seconds after which no pair is begun, whatever is decided by then; counted from when both have run, since
            a first run may compile.

    Returns:
        The ratio new / old.

    Raises:
        UndecidedError: if `most` seconds were too few for an interval of that level.
    """
    begun = time.perf_counter()
    first = [_seconds(run, 1, clock) for run in (old, new)]
    end = time.perf_counter() + most
    slowest = max(*first, *(_seconds(run, 1, clock) for run in (old, new)))
    repeats = max(1, int(np.ceil(SHORTEST / max(slowest, 1e-9))))
    times: list[tuple[float, float]] = []
    result = None
    for pairs in LOOKS:
        while len(times) < pairs and time.perf_counter() < end:
            if len(times) % 2:
                after = _seconds(new, repeats, clock)
                times.append((_seconds(old, repeats, clock), after))
            else:
                before = _seconds(old, repeats, clock)
                times.append((before, _seconds(new, repeats, clock)))
            if len(times) >= LOOKS[0] and time.perf_counter() - begun > limit:
                break
        if len(times) < fewest(level):
            raise UndecidedError(
                f"Not decided: {counted(len(times), 'pair')} of runs in {seconds_text(max(most, 0.0))}, where "
                f"{fewest(level)} are needed. A longer time limit, or a machine that is less busy, decides it."
            )
        result = ratio_of(times, level)
        decided = stop_early and (result.faster or result.low > worth)
        if decided or len(times) < pairs or time.perf_counter() - begun > limit:
            break
    assert result is not None  # noqa: S101
    return result


def fewest(level: float) -> int:
    """Pairs without which there is no interval of a level: from the smallest to the largest is not wide enough.

    Examples:
        >>> fewest(0.9), fewest(0.99)
        (5, 8)
    """
    return ceil(log2(2 / (1 - level)))


def ratio_of(times: list[tuple[float, float]], level: float = LEVEL) -> Ratio:
    """The ratio and its interval from pairs of (old, new) seconds.

    Examples:
        >>> ratio_of([(1.0, 0.5)] * 8).estimate
        0.5
    """
    array = np.asarray(times)
    ratios = np.sort(array[:, 1] / array[:, 0])
    n = len(ratios)
    # the largest k with P(at most k heads of n fair coins) <= (1 - level) / 2
    below = special.bdtr(np.arange(n), n, 0.5)
    k = max(int(np.searchsorted(below, (1 - level) / 2)) - 1, 0)
    old, new = np.median(array, axis=0)
    return Ratio(float(np.median(ratios)), float(ratios[k]), float(ratios[n - 1 - k]), n, float(old), float(new))


def _seconds(run: Callable[[], object], repeats: int, clock: Clock) -> float:
    begun = clock()
    for _ in range(repeats):
        run()
    return (clock() - begun) / repeats
