"""Climb the ladder of evidence for one question, only as far as the expected regret is worth it.

Structure costs nothing. Where branches share their weights, what the order of them tells, or an exchange of them, comes
first. An infinitely wide head is fitted to the branches, and where they share weights heads are trained on them as they
are; where neither can be had, an Add is asked for its untying score, a Concatenate for what tying it by regression
loses. Then pairs are trained: in full, where four of them can be paid; else for a share of the steps, from the start
that says most for what is left; behind heads, the other arm. Where full pairs take seconds, they come at once. Each
method's figure is a reading of the true gain (`evidence.readings`); the belief after all of them recommends.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from addcat.errors import DataError, RefusedError
from addcat.evidence.arms import untrained_arms
from addcat.evidence.baseline import NEVER_TAUGHT, UNTAUGHT, constant_losses, learnt, mean_of
from addcat.evidence.contrast import Contrast
from addcat.evidence.decision import beyond, decide, of_pairs_alone
from addcat.evidence.decision import side as sided
from addcat.evidence.finetune import finetune
from addcat.evidence.forward import forward
from addcat.evidence.heads import Heads
from addcat.evidence.kernel import kernel
from addcat.evidence.matched import Runs, at_widths, is_full, runs_of
from addcat.evidence.measures import MetricGain
from addcat.evidence.meter import Meter
from addcat.evidence.order import order
from addcat.evidence.pairs import Pairs, Stage
from addcat.evidence.probed import READ, hear, read_probe, speaks_for_add, teaches
from addcat.evidence.problem import Problem
from addcat.evidence.proof import provable
from addcat.evidence.readings import FULLY, SEEDS, at_equal_widths, prior
from addcat.evidence.refit import refit
from addcat.evidence.result import METHODS, Evidence
from addcat.evidence.score import score
from addcat.evidence.shown import interval_of, stage_words
from addcat.evidence.structure import structure
from addcat.evidence.swap import swap
from addcat.evidence.tie import tie
from addcat.graph import Refusal
from addcat.report import rows
from addcat.statistics.belief import Reading
from addcat.verbs.advise.climbed import Climb, Wanted, lean
from addcat.verbs.advise.rungs import (
    FULL,
    HEADS,
    LOOSER,
    METHOD,
    PLANS,
    heads_of,
    heads_within,
    probes_of,
    put_by_for,
    quickly,
    stages_within,
)

EFFORTS = ("auto", *METHODS)

UNTRAINED = 0.2
"""What one network says can deceive: without pairs, the regret has to be this share of what is small enough."""
FEWEST_PAIRS = 8
"""Full pairs below which a small expected regret alone does not end the climb."""
PROVING, LIKELY = 3, 0.1
"""A verdict is worth making certain where this look at full pairs proves it with this probability."""


class Climber:
    """Climbs for one question.

    Args:
        problem: The merges.
        meter: What may be spent.
        wanted: How far to climb.
        first_pass: Seconds that the first forward pass of the network took.
        given: Held-out loss of the network as it is.
    """

    def __init__(self, problem: Problem, meter: Meter, wanted: Wanted, first_pass: float, given: float) -> None:
        self._problem, self._meter, self._wanted = problem, meter, wanted
        self._first_pass, self._given = first_pass, given
        self._readings: dict[str, Reading] = {}
        self._idle, self._quick = 0.0, False
        self._pairs: Pairs | Refusal | None = None
        self.made = Climb(readings=self._readings)

    def automatic(self) -> Climb:
        """As far as is worth it."""
        made = self.probed()
        if (pairs := self._pairs) is None:  # the merge is the other one already
            return made
        if isinstance(pairs, Refusal):
            made.path.append(f"Pairs cannot be trained with the other merge: {pairs.reason}.")
            return made
        try:
            self._climb(runs_of(pairs, self._problem, self._meter, self._first_pass))
        except (DataError, RefusedError) as refused:
            made.path.append(f"Pairs cannot be trained with the other merge: {refused}")
        return made

    def probed(self) -> Climb:
        """What one network says, without training."""
        made = self.made
        found = structure(self._problem)
        made.evidence.append(found)
        if found.disguised:
            made.proved = "add"
            made.path.append("The merge already computes what the other one would, so nothing had to be measured.")
            return made
        if self._given >= float(constant_losses(self._problem).mean()):
            self._idle = UNTAUGHT[self._problem.now]
        self._look("structure")
        arms, relative = untrained_arms(self._problem), 1.0
        if isinstance(arms, Refusal):
            self._pairs = arms
        else:
            self._pairs = pairs = Pairs(self._problem, arms, self._meter, self._first_pass)
            wanted, relative = self._wanted.certainty > self._meter.seconds, pairs.relative["concat"]
            self._quick = wanted and quickly(self._problem, pairs, self._meter, self._first_pass)
        self._cheap(relative, shared=bool(found.shared_branches))
        return made

    def told(
        self, name: str, reading: Reading, evidence: Evidence, loss: float, metrics: tuple[MetricGain, ...] = ()
    ) -> Climb:
        """What was measured elsewhere, for this question among others.

        Args:
            name: Of the method.
            reading: What it says of the gain.
            evidence: What is shown.
            loss: Held-out loss of Add.
            metrics: Measured beside it.
        """
        self._readings[name] = reading
        self.made.evidence.append(evidence)
        self.made.loss, self.made.metrics = loss, metrics
        self._look(name)
        return self.made

    def only(self, effort: str, *, named: bool) -> Climb:
        """One method, as far as it goes.

        Raises:
            DataError: if it does not apply to a merge that was named.
        """
        made, problem = self.made, replace(self._problem, deadline=math.inf)  # a budget limits pairs alone
        made.evidence.append(structure(problem))
        made.proved = "add" if made.evidence[0].disguised else None
        made.path.append(f"Only {effort} was asked for.")
        if effort == "retrain":
            arms = untrained_arms(problem)
            if isinstance(arms, Refusal):
                raise DataError(f"{problem.merge.site!r} cannot be trained anew with the other merge: {arms.reason}.")
            pairs = Pairs(problem, arms, self._meter, self._first_pass)
            self._stages(pairs, FULL, enough=lambda: made.proved is not None)
            return made
        if effort == "heads":
            self._stages(Heads(at_widths(problem), self._meter, self._first_pass), HEADS[:1], enough=lambda: False)
            return made
        methods: dict[str, Callable[[Problem], Evidence]] = {
            "forward": forward,
            "order": order,
            "kernel": kernel,
            "score": score,
            "tie": tie,
            "swap": swap,
            "refit": refit,
            "finetune": finetune,
        }
        if effort in methods:
            problem.tell(f"{problem.merge.site}: {effort}")
            if named:
                self._charge(methods[effort](problem))
            else:
                self._try(effort, lambda: methods[effort](problem))
        return made

    def _cheap(self, relative: float, *, shared: bool) -> None:
        """What one network says without training.

        Args:
            relative: Cost of a pass of the Concatenate arm.
            shared: Whether the branches share their weights.
        """
        problem = self._problem
        heads = self._heads_of() if shared and not self._quick else None
        probes = probes_of(
            problem,
            self._meter,
            relative,
            self._first_pass,
            shared=shared,
            put_by=put_by_for(heads, self._meter),
            enough=lambda: self._quick or self._small_enough(),
            headed=partial(self._headed, heads),
            heard=self._readings.__contains__,
        )
        for probe in probes:
            if isinstance(probe, str):
                self.made.path.append(probe)
            else:
                problem.tell(f"{problem.merge.site}: {probe.name}")
                self._try(probe.name, partial(probe.ask, problem), probe.cost)

    def _heads_of(self) -> Heads | None:
        """What follows the merge, on the branches as they are; None where it cannot be trained alone."""
        if len(self._problem.merges) > 1:
            return None
        try:
            return heads_of(at_widths(self._problem), self._meter, self._first_pass)
        except (DataError, RefusedError) as refused:
            self.made.path.append(str(refused))
            return None

    def _headed(self, heads: Heads | None) -> bool:
        """Train heads as far as the budget goes; whether they, or full pairs, leave no need of more."""
        if self._small_enough():
            return True
        if heads is not None:
            pairs = self._pairs
            whole = runs_of(pairs, self._problem, self._meter, self._first_pass) if isinstance(pairs, Pairs) else None
            if (stage := heads_within(heads, self._meter, whole)) is not None:
                self._stages(heads, (stage,), self._enough)
        return self.made.get("heads") is not None

    def _climb(self, pairs: Runs) -> None:
        made, meter = self.made, self._meter
        full = Stage("fresh", 1.0, 1)
        made.pair_cost = pairs.cost(full)
        if self._small_enough() or (made.get("heads") is not None and self._enough()):
            made.path.append(f"The expected regret, {rows.percent(self._regret())} of the loss, is small enough.")
            return
        if not meter.affords(0.0, pairs.seconds(full)):
            made.path.append("The time does not allow to compile and train both arms.")
            return
        least = min(pairs.cost(plan[0]) for plan in PLANS)
        if not meter.affords(least):
            made.path.append(
                f"The budget does not allow to train pairs: the least costs {rows.decimal(least)} trainings."
            )
            return
        pairs.training_seconds()
        made.pair_seconds = pairs.running_seconds(full)
        stages = stages_within(pairs, meter, heads=made.get("heads") is not None, quick=self._quick)
        if stages:
            self._stages(pairs, stages, self._enough)
            return
        made.path.append("What is left does not allow to train pairs.")

    def _stages(self, pairs: Runs, stages: tuple[Stage, ...], enough: Callable[[], bool]) -> None:
        """Run stages until it is enough or no more can be paid."""
        made, meter = self.made, self._meter
        for number, stage in enumerate(stages):
            if number and enough():
                made.path.append("That was enough.")
                return
            if not meter.affords(pairs.cost(stage), pairs.seconds(stage)):
                made.path.append("The budget does not allow more pairs.")
                return
            self._problem.tell(f"{self._problem.merge.site}: training {rows.counted(stage.pairs, 'pair')}")
            began = time.perf_counter()
            try:
                stage, found = self._run(pairs, stage)  # noqa: PLW2901
            except DataError as refused:
                made.path.append(str(refused))
                continue
            self._judge(pairs, stage, found, began)
        made.path.append("All stages are done.")

    def _run(self, pairs: Runs, stage: Stage) -> tuple[Stage, Contrast]:
        """Run a stage; from looser starts where its own cannot be had."""
        try:
            return stage, pairs.run(stage)
        except DataError as refused:
            if stage.kind not in LOOSER:
                raise
            self.made.path.append(str(refused))
            looser = replace(stage, kind=LOOSER[stage.kind])
            return looser, pairs.run(looser)

    def _judge(self, pairs: Runs, stage: Stage, found: Contrast, began: float) -> None:
        made, problem = self.made, self._problem
        own = found.add if problem.now == "add" else found.concat
        way = math.log(own / self._given) if own > 0 and self._given > 0 else 0.0
        if stage.kind == "beside" and (heads := made.get("heads")) is not None:
            way = float(heads.facts["way"])  # its own arm's run is the given network
        reading = pairs.reading(stage, found, way)
        full = is_full(stage)
        made.loss = found.add
        if full or all(stage.share >= one.share_of_steps for one in made.metrics):
            made.metrics = pairs.metrics(stage)
        losses = pairs.losses(stage)
        constant = constant_losses(pairs.whole)
        taught = learnt(losses, constant)
        side = "undecided"
        if full:
            made.seeds = found.seeds
            if taught:
                side = decide(*losses, pairs.whole.held, self._wanted.margin, redrawn=problem.redrawn)
            made.proved = "add" if side == "add" else "concat" if side == "concat" else None
        if taught or (full and min(found.add, found.concat) < float(constant.mean())):
            self._readings[FULLY if full else stage.kind] = reading
            self._readings.pop("fresh" if full else "", None)  # a share of the same runs
        elif full or (self._idle and stage.kind != "heads"):  # branches that learnt nothing teach heads nothing
            self._idle = NEVER_TAUGHT if full else UNTAUGHT["concat"]
        method = "retrain" if full else METHOD[stage.kind]
        interval = interval_of(reading, found)
        if made.proved is not None and full and sided(interval, self._wanted.margin * abs(found.add)) != made.proved:
            interval = of_pairs_alone(*losses, pairs.whole.held, redrawn=problem.redrawn)  # what they prove is shown
        evidence = Evidence.of(
            interval,
            start=began,
            method=method,
            question="trained anew",
            words=stage_words(stage, found, interval) + self._at(full),
            choice=side if full else None,
            reference_loss=found.add,
            constant_loss=mean_of(constant),
            learnt=taught,
            facts={"pairs": found.pairs, "share_of_steps": stage.share, "way": way},
        )
        made.evidence = [one for one in made.evidence if one.method != method]
        made.evidence.append(evidence)
        self._look(method if full else f"{method} {rows.percent(stage.share)}")

    def _at(self, full: bool) -> str:
        """What both arms of pairs have alike, where it is not what is asked."""
        return " Both arms have the same widths here." if self._problem.match != "widths" and not full else ""

    def _try(self, name: str, method: Callable[[], Evidence], cost: float = 0.0) -> None:
        """Run a method; one that does not apply leaves its sentence in the place of a figure, and costs nothing."""
        try:
            found = method()
        except (DataError, RefusedError) as refused:
            self.made.path.append(str(refused))
            self.made.evidence.append(Evidence.refused(name, str(refused)))
            return
        self._charge(found, cost)

    def _charge(self, found: Evidence, cost: float = 0.0) -> None:
        """Count what evidence cost, and keep it; what trained networks says itself."""
        self._meter.spent += cost + float(found.facts.get("trainings", 0.0))
        self._take(found)

    def _take(self, found: Evidence) -> None:
        """Keep evidence, and read what it says of the gain."""
        made, loss = self.made, abs(self._given) or 1.0
        made.evidence.append(found)
        lowest = self._problem.door.lowest_loss(self._problem.losses)
        unbound = found.method in ("order", "kernel", "tie", "swap")  # no loss, or one that a network may be ruined to
        if not unbound and beyond(found, self._given, lowest):
            made.path.append(
                f"The estimate by {found.method}, {rows.signed(found.estimate)}, is more than all of the loss, "
                f"{rows.decimal(self._given)}, which cannot go below zero; so it says nothing."
            )
        elif found.method in READ and found.estimate is not None:
            reading = read_probe(found, loss)
            if reading is not None and teaches(found, reading):
                self._idle = 0.0
            if reading is not None and not (self._idle and speaks_for_add(found, reading)):
                hear(self._readings, found.method, reading)
        self._look(found.method)

    def _look(self, method: str) -> None:
        made = self.made
        matched, shared = self._problem.match != "widths", bool(made.evidence[0].shared_branches)
        made.belief = prior(shared=shared, matched=matched, idle=self._idle)
        for name, reading in self._readings.items():
            if matched and name != FULLY:
                reading = at_equal_widths(reading)  # noqa: PLW2901
            made.belief = made.belief.told(reading)
        made.look(method, self._meter.spent, self._meter.seconds, self._wanted.margin)

    def _regret(self) -> float:
        return self.made.belief.regret(self.made.proved or lean(self.made.belief))

    def _small_enough(self) -> bool:
        """Whether what one network says is enough."""
        return self._regret() <= self._wanted.regret * UNTRAINED and self._enough()

    def _enough(self) -> bool:
        """Whether the regret is small enough, and the verdict certain or not to be had cheaply.

        Seeds of networks that learn all or nothing differ more than four pairs show, so four do not end it without
        proof.
        """
        if self._regret() > self._wanted.regret:
            return False
        made, full = self.made, self.made.get("retrain")
        if made.proved is not None:
            return True
        if full is not None and full.n < FEWEST_PAIRS:
            return False
        seeds = made.seeds or SEEDS
        hoped = provable(made.belief, self._wanted.margin, seeds, FULL[PROVING].pairs, redrawn=self._problem.redrawn)
        return self._meter.seconds > self._wanted.certainty or hoped < LIKELY
