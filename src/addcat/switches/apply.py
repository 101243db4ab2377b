"""One merge taken to one rung: the rule that applies, or the refusal that says why none does."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from addcat.doors.base import Prober
from addcat.graph import Array, Edge, Graph, Refusal
from addcat.graph.nested import subgraph, with_subgraph
from addcat.merges import Merge, describe_merge
from addcat.merges.switchability import absorb_refusal, blocker, exact_form
from addcat.switches.collapse import collapse_to_add, collapse_to_branch
from addcat.switches.fitted import fit_targets
from addcat.switches.ladder import OP_OF, Rung, lower_to_add, mask_refusal, raise_to
from addcat.switches.nodes import with_own_layers
from addcat.switches.to_add import absorb, average_parts
from addcat.switches.to_concat import to_concat

RUNG_OF = {op: name for name, op in OP_OF.items()}


@dataclass(frozen=True, slots=True)
class Setting:
    """What every step of one switch shares.

    Attributes:
        door: Runs graphs, where kernels are fitted.
        batches: Batches of model inputs; empty without data.
        widen: "project" or "pad".
        seed: Of everything drawn.
        until: When fitting is to end, in seconds of `time.monotonic`; where it would not, `OutOfTime` is raised.
        projected: Sites where a Concatenate keeps the channels of the Add by a 1x1 layer, though its readers could take
            more: code around them may ask for those.
    """

    door: Prober
    batches: tuple[list[Array], ...]
    widen: str
    seed: int
    until: float = math.inf
    projected: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Changed:
    """A graph with one merge changed, and how that was done.

    Attributes:
        graph: The new outermost graph.
        rule: How it was done (see `Step`).
        exact: Whether the function is the same by algebra.
        distortion: Of each fitted consumer.
        checks: Pairs of tensors, before and after, in the graph of the site, that an exact step keeps equal. The
            outputs of a network can hide an error; the tensors next to the merge cannot.
    """

    graph: Graph
    rule: str
    exact: bool
    distortion: dict[str, float]
    checks: tuple[tuple[Edge, Edge], ...] = ()


def current_rung(graph: Graph, merge: Merge) -> str:
    """The rung that a merge stands on, as a user writes it; its op's name for merges off the ladder."""
    node = graph.nodes[merge.node]
    if merge.op == "projected_add":
        return f"low_rank:{node.weights['down'].shape[1]}"
    return RUNG_OF.get(merge.op, merge.op)


def switch_site(root: Graph, site: str, rung: Rung, setting: Setting) -> Changed | Refusal:
    """Take one merge to a rung.

    Args:
        root: The outermost graph.
        site: Name of the merge.
        rung: Where it is to go.
        setting: Data, seed and widening.

    Returns:
        The new outermost graph, or why it cannot be done.
    """
    graph, name = subgraph(root, site)
    merge = describe_merge(graph, graph.nodes[name], site[: -len(name)])
    if current_rung(graph, merge) == rung.text:
        return Changed(root, "unchanged", True, {})
    if (blocked := blocker(graph, merge) or mask_refusal(graph.nodes[name], site, rung)) is not None:
        return blocked
    graph = with_own_layers(graph, name)
    exact = _exactly(graph, merge, rung, setting)
    if not isinstance(exact, Refusal):
        return Changed(with_subgraph(root, site, exact[0]), exact[1], True, {}, _checks(graph, merge, exact[0]))
    if not setting.batches:
        return exact
    return _fitted(with_subgraph(root, site, graph), site, merge, rung, setting)


def _checks(old: Graph, merge: Merge, new: Graph) -> tuple[tuple[Edge, Edge], ...]:
    """Tensors behind the merge, and the merged one itself where its shape stays, before and after."""
    names = [
        c.node for c in merge.consumers if c.node in new.nodes and new.nodes[c.node].shape == old.nodes[c.node].shape
    ]
    pairs = [(Edge(name), Edge(name)) for name in dict.fromkeys(names)]
    behind = f"{merge.node}_project"
    if behind in new.nodes and behind not in old.nodes:
        pairs.append((Edge(merge.node), Edge(behind)))
    return tuple(pairs)


def _exactly(graph: Graph, merge: Merge, rung: Rung, setting: Setting) -> tuple[Graph, str] | Refusal:
    """The change by algebra alone."""
    if rung.name == "drop":
        reason = f"what the other branches of {merge.site!r} add is lost: give data, and the closest network is fitted"
        return Refusal("AC114", merge.site, reason)
    if merge.adds and rung.name == "concat":
        return to_concat(graph, merge, behind=merge.site in setting.projected)
    rule = "raise"
    if not merge.adds:
        form = exact_form(graph, merge)
        if isinstance(form, Refusal):
            return form
        # absorbing is only for branches whose layers are theirs; equal parts need nothing of them
        folds = form == "absorb" and absorb_refusal(graph, merge) is None
        graph, rule = (absorb(graph, merge) if folds else average_parts(graph, merge)), form
    elif merge.op != "add":
        lowered = lower_to_add(graph, merge)
        if isinstance(lowered, Refusal):
            return lowered
        graph, rule = lowered, "lower"
    return raise_to(graph, describe_merge(graph, graph.nodes[merge.node]), rung, seed=setting.seed), rule


def _fitted(root: Graph, site: str, merge: Merge, rung: Rung, setting: Setting) -> Changed:
    """The closest network, its kernels fitted to what the consumers computed before."""
    graph, name = subgraph(root, site)
    if rung.name == "drop":
        collapsed = collapse_to_branch(graph, merge)
    else:
        collapsed = collapse_to_add(graph, merge, widen=setting.widen)
    new, distortion = fit_targets(
        root, site, graph, collapsed, setting.door, setting.batches, seed=setting.seed, until=setting.until
    )
    inside, _ = subgraph(new, site)
    if rung.name != "drop":
        raised = raise_to(inside, describe_merge(inside, inside.nodes[name]), rung, seed=setting.seed)
        new = with_subgraph(new, site, raised)
    return Changed(new, "fit", False, distortion)


def inputs_of(batches: Iterable[tuple[list[Array], object]]) -> tuple[list[Array], ...]:
    """The inputs of batches of (inputs, target)."""
    return tuple(inputs for inputs, _ in batches)
