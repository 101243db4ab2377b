"""`switch`: change merges of a model, keep what it computes, and say what was done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from addcat.doors.base import Writer, door_for, framework_of
from addcat.doors.batches import input_batches
from addcat.errors import OptionError, RefusedError, check_seed
from addcat.graph import Edge, Graph, Refusal
from addcat.graph.cost import tensor_bytes
from addcat.graph.nested import flatten, subgraph
from addcat.graph.operations import OPS
from addcat.merges import Merge, find_merges
from addcat.report.page import Page
from addcat.report.printed import Printed
from addcat.switches.apply import Changed, Setting, current_rung, switch_site
from addcat.switches.fresh import fresh_site
from addcat.switches.ladder import RUNGS, Rung, parse_rung
from addcat.verbs.switch.result import Footprint, Record, Step, footprint
from addcat.verbs.switch.sites import require_sites
from addcat.verbs.switch.verify import compare_outputs

__all__ = ["RUNGS", "Record", "Step", "Switched", "switch"]

ADDCAT_LAYERS = ("scaled_add", "channel_scaled_add", "projected_add")
"""Operations for which Keras has no layer of its own."""
BATCHES = 64
"""At most this many batches of data are run to fit kernels; more change them little."""


@dataclass(frozen=True, slots=True)
class Switched(Printed):
    """A model with other merges.

    Attributes:
        model: The new model, ready to fine-tune; it shares nothing with the one that was given.
        record: What was done.
    """

    model: Any
    record: Record

    def page(self) -> Page:
        """The record for people."""
        return self.record.page()


def switch(
    model: Any,
    changes: Mapping[str, str],
    *,
    data: Any = None,
    widen: str = "project",
    fresh: bool = False,
    seed: int | None = None,
    example_inputs: Any = None,
    unpack: Callable[[Any], Any] | None = None,
) -> Switched:
    """Change merges without changing what the network computes.

    Add becomes Concatenate exactly, always: W (x + y) = [W W] [x; y], or a 1x1 layer [I I] behind the Concatenate.
    The other way is exact where the consumer's kernel has equal parts or folds into the branches' last layers;
    elsewhere the closest Add is fitted to `data`, and the record says how much is lost.

    Args:
        model: A built Functional or Sequential Keras model, or a PyTorch module. It is not touched.
        changes: For each site the rung that it is to take: "drop", "add", "scale", "channel_scale", "low_rank:R" or
            "concat". Sites are named as `inspect` names them.
        data: Inputs on which kernels may be fitted where no exact switch exists: arrays, `(x, y)`, or batches.
        widen: How a branch that is too narrow for Add is widened: "project" (a 1x1 layer) or "pad" (zeros).
        fresh: Draw all weights anew instead: the architecture alone is switched, to be trained from scratch. Layers
            that no switch touched start alike for every choice of rungs with one seed.
        seed: Of everything drawn; 0 where left out.
        example_inputs: What a PyTorch module is called with: a tuple of arguments, or a dict of keyword arguments.
        unpack: Takes a batch of a PyTorch loader and gives (inputs, target), as for `advise`.

    Returns:
        The new model and the record. A PyTorch optimiser has to be made after it, for the new module's parameters:
        one that was made before goes on training the old ones.

    Raises:
        SiteError: if a site does not exist; names the nearest.
        OptionError: if a rung or an option does not exist.
        RefusedError: if a site cannot take its rung; lists every refusal, and nothing is handed over.
        ModelError: if the model cannot be read or made again.
        DataError: if the data do not fit the model.

    Examples:
        >>> from addcat.frameworks import keras
        >>> layers, x = keras().layers, keras().Input((8,), name="x")
        >>> y = layers.Add(name="link")([x, layers.Dense(8, name="block")(x)])
        >>> model = keras().Model(x, layers.Dense(3, name="head")(y))
        >>> switched = switch(model, {"link": "concat"})
        >>> [step.rule for step in switched.record.steps], switched.record.exact
        (['tie'], True)
        >>> switched.model.get_layer("head").kernel.shape
        (16, 3)
    """
    wanted = _read_changes(changes)
    if widen not in ("project", "pad"):
        raise OptionError(f"widen={widen!r} is not a way to widen a branch. Expected 'project' or 'pad'.")
    door, drawn = door_for(model, needs="write", example_inputs=example_inputs), 0 if seed is None else seed
    check_seed(drawn)
    graph = door.read(model)
    merges = {merge.site: merge for merge in find_merges(graph)}
    require_sites(graph, list(wanted))
    batches = () if data is None else input_batches(model, graph, data, most=BATCHES, unpack=unpack)
    setting = Setting(door, batches, widen, drawn)
    new, new_graph, steps, checks = _written(door, graph, merges, wanted, setting, fresh=fresh)
    exact = all(step.exact for step in steps)
    difference = None
    if not fresh:
        difference = compare_outputs(door, (model, new), graph, batches, checks, seed=drawn, exact=exact)
    rungs = {site: rung.text for site, rung in wanted.items()}
    record = Record(rungs, widen, drawn, fresh, tuple(steps), difference, _model_notes(model, new, new_graph))
    return Switched(new, record)


def _read_changes(changes: Mapping[str, str]) -> dict[str, Rung]:
    """The rung that each merge is to take; from a notebook anything may come."""
    mapping = isinstance(changes, Mapping)  # pyright: ignore[reportUnnecessaryIsInstance]
    pairs: dict[Any, Any] = dict(changes) if mapping else {None: None}
    if not all(isinstance(word, str) for pair in pairs.items() for word in pair):
        raise OptionError(
            f"changes={changes!r} does not say which merge becomes what. Pass a dict from the names of merges to "
            'rungs, such as {"add": "concat"}.'
        )
    return {site: parse_rung(rung) for site, rung in pairs.items()}


def _written(
    door: Writer, graph: Graph, merges: dict[str, Merge], wanted: Mapping[str, Rung], setting: Setting, *, fresh: bool
) -> tuple[Any, Graph, list[Step], list[tuple[Edge, Edge]]]:
    """The new model, its graph, what was done and what is to be checked.

    Where the user's code does not take the channels of a tied Concatenate, a 1x1 layer gives back those of the Add.
    """
    seed = setting.seed if fresh else None
    made, steps, checks = _steps(graph, merges, wanted, setting, fresh=fresh)
    try:
        return door.write(made, weights=not fresh, seed=seed), made, steps, checks
    except RefusedError as refused:
        asked = {refusal.site for refusal in refused.refusals if refusal.code == "AC118"}
        tied = frozenset(step.site for step in steps if step.rule == "tie" and step.site in asked)
        if not tied:
            raise
        made, steps, checks = _steps(graph, merges, wanted, replace(setting, projected=tied), fresh=fresh)
        try:
            return door.write(made, weights=not fresh, seed=seed), made, steps, checks
        except RefusedError:  # it is not the channels that the code minds
            raise refused from None


def _steps(
    graph: Graph, merges: dict[str, Merge], wanted: Mapping[str, Rung], setting: Setting, *, fresh: bool
) -> tuple[Graph, list[Step], list[tuple[Edge, Edge]]]:
    steps: list[Step] = []
    checks: list[tuple[Edge, Edge]] = []
    first = graph
    refusals: list[Refusal] = []
    take = fresh_site if fresh else switch_site
    for site in (site for site in merges if site in wanted):
        outcome = take(graph, site, wanted[site], setting)
        if isinstance(outcome, Refusal):
            refusals.append(outcome)
        else:
            steps.append(_step(graph, merges[site], wanted[site], outcome, asked=site in setting.projected))
            graph = outcome.graph
            if "/" not in site:
                checks.extend(outcome.checks)
    if refusals:
        lines = [f"{r.site!r} cannot become {wanted[r.site].text}: {r.reason} [{r.code}]." for r in refusals]
        raise RefusedError("\n".join(lines), refusals)
    return graph, steps, [(a, b) for a, b in checks if _lasts(first, a, graph, b)]


def _lasts(first: Graph, before: Edge, last: Graph, after: Edge) -> bool:
    """Whether both tensors of a check are there at the ends of all steps, with one shape."""
    both = before.node in first.nodes and after.node in last.nodes
    return both and first.tensor(before).shape == last.tensor(after).shape


def _step(before: Graph, merge: Merge, rung: Rung, outcome: Changed, *, asked: bool) -> Step:
    site, after = merge.site, outcome.graph
    old, name = subgraph(before, site)
    new, _ = subgraph(after, site)
    changed = [n for n, node in new.nodes.items() if n in old.nodes and node is not old.nodes[n]]
    return Step(
        site=site,
        was=current_rung(old, merge),
        now=rung.text,
        rule=outcome.rule,
        exact=outcome.exact,
        removed=tuple(n for n in old.nodes if n not in new.nodes),
        added=tuple(n for n in new.nodes if n not in old.nodes),
        changed=tuple(n for n in changed if new.nodes[n].edited or new.nodes[n].op != old.nodes[n].op),
        distortion=outcome.distortion,
        before=_measured(before, old, name),
        after=_measured(after, new, name),
        notes=tuple(_notes(old, merge, outcome, asked=asked)),
    )


def _measured(root: Graph, inside: Graph, name: str) -> Footprint:
    node = inside.nodes.get(name)
    return footprint(root, tensor_bytes(node.outputs[0]) if node is not None else None)


def _notes(graph: Graph, merge: Merge, outcome: Changed, *, asked: bool) -> list[str]:
    notes: list[str] = []
    if asked and outcome.rule == "project":
        words = "the model's own code asks for the channels of the Add, so a 1x1 layer gives them back; "
        notes.append(f"{merge.site}: {words}its readers stay as they are.")
    if outcome.rule == "tie":
        words = "A tied Concatenate computes what Add did but trains differently: "
        notes.append(words + "each copy of the kernel gets a gradient and weight decay of its own.")
    if outcome.rule == "unchanged":
        return notes
    if len(calls := graph.calls(graph.nodes[merge.node])) > 1:
        listed = ", ".join(map(repr, calls))
        notes.append(f"{merge.site}: one layer was called at {listed}; each call has a layer of its own now.")
    inside, _ = subgraph(outcome.graph, merge.site)
    for place, branch in enumerate(merge.branches):
        added = inside.nodes.get(f"{merge.node}_widen_{place}")
        if added is not None and added.name not in graph.nodes:
            how = "zeros" if added.op == "pad_channels" else "a 1x1 layer that starts as [I; 0]"
            words = f"from {branch.channels} to {added.channels} channels by {how}"
            notes.append(f"{merge.site}: branch {branch.producer!r} is widened {words}.")
    masks = graph.nodes[merge.node].attrs.get("masks", ())
    if any(masks):
        notes.append(
            f"{merge.site}: {sum(masks)} of {len(masks)} branches carry a mask; masks go on as they did before."
        )
    return notes


def _model_notes(old: Any, new: Any, graph: Graph) -> tuple[str, ...]:
    notes: list[str] = []
    if getattr(old, "compiled", False):
        notes.append(
            "The new model is compiled as the old one, with the same optimiser settings; its slots start anew."
            if getattr(new, "compiled", False)
            else "The old model's compilation could not be carried over: compile the new one before you train it."
        )
    kinds = sorted({OPS[node.op].label for node in flatten(graph).nodes.values() if node.op in ADDCAT_LAYERS})
    if kinds and framework_of(new) == "keras":
        notes.append(
            f"{' and '.join(kinds)} {'is a layer' if len(kinds) == 1 else 'are layers'} of addcat's: in Python, "
            "`import addcat.layers` before keras.saving.load_model reads the saved model."
        )
    return tuple(notes)
