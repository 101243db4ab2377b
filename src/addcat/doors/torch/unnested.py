"""A graph whose nested models are laid open: each node under the name that the recorder gives it, with its own call."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from addcat.doors.torch.calls import Call
from addcat.doors.torch.nested import SharedCall
from addcat.graph import Edge, Graph, Node
from addcat.graph.nested import flatten, subgraph


@dataclass(frozen=True, slots=True)
class Unnested:
    """See above.

    Attributes:
        graph: The flat graph.
        sites: What a node of it is called in the nested graph, at the first call; nodes outside of nested models are
            not among them.
        first: For those nodes, the name of the same one at the first call.
        names: Under which name each node of `addcat.graph.nested.flatten` is recorded.
    """

    graph: Graph
    sites: dict[str, str]
    first: dict[str, str]
    names: dict[str, str]


def unnested(graph: Graph, recorded: Graph) -> Unnested:
    """Lay the nested models of a graph open.

    Args:
        graph: What `addcat.doors.torch.nested.nested` gave, edited or not.
        recorded: The flat graph that it was made of.
    """
    if all(node.body is None for node in graph.nodes.values()):
        return Unnested(graph, {}, {}, {})
    flat, names, sites, starts = flatten(graph), dict[str, str](), dict[str, str](), dict[str, str]()
    counts: dict[str, int] = {}
    for name, site, shared in sorted(_inside(graph, flat), key=lambda found: _numbers(graph, found[0])):
        counts[site] = counts.get(site, 0) + 1
        path = site.replace("/", ".")  # of a new node, which is a module of its own
        found = shared.names.get(name.partition("/")[2], path if counts[site] == 1 else f"{path}#{counts[site]}")
        names[name], sites[found] = found, site
        starts.setdefault(site, found)
    first = {name: starts[site] for name, site in sites.items()}
    nodes = [_as_recorded(node, names, recorded) for node in flat.nodes.values()]
    outputs = [_moved(edge, names) for edge in flat.outputs]
    made = Graph.of(nodes, inputs=flat.inputs, outputs=outputs, name=flat.name, native=flat.native)
    return Unnested(made, sites, first, names)


def recorded_edges(graph: Graph, recorded: Graph, edges: Iterable[Edge]) -> list[Edge]:
    """The tensors on some edges of a graph, of it laid flat or of its outermost one, as the recorder names them.

    Args:
        graph: Of a model.
        recorded: The flat graph that it was made of.
        edges: Of `graph` or of `addcat.graph.nested.flatten(graph)`.
    """
    names = unnested(graph, recorded).names
    return [_moved(_result(graph, edge), names) for edge in edges]


def _result(graph: Graph, edge: Edge) -> Edge:
    """What a call of a nested model gives, as an edge inside of it."""
    node = graph.nodes.get(edge.node)
    if node is None or node.body is None:
        return edge
    inside = _result(node.body, node.body.outputs[edge.output])
    if inside.node in node.body.inputs:
        return node.inputs[node.body.inputs.index(inside.node)]
    return Edge(f"{edge.node}/{inside.node}", inside.output)


def _moved(edge: Edge, names: dict[str, str]) -> Edge:
    return Edge(names.get(edge.node, edge.node), edge.output)


def _inside(graph: Graph, flat: Graph) -> Iterator[tuple[str, str, SharedCall]]:
    """Nodes of nested models: the name in the flattened graph, the site, and the outermost call that it lies in."""
    for name in flat.nodes:
        call = graph.nodes.get(name.partition("/")[0])
        if call is not None and isinstance(call.native, SharedCall):
            yield name, _at_first_call(graph, name), call.native


def _at_first_call(graph: Graph, name: str) -> str:
    """The name of a node of a flattened graph as a site: calls of one nested model share theirs."""
    call, _, rest = name.partition("/")
    node = graph.nodes.get(call)
    return name if node is None or node.body is None else f"{node.layer}/{_at_first_call(node.body, rest)}"


def _numbers(graph: Graph, name: str) -> tuple[int, ...]:
    """In which calls, from the outermost on, a node of a flattened graph lies."""
    call, _, rest = name.partition("/")
    node = graph.nodes.get(call)
    if node is None or node.body is None:
        return ()
    return (int(call.removeprefix(node.layer).removeprefix("#") or 1), *_numbers(node.body, rest))


def _as_recorded(node: Node, names: dict[str, str], recorded: Graph) -> Node:
    """A node under the name of its own call, which it keeps where it still is that call."""
    inputs = tuple(_moved(edge, names) for edge in node.inputs)
    name = names.get(node.name)
    if name is None:
        return replace(node, inputs=inputs)
    own = recorded.nodes.get(name)
    if own is None or not isinstance(node.native, Call) or node.native.name not in recorded.nodes:
        return replace(node, name=name, inputs=inputs)
    if node.native is not recorded.nodes[node.native.name].native:  # of another copy of the model
        return replace(node, name=name, inputs=inputs)
    attrs = {**node.attrs, **{key: own.attrs[key] for key in ("stack",) if key in own.attrs}}
    return replace(node, name=name, inputs=inputs, attrs=attrs, native=own.native)


def node_at(graph: Graph, path: str) -> Node | None:
    """The node of a path, such as "block/conv"; None where the graph has none."""
    inside, name = subgraph(graph, path)
    return inside.nodes.get(name)
