"""A float64 evaluation of a model of moderate size: onnx's reference evaluator on a widened copy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from addcat.doors.onnx.reading.load import ir
from addcat.doors.onnx.running.float64_operators import operators
from addcat.doors.onnx.write import to_proto
from addcat.frameworks import load
from addcat.graph import Array

if TYPE_CHECKING:
    import onnx_ir


def run_float64(model: "onnx_ir.Model", feeds: Mapping[str, Array]) -> list[Array] | None:
    """Evaluate a model with every narrower floating type widened to float64.

    Args:
        model: An `onnx_ir.Model`; not changed.
        feeds: Inputs by name, as the model takes them.

    Returns:
        Its outputs; None where the reference evaluator does not know an operator.
    """
    proto = to_proto(_widened(model))
    wide = {name: _wide(array) for name, array in feeds.items()}
    try:
        evaluator = load("onnx.reference", extra="onnx").ReferenceEvaluator(proto, new_ops=operators())
        with np.errstate(all="ignore"):  # an overflow on the way is the model's own affair
            return [np.asarray(output) for output in evaluator.run(None, wide)]
    except Exception:  # whatever an operator's reference code stumbles on, there is no reference then
        return None


NARROW = ("FLOAT", "FLOAT16", "BFLOAT16")


def _wide(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.name in ("float32", "float16", "bfloat16") else array


def _widened(model: "onnx_ir.Model") -> "onnx_ir.Model":
    copy = model.clone()
    double, narrow = ir().DataType.DOUBLE, {getattr(ir().DataType, name) for name in NARROW}
    keep = _scales(copy)
    for graph in copy.graphs():
        for value in (*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs)):
            if value.dtype in narrow and value not in keep:
                value.type = ir().TensorType(double)
        for value in graph.initializers.values():
            tensor = value.const_value
            if tensor is not None and tensor.dtype in narrow and value not in keep:
                value.const_value = ir().Tensor(tensor.numpy().astype(np.float64), name=value.name)
        for node in graph:
            _widen_attributes(node)
    return copy


def _scales(model: "onnx_ir.Model") -> "set[onnx_ir.Value]":
    """Inputs that stay float32 whatever the data are: the region and factors of Resize."""
    resizes = [node for graph in model.graphs() for node in graph if node.op_type == "Resize"]
    return {value for node in resizes for value in node.inputs[1:3] if value is not None}


def _widen_attributes(node: "onnx_ir.Node") -> None:
    double, narrow = int(ir().DataType.DOUBLE), {int(getattr(ir().DataType, name)) for name in NARROW}
    for name, attribute in list(node.attributes.items()):
        if node.op_type == "Cast" and name == "to" and attribute.value in narrow:
            node.attributes[name] = ir().AttrInt64(name, double)
        elif attribute.type.name == "TENSOR" and int(attribute.value.dtype) in narrow:
            node.attributes[name] = ir().AttrTensor(name, ir().Tensor(attribute.value.numpy().astype(np.float64)))
        elif node.op_type == "Constant" and name in ("value_float", "value_floats"):
            array = np.asarray(attribute.value, np.float64)
            del node.attributes[name]
            node.attributes["value"] = ir().AttrTensor("value", ir().Tensor(array))
