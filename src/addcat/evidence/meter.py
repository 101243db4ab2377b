"""What evidence costs, and what may still be spent.

The unit is one training of the given network: its recipe's steps of so many examples each, a step counted as three
passes (one forward, two back). A pass of another network counts by its multiply-adds. Everything that computes on
examples is counted, evaluations too. Compilation is no arithmetic and depends on the machine: it is in the seconds,
which a budget in seconds counts to the last. A budget in trainings is one in seconds too, as soon as a training was
timed: so many trainings' time, with compilation, or `LEAST_SECONDS` where that is more.
"""

import math
import time
from dataclasses import dataclass, field

from addcat.doors.recipe import Plan, Recipe
from addcat.graph import Graph
from addcat.graph.cost import parameters, total_multiply_adds

LEAST_SECONDS = 120.0
"""What a question may take, however short trainings are: small networks take longer to compile than to train."""
STEP = 3
"""Passes that a step costs for each of its examples."""


def relative_cost(graph: Graph, given: Graph) -> float:
    """Cost of a pass of one network in passes of another, by multiply-adds; by parameters where those are unknown."""
    ours, theirs = (total_multiply_adds(one) for one in (graph, given))
    if not ours[0] or not theirs[0] or ours[1] or theirs[1]:
        return max(parameters(graph), 1) / max(parameters(given), 1)
    return ours[0] / theirs[0]


def run_cost(plan: Plan, held: int, recipe: Recipe, relative: float = 1.0) -> float:
    """Trainings of the given network that one run costs, evaluations included.

    Args:
        plan: Of the run.
        held: Examples that each evaluation judges.
        recipe: Of the given network.
        relative: Cost of a pass of the trained network in passes of the given one.

    Examples:
        >>> run_cost(Plan(50, 2, 32), 480, Recipe(None, 200, 32, ""))
        0.55
    """
    passes = STEP * plan.steps * plan.batch + plan.evaluations * held
    return relative * passes / (STEP * recipe.steps * recipe.batch)


@dataclass(slots=True)
class Meter:
    """What may be spent and what was.

    Attributes:
        recipe: Of the given network, whose training is the unit.
        trainings: Allowed, in trainings of the given network; infinite where only seconds count.
        deadline: In seconds of `time.monotonic`; infinite where only trainings count, and none of them was timed.
        spent: Trainings spent.
        started: In seconds of `time.monotonic`.
        begun: When this question was begun, which may be one of several; its least seconds count from here.
    """

    recipe: Recipe
    trainings: float
    deadline: float
    spent: float = 0.0
    started: float = field(default_factory=time.monotonic)
    begun: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Trainings left."""
        return self.trainings - self.spent

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds spent."""
        return time.monotonic() - self.started

    def timed(self, training: float) -> None:
        """Hold a budget in trainings to the time that they take.

        Args:
            training: Seconds of one training of the given network.

        Examples:
            >>> meter = Meter(Recipe(None, 200, 32, ""), 2.0, math.inf, started=1000.0, begun=1000.0)
            >>> meter.timed(200.0)
            >>> meter.deadline
            1400.0
        """
        if math.isfinite(self.trainings):
            until = max(self.begun + LEAST_SECONDS, self.started + self.trainings * training)
            self.deadline = min(self.deadline, until)

    def affords(self, trainings: float, seconds: float = 0.0) -> bool:
        """Whether so much is left."""
        return trainings <= self.left + 1e-9 and seconds <= self.seconds_left

    def passes(self, examples: int, relative: float = 1.0) -> float:
        """Cost of passes over so many examples, in trainings."""
        return relative * examples / (STEP * self.recipe.steps * self.recipe.batch)

    def examples_for(self, trainings: float, passes: float) -> int:
        """How many examples a number of trainings pays for, at so many passes each."""
        if math.isinf(trainings):
            return 2**31
        return max(0, int(trainings * STEP * self.recipe.steps * self.recipe.batch / passes))
