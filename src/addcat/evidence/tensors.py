"""Tensors around a node of a nested model's graph, found in the flattened graph at each of its calls."""

import re

import numpy as np

from addcat.errors import DataError
from addcat.graph import Array, Edge, Graph

CALL = re.compile(r"#\d+(?=/)")
"""Tells the calls of a nested model apart in the names of the flattened graph: "encoder#2/dense"."""


def inputs_of(flat: Graph, path: str) -> list[Edge]:
    """What a node reads, at every call of the nested model that holds it.

    Args:
        flat: `flatten` of the outermost graph.
        path: Of the node, as `addcat.merges.walk` gives it.

    Returns:
        The inputs of the node at its first call, then those at its second, ...
    """
    plain = CALL.sub("", path)
    calls = [node for name, node in flat.nodes.items() if CALL.sub("", name) == plain]
    return [edge for node in calls for edge in node.inputs]


def require_finite(edge: Edge, tensor: Array) -> None:
    """Check the activations on an edge.

    Raises:
        DataError: if one is not finite.
    """
    if not np.isfinite(np.asarray(tensor, np.float32)).all():
        raise DataError(f"{edge.node!r} gives NaN or infinite activations. Check the inputs and the model's weights.")
