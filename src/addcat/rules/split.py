"""Split: W [x_1; ...; x_k] + b = W_1 x_1 + ... + W_k x_k + b, with W = [W_1 ... W_k] cut along its input axis.

Each tap of a convolution is such a product, so the identity holds for every stride, padding and dilation that all parts
keep. The bias is added once, by the first part; a fused function f(W x + b) comes after the sum. Of a convolution of
several groups each output reads one group alone: where every border between branches is a border between groups, the
parts are concatenated instead of added.

The concatenated tensor is no longer made if nobody else reads it. At a Concatenate with several linear readers the rule
splits them all at once; at one of its readers, that reader alone.
"""

from itertools import accumulate, pairwise

from addcat.algebra import split as split_kernel
from addcat.algebra import split_groups
from addcat.graph import Array, Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule

SPLITTABLE = ("dense", "conv", "conv_transpose", "separable_conv")
WHOLE_NUMBERS = ("Conv", "MatMul", "Gemm", "QLinearConv", "QLinearMatMul", "QGemm")
"""Operators that a quantised model has, by their names in ONNX."""


def plan(graph: Graph, node: Node) -> Plan | None:
    """Split a linear reader of a Concatenate, or all readers of a Concatenate that has several."""
    if node.op == "concat":
        return _all_readers(graph, node)
    if node.op == "opaque":
        _whole_numbers(graph, node)
    if node.op not in SPLITTABLE or guards.producer(graph, node).op != "concat":
        return None
    concat = guards.producer(graph, node)
    if len(concat.inputs) < 2:
        return None
    sizes = check(graph, node, concat)
    stays = [repr(name) for name, _ in graph.readers(Edge(concat.name)) if name != node.name]
    if graph.is_output(Edge(concat.name)):
        stays.append("the model's outputs")
    also = f"; {concat.name!r} stays for {stays[0]}" if stays else ""
    how = "concatenate" if node.attrs.get("groups", 1) > 1 else "add"
    return Plan(
        (node.name, concat.name),
        f"cut the kernel of {node.name!r} at the {len(sizes)} branches of {concat.name!r} and {how} the parts{also}",
        lambda: split_reader(graph, node, concat, sizes),
    )


def _whole_numbers(graph: Graph, node: Node) -> None:
    """Block at a quantised layer behind a Concatenate, whatever the scales.

    Its kernel could be cut exactly. But the parts are summed before they are rounded, so each would give real numbers,
    for which runtimes compute it in real numbers: two to four times as long in ONNX Runtime. Rounding each part first
    is another function, and slower still than the whole (1.1 to 1.2 times).
    """
    if node.kind not in WHOLE_NUMBERS or not node.inputs:
        return
    kernel = graph.nodes[node.inputs[1].node] if len(node.inputs) > 1 else node
    source = guards.producer(graph, node)
    while source.attrs.get("quantised") and source.inputs and source.kind != "QLinearConcat":
        source = guards.producer(graph, source)
    joins = source.op == "concat" or source.kind == "QLinearConcat"
    if joins and (kernel.attrs.get("quantised") or node.attrs.get("quantised")):
        raise Blocked(f"{node.name!r} computes in whole numbers, but the parts of its kernel are summed in real ones")


def _all_readers(graph: Graph, concat: Node) -> Plan | None:
    readers = [graph.nodes[name] for name in dict.fromkeys(name for name, _ in graph.readers(Edge(concat.name)))]
    if len(readers) < 2 or len(concat.inputs) < 2 or not any(reader.op in SPLITTABLE for reader in readers):
        return None
    if graph.is_output(Edge(concat.name)):
        raise Blocked(f"{concat.name!r} is an output of the model, so its value must stay")
    for reader in readers:
        if reader.op not in SPLITTABLE:
            raise Blocked(f"{concat.name!r} is also read by {reader.name!r}, which is no linear map")
        check(graph, reader, concat)

    def change() -> Graph:
        result = graph
        for reader in readers:
            result = split_reader(result, reader, concat, check(graph, reader, concat))
        return result

    names = ", ".join(repr(reader.name) for reader in readers)
    words = (
        f"cut the kernels of {names} at the {len(concat.inputs)} branches of {concat.name!r}, which is then not made"
    )
    return Plan((concat.name, *(reader.name for reader in readers)), words, change)


def check(graph: Graph, node: Node, concat: Node) -> list[int]:
    """Channels of each branch, or Blocked where the kernel cannot be cut between them."""
    guards.free(graph, node)
    guards.free(graph, concat)
    guards.same_type(graph, node, concat)
    joined, contracted = guards.joined_axis(concat), guards.reads_channels(node, len(concat.shape))
    if joined != contracted:
        raise Blocked(f"{concat.name!r} joins axis {joined}, but {node.name!r} contracts axis {contracted}")
    sizes = [guards.known_channels(graph, concat, joined, edge) for edge in concat.inputs]
    groups, name = int(node.attrs.get("groups", 1)), guards.activation(node)
    if groups > 1:
        width = node.weights["kernel"].shape[1]
        for edge, end in zip(concat.inputs, accumulate(sizes), strict=True):
            if end % width:
                raise Blocked(f"{edge.node!r} ends at channel {end}, inside a group of {width} of {node.name!r}")
        guards.elementwise_end(node)
    elif name not in ("linear", "softmax", *guards.FUNCTIONS):
        raise Blocked(f"{node.name!r} ends in {name}, which cannot be set apart from it")
    return sizes


def split_reader(graph: Graph, node: Node, concat: Node, sizes: list[int]) -> Graph:
    """The graph with one reader of a Concatenate replaced by its parts."""
    groups = int(node.attrs.get("groups", 1))
    parts = [
        building.made(
            node,
            graph.fresh_name(f"{node.name}_part{number}"),
            weights=weights,
            inputs=(edge,),
            attrs={**node.attrs, **({"groups": size // weights["kernel"].shape[1]} if groups > 1 else _APART)},
            outputs=(building.sized(node.outputs[0], node.channel_axis, weights[_outer(node)].shape[0]),),
        )
        for number, (edge, size, weights) in enumerate(zip(concat.inputs, sizes, _cut(node, sizes), strict=True), 1)
    ]
    edges = tuple(Edge(part.name) for part in parts)
    if groups > 1:
        attrs = {"axis": node.channel_axis}
        merged = [building.merge("concat", graph.fresh_name(f"{node.name}_joined"), edges, node, **attrs)]
    else:
        merged = [building.merge("add", graph.fresh_name(f"{node.name}_sum"), edges, node)]
        if guards.activation(node) != "linear":
            merged.append(building.function_of(node, graph.fresh_name(f"{node.name}_function"), Edge(merged[0].name)))
    gone = {node.name}
    if [name for name, _ in graph.readers(Edge(concat.name))] == [node.name]:
        gone |= set() if graph.is_output(Edge(concat.name)) else {concat.name}
    return graph.edit(put=[*parts, *merged], remove=gone, rewire={Edge(node.name): Edge(merged[-1].name)})


_APART = {"activation": "linear"}


def _outer(node: Node) -> str:
    return "pointwise" if node.op == "separable_conv" else "kernel"


def _cut(node: Node, sizes: list[int]) -> list[dict[str, Array]]:
    groups = int(node.attrs.get("groups", 1))
    kernel = node.weight(_outer(node))
    bias = node.weight("bias") if "bias" in node.weights else None
    if groups > 1:
        found = [{"kernel": part} for part in split_groups(kernel, groups, sizes)]
        ends = [0, *accumulate(part["kernel"].shape[0] for part in found)]
        biases = [None] * len(sizes) if bias is None else [bias[a:b].copy() for a, b in pairwise(ends)]
    else:
        multiplier = int(node.attrs.get("multiplier", 1))
        found = [{_outer(node): part} for part in split_kernel(kernel, [multiplier * size for size in sizes])]
        biases = [bias, *[None] * (len(sizes) - 1)]
        if node.op == "separable_conv":
            ends = [multiplier * end for end in accumulate(sizes)]
            rows = zip(found, pairwise([0, *ends]), strict=True)
            found = [{**part, "depthwise": node.weight("depthwise")[a:b].copy()} for part, (a, b) in rows]
    return [part if b is None else {**part, "bias": b} for part, b in zip(found, biases, strict=True)]


SPLIT = Rule("split", "AC301", ("latency", "memory"), plan, role=Role.OPENING, slack=0.1, memory_slack=2.0)
