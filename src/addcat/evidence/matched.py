"""Pairs where arms are to be alike in more than their widths: full ones so, all shorter ones at equal widths.

The readers of a Concatenate are narrower where it may have no more parameters than Add. In a run of a share of the
steps narrower networks are behind for that alone, and most of it is gone by the end: on 24 tasks the gain of full
pairs is lower by 0.03 of the log loss on average, while short pairs of such arms called Add where Concatenate gained
a fifth. So what is short is asked at equal widths, where it was fitted, and read with that difference
(`readings.at_equal_widths`).
"""

from dataclasses import replace

from addcat.errors import DataError
from addcat.evidence.arms import untrained_arms
from addcat.evidence.contrast import Contrast
from addcat.evidence.measures import MetricGain
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import Losses, Pairs, Stage
from addcat.evidence.problem import Problem
from addcat.graph import Refusal
from addcat.statistics.belief import Reading


def at_widths(problem: Problem) -> Problem:
    """The same question at equal widths."""
    return problem if problem.match == "widths" else replace(problem, match="widths")


def is_full(stage: Stage) -> bool:
    """Whether a stage is both arms trained anew for all of the steps."""
    return stage.kind == "fresh" and stage.share >= 1


class Matched:
    """Trains full pairs under the budget of the question, and others at equal widths.

    Args:
        full: Trains the full ones.
        short: Trains the others.
    """

    def __init__(self, full: Pairs, short: Pairs) -> None:
        self._full, self._short = full, short

    @property
    def whole(self) -> Problem:
        """The question, with the held-out examples that judge the pairs."""
        return self._full.whole

    @property
    def relative(self) -> dict[str, float]:
        """Cost of a pass of each arm at equal widths, in passes of the given network."""
        return self._short.relative

    def runner(self, stage: Stage) -> Pairs:
        """What trains a stage."""
        return self._full if is_full(stage) else self._short

    def cost(self, stage: Stage) -> float:
        """See `Pairs.cost`."""
        return self.runner(stage).cost(stage)

    def seconds(self, stage: Stage) -> float:
        """See `Pairs.seconds`."""
        return self.runner(stage).seconds(stage)

    def running_seconds(self, stage: Stage) -> float:
        """See `Pairs.running_seconds`."""
        return self.runner(stage).running_seconds(stage)

    def one_by_one(self, stage: Stage) -> bool:
        """See `Pairs.one_by_one`."""
        return self.runner(stage).one_by_one(stage)

    def compiling_seconds(self) -> float:
        """See `Pairs.compiling_seconds`."""
        return self._full.compiling_seconds()

    def training_seconds(self) -> float:
        """See `Pairs.training_seconds`; both are made ready."""
        self._full.training_seconds()
        return self._short.training_seconds()

    def run(self, stage: Stage) -> Contrast:
        """See `Pairs.run`."""
        return self.runner(stage).run(stage)

    def reading(self, stage: Stage, found: Contrast, way: float) -> Reading:
        """See `Pairs.reading`."""
        return self.runner(stage).reading(stage, found, way)

    def metrics(self, stage: Stage) -> tuple[MetricGain, ...]:
        """See `Pairs.metrics`."""
        return self.runner(stage).metrics(stage)

    def losses(self, stage: Stage) -> tuple[Losses, Losses]:
        """See `Pairs.losses`."""
        return self.runner(stage).losses(stage)


Runs = Pairs | Matched


def runs_of(full: Pairs, problem: Problem, meter: Meter, first_pass: float) -> Runs:
    """What trains all stages of a question.

    Args:
        full: Trains pairs under the budget of the question.
        problem: The question.
        meter: Charged for every run.
        first_pass: Seconds that the first forward pass of the network took.

    Raises:
        DataError: if the other merge cannot be built at equal widths.
    """
    if problem.match == "widths":
        return full
    wide = at_widths(problem)
    arms = untrained_arms(wide)
    if isinstance(arms, Refusal):
        raise DataError(f"{arms.site!r} cannot be trained with the other merge: {arms.reason}.")
    return Matched(full, Pairs(wide, arms, meter, first_pass))
