"""A bilinear resize is a product, R x C'; a sum of them is one too: sum_i R_i x_i C_i' = [R_1 ... R_k] [x_i C_i'].

Bilinear interpolation treats rows and columns apart, each by a matrix of two entries a line: R of shape (new height,
old height), C of shape (new width, old width). Multiplying by them is more arithmetic and yet quicker for small
sources, because matrix products run at the machine's rate and interpolation does not. Where several enlarged maps are
added, their matrices R_i stand beside one another, the x_i C_i' below one another, and the sum is part of one product:
an Add is a Concatenate before a linear map.
"""

import numpy as np

from addcat.graph import Array, Blocked, Edge, Graph, Node, Weight
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

CENTRES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


def plan_product(graph: Graph, node: Node) -> Plan | None:
    """Write a bilinear enlargement as two products."""
    if node.op != "resize" or not str(node.attrs.get("method", "")).startswith("bilinear"):
        return None
    sizes = graph.tensor(node.inputs[0]).shape[2:], node.shape[2:]
    if len(node.shape) != 4 or node.channel_axis != 1:
        raise Blocked(f"{node.name!r} does not have its two spatial axes last")
    if any(size is None for shape in sizes for size in shape):
        raise Blocked(f"the sizes of {node.name!r} are unknown")
    centres = str(node.attrs.get("centres", "half_pixel"))
    if centres not in CENTRES:
        raise Blocked(f"{node.name!r} places its samples by {centres!r}")
    if any((new or 0) < (old or 0) for old, new in zip(*sizes, strict=True)):
        return None
    guards.same_type(graph, node)
    return Plan((node.name,), f"resize by two matrix products at {node.name!r}", lambda: _product(graph, node, centres))


def _product(graph: Graph, node: Node, centres: str) -> Graph:
    old, new = graph.tensor(node.inputs[0]).shape[2:], node.shape[2:]
    height, width = (
        matrix(before or 0, after or 0, centres).astype(node.dtype if node.dtype != "bfloat16" else np.float32)
        for before, after in zip(old, new, strict=True)
    )
    weights = {"rows0": Weight.of(height, trainable=False), "columns0": Weight.of(width, trainable=False)}
    name = graph.fresh_name(f"{node.name}_product")
    made = Node(name, "interpolate", node.inputs[:1], node.outputs, {}, weights, node.channel_axis)
    return graph.edit(put=[made], remove=[node.name], rewire={Edge(node.name): Edge(name)})


def matrix(old: int, new: int, centres: str = "half_pixel") -> Array:
    """Bilinear interpolation along one axis as a matrix.

    Args:
        old: Elements before.
        new: Elements after.
        centres: Where the samples are, in ONNX's words.

    Returns:
        The matrix, of shape (new, old), in float64; each row sums to one.

    Examples:
        >>> matrix(2, 4).tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    place = np.arange(new, dtype=np.float64)
    if centres == "align_corners":
        source = place * ((old - 1) / max(new - 1, 1))
    elif centres == "asymmetric":
        source = place * (old / new)
    else:
        source = (place + 0.5) * (old / new) - 0.5
        if centres == "pytorch_half_pixel" and new == 1:
            source = np.zeros(1)
    source = np.clip(source, 0, old - 1)
    low = np.minimum(np.floor(source).astype(int), old - 1)
    high = np.minimum(low + 1, old - 1)
    part = source - low
    result = np.zeros((new, old))
    np.add.at(result, (np.arange(new), low), 1 - part)
    np.add.at(result, (np.arange(new), high), part)
    return result


def plan_sum(graph: Graph, node: Node) -> Plan | None:
    """Make one product of the resized terms of a sum."""
    if node.op != "add":
        return None
    terms = [edge for edge in node.inputs if graph.nodes[edge.node].op == "interpolate"]
    if len(terms) < 2 or len(set(terms)) != len(terms):
        return None
    guards.same_type(graph, node)
    for edge in terms:
        guards.only_reader(graph, graph.nodes[edge.node], node)
        if graph.tensor(edge).shape[1:] != node.shape[1:]:
            raise Blocked(f"{edge.node!r} is broadcast in {node.name!r}")
    names = [edge.node for edge in terms]
    words = f"add {', '.join(map(repr, names))} within one matrix product"
    return Plan((node.name, *names), words, lambda: _sum(graph, node, names))


def _sum(graph: Graph, node: Node, names: list[str]) -> Graph:
    inputs: list[Edge] = []
    weights: dict[str, Weight] = {}
    for name in names:
        term = graph.nodes[name]
        for i, edge in enumerate(term.inputs):
            weights[f"rows{len(inputs)}"] = term.weights[f"rows{i}"]
            weights[f"columns{len(inputs)}"] = term.weights[f"columns{i}"]
            inputs.append(edge)
    name = graph.fresh_name(f"{node.name}_product")
    made = Node(name, "interpolate", tuple(inputs), node.outputs, {}, weights, node.channel_axis)
    others = tuple(edge for edge in node.inputs if edge.node not in names)
    if not others:
        return graph.edit(put=[made], remove=[*names, node.name], rewire={Edge(node.name): Edge(name)})
    rest = building.moved(node, node.name, inputs=(*others, Edge(name)))
    return graph.edit(put=[made, rest], remove=names)


RESIZE_PRODUCT = Rule("resize-product", "AC323", ("latency",), plan_product, role=Role.FINISHING, frameworks=("onnx",))
SUM_PRODUCT = Rule("sum-product", "AC324", ("latency",), plan_sum, role=Role.FINISHING, frameworks=("onnx",))
