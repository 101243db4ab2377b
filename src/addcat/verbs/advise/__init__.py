"""`advise`: add or concatenate, for each family of merges, from one trained model and some data."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from addcat.data import as_dataset, materialise, split
from addcat.data.dataset import Outputs
from addcat.data.examples import Examples
from addcat.doors.base import Laboratory, laboratory_for
from addcat.doors.recipe import Recipe
from addcat.errors import DataError, OptionError, SiteError, check_seed, nearest
from addcat.evidence.baseline import beats_constant, doubt
from addcat.evidence.meter import STEP, Meter
from addcat.evidence.problem import Problem
from addcat.graph import Graph
from addcat.graph.nested import subgraph
from addcat.merges import Merge, find_merges
from addcat.merges.families import families
from addcat.merges.switchability import unswitchable
from addcat.trials.budgets import check_budget
from addcat.verbs.advise.budget import Budget, default_budget, parse_budget
from addcat.verbs.advise.climb import EFFORTS, Climb, Climber, Wanted
from addcat.verbs.advise.result import Advice, Gain, Look, More, Odds, Regret, Verdict
from addcat.verbs.advise.verdict import verdict_of
from addcat.verbs.inspect import inspect_graph

__all__ = ["EFFORTS", "Advice", "Climb", "Gain", "Look", "More", "Odds", "Regret", "Verdict", "advise"]

HELD_SHARE = 0.3
FEWEST_FIT, FEWEST_HELD = 20, 10
"""Examples below which no interval would mean anything."""
FIRST_LOOK = 0.15
"""Share of a budget that the first look at the network may take: its loss, with its labels and with others'."""
CERTAINTY = 1 / 3
"""Share of the default budget that may be spent to make a verdict certain whose regret is small enough already."""


def advise(
    model: Any,
    data: Any,
    *,
    validation: Any = None,
    loss: Any = None,
    sites: Sequence[str] | str | None = None,
    effort: str = "auto",
    budget: str | None = None,
    match: str = "widths",
    regret: float = 0.005,
    margin: float = 0.02,
    seed: int = 0,
    progress: Callable[[str, float, float], None] | None = None,
    example_inputs: Any = None,
    **training: Any,
) -> Advice:
    """Say whether to add or to concatenate in a trained model, and how sure that is.

    Args:
        model: A built Functional or Sequential Keras model. It is not touched.
        data: What it was trained on: arrays `(x, y)` (lists or dicts for several inputs), batches, `tf.data`,
            `keras.utils.PyDataset` or a torch `DataLoader`.
        validation: Data to judge on; without, part of `data` is put aside.
        loss: A Keras loss, its name or a function; else the compiled model's, else the one that the targets suggest.
        sites: Names of merges to advise on one by one; where left out, merges are asked about by families, all members
            of which switch together.
        effort: "auto" climbs from cheap methods to dear ones as far as the expected regret is worth it; the name of a
            method runs that one alone, merge by merge, and a budget limits 'retrain' alone.
        budget: What may be spent: "0.5x" trainings of the given network, in arithmetic, evaluations counted; or "90s",
            "10min", "2h" of the clock, compilation counted. A minute or a quarter of a training, whichever is more, ten
            minutes at most, where left out; no limit for a named method.
        match: "widths", where nothing but the merges differs; or "parameters" or "multiply_adds", where the readers of
            Concatenate are made narrower until both arms have as many.
        regret: Expected loss given away, as a share of Add's loss, that is small enough to stop.
        margin: Share of Add's loss below which a gain does not count, because Add is cheaper.
        seed: Of everything drawn.
        progress: Called with what is being done, the seconds spent and the seconds allowed.
        example_inputs: What a PyTorch module is called with; taken from the data where left out.
        **training: How a PyTorch module is trained: `optimizer`, a function of its parameters; `scheduler`, a function
            of the optimiser; `epochs`; `unpack`, which takes a batch of a loader and gives (inputs, target);
            `factory`, which makes the model anew; `device`; `autocast`, a type. A `DataLoader` is iterated as it is.

    Returns:
        One verdict for each question, always with a recommendation, its odds and its evidence.

    Raises:
        DataError: if the data do not fit, hold no labels, are too few, or give activations that are not finite.
        SiteError: if a site does not exist.
        OptionError: if an option is out of its range.
        ModelError: if the model cannot be read.
    """
    _check_options(effort, margin, regret, seed)
    check_budget(match)
    asked = None if budget is None else parse_budget(budget)
    start = time.monotonic()
    door, data, validation = laboratory_for(model, data, validation, example_inputs=example_inputs, options=training)
    graph = door.read(model)
    questions = _questions(graph, sites, by_family=effort == "auto")
    fit, held = _examples(graph, door.outputs_of(model), data, validation, seed)
    losses, loss_words = door.resolve_loss(model, loss, fit.targets)
    door.resolve_loss(model, loss, held.targets)
    recipe = door.recipe_of(model, batch=_batch_size(data), examples=fit.count)
    meter = Meter(recipe, math.inf if asked is None else asked.trainings, math.inf, started=start)
    first = _first_look(door, graph, losses, held, meter)
    allowed = asked or (default_budget(first.training(recipe)) if effort == "auto" else Budget())
    verdicts: list[Verdict] = []
    tell = _teller(progress, start, allowed)
    for place, (name, merges) in enumerate(questions):
        rest = len(questions) - place
        share = _share(meter, allowed, start, rest)
        lead, family = merges[0], merges if len(merges) > 1 else tuple[Merge, ...]()
        inside, _ = subgraph(graph, lead.site)
        problem = Problem(
            door, graph, inside, lead, fit, held, losses, recipe, seed, share.deadline, tell, family, match
        )
        certainty = 0.0 if allowed.given else meter.seconds + CERTAINTY * share.seconds_left
        climber = Climber(problem, share, Wanted(margin, regret, certainty), first.seconds, first.loss)
        made = climber.automatic() if effort == "auto" else climber.only(effort, named=sites is not None)
        meter.spent = share.spent
        verdicts.append(verdict_of(problem, made, margin, first.loss, name=name if family else ""))
    return Advice(
        model=graph.name,
        verdicts=tuple(verdicts),
        inspection=inspect_graph(graph),
        notes=tuple(_notes(verdicts, first, recipe.source, validation is None, held.count)),
        loss=loss_words,
        examples=(fit.count, held.count),
        seconds=time.monotonic() - start,
        trainings=meter.spent,
        budget=allowed.words,
    )


Progress = Callable[[str, float, float], None]


def _teller(progress: Progress | None, start: float, allowed: Budget) -> Callable[[str], None]:
    """Tells what is being done, with the seconds spent and allowed."""

    def tell(words: str) -> None:
        if progress is not None:
            progress(words, time.monotonic() - start, allowed.seconds)

    return tell


@dataclass(frozen=True, slots=True)
class _First:
    """The first look at the network.

    Attributes:
        loss: Held-out.
        trained: Whether labels of other examples would raise it.
        seconds: Of the first pass, compilation included.
        again: Seconds of one more pass over one example.
    """

    loss: float
    trained: bool
    seconds: float
    again: float

    def training(self, recipe: Recipe) -> float:
        """Seconds of a training, as long as a step takes three passes."""
        return STEP * recipe.steps * recipe.batch * self.again


def _first_look(door: Laboratory, graph: Graph, losses: Any, held: Examples, meter: Meter) -> _First:
    passes = 3
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
    return _First(value, trained, compiled - began, again)


def _share(meter: Meter, allowed: Budget, start: float, questions: int) -> Meter:
    """What one of the remaining questions may spend."""
    now = time.monotonic()
    trainings = meter.spent + (allowed.trainings - meter.spent) / questions
    deadline = now + (start + allowed.seconds - now) / questions
    return Meter(meter.recipe, trainings, deadline, meter.spent, meter.started)


def _check_options(effort: str, margin: float, regret: float, seed: int) -> None:
    if effort not in EFFORTS:
        raise OptionError(f"effort={effort!r} does not exist. Expected one of {', '.join(EFFORTS)}.")
    if not 0 <= margin < 1:
        raise OptionError(f"margin={margin} is out of range. Expected a share of the loss, at least 0 and below 1.")
    check_seed(seed)
    if not 0 <= regret < 1:
        raise OptionError(f"regret={regret} is out of range. Expected a share of the loss, at least 0 and below 1.")


Question = tuple[str, tuple[Merge, ...]]
"""A name, and the merges that switch together."""


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
    if sites is None:
        return [merge for merge in merges.values() if unswitchable(merge) is None]
    for site in sites:
        if site not in merges:
            known = list(merges)
            near = f" Nearest: {nearest(site, known)}." if known else " It has none."
            raise SiteError(f"{site!r} is not a merge of this model.{near} `inspect` lists every merge.")
        refusal = unswitchable(merges[site])
        if refusal is not None:
            raise SiteError(f"{site!r} cannot be advised on: {refusal.reason} [{refusal.code}].")
    return [merges[site] for site in dict.fromkeys(sites)]


def _examples(graph: Graph, outputs: Outputs, data: Any, validation: Any, seed: int) -> tuple[Examples, Examples]:
    inputs = [(name, graph.nodes[name].shape) for name in graph.inputs]
    fit = materialise(as_dataset(data, inputs=inputs, outputs=outputs))
    if not fit.targets:
        raise DataError("The data have no labels, and a verdict needs a loss. Pass (x, y).")
    if validation is None:
        fit, held = split(fit, HELD_SHARE, seed)
    else:
        held = materialise(as_dataset(validation, inputs=inputs, outputs=outputs))
        if not held.targets:
            raise DataError("The validation data have no labels, and a verdict needs a loss. Pass (x, y).")
    for words, examples, fewest in (("to fit on", fit, FEWEST_FIT), ("to judge on", held, FEWEST_HELD)):
        if examples.count < fewest:
            raise DataError(
                f"{examples.count} examples {words} are too few; {fewest} are needed at least, "
                "and some hundred to decide anything but large gains."
            )
    return fit, held


def _batch_size(data: Any) -> int | None:
    """Examples in a batch, where the data say so themselves."""
    size = getattr(data, "batch_size", None)
    return size if isinstance(size, int) and size > 0 else None


def _notes(verdicts: Sequence[Verdict], first: _First, recipe: str, was_split: bool, held: int) -> list[str]:
    notes = [f"Training recipe: {recipe}."]
    if was_split:
        notes.append(f"No validation data were given: {held} examples of the data were put aside to judge on.")
    if not first.trained:
        blind = next((v.site for v in verdicts if v.now == "add" and v.evidence[0].shared_branches), "")
        notes.append(doubt(first.loss, [found for v in verdicts for found in v.evidence], blind))
    return notes
