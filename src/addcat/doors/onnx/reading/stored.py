"""Tensors as a file stores them: each is as large as it says, lies where it may, and is dense."""

import logging
from collections.abc import Iterator
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.errors import ModelError
from addcat.frameworks import load

if TYPE_CHECKING:
    from onnx import ModelProto, SparseTensorProto, TensorProto

MOST_DENSE_BYTES = 2**31
"""A sparse tensor that would take more than this when it is written out is refused."""

_DATA_FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


@cache
def onnx() -> Any:
    """The module `onnx`."""
    return load("onnx", extra="onnx")


@cache
def ir() -> Any:
    """The module `onnx_ir`; what it logs of a file is not for the error stream."""
    logging.getLogger("onnx_ir").addHandler(logging.NullHandler())
    return load("onnx_ir", extra="onnx")


def check_tensors(proto: "ModelProto", name: str, folder: Path | None) -> None:
    """Refuse a model whose tensors are not what they say.

    Args:
        proto: An `onnx.ModelProto`.
        name: What it is called in messages.
        folder: Where it lies; None for a model in memory.

    Raises:
        ModelError: if a tensor has fewer or more bytes than its shape says, or keeps them outside the folder.
    """
    for tensor in _tensors(proto):
        _check_tensor(tensor, name, folder)


def graphs_and_attributes(proto: "ModelProto") -> Iterator[tuple[Any, Any]]:
    """Every graph (with None) and every attribute (with None before it) of a model, its functions included."""
    graphs = [proto.graph]
    nodes = [node for function in proto.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield graph, None
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield None, attribute
            graphs.extend(attribute.graphs)
            if attribute.HasField("g"):
                graphs.append(attribute.g)


def _tensors(proto: "ModelProto") -> "Iterator[TensorProto]":
    for graph, attribute in graphs_and_attributes(proto):
        if graph is not None:
            yield from graph.initializer
            sparse = list(graph.sparse_initializer)
        else:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            sparse = [*attribute.sparse_tensors]
            sparse += [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
        for one in sparse:
            yield from (one.values, one.indices)


def _check_tensor(tensor: "TensorProto", name: str, folder: Path | None) -> None:
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


def _check_external(tensor: "TensorProto", where: str, folder: Path | None, wanted: int) -> None:
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


def dense(proto: "ModelProto", name: str) -> "ModelProto":
    """A model without sparse tensors, which neither onnx-ir nor ONNX's own converter reads.

    Args:
        proto: An `onnx.ModelProto` whose tensors have been checked; not changed.
        name: What it is called in messages.

    Returns:
        One with dense tensors of the same values; the same one where it has no sparse ones.

    Raises:
        ModelError: if a sparse tensor is not one, is too large to be written out, or is a setting of another operator
            than Constant.
    """
    if not any(
        (graph is not None and graph.sparse_initializer)
        or (attribute is not None and (attribute.HasField("sparse_tensor") or attribute.sparse_tensors))
        for graph, attribute in graphs_and_attributes(proto)
    ):
        return proto
    copy = type(proto)()
    copy.CopyFrom(proto)
    for graph, attribute in graphs_and_attributes(copy):
        if graph is not None:
            graph.initializer.extend(_dense_tensor(one, name) for one in graph.sparse_initializer)
            del graph.sparse_initializer[:]
        elif attribute.HasField("sparse_tensor") and attribute.name == "sparse_value":
            attribute.t.CopyFrom(_dense_tensor(attribute.sparse_tensor, name))
            attribute.ClearField("sparse_tensor")
            attribute.name, attribute.type = "value", attribute.TENSOR
        elif attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise ModelError(
                f"{name} has an operator with a sparse tensor as its setting {attribute.name!r}, which addcat does "
                "not read. Export it again with dense tensors."
            )
    return copy


def _dense_tensor(sparse: "SparseTensorProto", name: str) -> "TensorProto":
    values, places, shape = sparse.values, sparse.indices, tuple(int(size) for size in sparse.dims)
    where = f"sparse tensor {values.name!r} of {name}"
    count, listed, rank = prod(shape), prod(values.dims), len(shape)
    linear, by_axis = list(places.dims) == [listed], list(places.dims) == [listed, rank]
    whole = places.data_type == places.INT64 and places.data_location != places.EXTERNAL
    known = values.data_location != values.EXTERNAL and values.data_type != values.STRING
    if min(shape, default=1) < 0 or not (whole and known and (linear or by_axis)):
        raise ModelError(
            f"{where} has the shape {shape}, {listed} values and indices of the shape {tuple(places.dims)}, which do "
            "not belong together. Export it again with dense tensors."
        )
    array, index = onnx().numpy_helper.to_array(values), onnx().numpy_helper.to_array(places)
    if count * array.dtype.itemsize > MOST_DENSE_BYTES:
        raise ModelError(f"{where} takes more than 2 GiB when it is written out. Export it with dense tensors.")
    sizes = np.array([count] if linear else shape)
    if np.any(index < 0) or np.any(index >= sizes):
        raise ModelError(f"{where} has the shape {shape}, and an index outside it. Export it again.")
    result = np.zeros(shape, array.dtype)
    if linear:
        result.reshape(-1)[index] = array.reshape(-1)
    else:
        result[tuple(index.T)] = array.reshape(-1)
    return onnx().numpy_helper.from_array(result, values.name)
