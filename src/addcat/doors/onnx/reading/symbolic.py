"""Sizes that onnx's own inference leaves open, from the symbolic inference that ONNX Runtime ships.

It follows arithmetic on shapes with symbols for the open sizes, such as a Reshape to (batch, 101, -1, 64).
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from addcat.doors.onnx.reading.load import Loaded, dtype_name
from addcat.frameworks import load
from addcat.graph import Tensor

if TYPE_CHECKING:
    from onnx import ModelProto, TypeProto

Sizes = tuple[int | str | None, ...]


def symbolic_sizes(proto: "ModelProto") -> dict[str, tuple[str, Sizes]]:
    """Types and sizes of the tensors of a model, with a symbol for what depends on the batch.

    Args:
        proto: An `onnx.ModelProto`; not changed.

    Returns:
        By name, the element type and the sizes: numbers, symbols (equal symbols are equal sizes), or None. Empty where
        more than the batch is open, since symbols then become expressions that take long and say little; incomplete
        where there is an operator that the inference does not know.
    """
    if any(not dim.HasField("dim_value") for one in proto.graph.input for dim in one.type.tensor_type.shape.dim[1:]):
        return {}
    copy = type(proto)()
    copy.CopyFrom(proto)
    _rename_symbols(copy)
    module = load("onnxruntime.tools.symbolic_shape_infer", extra="onnx")
    logger = logging.getLogger(module.__name__)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    # its function for this writes a file into the working directory where it does not get through
    inference = module.SymbolicShapeInference(2**31 - 1, auto_merge=False, guess_output_rank=False, verbose=0)
    try:
        inference._preprocess(copy)
        while inference.run_:
            inference._infer_impl()
    except Exception:  # it raises whatever it likes on operators that it does not know
        return {}
    finally:
        logger.setLevel(level)
    return {
        info.name: (dtype_name(info.type.tensor_type.elem_type), _sizes(info.type.tensor_type))
        for info in (*inference.out_mp_.graph.value_info, *copy.graph.input)
        if info.type.HasField("tensor_type") and info.type.tensor_type.HasField("shape")
    }


def _rename_symbols(proto: "ModelProto") -> None:
    """Give open sizes names of ours: those of a file are not to reach a library that evaluates texts."""
    names: dict[str, str] = {}
    for info in (*proto.graph.input, *proto.graph.value_info, *proto.graph.output):
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = names.setdefault(dim.dim_param, f"size{len(names)}")


def _sizes(kind: "TypeProto.Tensor") -> Sizes:
    return tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in kind.shape.dim)


def refined(loaded: Loaded, types: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fill in sizes that are still unknown.

    Args:
        loaded: A model.
        types: What is known of each tensor, by name.

    Returns:
        The same with more sizes; nothing that was known is changed.
    """
    known = dict(types)
    if not any(None in tensor.shape[1:] for tensor in known.values()):
        return known
    for name, (dtype, found) in symbolic_sizes(loaded.small).items():
        sizes = tuple(size if isinstance(size, int) else None for size in found)
        old = known.get(name, Tensor(sizes, dtype))
        if len(old.shape) == len(sizes) and old.dtype == dtype:
            both = zip(old.shape, sizes, strict=True)
            known[name] = Tensor(tuple(new if size is None else size for size, new in both), dtype)
    return known
