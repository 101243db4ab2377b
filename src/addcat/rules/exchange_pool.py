"""Exchange with averaging: P pool(x) + b = pool(P x + b) for a linear map P of channels alone.

Average pooling is the same linear map of positions for every channel, so it commutes with P whatever its windows and
padding. The bias passes where the weights of every window sum to one: where padding does not count, or there is none.
P goes behind a pool that leaves fewer positions; a pool that keeps them all goes where there are fewer channels. Behind
a global average that drops the spatial axes, P is a dense layer.
"""

from math import prod

from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.windows import pads, settings
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule
from addcat.rules.exchange_resize import POINTWISE, swap


def plan(graph: Graph, node: Node) -> Plan | None:
    """Move a pointwise linear map to the cheaper side of average pooling."""
    if len(node.inputs) != 1:
        return None
    before = guards.producer(graph, node)
    if node.op in POINTWISE and _averages(before) and before.op == "pool" and guards.is_pointwise(node):
        linear, pool = node, before
    elif _averages(node) and before.op in POINTWISE and guards.is_pointwise(before):
        linear, pool = before, node
    else:
        return None
    if not _cheaper(graph, linear, pool, first=linear is before):
        return None
    guards.unfused(linear)
    guards.free(graph, linear)
    guards.free(graph, pool)
    guards.same_type(graph, linear, pool)
    guards.only_reader(graph, before, node)
    dense = pool.op == "global_pool" and len(pool.shape) != len(before.shape)
    if dense:
        guards.one_group(linear)
    elif guards.reads_channels(linear, len(pool.shape)) != pool.channel_axis:
        raise Blocked(f"{pool.name!r} keeps axis {pool.channel_axis}, which is not the channels of {linear.name!r}")
    counts = pool.op == "pool" and pool.attrs.get("counts_padding")
    if "bias" in linear.weights and counts and any(map(any, pads(graph, pool))):
        raise Blocked(f"{pool.name!r} counts zeros of its padding, which the bias of {linear.name!r} does not pass")
    where = "after" if linear is before else "before"
    return Plan(
        (linear.name, pool.name),
        f"apply {linear.name!r} {where} {pool.name!r}, where it costs less",
        lambda: _dense_behind(graph, linear, pool) if dense else swap(graph, before, node),
    )


def _averages(node: Node) -> bool:
    return node.op in ("pool", "global_pool") and node.attrs.get("kind_of_pool") == "average"


def _cheaper(graph: Graph, linear: Node, pool: Node, *, first: bool) -> bool:
    """Whether the exchange leaves less to do; `first` says that the linear map comes first."""
    if pool.op == "global_pool" or prod(settings(pool, "strides")) > 1:
        return first
    inputs, outputs = graph.tensor(linear.inputs[0]).shape[linear.channel_axis or 0], linear.channels
    if inputs is None or outputs is None:
        return False
    return inputs < outputs if first else outputs < inputs


def _dense_behind(graph: Graph, linear: Node, pool: Node) -> Graph:
    """A global average to (batch, channels), and the kernel as a dense layer behind it."""
    source = graph.tensor(linear.inputs[0])
    channels = source.shape[guards.reads_channels(linear, len(source.shape)) or 0]
    weights = {"kernel": linear.weight("kernel").reshape(linear.weights["kernel"].shape[:2])}
    if "bias" in linear.weights:
        weights["bias"] = linear.weight("bias")
    pooled = building.moved(
        pool, pool.name, inputs=linear.inputs, outputs=(building.sized(pool.outputs[0], pool.channel_axis, channels),)
    )
    attrs = {"activation": "linear"}
    dense = building.made(
        linear,
        graph.fresh_name(f"{linear.name}_dense"),
        op="dense",
        attrs=attrs,
        weights=weights,
        inputs=(Edge(pool.name),),
        outputs=pool.outputs,
        channel_axis=pool.channel_axis,
    )
    return graph.edit(put=[pooled, dense], remove=[linear.name], rewire={Edge(pool.name): Edge(dense.name)})


EXCHANGE_POOL = Rule("exchange-pool", "AC311", ("latency", "memory"), plan, role=Role.SAVING)
