"""The network as boxes and arrows: merges stand alone, what lies between two of them becomes one box.

Nested models are laid open, so that every merge is in the picture. Two rules are applied until neither does any more.
Chain: a box that is read by one box alone, and is all that this one reads, joins it. Fork: where all that a box reads
comes from one source, directly or over boxes that nothing else reads, those boxes join it. Neither makes a cycle.
Inputs and merges that are drawn never join, so every branch of such a merge keeps an arrow of its own.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from addcat.graph import Edge, Graph, Node
from addcat.graph.nested import flatten
from addcat.graph.operations import OPS
from addcat.merges import is_merge
from addcat.report import rows
from addcat.verbs.advise.html.verdicts import action, verdict_words
from addcat.verbs.advise.result import Advice, Verdict

MOST_MERGES = 160
"""With more merges than this, those without a verdict go into boxes."""
MOST_LISTED = 60
"""Layers that a box names; of the others it gives the number."""


def graph_data(advice: Advice, graph: Graph) -> dict[str, Any]:
    """What the drawing of a network shows.

    Args:
        advice: The verdicts, and the inspection of the same graph.
        graph: The outermost graph, as a door read it.

    Returns:
        Lists "nodes" and "edges", ready for JSON. A node has an "id", a "kind" ("input", "merge", "layers", "output"),
        a "title", a "note" and the "layers" in it (name, kind, shape), "more" being the number of those not listed; a
        merge has "op", and where it was judged "choice", "action", "words" and the "section" that tells more. An edge
        goes "from" an id "to" an id and has the "shape" of its tensor.
    """
    flat = flatten(graph)
    sites = dict(_sites(graph, "", ""))
    verdicts = {site: (place, verdict) for place, verdict in enumerate(advice.verdicts, 1) for site in verdict.sites}
    merges = {name for name, node in flat.nodes.items() if is_merge(node)}
    judged = {name for name in merges if sites[name] in verdicts}
    kept = merges if len(merges) <= MOST_MERGES else judged
    groups = _contract(flat, kept | {name for name, node in flat.nodes.items() if node.op == "input"})
    number = {name: place for place, members in enumerate(groups) for name in members}
    nodes = [
        {"id": place, **_describe(flat, members, kept, sites[members[0]], verdicts)}
        for place, members in enumerate(groups)
    ]
    edges = list(_edges(flat, number, kept))
    for edge in flat.outputs:
        nodes.append({"id": len(nodes), **_output(flat, edge, alone=len(flat.outputs) == 1)})
        edges.append({"from": number[edge.node], "to": len(nodes) - 1, "shape": _shape(flat, edge)})
    return {"nodes": nodes, "edges": edges}


def _sites(graph: Graph, flat: str, site: str) -> Iterator[tuple[str, str]]:
    """For each node of the flattened graph, its name as a site: calls of one nested model share theirs."""
    first: dict[int, str] = {}
    for node in graph.nodes.values():
        if node.body is None:
            yield flat + node.name, site + node.name
        else:
            called = first.setdefault(id(node.body), node.name)
            yield from _sites(node.body, f"{flat}{node.name}/", f"{site}{called}/")


def _contract(graph: Graph, alone: set[str]) -> list[list[str]]:
    """Put nodes into boxes, those in `alone` each into its own; boxes and their members in topological order."""
    before = {name: {edge.node for edge in node.inputs} for name, node in graph.nodes.items()}
    after: dict[str, set[str]] = {name: set() for name in graph.nodes}
    for name, sources in before.items():
        for source in sources:
            after[source].add(name)
    members = {name: [name] for name in graph.nodes}
    waiting = deque(name for name in graph.nodes if name not in alone)
    while waiting:
        box = waiting.popleft()
        if box not in members:
            continue
        own = {name for name in before[box] if name not in alone and after[name] == {box}}
        forked = {name for name in own if len(before[name]) == 1}
        sources = (before[box] - forked).union(*(before[name] for name in forked))
        joining = own if len(before[box]) == 1 else forked if len(sources) == 1 else set[str]()
        if not joining:
            continue
        for name in joining:
            members[box] += members.pop(name)
            before[box] = (before[box] | before[name]) - {name}
            for source in before[name]:
                after[source] = (after[source] | {box}) - {name}
        waiting.extend([box, *(reader for reader in after[box] if reader not in alone)])
    order = {name: place for place, name in enumerate(graph.nodes)}
    return [sorted(members[name], key=order.__getitem__) for name in graph.nodes if name in members]


def _edges(graph: Graph, number: dict[str, int], merges: set[str]) -> Iterator[dict[str, Any]]:
    """One edge for each branch of a merge, and one between boxes for each tensor."""
    seen: set[tuple[Edge, int]] = set()
    for name, node in graph.nodes.items():
        for edge in node.inputs:
            source, target = number[edge.node], number[name]
            if source == target or (name not in merges and (edge, target) in seen):
                continue
            seen.add((edge, target))
            yield {"from": source, "to": target, "shape": _shape(graph, edge)}


def _describe(
    graph: Graph, members: list[str], merges: set[str], site: str, verdicts: dict[str, tuple[int, Verdict]]
) -> dict[str, Any]:
    nodes = [graph.nodes[name] for name in members]
    last = nodes[-1]
    shape = rows.shape_text(last.shape)
    layers = [[node.name, _kind(node), rows.shape_text(node.shape)] for node in nodes[:MOST_LISTED]]
    seen: dict[str, Any] = {"layers": layers, "more": len(nodes) - len(layers)}
    if last.op == "input":
        return {"kind": "input", "title": last.name, "note": shape, **seen}
    if last.name in merges:
        return {
            "kind": "merge",
            "title": site,
            "note": shape,
            "op": last.op,
            "label": OPS[last.op].label,
            **_judged(verdicts.get(site)),
            **seen,
        }
    if len(nodes) == 1:
        return {"kind": "layers", "title": last.name, "note": f"{_kind(last)}, {shape}", **seen}
    return {"kind": "layers", "title": f"{rows.integer(len(nodes))} layers", "note": f"to {shape}", **seen}


def _judged(found: tuple[int, Verdict] | None) -> dict[str, Any]:
    if found is None:
        return {}
    place, verdict = found
    words = {"choice": verdict.choice, "action": action(verdict), "words": verdict_words(verdict)}
    return {**words, "section": f"merge-{place}"}


def _output(graph: Graph, edge: Edge, *, alone: bool) -> dict[str, Any]:
    title = "output" if alone else edge.node
    return {"kind": "output", "title": title, "note": _shape(graph, edge), "layers": [], "more": 0}


def _kind(node: Node) -> str:
    label = OPS[node.op].label
    return node.kind if node.kind != node.op or not label else label


def _shape(graph: Graph, edge: Edge) -> str:
    return rows.shape_text(graph.tensor(edge).shape)
