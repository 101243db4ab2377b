"""A map of single elements before an enlargement: f(resize(x)) = resize(f(x)), on fewer elements.

Nearest only copies, so any f passes. Bilinear and bicubic resizing take averages with weights of sum one, so an affine
f, such as a batch norm at inference, passes: s (x R) + t = (s x + t) R.
"""

from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.operations import elementwise
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule
from addcat.rules.exchange_resize import METHODS, enlargement, interpolation


def plan(graph: Graph, node: Node) -> Plan | None:
    """Move a channelwise map from behind an enlargement to before it."""
    if node.op not in ("activation", *guards.AFFINE) or guards.producer(graph, node).op != "resize":
        return None
    resize = guards.producer(graph, node)
    if enlargement(graph, resize) <= 1:
        return None
    if node.op == "activation" and not elementwise(str(node.attrs["function"])):
        raise Blocked(f"{node.name!r} is {node.attrs['function']}, which is not known to treat elements alone")
    kind = interpolation(resize)
    if kind != "nearest" and (node.op == "activation" or kind not in METHODS):
        raise Blocked(f"{node.name!r} does not pass {resize.name!r}, a {kind} resize")
    if node.op in ("shift", "gain") and not guards.is_affine(node):
        raise Blocked(f"{node.name!r} holds a constant that is not at hand")
    guards.free(graph, node)
    guards.free(graph, resize)
    guards.same_type(graph, node, resize)
    guards.only_reader(graph, resize, node)
    if node.channel_axis != resize.channel_axis:
        raise Blocked(f"{resize.name!r} keeps axis {resize.channel_axis}, {node.name!r} acts on {node.channel_axis}")
    words = f"apply {node.name!r} before {resize.name!r}, to fewer elements"
    return Plan((node.name, resize.name), words, lambda: _change(graph, node, resize))


def _change(graph: Graph, node: Node, resize: Node) -> Graph:
    inner = building.moved(node, node.name, inputs=resize.inputs, outputs=(graph.tensor(resize.inputs[0]),))
    outer = building.moved(resize, resize.name, inputs=(Edge(node.name),), outputs=node.outputs)
    return graph.edit(put=[inner, outer], rewire={Edge(node.name): Edge(resize.name)})


BEFORE_RESIZE = Rule("before-resize", "AC320", ("latency", "memory"), plan, role=Role.SAVING)
