"""`plan=True`: the rungs that `advise` would climb, their cost, what each is expected to buy; nothing is trained."""

import math
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from addcat.errors import DataError, OptionError, RefusedError
from addcat.evidence.arms import untrained_arms
from addcat.evidence.expected import Step, expected, of_kernel, of_order, of_pairs, of_score, of_swap, of_tie
from addcat.evidence.heads import Heads
from addcat.evidence.matched import Runs, at_widths, runs_of
from addcat.evidence.meter import STEP, Meter
from addcat.evidence.pairs import CAREFUL, Pairs, Stage
from addcat.evidence.problem import Problem
from addcat.evidence.readings import prior
from addcat.evidence.structure import structure
from addcat.graph import Graph, Refusal
from addcat.merges import Merge
from addcat.report import rows
from addcat.report.page import Cell, Column, Page, Table
from addcat.report.plans import plan_page
from addcat.report.printed import Printed
from addcat.statistics.belief import Belief
from addcat.verbs.advise.prepared import Prepared
from addcat.verbs.advise.rungs import FULL, Probe, heads_of, heads_within, probes_of, put_by_for, quickly, stages_within
from addcat.verbs.advise.verdict import question_of

READS = {"order": of_order, "swap": of_swap, "kernel": of_kernel, "score": of_score, "tie": of_tie}
"""What each probe would read, by its examples."""
RUNGS = (
    Column("question", whole=False),
    Column("rung", whole=False),
    Column("trainings", number=True),
    Column("time", number=True),
    Column("right", number=True),
    Column("regret", number=True),
    Column("budget"),
)


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of evidence before it is taken.

    Attributes:
        name: What would be run.
        trainings: Spent by then, in trainings of the given network; the earlier rungs are in it.
        seconds: Spent by then, compiling included; None where no step could be timed within the budget.
        probability: That the recommendation after it is right, on average over what is believed now.
        regret: Expected after it, as a share of Add's loss, on the same average.
        within: Whether the budget allows it.
    """

    name: str
    trainings: float
    seconds: float | None
    probability: float
    regret: float
    within: bool


@dataclass(frozen=True, slots=True)
class Course:
    """The rungs of one question.

    Attributes:
        site: The merge, or the family's name where it has several.
        sites: The merges that the question is about.
        question: What it asks, in words.
        rungs: In the order in which they would be taken.
        why: Why there are no more of them; "" where nothing is in the way.
        training_seconds: Of one training of the given network, from a few timed steps; None where none was timed.
    """

    site: str
    sites: tuple[str, ...]
    question: str
    rungs: tuple[Rung, ...]
    why: str = ""
    training_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Planned(Printed):
    """An advice before anything is trained.

    Attributes:
        model: The model's name.
        courses: One for each question.
        regret: Expected regret, as a share of the loss, at which the climb stops.
        budget: What may be spent on all questions, in words.
        training_seconds: Of one training of the given network; reckoned from passes where no step was timed.
        seconds: What planning took.
        notes: What the user should know of data and recipe.
    """

    model: str
    courses: tuple[Course, ...]
    regret: float
    budget: str
    training_seconds: float
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return asdict(self)

    def page(self) -> Page:
        """The plan for people."""
        sentences = [
            f"Budget: {self.budget} for all questions; a training of the network takes about "
            f"{rows.seconds_text(self.training_seconds)}.",
            f"The climb stops at the first rung that brings the expected regret to {rows.percent(self.regret)} of the "
            "loss or less, so a clear case costs less than the table.",
            "Trainings and time are those spent by then. Right and regret are averages over what is believed of such "
            "merges before anything is measured here.",
            *(f"{course.site}: {course.why}" for course in self.courses if course.why),
        ]
        table = Table(RUNGS, tuple(_row(course, rung) for course in self.courses for rung in course.rungs))
        return plan_page(f"advice on {self.model}", sentences, table, self.notes)


def _row(course: Course, rung: Rung) -> tuple[str | Cell, ...]:
    many = len(course.sites)
    return (
        course.site if many == 1 else f"{course.site} ({rows.integer(many)} together)",
        rung.name,
        rows.decimal(rung.trainings),
        rows.NONE if rung.seconds is None else rows.seconds_text(rung.seconds),
        rows.probability(rung.probability),
        rows.percent(rung.regret),
        "within" if rung.within else Cell("beyond", "muted"),
    )


def planned(ready: Prepared) -> Planned:
    """Reckon what an advice would take.

    Args:
        ready: Everything but the questions' answers.

    Returns:
        The plan.

    Raises:
        OptionError: if one method alone was asked for, which has no rungs.
    """
    if ready.asked.effort != "auto":
        raise OptionError(
            f"A plan is of the climb, and effort={ready.asked.effort!r} runs one method alone. Leave it out."
        )
    spent, share = ready.meter.seconds, ready.share(max(len(ready.questions), 1))
    each = share.seconds_left
    courses = [
        _course(ready, name, merges, replace(share, deadline=time.monotonic() + each), spent)
        for name, merges in ready.questions
    ]
    timed = [course.training_seconds for course in courses if course.training_seconds is not None]
    return Planned(
        model=ready.graph.name,
        courses=tuple(courses),
        regret=ready.asked.wanted.regret,
        budget=ready.allowed.words,
        training_seconds=timed[0] if timed else ready.first.training(ready.recipe),
        seconds=ready.meter.seconds,
        notes=(f"Training recipe: {ready.recipe.words}",),
    )


def _course(ready: Prepared, name: str, merges: tuple[Merge, ...], share: Meter, spent: float) -> Course:
    """The rungs of one question."""
    problem = ready.problem(merges, share, lambda _: None)
    site = name if len(merges) > 1 else problem.merge.site
    named = (site, tuple(merge.site for merge in problem.merges), question_of(problem, name))
    found = structure(problem)
    if found.disguised:
        return Course(*named, (), "the merge already computes what the other one would.")
    arms = untrained_arms(problem)
    shared = bool(found.shared_branches)
    belief = prior(shared=shared, matched=problem.match != "widths")
    reckoning = _Reckoning(ready, problem, share, belief, spent, shared=shared)
    if isinstance(arms, Refusal):
        reckoning.probe(1.0)
        return Course(*named, tuple(reckoning.rungs), f"pairs cannot be trained with the other merge: {arms.reason}.")
    reckoning.pairs(arms)
    return Course(*named, tuple(reckoning.rungs), reckoning.why, reckoning.training_seconds)


class _Reckoning:
    """What each rung of one question costs, reckoned as the climb does, and what it is expected to buy.

    Args:
        ready: The network and its first look.
        problem: The question.
        share: What may be spent on it; charged with the probe.
        belief: Before anything is measured.
        spent: Seconds that were spent on what all questions share.
        shared: Whether the branches share their weights.
    """

    def __init__(
        self, ready: Prepared, problem: Problem, share: Meter, belief: Belief, spent: float, *, shared: bool
    ) -> None:
        self._ready, self._problem, self._share, self._belief = ready, problem, share, belief
        self._seconds, self._steps, self._reckoned = spent, list[Step](), 0.0
        self.training_seconds: float | None = None
        self._shared, self._headed, self._quick = shared, False, False
        self._examples = int(problem.held.distinct().max()) + 1
        self.why, self._whole = "", None
        (before,) = expected(belief, [])
        self.rungs = [Rung("structure", share.spent, self._seconds, before.probability, before.regret, within=True)]

    def probe(self, relative: float) -> None:
        """What one network says without training, where the climb would ask it.

        Args:
            relative: Cost of a pass of the Concatenate arm.
        """
        share, first = self._share, self._ready.first
        heads = self._heads_of() if self._shared and not self._quick else None
        headed, put_by = partial(self._heads, heads), put_by_for(heads, share)
        for found in probes_of(
            self._problem,
            share,
            relative,
            first.seconds,
            shared=self._shared,
            put_by=put_by,
            enough=lambda: self._quick,
            headed=headed,
            heard=lambda _: True,
        ):
            if isinstance(found, str):
                self.why = f"{found[0].lower()}{found[1:]}"
            else:
                self._probe(found)

    def _probe(self, found: Probe) -> None:
        share, first, recipe = self._share, self._ready.first, self._problem.recipe
        passes = found.cost * STEP * recipe.steps * recipe.batch  # over single examples
        seconds = found.compiled * first.seconds + passes * first.again
        self._reckon(found.cost, seconds)
        examples = min(found.most, self._examples)
        self._steps.append(READS[found.name](examples))
        after = expected(self._belief, self._steps)[-1]
        self.rungs.append(Rung(found.name, share.spent, self._seconds, after.probability, after.regret, within=True))

    def _reckon(self, cost: float, seconds: float) -> None:
        """Spend what is not spent yet."""
        share = self._share
        share.spent, share.deadline = share.spent + cost, share.deadline - seconds
        self._seconds, self._reckoned = self._seconds + seconds, self._reckoned + seconds

    def pairs(self, arms: dict[str, Graph]) -> None:
        """The probe, the stages of pairs that the climb would take, and the full pairs that a larger budget buys."""
        share, first = self._share, self._ready.first
        full = Pairs(self._problem, arms, share, first.seconds)
        self._quick = not self._ready.allowed.given and quickly(self._problem, full, share, first.seconds)
        pairs = self._whole = runs_of(full, self._problem, share, first.seconds)
        self.probe(pairs.relative["concat"])
        timed = share.affords(0.0, pairs.seconds(FULL[0]))
        if timed:
            began, unlimited = time.monotonic(), math.isinf(share.deadline)
            self.training_seconds = pairs.training_seconds()
            self._seconds += time.monotonic() - began
            if unlimited:  # only now has a budget in trainings an end, before which the probes are to be asked too
                share.deadline -= self._reckoned
        stages = stages_within(pairs, share, heads=self._headed, quick=self._quick) if timed else ()
        if not stages:
            self.why = self.why or "the budget does not allow to train pairs."
        before = tuple(stage for stage in stages if stage not in FULL)
        self._chain(pairs, before, added=any(stage.kind in ("warm", "tied") for stage in before), timed=timed)
        if before != stages:  # full pairs come on top
            self._steps += map(self._bought, before)
            share.spent += sum(map(pairs.cost, before))
            self._seconds += sum(map(pairs.running_seconds, before))
        self._chain(pairs, FULL, added=False, timed=timed)

    def _heads_of(self) -> Heads | None:
        """What follows the merge, on the branches as they are; None where it cannot be trained alone."""
        try:
            return heads_of(at_widths(self._problem), self._share, self._ready.first.seconds)
        except (DataError, RefusedError):
            return None

    def _heads(self, heads: Heads | None) -> bool:
        """Heads on the branches as they are; whether the climb would train them, or full pairs make up for them."""
        share, first = self._share, self._ready.first
        stage = None if heads is None else heads_within(heads, share, self._whole)
        if heads is None or stage is None:
            return False
        training = self.training_seconds or first.training(self._problem.recipe)
        cost, seconds = heads.cost(stage), heads.compiling_seconds() + heads.cost(stage) * training
        self._reckon(cost, seconds)
        self._steps.append(self._bought(stage))
        after = expected(self._belief, self._steps)[-1]
        self.rungs.append(Rung(_words(stage), share.spent, self._seconds, after.probability, after.regret, within=True))
        self._headed = True
        return True

    def _bought(self, stage: Stage) -> Step:
        return of_pairs(stage, examples=self._examples, redrawn=self._problem.redrawn)

    def _chain(self, pairs: Runs, stages: tuple[Stage, ...], *, added: bool, timed: bool) -> None:
        """Stages behind the probe.

        Args:
            pairs: Reckon their cost.
            stages: In their order.
            added: Whether each comes on top of those before; else it holds them.
            timed: Whether a step was timed.
        """
        share = self._share
        steps = [*self._steps, *map(self._bought, stages)]
        bought = expected(self._belief, steps)[len(self._steps) + 1 :]
        cost, running = 0.0, 0.0
        for stage, after in zip(stages, bought, strict=True):
            cost = pairs.cost(stage) + (cost if added else 0.0)
            running = pairs.running_seconds(stage) + (running if added else 0.0) if timed else math.inf
            within = added or share.affords(cost, CAREFUL * running + pairs.compiling_seconds())
            seconds = self._seconds + running + pairs.compiling_seconds() if timed else None
            self.rungs.append(
                Rung(_words(stage), share.spent + cost, seconds, after.probability, after.regret, within=within)
            )


def _words(stage: Stage) -> str:
    if stage.kind == "beside":
        length = "" if stage.share >= 1 else f", {rows.percent(stage.share)} of the steps"
        return f"{rows.counted(stage.pairs, 'run')} of the other arm{length}"
    start = "" if stage.kind == "fresh" else f"{stage.kind} "
    if stage.share >= 1:
        return rows.counted(stage.pairs, f"{start or 'full '}pair")
    return f"{rows.counted(stage.pairs, 'pair')}, {start}{rows.percent(stage.share)} of the steps"
