"""Split and Concatenate along one axis cancel: split([x; y]) = x, y where the borders agree, and [split(x)] = x.

A part that covers several branches whole is their Concatenate. Outputs of one Split that a Concatenate joins again,
all of them and in order, are what was split.
"""

from itertools import accumulate, pairwise

from addcat.graph import Blocked, Edge, Graph, Node
from addcat.rules import building, guards
from addcat.rules.base import Plan, Role, Rule


def plan(graph: Graph, node: Node) -> Plan | None:
    """Take out a Split of a Concatenate, or the pieces of a Split from a Concatenate of them."""
    if node.op == "split" and guards.producer(graph, node).op == "concat":
        return _split_of_concat(graph, node, guards.producer(graph, node))
    if node.op == "concat" and any(graph.nodes[edge.node].op == "split" for edge in node.inputs):
        return _concat_of_split(graph, node)
    return None


def _axis(node: Node, rank: int) -> int:
    return int(node.attrs["axis"]) % rank


def _split_of_concat(graph: Graph, node: Node, concat: Node) -> Plan | None:
    axis = _axis(concat, len(concat.shape))
    guards.free(graph, node)
    guards.free(graph, concat)
    guards.one_type(graph, concat, node)
    if _axis(node, len(concat.shape)) != axis:
        raise Blocked(
            f"{concat.name!r} joins axis {axis}, but {node.name!r} cuts axis {_axis(node, len(concat.shape))}"
        )
    sizes = [guards.known_channels(graph, concat, axis, edge) for edge in concat.inputs]
    borders = [0, *accumulate(sizes)]
    ends = [0, *accumulate(int(size) for size in node.attrs["sizes"])]
    for end in ends:
        if end not in borders:
            raise Blocked(f"{node.name!r} cuts at {end}, inside a branch of {concat.name!r}")
    runs = [concat.inputs[borders.index(start) : borders.index(end)] for start, end in pairwise(ends)]
    for number, run in enumerate(runs):
        if len(run) == 1:
            guards.can_stand_for(graph, run[0], Edge(node.name, number))

    def change() -> Graph:
        put: list[Node] = []
        rewire: dict[Edge, Edge] = {}
        for number, (run, tensor) in enumerate(zip(runs, node.outputs, strict=True)):
            rewire[Edge(node.name, number)] = run[0]
            if len(run) > 1:
                name = graph.fresh_name(f"{node.name}_part{number + 1}")
                put.append(Node(name, "concat", run, (tensor,), {"axis": axis}, channel_axis=node.channel_axis))
                rewire[Edge(node.name, number)] = Edge(name)
        alone = len(graph.readers(Edge(concat.name))) == 1 and not graph.is_output(Edge(concat.name))
        return graph.edit(put=put, remove=[node.name, *([concat.name] if alone else [])], rewire=rewire)

    return Plan((node.name, concat.name), f"{node.name!r} undoes {concat.name!r}: read its branches", change)


def _concat_of_split(graph: Graph, node: Node) -> Plan | None:
    axis = guards.joined_axis(node)
    inputs: list[Edge] = []
    undone: list[str] = []
    place = 0
    while place < len(node.inputs):
        split = graph.nodes[node.inputs[place].node]
        pieces = tuple(Edge(split.name, number) for number in range(len(split.outputs)))
        whole = node.inputs[place : place + len(pieces)] == pieces
        if split.op == "split" and whole and _axis(split, len(node.shape)) == axis:
            inputs.append(split.inputs[0])
            undone.append(split.name)
            place += len(pieces)
        else:
            inputs.append(node.inputs[place])
            place += 1
    if not undone:
        split = next(edge.node for edge in node.inputs if graph.nodes[edge.node].op == "split")
        raise Blocked(f"{node.name!r} does not join all parts of {split!r} in order along the axis that it cuts")
    guards.free(graph, node)
    guards.one_type(graph, node)
    for name in undone:
        guards.free(graph, graph.nodes[name])
    merged = building.merge("concat", graph.fresh_name(f"{node.name}_whole"), tuple(inputs), node, axis=axis)
    only = [
        name
        for name in undone
        if all(edge.node != name for edge in inputs)
        and all(
            reader == node.name and not graph.is_output(Edge(name, number))
            for number in range(len(graph.nodes[name].outputs))
            for reader, _ in graph.readers(Edge(name, number))
        )
        and not any(graph.is_output(Edge(name, number)) for number in range(len(graph.nodes[name].outputs)))
    ]
    return Plan(
        (node.name, *undone),
        f"{node.name!r} undoes {', '.join(map(repr, undone))}: read what was cut",
        lambda: graph.edit(put=[merged], remove=[node.name, *only], rewire={Edge(node.name): Edge(merged.name)}),
    )


CANCEL = Rule("cancel", "AC306", ("latency", "memory"), plan, role=Role.TIDY)
