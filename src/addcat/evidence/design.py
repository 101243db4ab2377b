"""Several merges, one question each, from the same pairs: a balanced design, run as far as a stage says.

Each pair trains a row of signs (-1 Add, +1 Concatenate) and its mirror, from one seed. With L the loss,

    D_i = log L(mirror of r_i) - log L(r_i) = sum_k r_ik g_k + noise,

so g_k, the gain of Concatenate at merge k averaged over what the others are, uses every pair (`statistics.factorial`).
An arm is made, trained and given up again, so that no more than one pair of networks is in memory.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays
from addcat.data.metrics import measured
from addcat.doors.recipe import Plan
from addcat.errors import DataError, OutOfTimeError
from addcat.evidence.arms import opened_anew
from addcat.evidence.baseline import constant_losses, learnt, mean_of
from addcat.evidence.contrast import Contrast, collapsed
from addcat.evidence.decision import require_trained
from addcat.evidence.measures import MetricGain, metric_gains
from addcat.evidence.meter import Meter, relative_cost, run_cost
from addcat.evidence.pairs import CAREFUL, COMPILING, SEEDS, Stage, plan_of
from addcat.evidence.problem import Problem
from addcat.evidence.starts import warmed
from addcat.graph import Graph, Refusal
from addcat.report.rows import counted
from addcat.statistics import balanced_design, main_effects
from addcat.statistics.crossing import crossing
from addcat.statistics.factorial import Signs
from addcat.statistics.interval import overlapping
from addcat.trials.arms import arm_graph
from addcat.trials.race import Race, race
from addcat.trials.trial import cross_fitted

Losses = NDArray[np.float64]
LEAST_DEGREES = 1
"""Pairs beyond the merges, so that the noise is seen at all."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a design says of one merge.

    Attributes:
        contrast: Its gain and the noise in it, as pairs of this merge alone would have it.
        way: Log loss that the runs still had to go, on average over all arms.
        learnt: Whether the arms do better than a constant, beyond noise.
        constant: Held-out loss of the best constant output.
        metrics: What was asked for beside the loss.
    """

    contrast: Contrast
    way: float
    learnt: bool = True
    constant: float | None = None
    metrics: tuple[MetricGain, ...] = ()


class Design:
    """A balanced design over some merges.

    Args:
        problem: The merges, as a family.
        stage: How its runs start and how long they are; `pairs` counts for nothing.

    Raises:
        OptionError: if there are more merges than a design takes.
        RefusedError: if a merge cannot be an Add.
        DataError: if one cannot be a Concatenate, or lies in a nested model where branches are to be kept.
    """

    def __init__(self, problem: Problem, stage: Stage) -> None:
        self._problem, self._stage = problem, stage
        nested = next((merge.site for merge in problem.merges if merge.site not in problem.root.nodes), None)
        if nested is not None and stage.kind != "fresh":
            raise DataError(f"{nested!r} lies in a nested model, whose parts cannot be kept apart.")
        self.rows: Signs = balanced_design(len(problem.merges))
        self.plan: Plan = plan_of(problem, stage.share)
        rungs = {merge.site: "add" for merge in problem.merges}
        self._add = arm_graph(problem.door, problem.root, rungs, seed=problem.seed)
        self._measured: list[tuple[Mapping[str, float], ...]] = []
        self._extremes = self._add, self._opened(abs(self.rows[0]), self._add)

    @staticmethod
    def compiling_seconds(merges: int, first_pass: float) -> float:
        """What it is reckoned to take to compile the arms of a design.

        Args:
            merges: How many it has.
            first_pass: Seconds that the first forward pass of the given network took, compilation included.

        Raises:
            OptionError: if there are more merges than a design takes.
        """
        return 2 * len(balanced_design(merges)) * COMPILING * max(first_pass, 0.1)

    @property
    def pairs(self) -> int:
        """How many pairs one run through the design takes, or two where one leaves too little to see the noise."""
        rows, factors = self.rows.shape
        return rows if rows - factors > LEAST_DEGREES else 2 * rows

    def cost(self) -> float:
        """Trainings of the given network that all pairs cost; a row and its mirror together cost as both extremes."""
        problem, recipe = self._problem, self._problem.recipe
        each = [
            run_cost(self.plan, problem.held.count, recipe, relative_cost(graph, problem.root))
            for graph in self._extremes
        ]
        return self.pairs * sum(each)

    def seconds(self, step: float, first_pass: float) -> float:
        """What it is reckoned to take, compiling included.

        Args:
            step: Seconds of a step of the given network.
            first_pass: Seconds that its first forward pass took, compilation included.
        """
        compiling = self.compiling_seconds(self.rows.shape[1], first_pass)
        return CAREFUL * (2 * self.pairs * self.plan.steps * step + compiling)

    def run(self, meter: Meter, given: float) -> tuple[Found, ...]:
        """Train the pairs, or as many as the clock allows.

        Args:
            meter: Charged for every pair.
            given: Held-out loss of the network as it is.

        Returns:
            One finding for each merge, in the order of the problem.

        Raises:
            DataError: if an arm does not start or train, or the clock allows too few pairs to tell the merges apart.
        """
        each, losses, signs = self.cost() / self.pairs, list[tuple[Losses, Losses]](), list[NDArray[np.int64]]()
        self._measured.clear()
        for number in range(self.pairs):
            began = time.monotonic()
            row = self.rows[number % len(self.rows)]
            meter.spent += each
            try:
                losses.append(self._pair(row, self._problem.seed * SEEDS + number + 1, meter.deadline))
            except OutOfTimeError:
                break
            signs.append(row)
            if CAREFUL * (time.monotonic() - began) > meter.seconds_left:
                break  # the clock ran faster than was reckoned
        rows = np.array(signs).reshape(-1, self.rows.shape[1])
        if len(rows) <= rows.shape[1] or np.linalg.matrix_rank(rows) < rows.shape[1]:
            raise DataError(
                f"The time ended after {counted(len(rows), 'pair')}, and that does not tell {rows.shape[1]} merges "
                "apart. Give more time."
            )
        constant = constant_losses(self._problem)
        taught = learnt(_sides(rows, losses), constant)
        held, drawn = self._problem.held, self._problem.redrawn
        found = findings(rows, losses, held.distinct(), given, crossed=held.crossed(), redrawn=drawn)
        metrics = self._metrics(rows)
        return tuple(
            replace(one, learnt=taught, constant=mean_of(constant), metrics=told)
            for one, told in zip(found, metrics, strict=True)
        )

    def _metrics(self, rows: Signs) -> list[tuple[MetricGain, ...]]:
        """What the pairs say of each metric, for each merge."""
        found, drawn = list[tuple[MetricGain, ...]](), self._problem.redrawn
        for metric in self._problem.metrics:
            values = np.array([[side[metric.name] for side in pair] for pair in self._measured], np.float64).T
            told = metric_gains(metric.name, rows, values, self._stage.share, redrawn=drawn)
            found += [] if told is None else [told]
        return [tuple(told[place] for told in found) for place in range(rows.shape[1])]

    def _pair(self, row: NDArray[np.int64], seed: int, until: float) -> tuple[Losses, Losses]:
        """Held-out losses of the mirror and of the row, each of shape (examples,), where they are trained in time."""
        p = self._problem
        arms = {name: self._opened(signs, self._add) for name, signs in (("mirror", -row), ("row", row))}
        ready = race(p.door, arms, p.recipe, plan_of(p, 1.0), p.data, p.held, p.losses, seed=p.seed)
        starts = {"mirror": [self._start(arms["mirror"], -row, seed)], "row": [self._start(arms["row"], row, seed)]}
        run = replace(self.plan, until=until)
        mirror, own = (cross_fitted(curve) for curve in self._curves(ready, seed, starts, run))
        for one in (mirror, own):
            require_trained(one, p.merge.site)
        return mirror, own

    def _curves(self, ready: Race, seed: int, starts: dict[str, list[Arrays]], run: Plan) -> list[Losses]:
        """Of the mirror and of the row; what is to be reported beside the loss is measured."""
        p = self._problem
        if not p.metrics:
            runs = ready.run_many([seed], starts, run)
            return [runs[name][0] for name in ("mirror", "row")]
        judged, forms = ready.run_judged([seed], starts, run), p.door.forms(p.losses)
        both = [judged[name][0] for name in ("mirror", "row")]
        self._measured.append(tuple(measured(p.metrics, p.held.targets, one.outputs, forms)[0] for one in both))
        return [one.curve for one in both]

    def _start(self, arm: Graph, row: NDArray[np.int64], seed: int) -> Arrays:
        """Weights of an arm: drawn anew; or the trained branches, what follows drawn anew and tied in every arm."""
        p = self._problem
        if self._stage.kind == "fresh":
            return p.door.state(p.door.write(arm, weights=False, seed=seed))
        add = p.door.read(p.door.write(self._add, weights=False, seed=seed))
        return p.door.state(p.door.write(self._opened(row, warmed(p, add))))

    def _opened(self, row: NDArray[np.int64], add: Graph) -> Graph:
        """The Add network with the merges of a row opened, each reader's kernel repeated."""
        p = self._problem
        some = tuple(merge for merge, sign in zip(p.merges, row, strict=True) if sign > 0)
        if not some:
            return add
        opened = opened_anew(replace(p, merge=some[0], family=some), add)
        if isinstance(opened, Refusal):
            raise DataError(f"{opened.site!r} cannot be trained with the other merge: {opened.reason}.")
        return opened


def _sides(rows: Signs, losses: Sequence[tuple[Losses, Losses]]) -> list[Losses]:
    """Losses of all arms with one merge on one side, for every merge and side, each of shape (pairs, examples)."""
    pairs = [(own, mirror) if row[place] > 0 else (mirror, own)
             for place in range(rows.shape[1]) for row, (mirror, own) in zip(rows, losses, strict=True)]  # fmt: skip
    table = np.array(pairs).reshape(rows.shape[1], len(rows), 2, -1)
    return [table[place, :, side] for place in range(rows.shape[1]) for side in (0, 1)]


def findings(
    rows: Signs,
    losses: Sequence[tuple[Losses, Losses]],
    distinct: NDArray[np.int64],
    given: float,
    *,
    crossed: Sequence[NDArray[np.int64]] = (),
    redrawn: float = 0.0,
) -> tuple[Found, ...]:
    """Read the pairs of a design.

    Args:
        rows: Signs, of shape (pairs, merges).
        losses: Of the mirror and of the row of each pair, each of shape (examples,).
        distinct: A number for each example, the same for repeats.
        given: Held-out loss of the given network.
        crossed: The same as `distinct` for examples that share one input.
        redrawn: Share of the training examples that each pair drew; 0 where all trained on the same.

    Returns:
        One finding for each merge.

    Examples:
        Concatenate halves the loss at the first of two merges:

        >>> rows = balanced_design(2)
        >>> made = [(np.full(50, 2.0 ** (0.5 * r[0])), np.full(50, 2.0 ** (-0.5 * r[0]))) for r in rows]
        >>> [round(found.contrast.gain, 3) for found in findings(rows, made, np.arange(50), 1.0)]
        [0.693, 0.0]
    """
    means = np.array([[mirror.mean(), own.mean()] for mirror, own in losses])
    positive = bool((means > 0).all())
    scale = float(np.abs(means).mean()) or 1.0
    difference = np.log(means[:, 0] / means[:, 1]) if positive else (means[:, 0] - means[:, 1]) / scale
    effects = main_effects(rows, difference)
    pairs, merges = rows.shape
    free = pairs - merges + 1  # degrees of freedom and one, as pairs of one question would have them
    cells = [_cells(mirror, own, scale, positive=positive) for mirror, own in losses]
    weights = np.linalg.pinv(rows.astype(np.float64))  # (merges, pairs): effects are weights @ differences
    middle, way = float(np.exp(np.log(means).mean()) if positive else means.mean()), 0.0
    if given > 0 and middle > 0:
        way = math.log(middle / given)
    found: list[Found] = []
    for effect, weight in zip(effects, weights, strict=True):
        each = (weight[:, None] * np.stack(cells)).sum(axis=0)
        single = collapsed(each[None], distinct)[0]
        examples = float(single.var(ddof=1)) / len(single) if len(single) > 1 else 0.0
        examples *= crossing(each, distinct, crossed)
        gain = effect.gain.estimate
        half = math.exp(gain / 2) if positive else 1.0
        seeds = effect.noise.variance * overlapping(pairs, redrawn) * free
        contrast = Contrast(gain, seeds, examples, free, middle * half, middle / half)
        found.append(Found(contrast, way))
    return tuple(found)


def _cells(mirror: Losses, own: Losses, scale: float, *, positive: bool) -> Losses:
    """The pair's difference, example by example, to first order of the logarithms."""
    if positive:
        return mirror / mirror.mean() - own / own.mean()
    return (mirror - own) / scale
