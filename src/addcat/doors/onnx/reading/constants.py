"""Which tensors of an ONNX graph are the same at every run: initialisers, Constant nodes, and what follows from them.

Exporters write much arithmetic on shapes (Shape, Gather, Mul, Concat in front of a Resize). Where sizes are known it is
constant too. So each small integer tensor is followed element by element, None standing for an unknown size, and counts
as a constant once all its elements are known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from addcat.doors.onnx.reading.load import dtype_name, ir, onnx
from addcat.doors.onnx.reading.shape_arithmetic import FOLLOWED
from addcat.frameworks import load as import_module
from addcat.graph import Array, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir
    from onnx_ir import Value

MOST_ELEMENTS = 256
"""Integer tensors up to this many elements are followed element by element."""

FOLDABLE = {
    *("Identity", "Cast", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Flatten", "Concat", "Slice", "Gather"),
    *("Add", "Sub", "Mul", "Div", "Neg", "Sqrt", "Reciprocal", "Exp", "Pow", "Expand", "ConstantOfShape"),
}


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that is the same at every run.

    Attributes:
        shape: Its sizes.
        dtype: Name of its element type.
        read: Gives the array.
        key: The same for every reader of the same tensor.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Array]
    key: int


def type_of(types: Mapping[str, Tensor], value: "Value | None") -> Tensor | None:
    """What is known of a value by its name; None where nothing is, or there is no value."""
    return None if value is None or value.name is None else types.get(value.name)


class Constants:
    """The constants of one graph, found node by node in topological order.

    Args:
        types: What is known of each tensor, by name.
    """

    def __init__(self, types: Mapping[str, Tensor]) -> None:
        self._types = types
        self._found: dict[Value, Constant] = {}
        self._elements: dict[Value, Array] = {}
        self._followed: list[Value] = []

    def __contains__(self, value: "Value") -> bool:
        return value in self._found

    def __getitem__(self, value: "Value") -> Constant:
        return self._found[value]

    def get(self, value: "Value") -> Constant | None:
        """The constant that an `onnx_ir.Value` is, or None."""
        return self._found.get(value)

    def learnt(self) -> dict[str, Array]:
        """What arithmetic on shapes came to, by name of the tensor."""
        return {value.name or "": self._found[value].read() for value in self._followed}

    def add_initializer(self, value: "Value") -> None:
        """Take in an initialiser of the graph."""
        if value.const_value is not None:
            self._add_tensor(value, value.const_value)

    def _add_tensor(self, value: "Value", tensor: "onnx_ir.TensorProtocol") -> None:
        shape = tuple(int(size) for size in tensor.shape.numpy())
        self._found[value] = Constant(shape, dtype_name(int(tensor.dtype)), tensor.numpy, id(value))

    def add_node(self, node: "onnx_ir.Node") -> bool:
        """Take in a node of the graph, after all that it reads.

        Returns:
            Whether all it gives is constant, so that it is no operation of the model.
        """
        if node.domain not in ("", "ai.onnx") or len(node.outputs) != 1:
            return False
        (output,) = node.outputs
        if node.op_type == "Constant":
            return self._add_constant_node(node, output)
        self._follow(node, output)
        if output in self._found:
            return True
        known = [value is None or value in self._found for value in node.inputs]
        if node.op_type in FOLDABLE and node.inputs and all(known) and self._is_small(node, output):
            self._fold(node, output)
        return output in self._found

    def _add_constant_node(self, node: "onnx_ir.Node", output: "Value") -> bool:
        if not node.attributes:
            return False
        (name, attribute), *_ = node.attributes.items()
        if name == "value":
            self._add_tensor(output, attribute.as_tensor())
        elif name in ("value_float", "value_floats", "value_int", "value_ints"):
            array = np.asarray(attribute.value, np.float32 if "float" in name else np.int64)
            self._found[output] = Constant(array.shape, str(array.dtype), lambda: array, id(output))
        return output in self._found

    def _is_small(self, node: "onnx_ir.Node", output: "Value") -> bool:
        """Whether the result is no larger than what it is made of, so that folding it costs nothing."""
        tensor = type_of(self._types, output)
        if tensor is None or None in tensor.shape or tensor.dtype in ("unknown", "bfloat16"):
            return False
        read = sum(prod(self._found[value].shape) for value in node.inputs if value is not None)
        return _size(tensor.shape) <= max(read, MOST_ELEMENTS)

    def _fold(self, node: "onnx_ir.Node", output: "Value") -> None:
        tensor = self._types[output.name or ""]
        shape = tuple(size for size in tensor.shape if size is not None)
        inputs = [None if value is None else self._found[value] for value in node.inputs]
        cache: list[Array] = []

        def read() -> Array:
            if not cache:
                cache.append(_evaluate(node, [None if one is None else one.read() for one in inputs]))
            return cache[0]

        self._found[output] = Constant(shape, tensor.dtype, read, id(output))

    def _follow(self, node: "onnx_ir.Node", output: "Value") -> None:
        """Follow a small integer tensor element by element."""
        rule = FOLLOWED.get(node.op_type)
        tensor = type_of(self._types, output)
        if rule is None or tensor is None or tensor.dtype not in ("int64", "int32"):
            return
        if node.op_type == "Shape":
            known = type_of(self._types, node.inputs[0])
            arrays = [None if known is None else _elements(known.shape)]
        else:
            arrays = [None if value is None else self._elements_of(value) for value in node.inputs]
        if any(array is None and value is not None for array, value in zip(arrays, node.inputs, strict=True)):
            return
        try:
            result = np.asarray(rule(node, *arrays), object)
        except (ValueError, IndexError, TypeError, ZeroDivisionError):  # an unknown size where one is needed
            return
        if result.size > MOST_ELEMENTS:
            return
        self._elements[output] = result
        if all(element is not None for element in result.flat):
            array = result.astype(tensor.dtype)
            self._followed.append(output)
            self._found[output] = Constant(array.shape, tensor.dtype, lambda: array, id(output))

    def _elements_of(self, value: "Value") -> Array | None:
        if value in self._elements:
            return self._elements[value]
        constant = self._found.get(value)
        if constant is None or constant.dtype not in ("int64", "int32") or prod(constant.shape) > MOST_ELEMENTS:
            return None
        self._elements[value] = constant.read().astype(object)
        return self._elements[value]


def _size(shape: Shape) -> int:
    return prod(size or 0 for size in shape)


def _elements(shape: Shape) -> Array:
    array = np.empty(len(shape), object)
    array[:] = shape
    return array


def _evaluate(node: "onnx_ir.Node", inputs: list[Array | None]) -> Array:
    """Run one node with onnx's reference evaluator."""
    values: list[Value | None] = []
    for i, array in enumerate(inputs):
        value = None
        if array is not None:
            kind = ir().TensorType(ir().DataType.from_numpy(array.dtype))
            value = ir().Value(name=f"in{i}", type=kind, shape=ir().Shape(array.shape))
        values.append(value)
    output = ir().Value(name="out", type=ir().TensorType(ir().DataType.FLOAT))
    copy = ir().Node("", node.op_type, values, list(node.attributes.values()), outputs=[output])
    opsets = {"": 18 if node.graph is None else node.graph.opset_imports.get("", 18)}
    given = [value for value in values if value is not None]
    graph = ir().Graph(given, [output], nodes=[copy], opset_imports=opsets, name="fold")
    proto = ir().to_proto(ir().Model(graph, ir_version=onnx().IR_VERSION))
    evaluator = import_module("onnx.reference", extra="onnx").ReferenceEvaluator(proto)
    return np.asarray(evaluator.run(None, {f"in{i}": array for i, array in enumerate(inputs) if array is not None})[0])
