"""Every way to merge tensors in torch, as a canonical merge.

A merge has two or more live floating operands: live is what depends on the model's inputs. Parameters, buffers and what
factories make shift or scale the others; an empty operand of shape (0,) is left out.

| torch | canonical |
| --- | --- |
| `+`, `+=`, `torch.add`, `.add_`, `FloatFunctional.add` | add; scaled_add with an alpha; shift by a constant |
| `cat`, `concat`, `concatenate`, `hstack`, `vstack`, `dstack`, `column_stack` | concat |
| `stack(...).sum(dim)`, `.mean(dim)` | add, average, of what was stacked (see `unstacked`) |
| `*`, `-`, `maximum`, `minimum`, `matmul`, `einsum` | multiply, subtract, maximum, minimum, dot |
| `addcmul`, `lerp` | not opened; said to hold a merge |
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from addcat.doors.torch.calls import Call, Operand
from addcat.graph import Edge, Node, Weight

STACKS = {"hstack": 1, "vstack": 0, "dstack": 2, "column_stack": 1, "row_stack": 0}
CONCATS = {"cat", *STACKS}
HIDDEN = {
    "addcmul": "adds its inputs, one of them a product",
    "addcdiv": "adds its inputs, one of them a quotient",
    "lerp": "adds its two inputs, each scaled",
    "scaled_dot_product_attention": "adds weighted values at each position",
}


@dataclass(frozen=True, slots=True)
class Merged:
    """A call as a merge, or as what is left of one.

    Attributes:
        op: Canonical op.
        inputs: What it merges.
        attrs: Its settings.
        weights: Constants of it.
    """

    op: str
    inputs: tuple[Edge, ...]
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    weights: dict[str, Weight] = field(default_factory=dict[str, Weight])


def merged(call: Call) -> Merged | None:
    """See a function's call as a merge.

    Args:
        call: Of a function.

    Returns:
        The merge, or the shift or gain that constants leave of it; None where it is none of these.
    """
    word = call.word
    if word in CONCATS or word == "stack":
        return _joined(call)
    describe = _ARITHMETIC.get(word)
    if describe is None or call.outputs[0].dtype == "bool":
        return None
    return describe(call)


def _floating(operands: tuple[Operand, ...]) -> bool:
    return all("float" in operand.tensor.dtype for operand in operands)


def _edges(operands: tuple[Operand, ...]) -> tuple[Edge, ...]:
    return tuple(operand.edge for operand in operands if operand.edge is not None)


def _joined(call: Call) -> Merged | None:
    given = tuple(o for o in call.operands if o.live or o.tensor.shape != (None,) or _size(o) > 0)
    tensors = tuple(operand for operand in given if operand.live)
    constant = "_constant" if len(given) > len(tensors) else ""
    if not tensors or (constant and len(tensors) < 2):
        return None
    rank = len(call.outputs[0].shape)
    if not _floating(tensors):
        return None
    if call.word == "stack":
        axis = call.argument(1, "dim", 0)
        return Merged(f"stack{constant}", _edges(tensors), {"axis": int(axis) % rank}) if len(tensors) > 1 else None
    if any(len(operand.tensor.shape) != rank for operand in tensors):
        return None
    axis = _axis(call, rank)
    if axis is None or not _edges(tensors):
        return None
    return Merged(f"concat{constant}" if len(tensors) > 1 else "identity", _edges(tensors), {"axis": int(axis) % rank})


def _axis(call: Call, rank: int) -> int | None:
    if call.word in STACKS:
        axis = STACKS[call.word] if rank > 1 else 0
        return axis if axis < rank else None
    axis = call.argument(1, "dim", call.arguments[1].get("axis", 0))
    return axis if isinstance(axis, int) else None


def _size(operand: Operand) -> int:
    return int(operand.value.numel()) if operand.value is not None else 1


Combined = Operand | float
"""What an arithmetic function combines: a tensor, or a number."""


def _pair(call: Call) -> tuple[Combined, Combined] | None:
    """The two things that an arithmetic function combines: operands or numbers; None for any other call."""
    args, kwargs = call.arguments
    values = (*args[:2], *(kwargs[name] for name in ("input", "other") if name in kwargs))
    pair = (values[0], values[1]) if len(values) == 2 and not kwargs.get("out") else None
    if pair is None or not all(isinstance(value, Operand | int | float) for value in pair):
        return None
    return pair


def _split(call: Call) -> tuple[tuple[Operand, ...], Combined | None] | None:
    """The live operands, and the constant one where there is one."""
    pair = _pair(call)
    if pair is None:
        return None
    live = tuple(value for value in pair if isinstance(value, Operand) and value.live)
    if not live or not _floating(live) or "float" not in call.outputs[0].dtype:
        return None
    rest = [value for value in pair if not (isinstance(value, Operand) and value.live)]
    return live, rest[0] if rest else None


def _scalar(constant: Combined | None) -> bool:
    """Whether a constant is the same for every element."""
    return not isinstance(constant, Operand) or constant.value is None or constant.value.numel() == 1


def _constant(op: str, call: Call, live: tuple[Operand, ...], constant: Combined | None) -> Merged | None:
    if live[0].tensor.shape != call.outputs[0].shape:
        return None  # the constant is the larger one: it broadcasts
    return Merged(op, _edges(live), {"scalar": _scalar(constant)})


def _add(call: Call) -> Merged | None:
    found = _split(call)
    if found is None:
        return None
    live, constant = found
    alpha = call.argument(2, "alpha", 1)
    if len(live) == 1:
        zero = isinstance(constant, int | float) and constant == 0
        return Merged("identity", _edges(live)) if zero else _constant("shift", call, live, constant)
    if alpha == 1:
        return Merged("add", _edges(live))
    if not isinstance(alpha, int | float):
        return None
    scale = np.array([1.0, float(alpha)])
    weight = Weight(scale.shape, lambda: scale, id(scale), trainable=False, counts=False)
    return Merged("scaled_add", _edges(live), {}, {"scale": weight})


def _subtract(call: Call) -> Merged | None:
    found = _split(call)
    if found is None or call.argument(2, "alpha", 1) != 1:
        return None
    live, constant = found
    if len(live) == 2:
        return Merged("subtract", _edges(live))
    first = _pair(call)
    ordered = first is not None and isinstance(first[0], Operand) and first[0].live
    reversed_ = str(getattr(call.target, "__name__", "")).startswith("__r")
    return _constant("shift", call, live, constant) if ordered and not reversed_ else None


def _product(op: str, other: str) -> Callable[[Call], Merged | None]:
    def describe(call: Call) -> Merged | None:
        found = _split(call)
        if found is None:
            return None
        live, constant = found
        return Merged(op, _edges(live)) if len(live) == 2 else _constant(other, call, live, constant)

    return describe


def _divide(call: Call) -> Merged | None:
    found, pair = _split(call), _pair(call)
    if found is None or pair is None or len(found[0]) == 2:
        return None
    ordered = isinstance(pair[0], Operand) and pair[0].live
    reversed_ = str(getattr(call.target, "__name__", "")).startswith("__r")
    return _constant("gain", call, *found) if ordered and not reversed_ else None


def _extreme(op: str) -> Callable[[Call], Merged | None]:
    def describe(call: Call) -> Merged | None:
        found = _split(call)
        return Merged(op, _edges(found[0])) if found is not None and len(found[0]) == 2 else None

    return describe


def _dot(call: Call) -> Merged | None:
    live = call.live
    return Merged("dot", _edges(live), {"axes": -1}) if len(live) == 2 == len(call.operands) else None


_ARITHMETIC: dict[str, Callable[[Call], Merged | None]] = {
    "add": _add,
    "sub": _subtract,
    "mul": _product("multiply", "gain"),
    "div": _divide,
    **dict.fromkeys(("maximum", "max"), _extreme("maximum")),
    **dict.fromkeys(("minimum", "min"), _extreme("minimum")),
    **dict.fromkeys(("matmul", "bmm", "mm", "einsum"), _dot),
}


def unstacked(nodes: list[Node]) -> list[Node]:
    """`stack(tensors, d).sum(d)` is an Add of the tensors, and its mean their average.

    Args:
        nodes: Of a graph, in order.

    Returns:
        The nodes without the stacks that such sums alone have read.
    """
    by_name = {node.name: node for node in nodes}
    readers: dict[str, int] = {}
    for node in nodes:
        for edge in node.inputs:
            readers[edge.node] = readers.get(edge.node, 0) + 1
    gone: set[str] = set()
    made: list[Node] = []
    for node in nodes:
        stack = by_name[node.inputs[0].node] if len(node.inputs) == 1 else None
        op = {"sum": "add", "mean": "average"}.get(str(node.attrs.get("kind")))
        if stack is not None and op and stack.op == "stack" and readers[stack.name] == 1 and _over(node, stack):
            gone.add(stack.name)
            attrs = {**node.attrs, "stack": stack.name}
            made.append(Node(node.name, op, stack.inputs, node.outputs, attrs, native=node.native))
        else:
            made.append(node)
    return [node for node in made if node.name not in gone]


def _over(node: Node, stack: Node) -> bool:
    """Whether a sum runs over the stacked axis alone."""
    call: Call = node.native
    axes, rank = call.argument(1, "dim", None), len(stack.shape)
    axes = (axes,) if isinstance(axes, int) else axes
    kept = call.argument(2, "keepdim", False)
    return axes is not None and not kept and [axis % rank for axis in axes] == [stack.attrs["axis"]]
