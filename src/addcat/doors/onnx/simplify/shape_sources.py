"""Arithmetic on shapes that asks the model's inputs.

Exporters ask a tensor for its sizes wherever they need them: Gather(Shape(x), 0), for some x in the middle of the
network, gives the batch. That is a reader of x, so no rewrite may touch what makes x, although no value is read.
Where the sizes are numbers, or known to be those of an input of the model, they are taken from there instead.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.doors.onnx.reading.load import small_copy
from addcat.doors.onnx.reading.symbolic import Sizes, symbolic_sizes
from addcat.frameworks import load
from addcat.graph import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


Part = int | tuple[str, int]
"""A size: a number, or an axis of an input."""


def grounded(proto: "ModelProto") -> "ModelProto":
    """Take sizes from constants and from the model's inputs instead of from tensors in the middle.

    Args:
        proto: An `onnx.ModelProto`; not changed.

    Returns:
        A model that computes the same; the same one where there is nothing to do.
    """
    inputs, outputs = ({info.name for info in some} for some in (proto.graph.input, proto.graph.output))
    asked = {n.output[0]: n.input[0] for n in proto.graph.node if _is_whole_shape(n) and n.input[0] not in inputs}
    if not asked or outputs & asked.keys():
        return proto
    known = symbolic_sizes(small_copy(proto))
    at_input = {
        size: (info.name, axis)
        for info in reversed(proto.graph.input)  # the first that has a size is the one that is asked
        for axis, size in enumerate(known.get(info.name, ("", ()))[1])
        if isinstance(size, str)
    }
    wanted = {output: known.get(source, ("", (None,)))[1] for output, source in asked.items()}
    gathers = {node.output[0]: sizes for node, sizes in _gathered(proto, wanted) if node.output[0] not in outputs}
    replaced: dict[str, list[Part]] = {
        output: [at_input[size] if isinstance(size, str) else size for size in sizes if size is not None]
        for output, sizes in {**wanted, **gathers}.items()
        if all(isinstance(size, int) or size in at_input for size in sizes)
    }
    scalars = {
        node.output[0] for node in proto.graph.node if node.output and known.get(node.output[0], ("", 0))[1] == ()
    }
    return _rewritten(proto, replaced, scalars) if replaced else proto


def _is_whole_shape(node: "NodeProto") -> bool:
    plain = all(attribute.name == "start" and attribute.i == 0 for attribute in node.attribute)
    return node.op_type == "Shape" and plain and node.domain in ("", "ai.onnx")


def _gathered(proto: "ModelProto", wanted: dict[str, Sizes]) -> "Iterator[tuple[NodeProto, Sizes]]":
    """Nodes that pick one size of a shape, and that size."""
    constants = dict(_constants(proto))
    for node in proto.graph.node:
        if node.op_type != "Gather" or node.domain not in ("", "ai.onnx") or node.input[0] not in wanted:
            continue
        index, sizes = constants.get(node.input[1]), wanted[node.input[0]]
        if (
            index is not None
            and index.size == 1
            and index.ndim < 2
            and -len(sizes) <= int(index.reshape(())) < len(sizes)
        ):
            yield node, (sizes[int(index.reshape(()))],)


def _constants(proto: "ModelProto") -> Iterator[tuple[str, Array]]:
    """Small whole numbers of a model by name."""
    helper = load("onnx", extra="onnx").numpy_helper
    inputs = {info.name for info in proto.graph.input}  # a caller may give another value for these
    for tensor in proto.graph.initializer:
        if tensor.data_type in (6, 7) and tensor.ByteSize() < 256 and tensor.name not in inputs:
            yield tensor.name, helper.to_array(tensor)
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            yield node.output[0], helper.to_array(node.attribute[0].t)


def _rewritten(proto: "ModelProto", replaced: dict[str, list[Part]], scalars: set[str]) -> "ModelProto":
    onnx = load("onnx", extra="onnx")
    copy = type(proto)()
    copy.CopyFrom(proto)
    kept = [node for node in copy.graph.node if not (node.output and node.output[0] in replaced)]
    sizes = _InputSizes(copy, onnx)
    for output, parts in replaced.items():
        sizes.put(output, parts, scalar=output in scalars)
    del copy.graph.node[:]
    copy.graph.node.extend([*sizes.nodes, *kept])
    return copy


def _names(graph: "GraphProto") -> Iterator[str]:
    """All names of a graph, those of the graphs inside its nodes too."""
    yield from (one.name for one in (*graph.input, *graph.initializer, *graph.value_info))
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _names(inner)


class _InputSizes:
    """Nodes and constants that give sizes, those of the model's inputs each once."""

    def __init__(self, proto: "ModelProto", onnx: Any) -> None:
        self.initializers, self.onnx = proto.graph.initializer, onnx
        self.nodes: list[NodeProto] = []
        self.names = set(_names(proto.graph))
        self.made: dict[object, str] = {}

    def put(self, output: str, parts: Sequence[Part], *, scalar: bool) -> None:
        """Make the tensor `output` of some sizes: numbers, and (input, axis)."""
        if all(isinstance(part, int) for part in parts):
            array = np.array(parts[0] if scalar else parts, np.int64)
            self.initializers.append(self.onnx.numpy_helper.from_array(array, output))
            return
        pieces = [self._number(part) if isinstance(part, int) else self._size(*part) for part in parts]
        kind = "Squeeze" if scalar else "Identity" if len(pieces) == 1 else "Concat"
        attributes = {"axis": 0} if kind == "Concat" else {}
        self._node(kind, pieces, output, self._fresh(f"{output}_taken"), **attributes)

    def _size(self, name: str, axis: int) -> str:
        if (name, axis) not in self.made:
            shape, size = self._fresh(f"{name}_shape_{axis}"), self._fresh(f"{name}_size_{axis}")
            self._node("Shape", [name], shape, shape)
            self._node("Gather", [shape, self._number(axis)], size, size)
            self.made[name, axis] = size
        return self.made[name, axis]

    def _number(self, value: int) -> str:
        if value not in self.made:
            self.made[value] = self._fresh(f"the_number_{value}")
            self.initializers.append(self.onnx.numpy_helper.from_array(np.array([value], np.int64), self.made[value]))
        return self.made[value]

    def _node(self, kind: str, inputs: list[str], output: str, name: str, **attributes: int) -> None:
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=name, **attributes))

    def _fresh(self, wanted: str) -> str:
        while wanted in self.names:
            wanted += "_"
        self.names.add(wanted)
        return wanted
