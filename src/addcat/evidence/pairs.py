"""Paired runs of both arms: of a share of the steps, from one of several starts, added to what was run before.

Arms are written and compiled once and serve every share and every start. Runs of one stage are kept, so that more pairs
of it add to the earlier ones.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays
from addcat.data.metrics import measured
from addcat.doors.judged import cross_fitted
from addcat.doors.recipe import FEWEST_ROOM, MOST_EVALUATIONS, Plan, divided, plan
from addcat.errors import DataError, OutOfTimeError
from addcat.evidence.beside import as_run, late_and_rest
from addcat.evidence.contrast import Contrast, contrast
from addcat.evidence.decision import require_trained
from addcat.evidence.measures import MetricGain, metric_gain
from addcat.evidence.meter import STEP, Meter, relative_cost, run_cost
from addcat.evidence.problem import Problem
from addcat.evidence.readings import read_beside, read_pairs
from addcat.evidence.starts import Kind, starts_of
from addcat.graph import Graph, Refusal
from addcat.statistics.belief import Reading
from addcat.trials.race import Race, race

Losses = NDArray[np.float64]

SHORT_LOOKS = 4
"""Evaluations of a run of a share of the steps, where they cost little beside them."""
JUDGING, JUDGING_SHORT = 0.5, 0.1
"""An evaluation after each pass, as long as all of them cost at most so much of the steps; less of a short run."""
BOTH = 0.75
"""Time of two arms at once, as a share of one after the other, on two cores."""
CAREFUL = 1.5
"""Predicted seconds are stretched so much before they are held against a deadline."""
SLOW = 0.5
"""Pairs that take longer than so many seconds are trained one by one, with a look at the clock before each."""
WORTHWHILE = 2.0
"""A program that trains many at once is compiled for pairs that would take so many times as long one by one."""
COMPILING = 8.0
"""Seconds to compile the training of a network, in seconds that its first forward pass took."""
SEEDS = 1000
"""Seeds of one user seed; those of the next begin behind them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Pairs to train.

    Attributes:
        kind: How they start.
        share: Of the recipe's steps.
        pairs: How many there are to be, those run before included.
    """

    kind: Kind
    share: float
    pairs: int


def begun(problem: Problem, share: float) -> Plan:
    """The beginning of a whole run: a schedule of the learning rate does not run through, as far as it goes."""
    steps = max(1, round(share * problem.recipe.steps))
    looks = divided(steps, min(steps, SHORT_LOOKS), SHORT_LOOKS)
    whole = plan_of(problem, 1.0).steps
    return Plan(min(steps, whole) // looks, looks, problem.recipe.batch, problem.redrawn or 1.0, begins=whole)


def plan_of(problem: Problem, share: float) -> Plan:
    """Steps and evaluations of a run of a share of the recipe's steps."""
    recipe, held = problem.recipe, problem.held.count
    steps = max(1, round(share * recipe.steps))
    steps_in_passes = STEP * steps * recipe.batch / held
    if share >= 1:
        affordable = max(SHORT_LOOKS, int(JUDGING * steps_in_passes))
        wanted = plan(recipe, problem.data.count, steps).evaluations
    else:
        affordable, wanted = max(1, int(JUDGING_SHORT * steps_in_passes)), SHORT_LOOKS
    # a trainer has room for the evaluations of its whole plan, or a few
    room = affordable if share >= 1 else min(affordable, max(plan_of(problem, 1.0).evaluations, FEWEST_ROOM))
    evaluations = divided(steps, min(wanted, room), min(room, MOST_EVALUATIONS))
    return Plan(steps // evaluations, evaluations, recipe.batch, problem.redrawn or 1.0)


class Pairs:
    """Trains pairs of both arms and remembers what came out.

    Args:
        problem: The merges.
        arms: Architectures by "add" and "concat".
        meter: Charged for every run.
        first_pass: Seconds that the first forward pass of the given network took, compilation included.
    """

    def __init__(self, problem: Problem, arms: dict[str, Graph], meter: Meter, first_pass: float) -> None:
        self._problem, self._arms, self._meter, self._first_pass = problem, arms, meter, first_pass
        self.relative = {name: relative_cost(graph, problem.root) for name, graph in arms.items()}
        self._race: Race | None = None
        self._step: dict[str, float] = {}
        self._compiled: set[bool] = set()
        self._found: dict[tuple[Kind, float], dict[str, list[Losses]]] = {}
        self._metrics: dict[tuple[Kind, float], dict[str, list[Mapping[str, float]]]] = {}
        self._distinct, self._crossed = problem.held.distinct(), problem.held.crossed()
        self._slower, self._took_to_compile = 1.0, 0.0
        self._tail = (0.0, 0.0)

    @property
    def whole(self) -> Problem:
        """The question, with the held-out examples that judge the pairs."""
        return self._problem

    def plan(self, share: float) -> Plan:
        """Steps and evaluations of a run of a share of the steps."""
        return plan_of(self._problem, share)

    def _plan(self, stage: Stage) -> Plan:
        return begun(self._problem, stage.share) if stage.kind == "beside" else self.plan(stage.share)

    def _trained(self, stage: Stage) -> tuple[str, ...]:
        """The arms that a stage trains; beside the given network only the other."""
        return tuple(name for name in self._arms if stage.kind != "beside" or name != self._problem.now)

    def pairs(self, stage: Stage) -> int:
        """How many pairs of this kind and share there are already."""
        found = self._found.get((stage.kind, stage.share))
        return len(found["add"]) if found else 0

    def cost(self, stage: Stage) -> float:
        """Trainings of the given network that the stage's missing pairs cost."""
        run, recipe = self._plan(stage), self._problem.recipe
        missing = max(0, stage.pairs - self.pairs(stage))
        held = self._problem.held.count
        return missing * sum(run_cost(run, held, recipe, self.relative[name]) for name in self._trained(stage))

    def seconds(self, stage: Stage) -> float:
        """What it is reckoned to take; compiling included, where that is still to be done."""
        missing = max(0, stage.pairs - self.pairs(stage))
        if not self._step:
            return CAREFUL * 2 * self.compiling_seconds()
        fresh = 0.0 if (missing > 2) in self._compiled else self.compiling_seconds()
        return CAREFUL * self.running_seconds(stage) + fresh

    def compiling_seconds(self) -> float:
        """What it is reckoned to take to compile the training of one arm; what it took, once it was done."""
        return self._took_to_compile or COMPILING * max(self._first_pass, 0.1)

    def running_seconds(self, stage: Stage) -> float:
        """What the stage's missing pairs take to run, once all is compiled and a step was timed."""
        missing = max(0, stage.pairs - self.pairs(stage))
        return missing * self._reckoned(stage) * self._slower

    def _reckoned(self, stage: Stage) -> float:
        """Seconds of one pair, by its steps."""
        arms = self._trained(stage)
        return (BOTH if len(arms) > 1 else 1.0) * self._plan(stage).steps * sum(self._step[name] for name in arms)

    def reckoned_seconds(self) -> float | None:
        """Time of one training of the given network where its steps are too short to be timed, else None."""
        return self.training_seconds() if self._made().at_once > 1 else None

    def training_seconds(self) -> float:
        """Time of one training of the given network, from a few of its steps."""
        self._ready()
        return self._problem.recipe.steps * self._step[self._problem.now]

    def run(self, stage: Stage) -> Contrast:
        """Train the stage's missing pairs, or as many of them as the clock allows, one at least.

        Args:
            stage: What to run.

        Returns:
            The contrast of all its pairs.

        Raises:
            DataError: if there are no such starts, training went to NaN, or the time ended before the first pair did.
        """
        found = self._found.setdefault((stage.kind, stage.share), {"add": [], "concat": []})
        while (missing := stage.pairs - self.pairs(stage)) > 0:
            one = replace(stage, pairs=self.pairs(stage) + 1)
            self._ready()
            alone = self.one_by_one(stage)
            if found["add"] and alone and CAREFUL * self.running_seconds(one) > self._meter.seconds_left:
                break  # the clock ran faster than was reckoned
            try:
                self._train(one if alone else stage, 1 if alone else missing)
            except OutOfTimeError:
                if found["add"]:
                    break
                raise DataError(
                    "The time ended while the first pair was being trained, which took longer than was reckoned; "
                    "give more time."
                ) from None
        return self.contrast(stage)

    def one_by_one(self, stage: Stage) -> bool:
        """Whether to train the stage's missing pairs one after the other.

        So the clock is looked at between slow ones. Where one program trains many at once, it is compiled for what
        takes longer than compiling it, as there is time.
        """
        running = self.running_seconds(stage)
        slow = self.running_seconds(replace(stage, pairs=self.pairs(stage) + 1)) > SLOW
        if self._ready().at_once == 1:
            return slow
        if CAREFUL * running > self._meter.seconds_left:
            return True
        if True in self._compiled:
            return False
        return (slow or False in self._compiled) and running <= WORTHWHILE * self.compiling_seconds()

    def _train(self, stage: Stage, missing: int) -> None:
        """Train the last `missing` pairs of a stage by one call."""
        found = self._found[stage.kind, stage.share]
        seeds = [self._problem.seed * SEEDS + number + 1 for number in range(stage.pairs - missing, stage.pairs)]
        ready = self._ready()
        starts = self._starts(stage, seeds)
        cost, began = self.cost(stage), time.monotonic()
        reckoned = len(seeds) * self._reckoned(stage)
        try:
            curves = self._curves(ready, stage, seeds, starts)
        except OutOfTimeError:
            self._meter.spent += cost * min((time.monotonic() - began) / max(reckoned, 1e-9), 1.0)
            raise
        if stage.kind == "beside":
            self._tail = late_and_rest(curves[self._trained(stage)[0]], stage.share)
        took = time.monotonic() - began
        if (many := len(seeds) > 2) not in self._compiled:
            self._took_to_compile = max(took - reckoned, 0.0)
        elif reckoned > 0:
            self._slower = max(took / reckoned, 0.05)
        self._compiled.add(many)
        self._meter.spent += cost
        for name, runs in curves.items():
            losses = [cross_fitted(curve) for curve in runs]
            for one in losses:
                require_trained(one, self._problem.merge.site)
            found[name] += losses

    def _curves(
        self, ready: Race, stage: Stage, seeds: list[int], starts: dict[str, list[Arrays]]
    ) -> Mapping[str, Sequence[Losses]]:
        """Train, and measure what is to be reported beside the loss."""
        problem, trained = self._problem, self._trained(stage)
        run = replace(self._plan(stage), until=self._meter.deadline)
        some = replace(ready, arms={name: ready.arms[name] for name in trained})
        given = {} if problem.now in trained else {problem.now: [as_run(problem)] * len(seeds)}
        if not problem.metrics:
            curves = some.run_many(seeds, starts, run)
            return {**curves, **{name: [one.curve for one in runs] for name, runs in given.items()}}
        runs, forms = {**some.run_judged(seeds, starts, run), **given}, problem.door.forms(problem.losses)
        known = self._metrics.setdefault((stage.kind, stage.share), {"add": [], "concat": []})
        for name, judged in runs.items():
            known[name] += [measured(problem.metrics, problem.held.targets, one.outputs, forms)[0] for one in judged]
        return {name: [one.curve for one in judged] for name, judged in runs.items()}

    def metrics(self, stage: Stage) -> tuple[MetricGain, ...]:
        """What the stage's pairs give of each metric; of pairs both of whose arms have a finite value."""
        found = self._metrics.get((stage.kind, stage.share), {"add": [], "concat": []})
        values = {
            one.name: np.array([[run[one.name] for run in found[name]] for name in ("add", "concat")], np.float64)
            for one in self._problem.metrics
        }
        drawn = self._problem.redrawn
        made = (metric_gain(name, two, stage.share, redrawn=drawn) for name, two in values.items())
        return tuple(one for one in made if one is not None)

    def contrast(self, stage: Stage) -> Contrast:
        """What all pairs of the stage's kind and share say."""
        return contrast(*self.losses(stage), self._distinct, crossed=self._crossed, redrawn=self._problem.redrawn)

    def reading(self, stage: Stage, found: Contrast, way: float) -> Reading:
        """What a stage that was run says of the gain.

        Args:
            stage: Which.
            found: Its contrast.
            way: How far the run's own arm is from the given network, in log loss; beside it, how far heads are.
        """
        if stage.kind == "beside":
            return read_beside(self._problem.now, found, way, *self._tail)
        return read_pairs(stage.kind, stage.share, found, way)

    def losses(self, stage: Stage) -> tuple[Losses, Losses]:
        """Held-out losses of Add and of Concatenate, of shape (pairs, examples)."""
        found = self._found[stage.kind, stage.share]
        return np.stack(found["add"]), np.stack(found["concat"])

    def _ready(self) -> Race:
        """What trains, its steps timed."""
        made = self._made()
        if not self._step:
            self._step = made.step_seconds()
            self._meter.timed(self._problem.recipe.steps * self._step[self._problem.now])
        return made

    def _made(self) -> Race:
        if self._race is None:
            p = self._problem
            whole = self.plan(1.0)
            self._race = race(p.door, self._arms, p.recipe, whole, p.data, p.held, p.losses, seed=p.seed)
        return self._race

    def _starts(self, stage: Stage, seeds: list[int]) -> dict[str, list[Arrays]]:
        arms = {name: self._arms[name] for name in self._trained(stage)}
        starts: dict[str, list[Arrays]] = {name: [] for name in arms}
        for seed in seeds:
            one = starts_of(self._problem, arms, stage.kind, seed)
            if isinstance(one, Refusal):
                raise DataError(f"{one.site!r}: {one.reason}.")
            for name, arrays in one.items():
                starts[name].append(arrays)
        return starts
