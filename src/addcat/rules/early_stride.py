"""A stride taken early: S f(x) = f(S x), with S taking every s-th position and f treating every position alone.

A 1x1 convolution of stride s reads every s-th position only. Where all readers of a tensor do, the other positions need
not be computed: functions of elements, affine maps, merges and pointwise linear maps pass S on to what they read, and a
convolution with taps takes it into its own stride, for its outputs are computed each for itself. In a residual network
whose stages begin with strided 1x1 convolutions, the last block of a stage loses three quarters of its work.

Where S reaches a tensor that somebody reads whole, it becomes the stride of the pointwise map after it, or a pool of
one element.
"""

from collections.abc import Mapping

from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.operations import elementwise
from addcat.graph.windows import Pairs, every, pads, reach, settings, spatial, taps
from addcat.rules import building, guards
from addcat.rules.base import Plan, Rule

ELEMENTWISE = ("activation", "dropout", "identity", *guards.AFFINE, "add", "multiply", "maximum", "minimum", "concat")
WINDOWS = ("conv", "depthwise_conv")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Compute only those positions that strided 1x1 readers look at."""
    readers = [graph.nodes[name] for name, _ in graph.readers(Edge(node.name))]
    strided = [one for one in readers if one.op in WINDOWS and _sampling(one)]
    if not strided or len(node.outputs) != 1:
        return None
    strides = settings(strided[0], "strides")
    if graph.is_output(Edge(node.name)):
        raise Blocked(f"{node.name!r} is an output of the model, so its value must stay")
    for one in readers:
        if _sampling(one) != strides:
            raise Blocked(f"{one.name!r} also reads {node.name!r}, and not every {strides} of it")
        guards.free(graph, one)
    thinned = _thinned(graph, node, strides)
    less = [name for name in thinned if graph.nodes[name].op in WINDOWS]
    if not less:
        return None
    words = f"compute {', '.join(map(repr, less))} only where {', '.join(repr(one.name) for one in strided)} will look"
    return Plan((node.name, *less), words, lambda: _change(graph, thinned, strides))


def _sampling(node: Node) -> tuple[int, ...]:
    """The strides of a node that reads single positions, some of them left out; empty for any other."""
    if node.op not in (*WINDOWS, "pool") or any(size != 1 for size in taps(node)):
        return ()
    padding, strides = node.attrs.get("padding", "valid"), settings(node, "strides")
    unpadded = isinstance(padding, str) or not any(map(any, padding))
    return strides if unpadded and max(strides, default=1) > 1 else ()


def _thinned(graph: Graph, start: Node, strides: tuple[int, ...]) -> list[str]:
    """The nodes of which only some positions are wanted: the start, and what serves only such nodes."""
    found: list[str] = []
    wanted = {start.name, *graph.ancestors(start.name)}
    for name in reversed([name for name in graph.nodes if name in wanted]):
        node = graph.nodes[name]
        readers = [graph.nodes[reader] for reader, _ in graph.readers(Edge(name))]
        served = all(
            _passes(one) if one.name in found else _sampling(one) == strides and guards.is_free(graph, one)
            for one in readers
        )
        if served and not graph.is_output(Edge(name)) and _may_thin(graph, node, start):
            found.append(name)
        elif name == start.name:
            return []
    return found


def _passes(node: Node) -> bool:
    """Whether a node treats every position alone, so that what it reads may be thinned too."""
    return node.op in ELEMENTWISE or guards.is_pointwise(node)


def _may_thin(graph: Graph, node: Node, like: Node) -> bool:
    known = node.op in (*ELEMENTWISE, *WINDOWS, "dense") and node.channel_axis == like.channel_axis
    if not known or not guards.is_free(graph, node):
        return False
    if node.op in ("shift", "gain") and not guards.is_affine(node):  # its constant may differ between positions
        return False
    if not elementwise(str(node.attrs.get("function", "linear"))) or not elementwise(guards.activation(node)):
        return False
    ranks = {len(graph.tensor(edge).shape) for edge in node.inputs} | {len(node.shape)}
    if ranks != {len(like.shape)} or (node.op == "concat" and guards.joined_axis(node) != node.channel_axis):
        return False
    try:
        return node.op not in WINDOWS or bool(pads(graph, node))
    except Blocked:  # its padding depends on a size that is unknown, so it keeps its stride
        return False


def _change(graph: Graph, thinned: list[str], strides: tuple[int, ...]) -> Graph:
    put: dict[str, Node] = {}
    pools: dict[Edge, Node] = {}
    rewire: dict[Edge, Edge] = {}
    for name in thinned:
        node = graph.nodes[name]
        outputs = (building.shaped(node.outputs[0], every(node, node.shape, strides)),)
        inner = bool(node.inputs) and node.inputs[0].node in thinned
        if node.op in WINDOWS and not (guards.is_pointwise(node) and inner):
            steps = tuple(old * s for old, s in zip(settings(node, "strides"), strides, strict=True))
            put[name] = _strided(graph, node.edit(attrs={"strides": steps}, outputs=outputs), pads(graph, node))
        else:
            whole = [edge for edge in node.inputs if edge.node not in thinned and not _broadcast(graph, edge, node)]
            pools |= {edge: _sampler(graph, edge, node, strides) for edge in whole if edge not in pools}
            inputs = tuple(Edge(pools[edge].name) if edge in whole else edge for edge in node.inputs)
            put[name] = building.moved(node, name, inputs=inputs, outputs=outputs)
        for reader, _ in graph.readers(Edge(name)):
            if graph.nodes[reader].op == "pool":
                rewire[Edge(reader)] = Edge(name)
            elif reader not in thinned:
                put[reader] = graph.nodes[reader].edit(attrs={"strides": (1,) * len(strides)})
    made = [*put.values(), *pools.values()]
    moved = [building.moved(n, n.name, inputs=tuple(rewire.get(edge, edge) for edge in n.inputs)) for n in made]
    return graph.edit(put=moved, remove=[edge.node for edge in rewire], rewire=rewire)


def _strided(graph: Graph, node: Node, zeros: Pairs) -> Node:
    """A node with new strides and the padding that it had: in its own word where that still says the same.

    Where windows do not touch, runtimes differ in what "same" means: ONNX Runtime pads by less than nothing.
    """
    apart = any(stride > window for stride, window in zip(settings(node, "strides"), reach(node), strict=True))
    try:
        return node if pads(graph, node) == zeros and not apart else node.edit(attrs={"padding": zeros})
    except Blocked:  # with a stride, the word depends on a size that is unknown
        return node.edit(attrs={"padding": zeros})


def _broadcast(graph: Graph, edge: Edge, node: Node) -> bool:
    """Whether a term has one position, which every position of the result reads."""
    return all(graph.tensor(edge).shape[axis] == 1 for axis in spatial(node))


def _sampler(graph: Graph, edge: Edge, node: Node, strides: tuple[int, ...]) -> Node:
    """S as a node: a pool of one element."""
    attrs: Mapping[str, object] = {
        "kind_of_pool": "max",
        "size": (1,) * len(strides),
        "strides": strides,
        "padding": "valid",
        "channels_first": node.channel_axis == 1,
    }
    tensor = graph.tensor(edge)
    outputs = (building.shaped(tensor, every(node, tensor.shape, strides)),)
    which = f"_{edge.output}" if edge.output else ""
    name = graph.fresh_name(f"{edge.node}{which}_every_{max(strides)}")
    return Node(name, "pool", (edge,), outputs, attrs, channel_axis=node.channel_axis)


EARLY_STRIDE = Rule("early-stride", "AC322", ("latency",), plan)
