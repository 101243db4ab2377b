"""Merges that the graph does not show: inside an operator, a function of the model, or a graph inside a node."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from addcat.doors.onnx.reading.node_view import Look

if TYPE_CHECKING:
    import onnx_ir
    from onnx_ir import OperatorIdentifier

    Functions = Mapping[OperatorIdentifier, onnx_ir.Function]

ADDS_INSIDE = {
    "SkipLayerNormalization": "adds its first two inputs before it normalises",
    "SkipSimplifiedLayerNormalization": "adds its first two inputs before it normalises",
    "QLinearAdd": "adds its inputs in whole numbers",
    "QLinearConcat": "joins its inputs in whole numbers",
}
MERGES = ("Add", "Sum", "Concat", "ConcatFromSequence")
"""What counts as a merge inside a function or a graph of a node."""


def hidden_merge(look: Look, functions: "Functions") -> str:
    """How a node merges tensors where the graph does not show it.

    Args:
        look: A node that is not looked into.
        functions: The model's own functions, by identifier.

    Returns:
        A few words; "" where there is none that we know.
    """
    node = look.node
    if look.op_type == "Gemm" and 2 in look.dynamic:
        return "adds its third input to a product"
    if look.op_type in ("FusedConv", "FusedMatMul") and len(look.dynamic) > 1:
        return "adds its last input"
    if look.op_type == "ConcatFromSequence":
        return "stacks the tensors of a sequence" if look.attr("new_axis", 0) else "joins the tensors of a sequence"
    if look.op_type in ADDS_INSIDE:
        return ADDS_INSIDE[look.op_type]
    inside = Counter(one.op_type for one in _inside(node, functions, ()) if _merges(one))
    if not inside:
        return ""
    listed = " and ".join(f"{number} {kind}" for kind, number in inside.items())
    return f"is a function of the model that holds {listed}" if _function(node, functions) else f"holds {listed}"


def _function(node: "onnx_ir.Node", functions: "Functions") -> "onnx_ir.Function | None":
    return functions.get(node.op_identifier())


def _inside(
    node: "onnx_ir.Node", functions: "Functions", calls: "tuple[OperatorIdentifier, ...]"
) -> "Iterator[onnx_ir.Node]":
    """All nodes of the function that a node calls and of the graphs inside it, at any depth."""
    function = _function(node, functions)
    inner = list(inner_nodes(node))
    if function is not None and node.op_identifier() not in calls:  # a function that calls itself is not valid
        calls = (*calls, node.op_identifier())
        inner += list(function.all_nodes())
    for one in inner:
        yield one
        if _function(one, functions) is not None:
            yield from _inside(one, functions, calls)


def _merges(node: "onnx_ir.Node") -> bool:
    """Whether a node merges tensors that are computed, real numbers as far as is known."""
    kinds = [value.dtype for value in node.outputs if value.dtype is not None]
    real = all(kind.name in ("UNDEFINED", "FLOAT16", "BFLOAT16", "FLOAT", "DOUBLE") for kind in kinds)
    computed = [value for value in node.inputs if value is not None and not _is_constant(value)]
    return node.op_type in MERGES and node.domain in ("", "ai.onnx") and real and (len(computed) > 1 or _one(node))


def _one(node: "onnx_ir.Node") -> bool:
    return node.op_type == "ConcatFromSequence"


def _is_constant(value: "onnx_ir.Value") -> bool:
    producer = value.producer()
    return value.const_value is not None or (producer is not None and producer.op_type == "Constant")


def inner_nodes(node: "onnx_ir.Node") -> "Iterator[onnx_ir.Node]":
    """The nodes of all graphs inside a node, at any depth."""
    for attribute in node.attributes.values():
        kind = attribute.type.name
        graphs = [attribute.as_graph()] if kind == "GRAPH" else attribute.as_graphs() if kind == "GRAPHS" else ()
        for graph in graphs:
            yield from graph.all_nodes()
