"""An affine map before a linear one: W (s x + t) + b = (W s) x + (W t + b).

With zero padding the border sees less of the constant W t than the middle, so a shift passes only where no output reads
fewer than all taps; a scale always does. All readers of the affine map must take it in, for it would stay otherwise.
"""

from dataclasses import replace

from addcat.algebra import Affine, affine_before, constant_passes
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.windows import misses_taps
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

READERS = ("dense", "conv", "conv_transpose", "depthwise_conv")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Fold an affine map into every linear map that reads it."""
    if node.op not in guards.AFFINE:
        return None
    names = dict.fromkeys(name for name, _ in graph.readers(Edge(node.name)))
    readers = [graph.nodes[name] for name in names]
    if not any(reader.op in READERS for reader in readers):
        return None
    if not guards.is_affine(node):
        raise Blocked(f"{node.name!r} holds a constant that is not at hand")
    if graph.is_output(Edge(node.name)):
        raise Blocked(f"{node.name!r} is an output of the model, so its value must stay")
    guards.free(graph, node)
    guards.whole_norm(graph, node)
    guards.same_type(graph, node, *readers)
    for reader in readers:
        if reader.op not in READERS:
            raise Blocked(f"{node.name!r} is also read by {reader.name!r}, which cannot take it in")
        require(graph, node, reader, guards.affine(node))
    words = ", ".join(map(repr, names))
    return Plan((node.name, *names), f"fold {node.name!r} into {words}", lambda: _change(graph, node, readers))


def require(graph: Graph, node: Node, reader: Node, affine: Affine) -> None:
    """Block unless a linear map can take in the scale and the shift of the node that it reads."""
    guards.free(graph, reader)
    contracted = guards.reads_channels(reader, len(node.shape))
    if contracted != node.channel_axis:
        raise Blocked(f"{node.name!r} scales axis {node.channel_axis}, but {reader.name!r} contracts axis {contracted}")
    if not constant_passes(affine.shift, padded=misses_taps(graph, reader)):
        raise Blocked(f"{reader.name!r} pads with zeros, which the shift of {node.name!r} does not pass")


def _groups(node: Node) -> int:
    if node.op == "depthwise_conv":
        return node.weights["kernel"].shape[0] // int(node.attrs.get("multiplier", 1))
    return int(node.attrs.get("groups", 1))


def taken_in(graph: Graph, reader: Node, affine: Affine) -> Node:
    """A linear map with a scale and a shift of what it reads in its own weights."""
    map_, padded = guards.linear(reader), misses_taps(graph, reader)
    return building.taken_in(reader, affine_before(affine, map_, padded=padded, groups=_groups(reader)))


def _change(graph: Graph, node: Node, readers: list[Node]) -> Graph:
    affine = guards.affine(node)
    put = [replace(taken_in(graph, reader, affine), inputs=node.inputs) for reader in readers]
    return graph.edit(put=put, remove=[node.name])


AFFINE_BEFORE = Rule("affine-before", "AC308", ("latency", "memory", "parameters"), plan, role=Role.TIDY)
