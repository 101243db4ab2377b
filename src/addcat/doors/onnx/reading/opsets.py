"""Which opsets are read: 13 and later as they are, 11 and 12 where that changes nothing.

An operator of opset 11 or 12 means the same at opset 13 where its schema has the same inputs and outputs, and the same
defaults for all of its settings. The few others are put into the words of opset 13:

| operator | opsets 11 and 12 | opset 13 |
| --- | --- | --- |
| Squeeze, Unsqueeze, ReduceSum | setting axes | input axes |
| Split | setting split | input split |
| Dropout | setting ratio | input ratio, which inference does not read |
| Softmax, LogSoftmax, Hardmax | over all axes from `axis` (1) on, as one | over `axis` (-1) |
| Resize | roi and scales required | optional; without tf_half_pixel_for_nn |

onnx's own converter is not used: it writes Resize of opset 10 as one that computes something else (onnx/onnx#8480).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from addcat.errors import ModelError
from addcat.frameworks import load

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto, NodeProto

OLDEST_OPSET = 13
CONVERTED_OPSETS = (11, 12)
DEFAULT_DOMAINS = ("", "ai.onnx")

_TO_INPUT = {"Squeeze": "axes", "Unsqueeze": "axes", "ReduceSum": "axes", "Split": "split"}
_OVER_AXES = ("Softmax", "LogSoftmax", "Hardmax")


def opset_of(proto: "ModelProto | FunctionProto") -> int | None:
    """The opset of ONNX's own operators in a model or a function; None where it does not say one."""
    return max((int(o.version) for o in proto.opset_import if o.domain in DEFAULT_DOMAINS), default=None)


def require_opset(proto: "ModelProto", name: str) -> None:
    """Refuse a model of an opset that is not read.

    Args:
        proto: An `onnx.ModelProto`.
        name: What it is called in messages.

    Raises:
        ModelError: if it says no opset and uses ONNX's own operators, or its opset is older than 11.
    """
    opset, operators = opset_of(proto), {n.op_type for n in all_nodes(proto.graph) if n.domain in DEFAULT_DOMAINS}
    if opset is None:
        if operators:
            raise ModelError(
                f"{name} does not say which opset it uses. Export it again with opset {OLDEST_OPSET} or later."
            )
        return
    if opset >= CONVERTED_OPSETS[0]:
        return
    said = (
        f"{name} uses opset {opset}; addcat reads opset {CONVERTED_OPSETS[0]} and later. "
        f"Export it again with opset {OLDEST_OPSET} or later."
    )
    if resizing := sorted(operators & {"Resize", "Upsample"}):
        raise ModelError(
            f"{said} Do not convert it: onnx.version_converter changes what {' and '.join(resizing)} of opset {opset} "
            "computes, without a word."
        )
    raise ModelError(
        f"{said} Where you cannot, convert it with onnx.version_converter.convert_version(model, 17), and compare the "
        "outputs of both models on random inputs before you use it."
    )


def all_nodes(graph: "GraphProto") -> "Iterator[NodeProto]":
    """The nodes of a graph and of all graphs inside it."""
    graphs = [graph]
    while graphs:
        for node in graphs.pop().node:
            yield node
            for attribute in node.attribute:
                graphs.extend(attribute.graphs)
                if attribute.HasField("g"):
                    graphs.append(attribute.g)


def at_oldest_opset(proto: "ModelProto", inferred: "ModelProto", name: str) -> "ModelProto":
    """A model of opset 11 or 12 in the words of opset 13.

    Args:
        proto: An `onnx.ModelProto`; not changed.
        inferred: The same model, or one without large weights, with the shapes that onnx infers.
        name: What it is called in messages.

    Returns:
        A model of opset 13 that computes the same; the same one where its opset is another.

    Raises:
        ModelError: if an operator means something else at opset 13 and has no other words there.
    """
    opset = opset_of(proto)
    if opset not in CONVERTED_OPSETS:
        return proto
    if any((opset_of(function) or OLDEST_OPSET) < OLDEST_OPSET for function in proto.functions):
        raise _refused(name, opset, "its functions are not converted")
    copy = type(proto)()
    copy.CopyFrom(proto)
    ranks = dict(_ranks(inferred))
    taken = {one for node in all_nodes(copy.graph) for one in (*node.input, *node.output)}
    taken |= {one.name for one in (*copy.graph.input, *copy.graph.initializer)}
    constants: list[NodeProto] = []
    for node in list(all_nodes(copy.graph)):
        if node.domain in DEFAULT_DOMAINS:
            _convert(node, opset, ranks, name)
            constants.extend(_to_input(node, taken))
    nodes = [*constants, *copy.graph.node]  # graphs inside nodes see what the graph around them has
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    for entry in copy.opset_import:
        if entry.domain in DEFAULT_DOMAINS:
            entry.version = OLDEST_OPSET
    return copy


def _convert(node: "NodeProto", opset: int, ranks: dict[str, int], name: str) -> None:
    settings = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type in _TO_INPUT:
        return
    if node.op_type == "Dropout":
        _remove(node, "ratio")
    elif node.op_type in _OVER_AXES:
        axis, rank = settings["axis"].i if "axis" in settings else 1, ranks.get(node.input[0])
        if rank is None or (axis % rank if rank else 0) != max(rank - 1, 0):
            reason = f"{node.op_type} {node.name or node.output[0]!r} is taken over several axes at once there"
            raise _refused(name, opset, reason)
        _remove(node, "axis")
        node.attribute.append(load("onnx", extra="onnx").helper.make_attribute("axis", -1))
    elif node.op_type == "Resize":
        mode = settings.get("coordinate_transformation_mode")
        if mode is not None and mode.s == b"tf_half_pixel_for_nn":
            raise _refused(name, opset, f"Resize {node.name or node.output[0]!r} uses tf_half_pixel_for_nn")
    elif not _unchanged(node.op_type, opset):
        reason = f"{node.op_type} {node.name or node.output[0]!r} means something else at opset {OLDEST_OPSET}"
        raise _refused(name, opset, reason)


def _refused(name: str, opset: int, reason: str) -> ModelError:
    return ModelError(f"{name} uses opset {opset}, and {reason}. Export it again with opset {OLDEST_OPSET} or later.")


def _unchanged(op_type: str, opset: int) -> bool:
    """Whether an operator has the same inputs, outputs and defaults at opset 13."""
    defs = load("onnx.defs", extra="onnx")
    old, new = (defs.get_schema(op_type, version, "") for version in (opset, OLDEST_OPSET))
    if old.since_version == new.since_version:
        return True
    same = all(
        [(one.name, one.option) for one in getattr(old, side)] == [(one.name, one.option) for one in getattr(new, side)]
        for side in ("inputs", "outputs")
    )
    return same and all(
        key in new.attributes
        and (new.attributes[key].type, new.attributes[key].default_value) == (one.type, one.default_value)
        for key, one in old.attributes.items()
    )


def _remove(node: "NodeProto", setting: str) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != setting]
    del node.attribute[:]
    node.attribute.extend(kept)


def _to_input(node: "NodeProto", taken: set[str]) -> "Iterator[NodeProto]":
    """Make a setting an input; gives the Constant that it reads."""
    onnx = load("onnx", extra="onnx")
    for setting in [one for one in node.attribute if one.name == _TO_INPUT.get(node.op_type)]:
        made = f"{node.output[0]}.{setting.name}"
        while made in taken:
            made += "_"
        taken.add(made)
        values = np.array(setting.ints, np.int64)
        _remove(node, setting.name)
        node.input.append(made)
        yield onnx.helper.make_node("Constant", [], [made], value=onnx.numpy_helper.from_array(values, made))


def _ranks(inferred: "ModelProto") -> Iterator[tuple[str, int]]:
    for info in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output):
        if info.type.HasField("tensor_type") and info.type.tensor_type.HasField("shape"):
            yield info.name, len(info.type.tensor_type.shape.dim)
    for tensor in inferred.graph.initializer:
        yield tensor.name, len(tensor.dims)
