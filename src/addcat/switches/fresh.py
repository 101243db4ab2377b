"""The same architecture with another merge and all weights drawn anew: an arm to be trained from scratch.

Nothing has to be kept, so the plain form is taken: consumers read as many channels as there are, behind nonlinear
operations too. Where a reader needs the old width, a 1x1 layer follows the merge.
"""

from addcat.graph import Graph, Refusal
from addcat.graph.nested import subgraph, with_subgraph
from addcat.merges import Merge, describe_merge
from addcat.merges.switchability import blocker
from addcat.switches.apply import Changed, Setting, current_rung
from addcat.switches.collapse import collapse_to_add, collapse_to_branch
from addcat.switches.ladder import Rung, mask_refusal, raise_to
from addcat.switches.nodes import with_own_layers
from addcat.switches.to_concat import project, tie


def fresh_site(root: Graph, site: str, rung: Rung, setting: Setting) -> Changed | Refusal:
    """Take one merge to a rung, whatever its weights are.

    Args:
        root: The outermost graph.
        site: Name of the merge.
        rung: Where it is to go.
        setting: Seed and widening.

    Returns:
        The new outermost graph, or why the merge has no such rung.
    """
    graph, name = subgraph(root, site)
    merge = describe_merge(graph, graph.nodes[name], site[: -len(name)])
    if (blocked := blocker(graph, merge) or mask_refusal(graph.nodes[name], site, rung)) is not None:
        return blocked
    if current_rung(graph, merge) == rung.text:
        return Changed(root, "unchanged", False, {})
    graph = _plain(with_own_layers(graph, name), merge, rung, setting)
    return Changed(with_subgraph(root, site, graph), "fresh", False, {})


def _plain(graph: Graph, merge: Merge, rung: Rung, setting: Setting) -> Graph:
    if rung.name == "concat":
        return _opened(graph, merge)
    if rung.name == "drop":
        return collapse_to_branch(graph, merge, force_direct=True).graph
    if merge.op != "add":
        graph = collapse_to_add(graph, merge, widen=setting.widen, force_direct=True).graph
    return raise_to(graph, describe_merge(graph, graph.nodes[merge.node]), rung, seed=setting.seed)


def _opened(graph: Graph, merge: Merge) -> Graph:
    return tie(graph, merge) if merge.direct else project(graph, merge)
