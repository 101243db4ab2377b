"""What a node is expected to take, in seconds of one core: only to choose what is worth measuring, never to decide.

    seconds = 2 * multiply-adds / rate + bytes touched / bandwidth + one call

with rates that ONNX Runtime showed on one core of a server of 2024. A kernel's operation is bound by arithmetic, all
others by memory.
"""

from collections.abc import Collection, Iterable, Mapping

from addcat.graph import Graph, Node
from addcat.graph.cost import multiply_adds, tensor_bytes

FLOPS: Mapping[str, float] = {"conv_transpose": 85e9, "depthwise_conv": 25e9}
"""Operations in a second; a depthwise convolution does little arithmetic for each element that it loads."""
USUAL_FLOPS = 125e9
BANDWIDTH = 25e9
INTERPOLATION = 8.0
"""Times as much as copying that a bilinear resize takes for each element."""
INTERPOLATE_FLOPS = 50e9
CALL = 3e-6
COPYING = ("Slice", "Tile", "Expand", "Pad")
"""ONNX operators that runtimes run even where they give what they read."""


def node_seconds(graph: Graph, node: Node) -> float | None:
    """Expected time of one node, for a batch of one; None where a size is unknown."""
    if node.op in ("input", "dropout") or not node.outputs:
        return 0.0
    if node.op == "identity" and node.attrs.get("kind") not in COPYING:
        return 0.0
    sizes = [tensor_bytes(tensor) for tensor in (*(graph.tensor(edge) for edge in node.inputs), *node.outputs)]
    count = multiply_adds(graph, node)
    if node.op == "opaque":
        return CALL if None in sizes else CALL + sum(s for s in sizes if s is not None) / BANDWIDTH
    if None in sizes or count is None:
        return None
    touched = sum(size for size in sizes if size is not None)
    if node.op == "resize" and not str(node.attrs.get("method", "")).startswith("nearest"):
        touched *= INTERPOLATION
    if node.op == "interpolate":
        return 3 * CALL + 2 * _interpolation_count(graph, node) / INTERPOLATE_FLOPS + touched / BANDWIDTH
    if not count:
        return CALL + touched / BANDWIDTH
    # memory is mostly hidden behind the arithmetic
    return CALL + 2 * count / FLOPS.get(node.op, USUAL_FLOPS) + 0.25 * touched / BANDWIDTH


def _interpolation_count(graph: Graph, node: Node) -> int:
    """Multiply-adds of a resize by products, for a batch of one."""
    channels = node.channels or 1
    total = 0
    for i in range(len(node.inputs)):
        (new_height, height), (new_width, width) = node.weights[f"rows{i}"].shape, node.weights[f"columns{i}"].shape
        total += channels * new_width * height * (width + new_height)
    return total


def seconds(graph: Graph, names: Collection[str] | None = None) -> float | None:
    """Expected time of some nodes, or of a whole graph; None where a size is unknown."""
    nodes: Iterable[Node] = graph.nodes.values() if names is None else (graph.nodes[name] for name in names)
    found = [node_seconds(graph, node) for node in nodes]
    return None if None in found else sum(value for value in found if value is not None)


def change(old: Graph, new: Graph) -> float | None:
    """Expected seconds that a rewrite adds; below zero where it saves. None where a size is unknown."""
    before = seconds(old, [name for name, node in old.nodes.items() if new.nodes.get(name) is not node])
    after = seconds(new, [name for name, node in new.nodes.items() if old.nodes.get(name) is not node])
    return None if before is None or after is None else after - before
