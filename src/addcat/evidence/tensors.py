"""Tensors around a node of a nested model's graph, found in the flattened graph at each of its calls."""

import numpy as np

from addcat.errors import DataError
from addcat.graph import Array, Edge, Graph
from addcat.graph.nested import calls_of, flatten


def inputs_of(root: Graph, path: str) -> list[Edge]:
    """What a node reads, at every call of the nested model that holds it.

    Args:
        root: The outermost graph.
        path: Of the node.

    Returns:
        The inputs of the node at its first call, then those at its second, ...; edges of `flatten(root)`.
    """
    flat = flatten(root)
    return [edge for name in calls_of(root, path) for edge in flat.nodes[name].inputs]


def require_finite(edge: Edge, tensor: Array) -> None:
    """Check the activations on an edge.

    Raises:
        DataError: if one is not finite.
    """
    if not np.isfinite(np.asarray(tensor, np.float32)).all():
        raise DataError(f"{edge.node!r} gives NaN or infinite activations. Check the inputs and the model's weights.")
