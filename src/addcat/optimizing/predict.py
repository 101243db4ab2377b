"""What a node is expected to take, in seconds of one core: only to choose what is worth measuring, never to decide.

    seconds = 2 * multiply-adds / rate + bytes touched / bandwidth + one call

with the rate and bandwidth of a current desktop core. A kernel's operation is bound by arithmetic, all others by memory.
"""

from collections.abc import Collection, Iterable

from addcat.cost import multiply_adds, tensor_bytes
from addcat.graph import Graph, Node

FLOPS = 150e9
DEPTHWISE_FLOPS = 30e9
"""A depthwise convolution does little arithmetic for each element that it loads."""
BANDWIDTH = 10e9
INTERPOLATION = 6.0
"""Times as much as copying that a bilinear resize takes for each element."""
CALL = 3e-6


def node_seconds(graph: Graph, node: Node) -> float | None:
    """Expected time of one node, for a batch of one; None where a size is unknown."""
    if node.op in ("input", "identity", "dropout") or not node.outputs:
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
    if not count:
        return CALL + touched / BANDWIDTH
    flops = DEPTHWISE_FLOPS if node.op == "depthwise_conv" else FLOPS
    return CALL + 2 * count / flops + 0.25 * touched / BANDWIDTH  # mostly hidden behind the arithmetic


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
