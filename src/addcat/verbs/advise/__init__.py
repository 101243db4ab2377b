"""`advise`: add or concat at each merge, from one trained model and some data."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from addcat.data import as_dataset, materialise, split
from addcat.data.dataset import Outputs
from addcat.data.examples import Examples
from addcat.doors.base import laboratory_for
from addcat.errors import DataError, OptionError, SiteError, check_seed, nearest
from addcat.evidence.baseline import beats_constant, doubt
from addcat.evidence.problem import Problem
from addcat.evidence.result import SECONDS
from addcat.graph import Graph
from addcat.graph.nested import subgraph
from addcat.merges import Merge, find_merges
from addcat.merges.switchability import unswitchable
from addcat.verbs.advise.climb import EFFORTS, Climb, climb
from addcat.verbs.advise.result import Advice, Gain, Verdict
from addcat.verbs.advise.together import together
from addcat.verbs.advise.verdict import verdict_of
from addcat.verbs.inspect import inspect_graph

__all__ = ["EFFORTS", "Advice", "Climb", "Gain", "Verdict", "advise"]

HELD_SHARE = 0.3
FEWEST_FIT, FEWEST_HELD = 20, 10
"""Examples below which no interval would mean anything."""


def advise(
    model: Any,
    data: Any,
    *,
    validation: Any = None,
    loss: Any = None,
    sites: Sequence[str] | str | None = None,
    effort: str = "auto",
    time_limit: float | None = None,
    margin: float = 0.02,
    seed: int = 0,
    progress: Callable[[str, float, float], None] | None = None,
    example_inputs: Any = None,
    **training: Any,
) -> Advice:
    """Say whether to add or to concatenate at each merge of a trained model.

    Args:
        model: A built Functional or Sequential Keras model. It is not touched.
        data: What it was trained on: arrays `(x, y)` (lists or dicts for several inputs), batches, `tf.data`,
            `keras.utils.PyDataset` or a torch `DataLoader`.
        validation: Data to judge on; without, part of `data` is put aside.
        loss: A Keras loss, its name or a function; else the compiled model's, else the one that the targets suggest.
        sites: Names of the merges to advise on; every Add and Concatenate where left out.
        effort: "auto" climbs from cheap methods to dear ones as far as the verdict needs; the name of a method runs
            that one alone.
        time_limit: Seconds for everything; 60 a merge under "auto" where left out, none for a named method.
        margin: Share of Add's loss below which a gain does not count, because Add is cheaper.
        seed: Of everything drawn.
        progress: Called with what is being done, the seconds spent and the seconds allowed.
        example_inputs: What a PyTorch module is called with; taken from the data where left out.
        **training: How a PyTorch module is trained: `optimizer`, a function of its parameters; `scheduler`, a function
            of the optimiser; `epochs`; `unpack`, which takes a batch of a loader and gives (inputs, target);
            `factory`, which makes the model anew; `device`; `autocast`, a type. A `DataLoader` is iterated as it is.

    Returns:
        One verdict for each merge, with its evidence.

    Raises:
        DataError: if the data do not fit, hold no labels, are too few, or give activations that are not finite.
        SiteError: if a site does not exist.
        OptionError: if an option is out of its range.
        ModelError: if the model cannot be read.
    """
    _check_options(effort, margin, time_limit, seed)
    start = time.monotonic()
    door, data, validation = laboratory_for(model, data, validation, example_inputs=example_inputs, options=training)
    graph = door.read(model)
    merges = _wanted(graph, sites)
    fit, held = _examples(graph, door.outputs_of(model), data, validation, seed)
    losses, loss_words = door.resolve_loss(model, loss, fit.targets)
    door.resolve_loss(model, loss, held.targets)
    recipe = door.recipe_of(model, batch=_batch_size(data), examples=fit.count)
    value, trained = beats_constant(door, door.write(graph), losses, held)
    if not math.isfinite(value):
        raise DataError(
            f"The model's loss on the data is {value}: its activations or the loss are not finite. "
            "Check the inputs, the labels and the weights before asking for a verdict."
        )
    allowed = time_limit if time_limit is not None else SECONDS * len(merges) if effort == "auto" else float("inf")
    verdicts: list[Verdict] = []
    problems: list[Problem] = []

    def tell(words: str) -> None:
        if progress is not None:
            progress(words, time.monotonic() - start, allowed)

    for place, merge in enumerate(merges):
        now = time.monotonic()
        share = (start + allowed - now) / (len(merges) - place)
        inside, _ = subgraph(graph, merge.site)
        problem = Problem(door, graph, inside, merge, fit, held, losses, recipe, seed, now + share, tell)
        verdicts.append(verdict_of(problem, climb(problem, effort, margin, named=sites is not None), margin, value))
        problems.append(problem)
    return Advice(
        model=graph.name,
        verdicts=tuple(verdicts),
        together=together(problems, verdicts, margin) if effort in ("auto", "retrain") else None,
        inspection=inspect_graph(graph),
        notes=tuple(_notes(verdicts, trained, value, recipe.source, validation is None, held.count)),
        loss=loss_words,
        examples=(fit.count, held.count),
        seconds=time.monotonic() - start,
    )


def _check_options(effort: str, margin: float, time_limit: float | None, seed: int) -> None:
    if effort not in EFFORTS:
        raise OptionError(f"effort={effort!r} does not exist. Expected one of {', '.join(EFFORTS)}.")
    if not 0 <= margin < 1:
        raise OptionError(f"margin={margin} is out of range. Expected a share of the loss, at least 0 and below 1.")
    check_seed(seed)
    if time_limit is not None and not time_limit > 0:
        raise OptionError(f"time_limit={time_limit} is out of range. Expected seconds, above 0.")


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


def _notes(
    verdicts: Sequence[Verdict], trained: bool, value: float, recipe: str, was_split: bool, held: int
) -> list[str]:
    notes = [f"Training recipe: {recipe}."]
    if was_split:
        notes.append(f"No validation data were given: {held} examples of the data were put aside to judge on.")
    if not trained:
        blind = next((v.site for v in verdicts if v.now == "add" and v.evidence[0].shared_branches), "")
        notes.append(doubt(value, [found for v in verdicts for found in v.evidence], blind))
    return notes
