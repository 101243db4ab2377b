"""Compose: W (E h + e) + b = (W E) h + (W e + b), for two linear maps in a row of which one has a single tap.

The product keeps the taps, the stride and the padding of the one that has them. Where W has taps and pads with zeros,
the bias e is not there in the padding, so what it gives is no constant, and is added behind as a map.
"""

from addcat.algebra import Linear, compose, constant_passes, rounded
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.windows import misses_taps
from addcat.rules import border, building, guards
from addcat.rules.base import Plan, Role, Rule

COMPOSABLE = ("dense", "conv", "conv_transpose")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Make one linear map of two in a row."""
    if node.op not in COMPOSABLE or guards.producer(graph, node).op not in COMPOSABLE:
        return None
    inner = guards.producer(graph, node)
    guards.unfused(inner)
    for one in (inner, node):
        guards.free(graph, one)
        guards.one_group(one)
    guards.same_type(graph, inner, node)
    guards.only_reader(graph, inner, node)
    contracted = guards.reads_channels(node, len(inner.shape))
    if contracted != inner.channel_axis:
        raise Blocked(f"{inner.name!r} gives axis {inner.channel_axis}, but {node.name!r} contracts axis {contracted}")
    if guards.is_pointwise(node):
        keep, gone = inner, node
    elif guards.is_pointwise(inner):
        keep, gone = node, inner
    else:
        raise Blocked(f"{inner.name!r} and {node.name!r} both have several taps or strides")
    bordered = keep is node and _is_bordered(graph, inner, node)
    if bordered:
        border.require_map(graph, inner, node)
    more = ", and add what the bias gives as a map" if bordered else ""
    return Plan(
        (node.name, inner.name),
        f"make one map of {inner.name!r} and {node.name!r}, in the place of {keep.name!r}{more}",
        lambda: _change(graph, node, inner, keep, gone, bordered=bordered),
    )


def _is_bordered(graph: Graph, inner: Node, outer: Node) -> bool:
    """Whether the inner bias meets a border that pads with zeros."""
    bias = guards.linear(inner).bias if "bias" in inner.weights else None
    return not constant_passes(bias, padded=misses_taps(graph, outer))


def _change(graph: Graph, node: Node, inner: Node, keep: Node, gone: Node, *, bordered: bool) -> Graph:
    old = guards.linear(inner)
    # whatever constant is left passes the border
    both = compose(
        guards.linear(node), Linear(old.kernel) if bordered else old, padded=not bordered and misses_taps(graph, node)
    )
    taps = keep.weights["kernel"].shape[2:]
    shaped = Linear(both.kernel.reshape(*both.kernel.shape[:2], *taps), both.bias)
    new = keep.edit(
        weights=building.linear_weights(shaped),
        attrs={"activation": guards.activation(node)},
        inputs=inner.inputs,
        outputs=node.outputs,
    )
    if not bordered or old.bias is None:
        return graph.edit(put=[new], remove=[gone.name], rewire={Edge(node.name): Edge(keep.name)})
    value = rounded(border.bias_map(graph, node, old.bias), old.kernel, node.weight("kernel"))
    added = border.with_map(node, graph.fresh_name(f"{node.name}_bias"), new.name, value)
    return graph.edit(put=[new, added], remove=[gone.name], rewire={Edge(node.name): Edge(added.name)})


COMPOSE = Rule("compose", "AC312", ("latency", "memory", "parameters"), plan, role=Role.SAVING)
