"""The ONNX door: `read` a model or a file into a graph, `write` a graph as a new model.

It stands on onnx-ir, whose tensors are read lazily, so a model may be larger than memory.
"""

from addcat.doors.onnx.bench import bench_of
from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import write
from addcat.graph import Graph, Shape

__all__ = ["bench_of", "read", "reshape_inputs", "write"]


def reshape_inputs(graph: Graph, shapes: tuple[Shape, ...]) -> Graph:
    """The graph of the same model with every shape inferred anew from these input shapes, batch first."""
    return read(graph.native.model, shapes)
