"""Tensors that an ONNX model keeps in files beside it: which they are, and the same model without them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from addcat.doors.onnx.reading.load import ir

if TYPE_CHECKING:
    import onnx_ir
    from onnx_ir import TensorProtocol


def weight_bytes(model: "onnx_ir.Model") -> int:
    """Bytes that the weights of an `onnx_ir.Model` take, those of graphs inside nodes included."""
    values = (value for graph in model.graphs() for value in graph.initializers.values())
    return sum(value.const_value.nbytes for value in values if value.const_value is not None)


def external_files(model: "onnx_ir.Model") -> set[Path]:
    """The files in which a model keeps tensors, resolved."""
    tensors = [value.const_value for graph in model.graphs() for value in graph.initializers.values()]
    for _, _, held in _held(model):
        tensors += held
    return {file for file in map(_file, tensors) if file is not None}


def with_own_tensors(model: "onnx_ir.Model", *, weights: bool = True) -> "onnx_ir.Model":
    """A model that reads no other file.

    Args:
        model: An `onnx_ir.Model`; not changed.
        weights: Whether initialisers are taken in too, or only the tensors that nodes hold.

    Returns:
        The model itself where it reads none already.
    """
    if not external_files(model):
        return model
    copy = model.clone()
    for graph in copy.graphs() if weights else ():
        for value in graph.initializers.values():
            value.const_value = None if value.const_value is None else _own(value.const_value)
    for node, name, tensors in list(_held(copy)):
        own = [_own(tensor) for tensor in tensors]
        one = node.attributes[name].type.name == "TENSOR"
        node.attributes[name] = ir().AttrTensor(name, own[0]) if one else ir().AttrTensors(name, own)
    return copy


def _held(model: "onnx_ir.Model") -> "Iterator[tuple[onnx_ir.Node, str, list[TensorProtocol]]]":
    """Nodes at any depth, functions included, with each of their attributes that holds tensors, and those."""
    for nodes in (model.graph.all_nodes(), *(function.all_nodes() for function in model.functions.values())):
        for node in nodes:
            for name, attribute in node.attributes.items():
                if not attribute.is_ref() and attribute.type.name in ("TENSOR", "TENSORS"):
                    yield node, name, [attribute.value] if attribute.type.name == "TENSOR" else list(attribute.value)


def _file(tensor: Any) -> Path | None:
    return Path(tensor.path).resolve() if isinstance(tensor, ir().ExternalTensor) else None


def _own(tensor: "TensorProtocol") -> "TensorProtocol":
    return ir().Tensor(tensor.numpy(), name=tensor.name) if isinstance(tensor, ir().ExternalTensor) else tensor
