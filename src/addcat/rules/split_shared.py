"""Siblings that read a Concatenate with an enlarged branch: A z, B z = the parts of [A; B] z, with z = [resize(x); y].

As one linear map they are the only reader of the Concatenate, so that `split_resized` can do the part of the enlarged
branch where it is small; what comes out is cut in two again. Detectors read their joined maps so (the two 1x1
convolutions of a CSP block, Wang et al., "CSPNet", 2020).
"""

from addcat.algebra import stack
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.windows import taps
from addcat.rules import building, guards
from addcat.rules.base import Plan, Rule
from addcat.rules.split_resized import SPLIT_RESIZED

SETTINGS = ("strides", "padding", "dilation", "groups", "activation")


def plan(graph: Graph, node: Node) -> Plan | None:
    """Make one map of the linear readers of a Concatenate and move its parts to before the enlargements."""
    if node.op != "concat" or not any(graph.nodes[edge.node].op == "resize" for edge in node.inputs):
        return None
    readers = [graph.nodes[name] for name, _ in graph.readers(Edge(node.name))]
    if len(readers) < 2 or not all(one.op in ("conv", "dense") for one in readers):
        return None
    if graph.is_output(Edge(node.name)):
        raise Blocked(f"{node.name!r} is an output of the model, so its value must stay")
    first = readers[0]
    for one in readers:
        guards.free(graph, one)
        guards.one_group(one)
        guards.elementwise_end(one)
        guards.same_type(graph, one, node)
        if _settings(one) != _settings(first) or one.channels is None:
            raise Blocked(f"{first.name!r} and {one.name!r} have different settings")
    joined, name = _joined(graph, readers)
    split = SPLIT_RESIZED.plan(joined, joined.nodes[name])
    if split is None:
        return None
    moved = [one for one in split.nodes if one in graph.nodes and one != node.name]
    names = ", ".join(repr(one.name) for one in readers)
    words = f"make one map of {names}, which all read {node.name!r}, and apply its parts before {', '.join(moved)}"
    return Plan((node.name, *(one.name for one in readers), *moved), words, split.change)


def _settings(node: Node) -> tuple[object, ...]:
    return node.op, taps(node) if node.op == "conv" else (), *(node.attrs.get(key) for key in SETTINGS)


def _joined(graph: Graph, readers: list[Node]) -> tuple[Graph, str]:
    """The graph with one map in the place of several, and the name of that map."""
    first, sizes = readers[0], [one.channels or 0 for one in readers]
    axis, wide = first.channel_axis, stack(*(guards.linear(one) for one in readers))
    name = graph.fresh_name(f"{first.name}_and_siblings")
    outputs = (building.sized(first.outputs[0], axis, sum(sizes)),)
    new = building.made(first, name, weights=building.linear_weights(wide), outputs=outputs)
    cut = Node(
        graph.fresh_name(f"{name}_parts"),
        "split",
        (Edge(name),),
        tuple(one.outputs[0] for one in readers),
        {"axis": axis, "sizes": tuple(sizes)},
        channel_axis=axis,
    )
    rewire = {Edge(one.name): Edge(cut.name, index) for index, one in enumerate(readers)}
    return graph.edit(put=[new, cut], remove=[one.name for one in readers], rewire=rewire), name


SPLIT_SHARED = Rule("split-shared", "AC330", ("latency", "memory"), plan, frameworks=("onnx",))
