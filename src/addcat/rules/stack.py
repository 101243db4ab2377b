"""Stack: [A x; B x] = [A; B] x. Neighbours in a Concatenate that read one tensor linearly are one wider linear map.

Kernels of different taps are laid into one window (see `aligned`), which costs more products where they differ. The
function fused into all of them may be any that treats elements alone.
"""

from collections.abc import Iterator

from addcat.algebra import Linear, stack
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.windows import padding_like
from addcat.rules import building, guards
from addcat.rules.aligned import Window, align
from addcat.rules.base import Plan, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Make one linear map of siblings that are joined next to each other."""
    if node.op != "concat":
        return None
    run = max(_runs(graph, node), key=len, default=list[Node]())
    if len(run) < 2:
        return None
    first, axis = run[0], guards.joined_axis(node)
    guards.free(graph, node)
    for one in run:
        guards.free(graph, one)
        guards.one_group(one)
        guards.only_reader(graph, one, node)
        guards.same_type(graph, one, node)
        if one.channel_axis != axis or one.channels is None:
            raise Blocked(f"{node.name!r} joins axis {axis}, which is not the channels of {one.name!r}")
        if guards.activation(one) != guards.activation(first):
            raise Blocked(
                f"{first.name!r} ends in {guards.activation(first)}, {one.name!r} in {guards.activation(one)}"
            )
        guards.elementwise_end(one)
    window = align(graph, run, 0)
    names = ", ".join(repr(one.name) for one in run)
    words = f"stack {names}, which read the same tensor and are joined by {node.name!r}"
    return Plan((node.name, *(one.name for one in run)), words, lambda: _change(graph, node, run, window))


def _runs(graph: Graph, node: Node) -> Iterator[list[Node]]:
    """Neighbours among the inputs that are of one kind and read one tensor."""
    run: list[Node] = []
    for edge in node.inputs:
        one = graph.nodes[edge.node]
        alike = bool(run) and one.op == run[0].op and one.inputs == run[0].inputs
        if one.op in ("conv", "dense") and alike:
            run.append(one)
            continue
        yield run
        run = [one] if one.op in ("conv", "dense") else []
    yield run


def _change(graph: Graph, node: Node, run: list[Node], window: Window) -> Graph:
    first, axis = run[0], guards.joined_axis(node)
    maps = [guards.linear(one) for one in run]
    if window.taps:
        maps = [Linear(window.place(one.kernel, number), one.bias) for number, one in enumerate(maps)]
    stacked, attrs = stack(*maps), dict(first.attrs)
    if window.taps:
        reach = tuple(d * (k - 1) + 1 for k, d in zip(window.taps, window.dilation, strict=True))
        attrs |= {"padding": padding_like(run, window.padding, reach), "dilation": window.dilation}
    name = graph.fresh_name(f"{node.name}_stacked")
    outputs = (building.sized(first.outputs[0], axis, stacked.outputs),)
    new = building.made(first, name, attrs=attrs, weights=building.linear_weights(stacked), outputs=outputs)
    names = [one.name for one in run]
    place = next(i for i, edge in enumerate(node.inputs) if edge.node == names[0])
    inputs = (*node.inputs[:place], Edge(name), *node.inputs[place + len(run) :])
    put, last = [new], new
    if len(inputs) > 1:
        last = building.merge("concat", graph.fresh_name(f"{node.name}_rest"), inputs, node, axis=axis)
        put.append(last)
    return graph.edit(put=put, remove=[node.name, *names], rewire={Edge(node.name): Edge(last.name)})


STACK = Rule("stack", "AC318", ("latency", "memory"), plan)
