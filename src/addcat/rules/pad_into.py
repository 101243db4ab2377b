"""Zero padding into what reads it: conv_p(pad_q(x)) = conv_{p+q}(x), and the same for pools.

A convolution that pads with zeros reads zeros either way. An average pool counts the padding. A max pool of a tensor
that is nowhere negative, such as the output of ReLU, may take its own padding (of minus infinity) for zeros: every
window holds at least one element of the tensor, and that is not below zero. Only frameworks whose convolutions and
pools take a padding for each side can say it.
"""

from addcat.graph import Blocked, Graph, Node
from addcat.graph.windows import Pairs, pads, taps
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

NOT_NEGATIVE = ("relu", "relu6", "sigmoid", "softplus", "exp", "abs")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Let a convolution or a pool do the padding of its input."""
    if node.op not in ("conv", "depthwise_conv", "pool") or not node.inputs:
        return None
    pad = guards.producer(graph, node)
    if pad.op != "pad":
        return None
    guards.only_reader(graph, pad, node)
    guards.free(graph, node)
    own = pads(graph, node)
    both: Pairs = tuple((a + c, b + d) for (a, b), (c, d) in zip(own, pad.attrs["padding"], strict=True))
    if node.op == "pool":
        _check_pool(graph, node, pad, own, both)
    change: dict[str, object] = {
        "padding": both,
        **({"counts_padding": True} if node.attrs.get("kind_of_pool") == "average" else {}),
    }
    return Plan(
        (node.name, pad.name),
        f"let {node.name!r} do the padding of {pad.name!r}",
        lambda: graph.edit(put=[_taken(node, pad, change)], remove=[pad.name]),
    )


def _taken(node: Node, pad: Node, change: dict[str, object]) -> Node:
    weights = {name: node.weight(name) for name in node.weights}
    return building.made(node, node.name, weights=weights, inputs=pad.inputs, attrs={**node.attrs, **change})


def _check_pool(graph: Graph, node: Node, pad: Node, own: Pairs, both: Pairs) -> None:
    if node.attrs["kind_of_pool"] == "average":
        if any(map(any, own)) and not node.attrs.get("counts_padding"):
            raise Blocked(f"{node.name!r} does not count its own padding, but counts that of {pad.name!r}")
    else:
        source = guards.producer(graph, pad)
        if guards.activation(source) not in NOT_NEGATIVE and source.attrs.get("function") not in NOT_NEGATIVE:
            raise Blocked(f"{source.name!r} may be negative, so zeros around it matter to {node.name!r}")
    if any(max(pair) >= size for pair, size in zip(both, taps(node), strict=True)):
        raise Blocked(f"a window of {node.name!r} would hold padding alone")


PAD_INTO = Rule("pad-into", "AC325", ("latency", "memory"), plan, role=Role.TIDY, frameworks=("onnx",))
