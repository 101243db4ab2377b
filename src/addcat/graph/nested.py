"""Nested models laid open: one graph with a node for each operation at each call."""

from collections.abc import Iterator
from dataclasses import replace

from addcat.graph.core import Edge, Graph, Node


def flatten(graph: Graph) -> Graph:
    """Put the nodes of every nested model in the place of its calls.

    Args:
        graph: The graph of a model.

    Returns:
        A graph without nested models, to count and measure on. The nodes of a call are named after it
        ("encoder/dense", "encoder#2/dense"); layers keep one name for all calls, so that weights count once.
    """
    if all(node.body is None for node in graph.nodes.values()):
        return graph
    nodes: list[Node] = []
    where: dict[Edge, Edge] = {}
    for node in graph.nodes.values():
        inputs = tuple(where.get(edge, edge) for edge in node.inputs)
        if node.body is None:
            nodes.append(replace(node, inputs=inputs))
        else:
            where.update(_inline(node, inputs, nodes))
    outputs = (where.get(edge, edge) for edge in graph.outputs)
    return Graph.of(nodes, inputs=graph.inputs, outputs=outputs, name=graph.name, native=graph.native)


def _inline(call: Node, inputs: tuple[Edge, ...], nodes: list[Node]) -> dict[Edge, Edge]:
    """Append the nodes of one call; return where each of the call's outputs is now."""
    assert call.body is not None  # noqa: S101
    body = flatten(call.body)
    inside: dict[Edge, Edge] = {Edge(name): edge for name, edge in zip(body.inputs, inputs, strict=True)}
    prefix = f"{call.layer}/"
    for node in body.nodes.values():
        if node.op == "input":
            continue
        name = f"{call.name}/{node.name}"
        moved = tuple(inside[edge] for edge in node.inputs)
        nodes.append(replace(node, name=name, inputs=moved, layer=prefix + node.layer if node.layer else ""))
        inside.update({Edge(node.name, i): Edge(name, i) for i in range(len(node.outputs))})
    return {Edge(call.name, i): inside[edge] for i, edge in enumerate(body.outputs)}


def subgraph(graph: Graph, site: str) -> tuple[Graph, str]:
    """The graph in which a site lies, and the name of its node there.

    Args:
        graph: The outermost graph.
        site: A site name that `find_merges` gave, of this graph or of what it was before a change.

    Returns:
        The nested model's body (or `graph` itself) and the node's name.
    """
    if site not in graph.nodes:
        for node in graph.nodes.values():
            if node.body is not None and site.startswith(f"{node.name}/"):
                return subgraph(node.body, site[len(node.name) + 1 :])
    return graph, site


def calls_of(graph: Graph, site: str) -> tuple[str, ...]:
    """Every call of one node of a nested model, as `flatten` names it.

    Names alone do not tell them: beside a layer "encoder#2" the second call of "encoder" is "encoder#2#".

    Args:
        graph: The outermost graph.
        site: Of the node, at any call of the nested model that holds it.

    Returns:
        Names of nodes of `flatten(graph)`, in its order.
    """
    inside, name = subgraph(graph, site)
    return tuple(prefix + name for prefix in _prefixes(graph, inside))


def _prefixes(graph: Graph, body: Graph) -> Iterator[str]:
    """Where in the flattened graph a nested model is called, each place ending in "/"; "" for the graph itself."""
    if graph is body:
        yield ""
        return
    for node in graph.nodes.values():
        if node.body is not None:
            yield from (f"{node.name}/{rest}" for rest in _prefixes(node.body, body))


def with_subgraph(graph: Graph, site: str, body: Graph) -> Graph:
    """Put a new body in the place of the nested model that a site lies in, at every call of that model."""
    return _with_bodies(graph, {id(subgraph(graph, site)[0]): body})


def _with_bodies(graph: Graph, done: dict[int, Graph]) -> Graph:
    """Replace models within a graph by those in `done`, which maps the identity of the old one to the new one."""
    if id(graph) not in done:
        bodies = {node.name: _with_bodies(node.body, done) for node in graph.nodes.values() if node.body is not None}
        moved = [graph.nodes[name].edit(body=new) for name, new in bodies.items() if new is not graph.nodes[name].body]
        done[id(graph)] = graph.edit(put=moved) if moved else graph
    return done[id(graph)]


def walk(graph: Graph, prefix: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Node, Graph]]:
    """Every node of a graph and of its nested models, each model once, with its path and its graph.

    Args:
        graph: The graph of a model.
        prefix: Path of the nested model that `graph` is, ending in "/"; "" for the outermost.
        seen: Identities of the models that have been walked through.
    """
    seen = set[int]() if seen is None else seen
    for node in graph.nodes.values():
        yield prefix + node.name, node, graph
        if node.body is not None and id(node.body) not in seen:
            seen.add(id(node.body))
            yield from walk(node.body, f"{prefix}{node.name}/", seen)
