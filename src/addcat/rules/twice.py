"""The same tensor twice: x + x = 2 x, max(x, x) = x, and W [x; x] = (W_1 + W_2) x for a linear reader.

For terms that come n_i times, sum_i n_i x_i: each x_i is scaled once, before the sum. The reader of a Concatenate has
the columns of equal branches added; the Concatenate then joins every tensor once.
"""

from collections import Counter

import numpy as np

from addcat.algebra import Linear, twice
from addcat.algebra import split as split_kernel
from addcat.graph import Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule
from addcat.rules.split import check

SETS = ("maximum", "minimum")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Read a tensor once where a sum, a maximum or the reader of a Concatenate reads it several times."""
    merge = node
    if node.op in ("dense", "conv", "conv_transpose") and node.attrs.get("groups", 1) == 1:
        merge = guards.producer(graph, node)
        if merge.op != "concat":
            return None
    elif node.op not in ("add", *SETS):
        return None
    repeated = [edge.node for edge, times in Counter(merge.inputs).items() if times > 1]
    if not repeated:
        return None
    guards.free(graph, node)
    guards.free(graph, merge)
    guards.same_type(graph, node)
    names = ", ".join(map(repr, repeated))
    if merge is not node:
        sizes = check(graph, node, merge)
        words = f"{node.name!r} reads {names} once, with the columns of its kernel for them added"
        return Plan((node.name, merge.name), words, lambda: _once(graph, node, merge, sizes))
    if node.op in SETS and len(set(node.inputs)) == 1:
        guards.can_stand_for(graph, node.inputs[0], Edge(node.name))
    words = f"{node.name!r} reads {names} once" + ("" if node.op in SETS else ", scaled")
    return Plan((node.name,), words, lambda: _scaled(graph, node))


def _scaled(graph: Graph, node: Node) -> Graph:
    terms: list[Edge] = []
    put: list[Node] = []
    for edge, times in Counter(node.inputs).items():
        if times == 1 or node.op in SETS:
            terms.append(edge)
            continue
        name = graph.fresh_name(f"{node.name}_times{len(put) + 1}")
        put.append(building.times(times, edge, graph.tensor(edge), name, node.channel_axis))
        terms.append(Edge(name))
    if len(terms) > 1:
        merged = building.merge(node.op, graph.fresh_name(f"{node.name}_once"), tuple(terms), node)
        put, terms = [*put, merged], [Edge(merged.name)]
    return graph.edit(put=put, remove=[node.name], rewire={Edge(node.name): terms[0]})


def _once(graph: Graph, node: Node, concat: Node, sizes: list[int]) -> Graph:
    parts = list(zip(concat.inputs, split_kernel(guards.linear(node).kernel, sizes), strict=True))
    edges, axis = tuple(dict.fromkeys(concat.inputs)), guards.joined_axis(concat)
    alike = [[part for read, part in parts if read == edge] for edge in edges]
    kernel = np.concatenate([twice(np.concatenate(same, axis=1), len(same)) for same in alike], axis=1)
    put, source = [], edges[0]
    if len(edges) > 1:
        outputs = (building.sized(concat.outputs[0], axis, kernel.shape[1]),)
        joined = building.merge("concat", graph.fresh_name(f"{concat.name}_once"), edges, concat, axis=axis)
        put, source = [building.moved(joined, joined.name, outputs=outputs)], Edge(joined.name)
    put.append(node.edit(weights=building.linear_weights(Linear(kernel)), inputs=(source,)))
    unread = [name for name, _ in graph.readers(Edge(concat.name))] == [node.name]
    return graph.edit(put=put, remove=[concat.name] if unread and not graph.is_output(Edge(concat.name)) else [])


TWICE = Rule("twice", "AC305", ("latency", "memory", "parameters"), plan, role=Role.TIDY)
