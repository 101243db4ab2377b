"""One merge taken to one rung: the rule that applies, or the refusal that says why none does."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from addcat.doors.base import Prober
from addcat.graph import Array, Edge, Graph, Node, Refusal
from addcat.graph.nested import calls_of, flatten, subgraph, with_subgraph
from addcat.merges import Merge, describe_merge
from addcat.merges.switchability import absorb_refusal, blocker, exact_form
from addcat.switches.collapse import Collapsed, collapse_to_add, collapse_to_branch
from addcat.switches.fit import Probe, apply_fit, fit_kernel
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
    """

    door: Prober
    batches: tuple[list[Array], ...]
    widen: str
    seed: int


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
    exact = _exactly(graph, merge, rung, setting.seed)
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


def _exactly(graph: Graph, merge: Merge, rung: Rung, seed: int) -> tuple[Graph, str] | Refusal:
    """The change by algebra alone."""
    if rung.name == "drop":
        reason = f"what the other branches of {merge.site!r} add is lost: give data, and the closest network is fitted"
        return Refusal("AC114", merge.site, reason)
    if merge.adds and rung.name == "concat":
        return to_concat(graph, merge)
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
    return raise_to(graph, describe_merge(graph, graph.nodes[merge.node]), rung, seed=seed), rule


def _fitted(root: Graph, site: str, merge: Merge, rung: Rung, setting: Setting) -> Changed:
    """The closest network, its kernels fitted to what the consumers computed before."""
    graph, name = subgraph(root, site)
    if rung.name == "drop":
        collapsed = collapse_to_branch(graph, merge)
    else:
        collapsed = collapse_to_add(graph, merge, widen=setting.widen)
    new, distortion = _fit_targets(root, site, graph, collapsed, setting)
    inside, _ = subgraph(new, site)
    if rung.name != "drop":
        raised = raise_to(inside, describe_merge(inside, inside.nodes[name]), rung, seed=setting.seed)
        new = with_subgraph(new, site, raised)
    return Changed(new, "fit", False, distortion)


def _fit_targets(
    root: Graph, site: str, graph: Graph, collapsed: Collapsed, setting: Setting
) -> tuple[Graph, dict[str, float]]:
    inside, distortion = collapsed.graph, dict[str, float]()
    for target in collapsed.targets:
        new_root = with_subgraph(root, site, inside)
        old_name = target if collapsed.form == "direct" else None
        probe = _probe(root, new_root, site, old_name, target, setting.door)
        old = graph.nodes[target] if old_name else _identity_like(inside.nodes[target])
        fit = fit_kernel(old, inside.nodes[target], probe, setting.batches, seed=setting.seed)
        inside = apply_fit(inside, fit)
        distortion[target] = fit.distortion
    return with_subgraph(root, site, inside), distortion


def _identity_like(new: Node) -> Node:
    """The old merged tensor as a consumer of itself, for a layer that rebuilds it."""
    out = new.weights["kernel"].shape[0]
    kernel = np.eye(out).reshape(out, out, *(1,) * (len(new.weights["kernel"].shape) - 2))
    return new.edit(weights={"kernel": kernel})


def _probe(old: Graph, new: Graph, site: str, old_target: str | None, target: str, door: Prober) -> Probe:
    """A function that runs both networks up to what the target reads, at every call of the nested model it lies in."""
    prefix = site[: site.rfind("/") + 1]
    flat_old, flat_new = flatten(old), flatten(new)
    before = [
        flat_old.nodes[name].inputs[0] if old_target else Edge(name)
        for name in calls_of(old, prefix + old_target if old_target else site)
    ]
    after = [flat_new.nodes[name].inputs[0] for name in calls_of(new, prefix + target)]
    run_old, run_new = door.probe(old, before), door.probe(new, after)

    def probe(batch: list[Array]) -> tuple[Array, Array]:
        return np.concatenate(run_old(batch)), np.concatenate(run_new(batch))

    return probe


def inputs_of(batches: Iterable[tuple[list[Array], object]]) -> tuple[list[Array], ...]:
    """The inputs of batches of (inputs, target)."""
    return tuple(inputs for inputs, _ in batches)
