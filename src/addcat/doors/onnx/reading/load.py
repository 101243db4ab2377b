"""An ONNX model from memory or from a file, refused with one clear error where it is malformed or hostile.

What is checked before anything is looked into: the file parses; every tensor has as many bytes as its shape says;
weights kept in other files lie inside the model's folder and are long enough; the opset is one that we read; and the
model is valid to `onnx.checker`. Weights are not loaded: checks and shape inference run on a copy without large ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from addcat.doors.onnx.reading.inference import inferred, invalid, open_sizes
from addcat.doors.onnx.reading.opsets import CONVERTED_OPSETS, at_oldest_opset, opset_of, require_opset
from addcat.doors.onnx.reading.stored import check_tensors, dense, ir, onnx
from addcat.errors import ModelError
from addcat.graph import Array, Shape, Tensor
from addcat.report.rows import counted

STORED_OPSET = "addcat: stored opset"
"""Where a model that was put into the words of another opset keeps, in memory, the one that it was stored with."""
SMALL = 1024
"""Tensors up to this many bytes stay in the copy for shape inference, which reads shapes out of them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked model.

    Attributes:
        model: An `onnx_ir.Model` of our own; its tensors are read when asked for.
        small: A copy without large weights, for checks and shape inference.
        name: What it is called in messages.
    """

    model: Any
    small: Any
    name: str


def load(source: Any, shapes: tuple[Shape, ...] | None = None) -> Loaded:
    """Load and check a model.

    Args:
        source: A path, an `onnx.ModelProto` or an `onnx_ir.Model`; not changed.
        shapes: Other shapes for the model's inputs, one for each.

    Returns:
        The model; see `infer` for the shapes of its tensors.

    Raises:
        ModelError: if it cannot be read; the message says why and what to do.
    """
    if isinstance(source, str | Path):
        name, folder = repr(str(source)), Path(source).resolve().parent
        proto = _parse(Path(source), name)
    elif isinstance(source, onnx().ModelProto):
        name, folder, proto = "the ONNX model", None, source
    elif isinstance(source, ir().Model):
        name, folder = "the ONNX model", None
        copy = _cloned(source, name)
        try:
            small = _small_copy_of_ir(copy)
        except Exception as error:  # onnx-ir's own, of what it cannot write
            raise ModelError(invalid(name, error.__cause__ or error)) from None
        _require_sound(small, name)
        if opset_of(small) not in CONVERTED_OPSETS:
            copy.meta.update(source.meta)
            return _loaded(copy, small, name, shapes)
        proto = ir().to_proto(source)
    else:
        kind = f"{type(source).__module__}.{type(source).__name__}"
        raise ModelError(f"{kind} is not an ONNX model. Pass a path, an onnx.ModelProto or an onnx_ir.Model.")
    _require_sound(proto, name)
    check_tensors(proto, name, folder)
    proto = dense(proto, name)
    small = small_copy(proto)
    _check(small, name)
    old = opset_of(proto) if opset_of(proto) in CONVERTED_OPSETS else None
    if old is not None:
        proto = at_oldest_opset(proto, inferred(small, name), name)
        small = small_copy(proto)
        _check(small, name)
    try:
        model = ir().from_proto(proto)
    except Exception as error:
        raise ModelError(invalid(name, error)) from None
    _cloned(model, name)  # what can be read and not be copied could not be rewritten either
    _keep_inputs(model, proto)
    if folder is not None:
        ir().external_data.set_base_dir(model.graph, str(folder))
    if old is not None:
        model.meta[STORED_OPSET] = old
    return _loaded(model, small, name, shapes)


def _keep_inputs(model: Any, proto: Any) -> None:
    """Let inputs say what they say: in onnx-ir an output of the same name, which may say less, is the same tensor."""
    values = {value.name: value for value in model.graph.inputs}
    for info in proto.graph.input:
        if info.type.HasField("tensor_type") and info.type.tensor_type.HasField("shape"):
            dims = info.type.tensor_type.shape.dim
            sizes = [_size(dim) if dim.HasField("dim_value") else dim.dim_param or None for dim in dims]
            values[info.name].shape = ir().Shape(sizes)
            values[info.name].type = ir().TensorType(ir().DataType(info.type.tensor_type.elem_type))


def _cloned(model: Any, name: str) -> Any:
    try:
        return model.clone()
    except Exception as error:
        raise ModelError(invalid(name, error.__cause__ or error)) from None


def _require_sound(proto: Any, name: str) -> None:
    if not proto.graph.output:
        raise ModelError(f"{name} has no outputs, so it computes nothing. Export it again.")
    require_opset(proto, name)


def _parse(path: Path, name: str) -> Any:
    if not path.is_file():
        raise ModelError(f"There is no file {name}. Pass the path of an existing .onnx file.")
    proto = onnx().ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except Exception:  # protobuf's own error class differs between its implementations
        raise ModelError(
            f"{name} is not an ONNX model: it does not parse, so it is truncated or of another format. Export it again."
        ) from None
    if not proto.HasField("graph"):
        raise ModelError(f"{name} is not an ONNX model: it holds no graph. Export it again.")
    return proto


def small_copy(proto: Any) -> Any:
    """The model without large initialisers; they become inputs of the same type, which is all that inference needs."""
    small = onnx().ModelProto()
    small.ir_version = max(proto.ir_version, 4)
    small.opset_import.extend(proto.opset_import)
    small.functions.extend(proto.functions)
    graph = small.graph
    graph.name = proto.graph.name or "graph"
    graph.node.extend(proto.graph.node)
    graph.input.extend(proto.graph.input)
    # runtimes take outputs of unknown rank, the checker does not
    graph.output.extend(v for v in proto.graph.output if _tensor(v.type) or not v.type.HasField("tensor_type"))
    graph.value_info.extend(proto.graph.value_info)
    graph.sparse_initializer.extend(proto.graph.sparse_initializer)
    inputs = {value.name for value in graph.input}
    for tensor in proto.graph.initializer:
        external = tensor.data_location == tensor.EXTERNAL
        if not external and tensor.ByteSize() <= SMALL:
            graph.initializer.append(tensor)
        elif tensor.name not in inputs:
            shape = [int(size) for size in tensor.dims]
            graph.input.append(onnx().helper.make_tensor_value_info(tensor.name, tensor.data_type, shape))
    open_sizes(small)
    return small


def _small_copy_of_ir(model: Any) -> Any:
    copy = model.clone()
    for value in list(copy.graph.initializers.values()):
        if value.const_value.nbytes > SMALL:
            value.shape, value.dtype = value.const_value.shape, value.const_value.dtype
            del copy.graph.initializers[value.name]
            if not any(value is known for known in copy.graph.inputs):
                copy.graph.inputs.append(value)
            value.const_value = None
    small = ir().to_proto(copy)
    open_sizes(small)
    return small


def _check(small: Any, name: str) -> None:
    try:
        onnx().checker.check_model(small)
    except Exception as error:
        raise ModelError(invalid(name, error)) from None


def _loaded(model: Any, small: Any, name: str, shapes: tuple[Shape, ...] | None) -> Loaded:
    if shapes is not None:
        _set_input_shapes(model, small, name, shapes)
    loaded = Loaded(model, small, name)
    infer(loaded)
    return loaded


def infer(loaded: Loaded) -> dict[str, Tensor]:
    """Infer shapes and types with onnx.

    Returns:
        What is known of each tensor of the graph, by name.

    Raises:
        ModelError: if types or shapes contradict one another.
    """
    found = inferred(loaded.small, loaded.name)
    types: dict[str, Tensor] = {}
    for info in (*found.graph.value_info, *found.graph.output, *found.graph.input):
        tensor = _tensor(info.type)
        if tensor is not None:
            types[info.name] = tensor
    for value in loaded.model.graph.initializers.values():
        data = value.const_value
        types[value.name] = Tensor(tuple(data.shape.numpy()), dtype_name(int(data.dtype)))
    return types


def put_constants(loaded: Loaded, arrays: Mapping[str, Array]) -> None:
    """Tell shape inference what some tensors are; the model itself stays as it is."""
    graph = loaded.small.graph
    for node in list(graph.node):
        if len(node.output) == 1 and node.output[0] in arrays:
            tensor = onnx().numpy_helper.from_array(arrays[node.output[0]])
            replacement = onnx().helper.make_node("Constant", [], list(node.output), value=tensor)
            node.CopyFrom(replacement)


def _tensor(kind: Any) -> Tensor | None:
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    sizes = tuple(_size(dim) for dim in kind.tensor_type.shape.dim)
    return Tensor(sizes, dtype_name(kind.tensor_type.elem_type))


def _size(dim: Any) -> int | None:
    """A size; None where it is open, which some exporters write as -1."""
    return int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else None


def dtype_name(data_type: int) -> str:
    """Numpy's name of an ONNX element type, such as "float32"; "unknown" where it has none."""
    try:
        return str(ir().DataType(data_type).numpy())
    except (ValueError, TypeError):
        return "unknown"


def _set_input_shapes(model: Any, small: Any, name: str, shapes: tuple[Shape, ...]) -> None:
    inputs = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    if len(inputs) != len(shapes):
        few, many = counted(len(inputs), "input"), counted(len(shapes), "shape")
        raise ModelError(f"{name} has {few}, got {many}. Give one for each.")
    for value, shape in zip(inputs, shapes, strict=True):
        declared = value.shape
        if declared is not None and (
            len(declared) != len(shape)
            or any(isinstance(d, int) and s is not None and d != s for d, s in zip(declared, shape, strict=True))
        ):
            wanted = tuple(d if isinstance(d, int) else None for d in declared)
            raise ModelError(f"input {value.name!r} of {name} has the shape {wanted}, which {shape} does not fit.")
        value.shape = ir().Shape(list(shape))
        info = next(info for info in small.graph.input if info.name == value.name)
        known = info.type.tensor_type.shape
        while len(known.dim) < len(shape):  # an input that does not say how many axes it has
            known.dim.add()
        for dim, size in zip(known.dim, shape, strict=True):
            if size is not None:
                dim.dim_value = size
    # what was inferred for other sizes no longer holds
    del small.graph.value_info[:]
