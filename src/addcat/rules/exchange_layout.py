"""Exchange with a change of layout: a Dense of tokens is a 1x1 convolution of the image that they come from, or become.

In x of shape (channels, positions) a linear map P of channels acts from the left, and a Transpose and a Reshape only
write the positions elsewhere: P x can be taken before them or behind. Functions of single elements between pass, too.
On the image the map meets the convolutions and resizes beside it, and what is transposed may be the narrower side.
"""

import itertools
from collections.abc import Callable

from addcat.graph import Blocked, Edge, Graph, Node, Shape
from addcat.graph.operations import elementwise
from addcat.rules import building, guards, layout
from addcat.rules.base import Plan, Role, Rule
from addcat.rules.layout import Layout


def plan(graph: Graph, node: Node) -> Plan | None:
    """Apply a Dense of tokens to the image beside them."""
    if node.op == "dense":
        between, start = _functions(graph, guards.producer(graph, node))
        change = None if start is None else layout.layout_at(graph, start)
        if change is None or change.to_image:
            return None
        chain = [*change.nodes, *between, node]
        return _planned(graph, chain, node, lambda: _before(graph, change, between, node))
    change = layout.layout_at(graph, node)
    if change is None or not change.to_image:
        return None
    between, dense = _functions(graph, guards.producer(graph, change.nodes[0]))
    if dense is None or dense.op != "dense":
        return None
    chain = [dense, *between, *change.nodes]
    return _planned(graph, chain, dense, lambda: _behind(graph, dense, between, change))


def _functions(graph: Graph, node: Node) -> tuple[list[Node], Node | None]:
    """The functions of single elements that end in a node, in order, and what is before them."""
    found: list[Node] = []
    while node.op == "activation":
        found.insert(0, node)
        node = guards.producer(graph, node)
    return found, (node if node.inputs else None)


def _planned(graph: Graph, chain: list[Node], dense: Node, change: Callable[[], Graph]) -> Plan:
    guards.free(graph, dense)
    guards.same_type(graph, *chain)
    guards.elementwise_end(dense)
    for one in chain:
        if one.op == "activation" and not elementwise(str(one.attrs["function"])):
            raise Blocked(f"{one.name!r} is not known to treat channels apart")
    for one, reader in itertools.pairwise(chain):
        guards.only_reader(graph, one, reader)
    views = [one for one in chain if one.op in layout.VIEWS]
    for one in views:
        if None in one.shape[1:]:
            raise Blocked(f"the sizes of {one.name!r} are unknown")
    where = "behind" if chain[0] is dense else "before"
    words = f"apply {dense.name!r} {where} {' and '.join(repr(one.name) for one in views)}, as a 1x1 convolution"
    return Plan(tuple(one.name for one in chain), words, change)


def _behind(graph: Graph, dense: Node, between: list[Node], change: Layout) -> Graph:
    """Tokens -> Dense -> functions -> image becomes tokens -> image -> convolution -> functions."""
    width = graph.tensor(dense.inputs[0]).shape[-1]
    views = layout.rebuilt(graph, change, dense.inputs[0], width, change.nodes[-1])
    image = change.nodes[-1].outputs[0]
    put = [*views, _convolution(graph, dense, Edge(views[-1].name), image.shape)]
    for one in between:
        name = graph.fresh_name(f"{one.name}_image")
        put.append(building.moved(one, name, inputs=(Edge(put[-1].name),), outputs=(image,), channel_axis=1))
    gone = [dense, *between, *change.nodes]
    return graph.edit(put=put, remove=[one.name for one in gone], rewire={Edge(gone[-1].name): Edge(put[-1].name)})


def _before(graph: Graph, change: Layout, between: list[Node], dense: Node) -> Graph:
    """Image -> tokens -> functions -> Dense becomes image -> functions -> convolution -> tokens."""
    source = change.nodes[0].inputs[0]
    image = graph.tensor(source)
    put: list[Node] = []
    for one in between:
        name = graph.fresh_name(f"{one.name}_image")
        put.append(building.moved(one, name, inputs=(source,), outputs=(image,), channel_axis=1))
        source = Edge(name)
    shape = building.sized(image, 1, dense.shape[-1]).shape
    put.append(_convolution(graph, dense, source, shape))
    put += layout.rebuilt(graph, change, Edge(put[-1].name), dense.shape[-1], change.nodes[-1])
    gone = [*change.nodes, *between, dense]
    return graph.edit(put=put, remove=[one.name for one in gone], rewire={Edge(dense.name): Edge(put[-1].name)})


def _convolution(graph: Graph, dense: Node, source: Edge, shape: Shape) -> Node:
    """A Dense as a convolution of one tap, channels first."""
    rank = len(shape) - 2
    kernel = dense.weight("kernel")
    weights = {"kernel": kernel.reshape(*kernel.shape, *(1,) * rank)}
    if "bias" in dense.weights:
        weights["bias"] = dense.weight("bias")
    attrs = {
        **{"strides": (1,) * rank, "padding": "valid", "dilation": (1,) * rank, "groups": 1},
        **{"channels_first": True, "activation": guards.activation(dense)},
    }
    outputs = (building.shaped(dense.outputs[0], shape),)
    name = graph.fresh_name(f"{dense.name}_image")
    return building.made(
        dense, name, op="conv", inputs=(source,), outputs=outputs, attrs=attrs, weights=weights, channel_axis=1
    )


EXCHANGE_LAYOUT = Rule(
    "exchange-layout", "AC334", ("latency", "memory"), plan, role=Role.FOLLOWING, frameworks=("onnx",)
)
