"""An ONNX model from memory or from a file, refused with one clear error where it is malformed or hostile.

What is checked before anything is looked into: the file parses; every tensor has as many bytes as its shape says;
weights kept in other files lie inside the model's folder and are long enough; the opset is one that we read; and the
model is valid to `onnx.checker`. Weights are not loaded: checks and shape inference run on a copy without large ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from addcat.errors import ModelError
from addcat.frameworks import load as import_module
from addcat.graph import Array, Shape, Tensor

OLDEST_OPSET = 13
SMALL = 1024
"""Tensors up to this many bytes stay in the copy for shape inference, which reads shapes out of them."""

_DATA_FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


@cache
def onnx() -> Any:
    """The module `onnx`."""
    return import_module("onnx", extra="onnx")


@cache
def ir() -> Any:
    """The module `onnx_ir`."""
    return import_module("onnx_ir", extra="onnx")


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
        return _loaded(source.clone(), _small_copy_of_ir(source), "the ONNX model", shapes)
    else:
        kind = f"{type(source).__module__}.{type(source).__name__}"
        raise ModelError(f"{kind} is not an ONNX model. Pass a path, an onnx.ModelProto or an onnx_ir.Model.")
    if not proto.graph.output:
        raise ModelError(f"{name} has no outputs, so it computes nothing. Export it again.")
    _check_opset(proto, name)
    for tensor in _tensors(proto):
        _check_tensor(tensor, name, folder)
    small = small_copy(proto)
    _check(small, name)
    try:
        model = ir().from_proto(proto)
    except Exception as error:
        raise ModelError(_invalid(name, error)) from None
    if folder is not None:
        ir().external_data.set_base_dir(model.graph, str(folder))
    return _loaded(model, small, name, shapes)


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


def _check_opset(proto: Any, name: str) -> None:
    opset = max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=None)
    if opset is None:
        raise ModelError(
            f"{name} does not say which opset it uses. Export it again with opset {OLDEST_OPSET} or later."
        )
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"{name} uses opset {opset}; addcat reads opset {OLDEST_OPSET} and later. "
            "Convert it first: onnx.version_converter.convert_version(model, 17)."
        )


def _tensors(proto: Any) -> Iterator[Any]:
    """Every tensor of a model: of its graph, of the graphs inside nodes, and of its functions."""
    graphs = [proto.graph]
    nodes = [node for function in proto.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield from attribute.tensors
            graphs.extend(attribute.graphs)
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                graphs.append(attribute.g)


def _check_tensor(tensor: Any, name: str, folder: Path | None) -> None:
    where = f"tensor {tensor.name!r} of {name}"
    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"{where} has the shape {tuple(tensor.dims)}. Sizes cannot be negative; export it again.")
    count, bits = prod(tensor.dims), _bits(tensor.data_type)
    if bits is None:
        raise ModelError(f"{where} has the unknown element type {tensor.data_type}. Export it again.")
    wanted = (count * bits + 7) // 8
    if tensor.data_location == tensor.EXTERNAL:
        _check_external(tensor, where, folder, wanted)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != wanted:
            raise ModelError(
                f"{where} has the shape {tuple(tensor.dims)}, which takes {wanted} bytes, but holds "
                f"{len(tensor.raw_data)}. Export it again."
            )
    elif max(len(getattr(tensor, field)) for field in _DATA_FIELDS) < (count * min(bits, 8) + 7) // 8:
        raise ModelError(f"{where} has the shape {tuple(tensor.dims)}, but fewer values. Export it again.")


def _bits(data_type: int) -> int | None:
    try:
        dtype = ir().DataType(data_type)
        return 8 if dtype == ir().DataType.STRING else int(dtype.bitwidth)
    except (ValueError, TypeError):  # not an element type, or the undefined one
        return None


def _check_external(tensor: Any, where: str, folder: Path | None, wanted: int) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise ModelError(
            f"{where} keeps its data in the file {location!r}, and a model in memory has no folder. "
            "Pass the path of the model, or load its data first: onnx.load_external_data_for_model(model, folder)."
        )
    path = (folder / location).resolve()
    if not location or Path(location).is_absolute() or not path.is_relative_to(folder):
        raise ModelError(
            f"{where} keeps its data in {location!r}, outside the model's folder. "
            "Such a model may read any file of yours, so it is refused. Save it again with its data beside it."
        )
    if not path.is_file():
        raise ModelError(f"{where} keeps its data in {location!r}, which is not in the model's folder. Copy it there.")
    offset, length = _number(entries.get("offset")), _number(entries.get("length"))
    given = wanted if length is None else length
    if offset is None:
        offset = 0
    if offset < 0 or given < wanted or offset + wanted > path.stat().st_size:
        raise ModelError(
            f"{where} takes {wanted} bytes at offset {offset} of {location!r}, which has {path.stat().st_size} "
            "bytes there or fewer. The file is truncated or of another model; copy it again."
        )


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return -1


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
    return ir().to_proto(copy)


def _check(small: Any, name: str) -> None:
    try:
        onnx().checker.check_model(small)
    except Exception as error:
        raise ModelError(_invalid(name, error)) from None


def _invalid(name: str, error: Exception) -> str:
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"{name} is not a valid ONNX model: {said.rstrip('.')}. Export it again; onnx.checker.check_model checks it."


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
    try:
        inferred = onnx().shape_inference.infer_shapes(loaded.small, data_prop=True)
    except Exception as error:
        raise ModelError(_invalid(loaded.name, error)) from None
    types: dict[str, Tensor] = {}
    for info in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output):
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
    sizes = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.tensor_type.shape.dim)
    return Tensor(sizes, dtype_name(kind.tensor_type.elem_type))


def dtype_name(data_type: int) -> str:
    """Numpy's name of an ONNX element type, such as "float32"; "unknown" where it has none."""
    try:
        return str(ir().DataType(data_type).numpy())
    except (ValueError, TypeError):
        return "unknown"


def _set_input_shapes(model: Any, small: Any, name: str, shapes: tuple[Shape, ...]) -> None:
    inputs = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    if len(inputs) != len(shapes):
        raise ModelError(f"{name} has {len(inputs)} inputs, got {len(shapes)} shapes. Give one for each.")
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
        for dim, size in zip(info.type.tensor_type.shape.dim, shape, strict=True):
            if size is not None:
                dim.dim_value = size
    # what was inferred for other sizes no longer holds
    del small.graph.value_info[:]
