"""Everything of `advise` before its first question: options checked, data read, the network looked at once."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from addcat.data.examples import Examples
from addcat.data.held import FEWEST_HELD, fit_and_held
from addcat.data.metrics import Metric, metrics_of
from addcat.doors.base import Laboratory, laboratory_for, recipe_for
from addcat.doors.recipe import REDRAWN, Recipe
from addcat.errors import DataError, OptionError, SiteError, check_seed, nearest
from addcat.evidence.baseline import beats_constant
from addcat.evidence.meter import STEP, Meter
from addcat.evidence.problem import Given, Problem
from addcat.graph import Graph
from addcat.graph.nested import subgraph
from addcat.merges import Merge, find_merges, fixed_beside
from addcat.merges.families import families
from addcat.merges.switchability import unswitchable
from addcat.trials.budgets import BUDGETS
from addcat.trials.functions import Judge
from addcat.verbs.advise.budget import Budget, default_budget, parse_budget
from addcat.verbs.advise.climb import EFFORTS, Climber
from addcat.verbs.advise.climbed import Wanted

FIRST_LOOK = 0.15
"""Share of a budget that the first look at the network may take: its loss, with its labels and with others'."""
CERTAINTY = 1 / 3
"""Share of the default budget that may be spent to make a verdict certain whose regret is small enough already."""

BOTH = "both"
EACH = "each"
"""Instead of names of merges: every one of them."""

Question = tuple[str, tuple[Merge, ...]]
"""A name, and the merges that switch together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of an advice, checked.

    Attributes:
        effort: "auto", or the name of a method.
        budget: As the user gave it; None where left out.
        match: What both arms have alike.
        wanted: How far to climb.
        seed: Of everything drawn.
        named: Whether sites were named.
        both: Whether as many parameters are asked about as well, behind equal widths.
        resample: "data" where the answer is to be about data of this kind, else "".
    """

    effort: str
    budget: Budget | None
    match: str
    wanted: Wanted
    seed: int
    named: bool
    both: bool = False
    resample: str = ""

    @staticmethod
    def of(
        *,
        effort: str,
        budget: str | None,
        match: str,
        regret: float,
        margin: float,
        seed: int,
        named: bool,
        resample: str = "",
    ) -> "Asked":
        """Check the options.

        Raises:
            OptionError: if one is out of its range.
        """
        _check_options(effort, margin, regret, seed)
        _check_match(match, effort)
        if resample not in ("", "data"):
            raise OptionError(f"resample={resample!r} does not exist. Expected data.")
        given = None if budget is None else parse_budget(budget)
        first = "widths" if match == BOTH else match
        return Asked(effort, given, first, Wanted(margin, regret), seed, named, match == BOTH, resample)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What every question shares.

    Attributes:
        asked: The options.
        door: Runs and trains.
        graph: The outermost graph, with the trained weights.
        questions: By name, the merges of each.
        fit: To fit on.
        held: To judge on.
        losses: Of the outputs, as the door understands them.
        loss_words: What the loss is and where it comes from.
        recipe: How the network was trained.
        first: The first look at it.
        meter: What was spent by then.
        allowed: What may be spent on all questions.
        was_split: Whether the held-out examples were put aside from the data.
        metrics: Reported of trained pairs, beside the loss.
    """

    asked: Asked
    door: Laboratory
    graph: Graph
    questions: "tuple[Question, ...]"
    fit: Examples
    held: Examples
    losses: Any
    loss_words: str
    recipe: Recipe
    first: "First"
    meter: Meter
    allowed: Budget
    was_split: bool
    metrics: tuple[Metric, ...] = ()

    def share(self, questions: int) -> Meter:
        """What one of the remaining questions may spend."""
        now, meter, allowed = time.monotonic(), self.meter, self.allowed
        trainings = meter.spent + (allowed.trainings - meter.spent) / questions
        deadline = now + (meter.started + allowed.seconds - now) / questions
        return Meter(meter.recipe, trainings, deadline, meter.spent, meter.started)

    def problem(self, merges: tuple[Merge, ...], share: Meter, tell: Callable[[str], None]) -> Problem:
        """One question, and the means to measure it."""
        lead = merges[0]
        inside, _ = subgraph(self.graph, lead.site)
        return Problem(
            door=self.door,
            root=self.graph,
            graph=inside,
            merge=lead,
            data=self.fit,
            held=self.held,
            losses=self.losses,
            recipe=self.recipe,
            seed=self.asked.seed,
            deadline=share.deadline,
            tell=tell,
            family=merges if len(merges) > 1 else (),
            match=self.asked.match,
            metrics=self.metrics,
            redrawn=REDRAWN if self.asked.resample else 0.0,
            given=self.first.given,
        )

    def climber(self, problem: Problem, share: Meter) -> Climber:
        """Climbs for one question with its share of the budget."""
        spare = 0.0 if self.allowed.given else self.meter.seconds + CERTAINTY * share.seconds_left
        wanted = Wanted(self.asked.wanted.margin, self.asked.wanted.regret, spare)
        return Climber(problem, share, wanted, self.first.seconds, self.first.loss)


def prepare(
    model: Any,
    data: Any,
    asked: Asked,
    *,
    validation: Any,
    loss: Any,
    metric: Any,
    sites: Sequence[str] | str | None,
    example_inputs: Any,
    training: dict[str, Any],
) -> Prepared:
    """Read the model and the data, and look at the network once; the arguments are those of `advise`."""
    start = time.monotonic()
    was_split = validation is None
    door, data, validation = laboratory_for(model, data, validation, example_inputs=example_inputs, options=training)
    graph = door.read(model)
    questions = _questions(graph, sites, by_family=asked.effort == "auto")
    inputs = [(name, graph.nodes[name].shape) for name in graph.inputs]
    fit, held = fit_and_held(data, validation, inputs=inputs, outputs=door.outputs_of(model), seed=asked.seed)
    losses, words = door.resolve_loss(model, loss, fit.targets)
    door.resolve_loss(model, loss, held.targets)
    metrics = metrics_of(metric, outputs=door.outputs_of(model), named=door.metric_named)
    if metrics:
        Judge(door, metrics, held, loss).check(model)
    recipe = recipe_for(door, model, data, fit.count, training)
    most = math.inf if asked.budget is None else asked.budget.trainings
    meter = Meter(recipe, most, math.inf, started=start)
    first = _first_look(door, graph, losses, (fit, held), meter)
    left_out = default_budget(first.training(recipe)) if asked.effort == "auto" else Budget()
    return Prepared(
        asked=asked,
        door=door,
        graph=graph,
        questions=tuple(questions),
        fit=fit,
        held=held,
        losses=losses,
        loss_words=words,
        recipe=recipe,
        first=first,
        meter=meter,
        allowed=asked.budget or left_out,
        was_split=was_split,
        metrics=metrics,
    )


@dataclass(frozen=True, slots=True)
class First:
    """The first look at the network.

    Attributes:
        loss: Held-out.
        trained: Whether labels of other examples would raise it.
        given: The network that was looked at.
    """

    loss: float
    trained: bool
    given: Given

    @property
    def seconds(self) -> float:
        """Of the first pass."""
        return self.given.seconds

    @property
    def again(self) -> float:
        """Seconds of one more pass over one example."""
        return self.given.again

    def training(self, recipe: Recipe) -> float:
        """Seconds of a training, as long as a step takes three passes."""
        return STEP * recipe.steps * recipe.batch * self.again


def _first_look(door: Laboratory, graph: Graph, losses: Any, data: tuple[Examples, Examples], meter: Meter) -> First:
    passes, held = 3, data[1]
    most = max(FEWEST_HELD, meter.examples_for(FIRST_LOOK * meter.trainings, passes))
    some = held.first(most)
    model = door.write(graph)
    began = time.monotonic()
    door.losses_of(model, losses, some)
    compiled = time.monotonic()
    value, trained = beats_constant(door, model, losses, some)
    again = (time.monotonic() - compiled) / (2 * some.count)
    meter.spent += meter.passes(passes * some.count)
    if not math.isfinite(value):
        raise DataError(
            f"The model's loss on the data is {value}: its activations or the loss are not finite. "
            "Check the inputs, the labels and the weights before asking for a verdict."
        )
    constant = np.asarray(door.constant_losses(model, losses, *data), np.float64)
    return First(value, trained, Given(model, compiled - began, again, constant))


def _check_match(match: str, effort: str) -> None:
    if match != BOTH:
        if match not in BUDGETS:
            raise OptionError(f"match={match!r} does not exist. Expected one of {', '.join((*BUDGETS, BOTH))}.")
    elif effort != "auto":
        raise OptionError("match='both' climbs twice, and a method alone does not climb. Leave effort out.")


def _check_options(effort: str, margin: float, regret: float, seed: int) -> None:
    if effort not in EFFORTS:
        raise OptionError(f"effort={effort!r} does not exist. Expected one of {', '.join(EFFORTS)}.")
    if not 0 <= margin < 1:
        raise OptionError(f"margin={margin} is out of range. Expected a share of the loss, at least 0 and below 1.")
    check_seed(seed)
    if not 0 <= regret < 1:
        raise OptionError(f"regret={regret} is out of range. Expected a share of the loss, at least 0 and below 1.")


def _questions(graph: Graph, sites: Sequence[str] | str | None, *, by_family: bool) -> list[Question]:
    """What to advise on: the merges that were named, one by one; else every family of them."""
    if sites is None and by_family:
        return [(family.name, family.merges) for family in families(graph)]
    return [(merge.site, (merge,)) for merge in _wanted(graph, sites)]


def _wanted(graph: Graph, sites: Sequence[str] | str | None) -> list[Merge]:
    """The merges to advise on: those that were named, else every one that has another merge."""
    merges = {merge.site: merge for merge in find_merges(graph)}
    if isinstance(sites, str):
        sites = [sites]
    if sites is None or (sites == [EACH] and EACH not in merges):
        return [merge for merge in merges.values() if unswitchable(merge) is None]
    for site in sites:
        if site not in merges:
            if why := fixed_beside(graph, site):
                raise SiteError(why)
            known = list(merges)
            near = f" Nearest: {nearest(site, known)}." if known else " It has none."
            raise SiteError(f"{site!r} is not a merge of this model.{near} `inspect` lists every merge.")
        refusal = unswitchable(merges[site])
        if refusal is not None:
            raise SiteError(f"{site!r} cannot be advised on: {refusal.reason} [{refusal.code}].")
    return [merges[site] for site in dict.fromkeys(sites)]
