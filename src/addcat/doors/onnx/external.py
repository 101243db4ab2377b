"""Tensors that an ONNX model keeps in files beside it: which they are, and the same model without them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from addcat.doors.onnx.reading.load import ir


def weight_bytes(model: Any) -> int:
    """Bytes that the weights of an `onnx_ir.Model` take, those of graphs inside nodes included."""
    values = (value for graph in model.graphs() for value in graph.initializers.values())
    return sum(value.const_value.nbytes for value in values if value.const_value is not None)


def external_files(model: Any) -> set[Path]:
    """The files in which a model keeps tensors, resolved; an `onnx.ModelProto` is refused where it has any."""
    if not isinstance(model, ir().Model):
        return set()
    tensors = [value.const_value for graph in model.graphs() for value in graph.initializers.values()]
    for _, _, held in _held(model):
        tensors += held
    return {Path(tensor.path).resolve() for tensor in tensors if isinstance(tensor, ir().ExternalTensor)}


def with_own_tensors(model: Any, *, weights: bool = True) -> Any:
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
            value.const_value = _own(value.const_value)
    for node, name, tensors in list(_held(copy)):
        own = [_own(tensor) for tensor in tensors]
        one = node.attributes[name].type.name == "TENSOR"
        node.attributes[name] = ir().AttrTensor(name, own[0]) if one else ir().AttrTensors(name, own)
    return copy


def _held(model: Any) -> Iterator[tuple[Any, str, list[Any]]]:
    """Nodes at any depth, functions included, with each of their attributes that holds tensors, and those."""
    for nodes in (model.graph.all_nodes(), *(function.all_nodes() for function in model.functions.values())):
        for node in nodes:
            for name, attribute in node.attributes.items():
                if not attribute.is_ref() and attribute.type.name in ("TENSOR", "TENSORS"):
                    yield node, name, [attribute.value] if attribute.type.name == "TENSOR" else list(attribute.value)


def _own(tensor: Any) -> Any:
    return ir().Tensor(tensor.numpy(), name=tensor.name) if isinstance(tensor, ir().ExternalTensor) else tensor
