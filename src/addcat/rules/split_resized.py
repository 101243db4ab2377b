"""Split where a branch was enlarged, and do its part where it is small.

W [resize(x); y] = W_1 resize(x) + W_2 y by `split`; then W_1 resize(x) = resize(W_1 x) for one tap
(`exchange_resize`), or a transposed convolution of x for several (`nearest_conv`). The split alone gains little, what
it makes possible much, so the two are proposed as one.

Before the map a resize acts on the channels of its branch, behind it on those of the result. Where these are many
more, what the map saves the resize takes again; `split-wide` leaves such branches joined, with one kernel for them:
W [x; r(y); r(z)] = [W_x W_y] [x; r(y)] + r(W_z z).
"""

import numpy as np

from addcat.graph import Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule
from addcat.rules.exchange_resize import EXCHANGE_RESIZE, enlargement
from addcat.rules.nearest_conv import NEAREST_CONV
from addcat.rules.split import SPLITTABLE, check, split_reader

THEN = (EXCHANGE_RESIZE, NEAREST_CONV)
GROWTH = 4
"""How many times its own channels a branch may be enlarged with under `split-wide`."""
JOINABLE = ("dense", "conv")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Split a reader of a Concatenate and move its parts to before the enlargements."""
    if node.op not in SPLITTABLE or guards.producer(graph, node).op != "concat":
        return None
    concat = guards.producer(graph, node)
    resized = [edge.node for edge in concat.inputs if graph.nodes[edge.node].op == "resize"]
    resized = [name for name in dict.fromkeys(resized) if enlargement(graph, graph.nodes[name]) > 1]
    if not resized or len(concat.inputs) < 2:
        return None
    sizes = check(graph, node, concat)
    if node.attrs.get("groups", 1) != 1:
        raise Blocked(f"{node.name!r} is a grouped convolution")
    for name in resized:
        guards.only_reader(graph, graph.nodes[name], concat)
    guards.only_reader(graph, concat, node)
    split = split_reader(graph, node, concat, sizes)
    parts = {name: split.readers(Edge(name))[0][0] for name in resized}
    movable = _movable(split, parts)
    names = ", ".join(map(repr, movable))
    words = f"cut the kernel of {node.name!r} at the branches of {concat.name!r} and apply its parts before {names}"
    return Plan((node.name, concat.name, *movable), words, lambda: _change(split, [parts[name] for name in movable]))


def plan_wide(graph: Graph, node: Node) -> Plan | None:
    """Do so for the branches with enough channels, and leave the others joined."""
    every = plan(graph, node) if node.op in JOINABLE else None
    if every is None:
        return None
    concat = guards.producer(graph, node)
    sizes = dict(zip(concat.inputs, check(graph, node, concat), strict=True))
    wide = [name for name in every.nodes[2:] if GROWTH * sizes[Edge(name)] >= (node.channels or 0)]
    if not wide or len(wide) == len(every.nodes) - 2:
        return None
    joined = _joined(graph, node, concat, [edge for edge in concat.inputs if edge.node not in wide])
    split = plan(joined, joined.nodes[node.name])
    if split is None:
        return None
    names = ", ".join(map(repr, wide))
    words = f"cut the kernel of {node.name!r}, apply its parts before {names}, and one to the other branches"
    return Plan((node.name, concat.name, *wide), words, split.change)


def _joined(graph: Graph, node: Node, concat: Node, together: list[Edge]) -> Graph:
    """The graph with some branches of a Concatenate joined by one of their own, and the kernel in their order."""
    sizes = check(graph, node, concat)
    starts = dict(zip(concat.inputs, np.cumsum([0, *sizes]), strict=False))
    apart = [edge for edge in concat.inputs if edge not in together]
    known = dict(zip(concat.inputs, sizes, strict=True))
    columns = np.concatenate([starts[edge] + np.arange(known[edge]) for edge in (*together, *apart)])
    axis = guards.joined_axis(concat)
    inner = building.merge("concat", graph.fresh_name(f"{concat.name}_rest"), tuple(together), concat, axis=axis)
    total = sum(known[edge] for edge in together)
    inner = building.moved(inner, inner.name, outputs=(building.sized(concat.outputs[0], axis, total),))
    outer = building.moved(concat, concat.name, inputs=(Edge(inner.name), *apart))
    weights = {**{key: node.weight(key) for key in node.weights}, "kernel": node.weight("kernel")[:, columns].copy()}
    return graph.edit(put=[inner, outer, building.made(node, node.name, weights=weights)])


def _follow_up(graph: Graph, part: Node) -> Plan | None:
    return next((plan_ for rule in THEN if (plan_ := rule.plan(graph, part)) is not None), None)


def _movable(graph: Graph, parts: dict[str, str]) -> list[str]:
    """Those enlargements before which the part of the kernel can be applied."""
    found: list[str] = []
    reasons: list[str] = []
    for resized, part in parts.items():
        try:
            found += [resized] if _follow_up(graph, graph.nodes[part]) else []
        except Blocked as reason:
            reasons.append(str(reason))
    if not found:
        raise Blocked(reasons[0] if reasons else f"no rule moves {', '.join(map(repr, parts.values()))}")
    return found


def _change(graph: Graph, parts: list[str]) -> Graph:
    for name in parts:
        plan_ = _follow_up(graph, graph.nodes[name])
        graph = plan_.change() if plan_ else graph
    return graph


SPLIT_RESIZED = Rule(
    "split-resized", "AC321", ("latency", "memory"), plan, role=Role.OPENING, slack=0.1, memory_slack=2.0
)
SPLIT_WIDE = Rule("split-wide", "AC327", ("latency", "memory"), plan_wide)
