"""What a graph costs: parameters, multiply-adds, bytes, and the peak of live activations, all for a batch of one.

A multiply-add is one multiplication and the addition that follows it, so about two floating-point operations. Only
operations with kernels count; element by element arithmetic is left out, as it is by fvcore and torchinfo.
Where a size is unknown, so is the cost that depends on it: None, never a guess.
"""

from collections.abc import Collection, Iterable
from math import prod

from addcat.graph.core import Edge, Graph, Node, Shape, Tensor
from addcat.graph.nested import flatten, walk

BYTES = {
    "float64": 8,
    "int64": 8,
    "uint64": 8,
    "float16": 2,
    "bfloat16": 2,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}


def size(shape: Shape) -> int | None:
    """Number of elements for a batch of one; None where another size is unknown.

    Examples:
        >>> size((None, 8, 8, 16)), size((None, None, 16))
        (1024, None)
    """
    rest = shape[1:]
    return None if None in rest else prod(s for s in rest if s is not None)


def tensor_bytes(tensor: Tensor) -> int | None:
    """Bytes of a tensor for a batch of one; None where a size is unknown."""
    elements = None if tensor.dtype == "unknown" else size(tensor.shape)
    return None if elements is None else elements * BYTES.get(tensor.dtype, 4)


def parameters(graph: Graph) -> int:
    """Parameters of a model, shared ones once, trainable or not.

    Examples:
        >>> import numpy as np
        >>> from addcat.graph.core import Weight
        >>> x = Node("x", "input", outputs=(Tensor((None, 3)),))
        >>> kernel = Weight.of(np.ones((5, 3)))
        >>> dense = Node("dense", "dense", (Edge("x"),), (Tensor((None, 5)),), weights={"kernel": kernel})
        >>> parameters(Graph.of([x, dense], inputs=["x"], outputs=[Edge("dense")]))
        15
    """
    return sum({w.key: w.size for _, node, _ in walk(graph) for w in node.weights.values() if w.counts}.values())


def multiply_adds(graph: Graph, node: Node) -> int | None:
    """Multiply-adds of one call of one node, for a batch of one.

    Each position of the output takes `in / groups x taps` multiply-adds for each output channel; a transposed
    convolution spends `out x taps` on each element of its input.

    Args:
        graph: The graph that holds the node.
        node: Any node but a nested model.

    Returns:
        The count; 0 for operations without a kernel; None where a size is unknown or the operation is not looked into.
    """
    if "multiply_adds" in node.attrs:  # counted by the door that read it
        return node.attrs["multiply_adds"]
    if node.op in ("opaque", "attention", "recurrent") and any(len(w.shape) > 1 for w in node.weights.values()):
        return None
    if node.op not in ("dense", "conv", "depthwise_conv", "separable_conv", "conv_transpose", "projected_add"):
        return 0
    positions = _positions(node.shape, node.channel_axis)
    if node.op == "conv_transpose":
        source = graph.tensor(node.inputs[0]).shape
        positions = _positions(source, node.channel_axis)
    if positions is None:
        return None
    kernels = [w.size for name, w in node.weights.items() if name in KERNELS]
    return positions * sum(kernels)


KERNELS = ("kernel", "depthwise", "pointwise", "down", "up")


def _positions(shape: Shape, channel_axis: int | None) -> int | None:
    sizes = [s for axis, s in enumerate(shape) if axis not in (0, channel_axis)]
    return None if None in sizes else prod(s for s in sizes if s is not None)


def total_multiply_adds(graph: Graph) -> tuple[int | None, tuple[str, ...]]:
    """Multiply-adds of a whole model, nested models at each of their calls.

    Args:
        graph: The graph of a model.

    Returns:
        The count (None where a size is unknown) and the names of the layers that are not counted.
    """
    flat = flatten(graph)
    total: int | None = 0
    uncounted: list[str] = []
    for node in flat.nodes.values():
        count = multiply_adds(flat, node)
        if count is None and node.op in ("opaque", "attention", "recurrent") and "multiply_adds" not in node.attrs:
            uncounted.append(node.name)
        else:
            total = None if total is None or count is None else total + count
    return total, tuple(uncounted)


def live_peak(graph: Graph, *, free: Collection[str] = ()) -> tuple[int | None, str]:
    """Largest sum of activations that are alive at one time, in bytes, for a batch of one.

    A tensor lives from the operation that writes it to the last one that reads it; outputs of the model live to the
    end. Operations run in the order of the graph and write to memory of their own, none in place.

    Args:
        graph: The graph of a model.
        free: Nodes whose outputs count as nothing, to ask what they cause. Names as in `flatten(graph)`.

    Returns:
        The peak (None where a size is unknown) and the node at which it is reached.
    """
    flat = flatten(graph)
    weights = {
        Edge(node.name, i): 0 if node.name in free else tensor_bytes(tensor)
        for node in flat.nodes.values()
        for i, tensor in enumerate(node.outputs)
    }
    if any(weight is None for weight in weights.values()):
        return None, ""
    last = _last_reads(flat)
    live, peak, where = 0, 0, ""
    for place, node in enumerate(flat.nodes.values()):
        made = [Edge(node.name, i) for i in range(len(node.outputs))]
        live += sum(weights[edge] or 0 for edge in made)
        if live > peak:
            peak, where = live, node.name
        done = {edge for edge in (*node.inputs, *made) if last.get(edge, -1) <= place}
        live -= sum(weights[edge] or 0 for edge in done)
    return peak, where


def _last_reads(flat: Graph) -> dict[Edge, int]:
    last: dict[Edge, int] = {}
    for place, node in enumerate(flat.nodes.values()):
        last.update(dict.fromkeys(node.inputs, place))
    last.update(dict.fromkeys(flat.outputs, len(flat.nodes)))
    return last


def add_up(counts: Iterable[int | None]) -> int | None:
    """Sum of counts; None where one is unknown.

    Examples:
        >>> add_up([1, 2]), add_up([1, None])
        (3, None)
    """
    listed = list(counts)
    return None if None in listed else sum(c for c in listed if c is not None)
