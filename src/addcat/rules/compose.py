"""Compose: W (E h + e) + b = (W E) h + (W e + b), for two linear maps in a row of which one has a single tap.

The product keeps the taps, the stride and the padding of the one that has them. Where W has taps and pads with zeros,
the bias e would have to be there in the padding too, so it must be zero.
"""

from addcat.algebra import Linear, compose, constant_passes
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.windows import misses_taps
from addcat.rules import building, guards
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
        _border(graph, inner, node)
    else:
        raise Blocked(f"{inner.name!r} and {node.name!r} both have several taps or strides")
    return Plan(
        (node.name, inner.name),
        f"make one map of {inner.name!r} and {node.name!r}, in the place of {keep.name!r}",
        lambda: _change(graph, node, inner, keep, gone),
    )


def _border(graph: Graph, inner: Node, outer: Node) -> None:
    """Block where the inner bias meets a border that pads with zeros."""
    bias = guards.linear(inner).bias if "bias" in inner.weights else None
    if not constant_passes(bias, padded=misses_taps(graph, outer)):
        raise Blocked(f"{outer.name!r} pads with zeros, which the bias of {inner.name!r} does not pass")


def _change(graph: Graph, node: Node, inner: Node, keep: Node, gone: Node) -> Graph:
    # the border was checked in the plan, so whatever constant there is passes
    both = compose(guards.linear(node), guards.linear(inner), padded=misses_taps(graph, node))
    taps = keep.weights["kernel"].shape[2:]
    shaped = Linear(both.kernel.reshape(*both.kernel.shape[:2], *taps), both.bias)
    new = keep.edit(
        weights=building.linear_weights(shaped),
        attrs={"activation": guards.activation(node)},
        inputs=inner.inputs,
        outputs=node.outputs,
    )
    return graph.edit(put=[new], remove=[gone.name], rewire={Edge(node.name): Edge(keep.name)})


COMPOSE = Rule("compose", "AC312", ("latency", "memory", "parameters"), plan, role=Role.SAVING)
