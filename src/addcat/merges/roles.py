"""What part a merge plays in its network, told from the graph alone.

| role | what it means |
| --- | --- |
| residual | one branch is computed from another (ResNet, DenseNet) |
| skip | the same, but the way from one to the other passes through a lower resolution, or is long (U-Net) |
| siblings | the branches are computed from one tensor, none from another (Inception) |
| fusion | the branches have no tensor in common (two towers) |

A branch that is cropped or padded to the size of the others counts as the tensor that it was made of.
"""

from math import prod

from addcat.graph import Graph, Node

FAR = 8
"""A link over more than this many weighted layers counts as a skip; residual blocks hold two or three."""


def role(graph: Graph, node: Node) -> str:
    """The role of a merge.

    Args:
        graph: The graph that holds it.
        node: The merge.

    Returns:
        "residual", "skip", "siblings" or "fusion".
    """
    producers = list(dict.fromkeys(_whole(graph, edge.node) for edge in node.inputs))
    pairs = [(a, b) for a in producers for b in producers if a in graph.ancestors(b)]
    if pairs:
        return "skip" if any(_is_long(graph, a, b) for a, b in pairs) else "residual"
    if len(producers) == 1:
        return "siblings"
    common = set(graph.nodes)
    for name in producers:
        common &= graph.ancestors(name) | {name}
    return "siblings" if common else "fusion"


def _whole(graph: Graph, name: str) -> str:
    """What a tensor was before it was cut or padded."""
    while graph.nodes[name].op in ("crop", "pad"):
        name = graph.nodes[name].inputs[0].node
    return name


def _is_long(graph: Graph, start: str, end: str) -> bool:
    between = [graph.nodes[n] for n in graph.ancestors(end) if start in graph.ancestors(n)] + [graph.nodes[end]]
    if sum(bool(node.weights) and node.op != "batch_norm" for node in between) > FAR:
        return True
    if not _shrinks_by_op(between):
        return False
    size = _pixels(graph.nodes[start])
    return any(node.op in ("resize", "conv_transpose") for node in between) or any(
        size is not None and pixels is not None and pixels < size for pixels in map(_pixels, between[:-1])
    )


def _shrinks_by_op(nodes: list[Node]) -> bool:
    return any(node.op in ("pool", "conv", "depthwise_conv") and _stride(node) > 1 for node in nodes)


def _stride(node: Node) -> int:
    return max(node.attrs.get("strides", (1,)))


def _pixels(node: Node) -> int | None:
    """Positions along every axis but batch and channels; None where one is unknown."""
    sizes = [size for axis, size in enumerate(node.shape) if axis not in (0, node.channel_axis)]
    return None if None in sizes else prod(size for size in sizes if size is not None)
