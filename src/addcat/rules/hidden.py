"""Cut a hidden layer: B f(A x) = B [f_1(A_1 x); ...; f_t(A_t x)] = B_1 f_1(A_1 x) + ... + B_t f_t(A_t x).

A is a linear map, A_j some of its rows, f whatever treats each channel alone between it and B, and B_j the columns of
B for these channels. Nothing is computed twice, but only one part of the hidden channels is alive at a time: the wide
layer between two narrow ones is never held whole (Sandler et al., "MobileNetV2", 2018, section 5.1, for its expansion;
here for any two linear maps). What lies between may branch and meet again, as a gelu that is written out does, and may
begin in several linear maps whose results are added or multiplied.

A pool leaves few of the positions that it reads, so it may stand in the place of B, with what the parts give
concatenated: g f(A x) = [g f_1(A_1 x); ...; g f_t(A_t x)].
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from math import lcm

from addcat.algebra import Linear
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.operations import channelwise
from addcat.rules import building, guards
from addcat.rules.base import Plan, Rule
from addcat.rules.over_concat import CUT, rows
from addcat.rules.split import check, split_reader

ENDS = ("conv", "dense", "conv_transpose")
ROOTS = ("conv", "dense")
POOLS = ("pool", "global_pool")
MEETINGS = ("add", "subtract", "multiply", "maximum", "minimum")
BLOCK = 8
"""The width of a part is a multiple of this: runtimes work on blocks of eight or sixteen channels."""


def plan(graph: Graph, node: Node, parts: int) -> Plan | None:
    """Cut what lies between a linear map, or a pool, and the linear maps before it."""
    if node.op not in (*ENDS, *POOLS):
        return None
    inner = guards.producer(graph, node)
    between = inner.op in (*ROOTS, *MEETINGS) or channelwise(inner.op, dict(inner.attrs))
    if not between or inner.channels is None or inner.channels < parts * BLOCK:
        return None
    try:
        region = _region(graph, node, inner)
        widths = _widths(inner.channels, parts, lcm(BLOCK, _group(node)))
        if len(widths) < 2:
            return None
        if node.op in ENDS:
            check(graph, node, _joined(graph, node, inner, (Edge(inner.name),)))
        else:
            _channelwise(graph, node, inner)
    except Blocked:
        if parts > 2:  # the rule that cuts in two says it
            return None
        raise
    roots = ", ".join(repr(one.name) for one in region if one.op in ROOTS)
    words = (
        f"cut the {inner.channels} channels between {roots} and {node.name!r} into {len(widths)} parts, "
        "of which one is alive at a time"
    )
    change = partial(_change if node.op in ENDS else _pooled, graph, node, region, widths)
    return Plan((node.name, *(one.name for one in region)), words, change)


def _region(graph: Graph, node: Node, inner: Node) -> list[Node]:
    """The nodes from the linear maps at which the hidden channels begin up to the last before `node`, in order."""
    served, waiting = {node.name}, [inner.name]
    found: list[Node] = []
    while waiting:
        ready = [one for one in waiting if all(reader in served for reader, _ in graph.readers(Edge(one)))]
        if not ready:
            other = next(reader for reader, _ in graph.readers(Edge(waiting[0])) if reader not in served)
            raise Blocked(f"{waiting[0]!r} is also read by {other!r}")
        one = graph.nodes[ready[0]]
        waiting.remove(one.name)
        served.add(one.name)
        found.append(one)
        _cuttable(graph, one, inner)
        if one.op not in ROOTS:
            waiting += [name for name in dict.fromkeys(edge.node for edge in one.inputs) if name not in waiting]
    for one in found:
        whole = [edge.node for edge in one.inputs if one.op in ROOTS and edge.node in served]
        if whole:
            raise Blocked(f"{one.name!r} needs all channels of {whole[0]!r}")
    return found[::-1]


def _cuttable(graph: Graph, node: Node, like: Node) -> None:
    """Block unless a node may be computed for some of its channels alone."""
    if graph.is_output(Edge(node.name)):
        raise Blocked(f"{node.name!r} is an output of the model, so its value must stay")
    _channelwise(graph, node, like)


def _channelwise(graph: Graph, node: Node, like: Node) -> None:
    guards.free(graph, node)
    if len(node.outputs) != 1 or node.channel_axis != like.channel_axis or node.channels != like.channels:
        raise Blocked(f"{node.name!r} does not have the channels of {like.name!r}")
    if node.op in ROOTS:
        guards.one_group(node)
        guards.elementwise_end(node)
        return
    if node.op in MEETINGS:
        for edge in node.inputs:
            if guards.known_channels(graph, node, like.channel_axis or 0, edge) != like.channels:
                raise Blocked(f"{node.name!r} repeats {edge.node!r} along the channels")
        return
    if not channelwise(node.op, dict(node.attrs)) or len(node.inputs) != 1:
        raise Blocked(f"{node.name!r} is no map that treats each channel alone")
    held = node.op not in ("shift", "gain") or "value" in node.weights
    if (
        not held
        or node.op == "instance_norm"
        or (node.weights and node.op not in CUT)
        or node.attrs.get("multiplier", 1) != 1
    ):
        raise Blocked(f"{node.name!r} has weights that cannot be cut")


def _group(node: Node) -> int:
    """Channels that one group of a convolution reads, between which it cannot be cut; 1 for others."""
    return node.weights["kernel"].shape[1] if node.attrs.get("groups", 1) > 1 else 1


def _widths(channels: int, parts: int, block: int) -> list[int]:
    """Channels of each part: multiples of a block, but for the last.

    Examples:
        >>> _widths(96, 4, 8), _widths(100, 2, 8)
        ([24, 24, 24, 24], [56, 44])
    """
    width = -(-channels // (parts * block)) * block
    return [min(width, channels - start) for start in range(0, channels, width)]


def _joined(graph: Graph, node: Node, inner: Node, inputs: tuple[Edge, ...]) -> Node:
    return building.merge("concat", graph.fresh_name(f"{node.name}_hidden"), inputs, inner, axis=inner.channel_axis)


def _change(graph: Graph, node: Node, region: Sequence[Node], widths: list[int]) -> Graph:
    parts, ends = _parts(graph, region, widths)
    joined = _joined(graph, node, region[-1], ends)
    last = building.moved(node, node.name, inputs=(Edge(joined.name),))
    whole = graph.edit(put=[*parts, joined, last], remove=[one.name for one in region])
    return split_reader(whole, last, joined, widths)


def _pooled(graph: Graph, node: Node, region: Sequence[Node], widths: list[int]) -> Graph:
    parts, ends = _parts(graph, [*region, node], widths)
    joined = building.merge("concat", graph.fresh_name(f"{node.name}_hidden"), ends, node, axis=node.channel_axis)
    gone = [node.name, *(one.name for one in region)]
    return graph.edit(put=[*parts, joined], remove=gone, rewire={Edge(node.name): Edge(joined.name)})


def _parts(graph: Graph, region: Sequence[Node], widths: list[int]) -> tuple[list[Node], tuple[Edge, ...]]:
    """The nodes of the region for each part, and the last of each."""
    parts: list[Node] = []
    for number, (start, stop) in enumerate(pairwise([0, *accumulate(widths)]), 1):
        names = {one.name: graph.fresh_name(f"{one.name}_hidden{number}") for one in region}
        parts += [_part(one, names, start, stop) for one in region]
    return parts, tuple(Edge(one.name) for one in parts[len(region) - 1 :: len(region)])


def _part(node: Node, names: dict[str, str], start: int, stop: int) -> Node:
    """A node of the region, for some of its channels."""
    outputs = (building.sized(node.outputs[0], node.channel_axis, stop - start),)
    if node.op in ROOTS:
        whole = guards.linear(node)
        bias = None if whole.bias is None else whole.bias[start:stop].copy()
        weights = building.linear_weights(Linear(whole.kernel[start:stop].copy(), bias))
        return building.made(node, names[node.name], weights=weights, outputs=outputs)
    inputs = tuple(edge._replace(node=names[edge.node]) for edge in node.inputs)
    if not node.weights:
        return building.moved(node, names[node.name], inputs=inputs, outputs=outputs)
    weights = {key: rows(node.weight(key), start, stop) for key in node.weights}
    return building.made(node, names[node.name], weights=weights, inputs=inputs, outputs=outputs)


def _into(parts: int) -> Callable[[Graph, Node], Plan | None]:
    return lambda graph, node: plan(graph, node, parts)


HIDDEN_HALVES = Rule("hidden-halves", "AC328", ("memory",), _into(2))
HIDDEN_QUARTERS = Rule("hidden-quarters", "AC331", ("memory",), _into(4))
HIDDEN_EIGHTHS = Rule("hidden-eighths", "AC332", ("memory",), _into(8))
