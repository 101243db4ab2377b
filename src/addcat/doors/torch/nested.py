"""A module that is called several times, with a merge inside, becomes a nested model: a merge in it is one site.

A change of its code changes every call. So where all calls do the same with the same weights, they are one body that
several nodes call, as a nested Keras model is read; sites in it are named behind it ("block/add"). Where calls differ,
or share a layer with code outside, they stay as they are, and their merges carry the reason.

`addcat.doors.torch.unnested` is the way back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from addcat.doors.torch.calls import Call, Given
from addcat.doors.torch.record import Recording
from addcat.doors.torch.recorder import Shell
from addcat.doors.torch.trees import tree_leaves
from addcat.graph import Edge, Graph, Node
from addcat.graph.operations import ADD_LIKE, OPS
from addcat.report.rows import counted

Span = tuple[int, int]
Parts = list[list[Node]]
"""For each call of a module what it computes, in the order in which it was recorded."""


@dataclass(frozen=True, slots=True)
class SharedCall:
    """One call of a module that became a nested model.

    Attributes:
        names: Under which name each node of the flattened body was recorded in this call.
    """

    names: Mapping[str, str]


def nested(graph: Graph, recording: Recording) -> Graph:
    """Read modules that are called several times as nested models.

    Args:
        graph: A flat graph, as it was recorded.
        recording: What it was made of.

    Returns:
        The graph with a node for each call of such a module, and the body that they share.
    """
    return _Nesting(recording).scope(graph, (0, len(recording.calls)))


@dataclass(slots=True)
class _Nesting:
    recording: Recording
    reasons: dict[str, str] = field(default_factory=dict[str, str])

    def scope(self, graph: Graph, within: Span) -> Graph:
        """Nest what is called several times among the recorded calls of a span, the outermost first."""
        owners = [path for path in self.recording.owners if len(self._spans(path, within)) > 1]
        for path in sorted(owners, key=lambda path: (_length(self._spans(path, within)), path.count("."))):
            spans = self._spans(path, within)
            parts = [self._inside(graph, span) for span in spans]
            if not any(_is_site(node) for part in parts for node in part):
                continue
            self.reasons[path] = self._difference(graph, path, parts, spans)
            if not self.reasons[path]:
                graph = self._nest(graph, path, parts, spans[0])
        refused = [self._refused(node) for node in graph.nodes.values() if _owner(node) in owners and _is_site(node)]
        return graph.edit(put=refused) if refused else graph

    def _spans(self, path: str, within: Span) -> list[Span]:
        spans = self.recording.owners[path].spans
        return [span for span in spans if within[0] <= span[0] and span[1] <= within[1] and span != within]

    def _inside(self, graph: Graph, span: Span) -> list[Node]:
        """Nodes of a graph that were recorded in a span, in that order."""
        calls = self.recording.calls[slice(*span)]
        return [graph.nodes[call.name] for call in calls if call.name in graph.nodes]

    def _refused(self, node: Node) -> Node:
        """A merge in code that several calls share, and that could not be nested."""
        path = _owner(node) or ""
        if node.attrs.get("obstacle"):
            return node
        count, kind = len(self.recording.owners[path].calls), type(self.recording.model.get_submodule(path)).__name__
        obstacle = f"{kind} {path!r} is called {count} times, and every call would change: {self.reasons[path]}"
        return node.edit(attrs={"obstacle": obstacle}, edited=False)

    def _difference(self, graph: Graph, path: str, parts: Parts, spans: list[Span]) -> str:
        """Why the calls of a module are not one body; "" where they are."""
        given = {_tensors(call) for call in self.recording.owners[path].calls}
        if len(given) > 1:  # most often a cell that makes the state itself that it starts from
            return f"one call is given {counted(min(given), 'tensor')}, another {max(given)}. Pass as many in each"
        if (counts := {len(part) for part in parts}) and len(counts) > 1:
            return f"one call makes {min(counts)} operations, another {max(counts)}"
        for part in parts[1:]:
            for one, other in zip(parts[0], part, strict=True):
                if what := _unlike(one, other):
                    return f"{one.name!r} and {other.name!r} differ in {what}"
        names = {node.name for part in parts for node in part}
        for node in parts[0]:
            if node.weights and any(name not in names for name in graph.calls(node)):
                return f"{node.layer!r} in it is called from elsewhere too"
        owners = {_owner(node) for node in parts[0] if _is_site(node)} - {path}
        for inner in sorted(owner for owner in owners if owner is not None):
            calls = self.recording.owners[inner].spans
            if not all(any(a <= start and end <= b for a, b in spans) for start, end in calls):
                return f"{inner!r} in it is called from elsewhere too"
        return "" if _Body.fits(graph, parts) else "what is computed in one call is read in another"

    def _nest(self, graph: Graph, path: str, parts: Parts, span: Span) -> Graph:
        whole = _Body(graph, parts)
        cls = type(self.recording.model.get_submodule(path)).__name__
        body = _without_prefix(self.scope(whole.graph(cls, self.recording), span), f"{path}.")
        names = dict(_recorded(body))
        place_of = {node.name: place for place, node in enumerate(parts[0])}
        nodes: list[Node] = []
        rewire: dict[Edge, Edge] = {}
        for number, part in enumerate(parts):
            node = Node(
                name=path if number == 0 else f"{path}#{number + 1}",
                op="model",
                inputs=tuple(edges[number] for edges in whole.slots),
                outputs=tuple(part[place].outputs[output] for place, output in whole.results),
                attrs={"kind": cls, "is_layer": True},
                channel_axis=part[whole.results[0][0]].channel_axis,
                layer=path,
                body=body,
                native=SharedCall({flat: part[place_of[name]].name for flat, name in names.items()}),
            )
            nodes.append(node)
            for index, (place, output) in enumerate(whole.results):
                rewire[Edge(part[place].name, output)] = Edge(node.name, index)
        moved = [replace(node, inputs=tuple(rewire.get(edge, edge) for edge in node.inputs)) for node in nodes]
        return graph.edit(put=moved, remove=[node.name for part in parts for node in part], rewire=rewire)


class _Body:
    """What all calls of a module have in common.

    Args:
        graph: The graph around them.
        parts: What each call computes; all alike.

    Attributes:
        slots: What is read from outside, one edge for each call.
        results: What is read from outside of it: the place of the node, and which of its outputs.
    """

    def __init__(self, graph: Graph, parts: Parts) -> None:
        self.around, self.parts = graph, parts
        self.places = [{node.name: place for place, node in enumerate(part)} for part in parts]
        slots: dict[tuple[Edge, ...], None] = {}
        for _, edges in self._reads():
            if edges[0].node not in self.places[0]:
                slots.setdefault(edges)
        self.slots = list(slots)
        self.results = sorted({result for number in range(len(parts)) for result in self._read_outside(number)})

    @classmethod
    def fits(cls, graph: Graph, parts: Parts) -> bool:
        """Whether every call reads what it computed itself where the first does, and something is read of it."""
        body = cls(graph, parts)
        for _, edges in body._reads():
            found = {(places.get(edge.node), edge.output) for places, edge in zip(body.places, edges, strict=True)}
            if len({place for place, _ in found}) > 1 or (None not in dict(found) and len(found) > 1):
                return False
        return bool(body.results)

    def _reads(self) -> Iterator[tuple[str, tuple[Edge, ...]]]:
        """Name of a node in the first call and, for each of its inputs, what every call reads there."""
        for nodes in zip(*self.parts, strict=True):
            for edges in zip(*(node.inputs for node in nodes), strict=True):
                yield nodes[0].name, edges

    def _read_outside(self, number: int) -> Iterator[tuple[int, int]]:
        own = self.places[number]
        for place, node in enumerate(self.parts[number]):
            for output in range(len(node.outputs)):
                edge = Edge(node.name, output)
                readers = self.around.readers(edge)
                if self.around.is_output(edge) or any(name not in own for name, _ in readers):
                    yield place, output

    def graph(self, name: str, native: Recording) -> Graph:
        """The body, under the names of the first call."""
        puts: dict[tuple[Edge, ...], Node] = {}
        for place, edges in enumerate(self.slots):
            tensor, source = self.around.tensor(edges[0]), self.around.nodes[edges[0].node]
            attrs = {"kind": "Input", "is_layer": True}
            put = Node(f"input_{place}", "input", (), (tensor,), attrs, channel_axis=source.channel_axis)
            puts[edges] = replace(put, name=self.around.fresh_name(put.name))
        queue = (edges for _, edges in self._reads())
        nodes: list[Node] = []
        for place, node in enumerate(self.parts[0]):
            read = [next(queue) for _ in node.inputs]
            inputs = [Edge(puts[edges].name) if edges in puts else edges[0] for edges in read]
            reasons = [str(part[place].attrs.get("obstacle", "")) for part in self.parts]
            said = next((reason for reason in reasons if reason), "")
            attrs = {**node.attrs, "obstacle": said} if said else node.attrs
            nodes.append(replace(node, inputs=tuple(inputs), attrs=attrs))
        outputs = [Edge(self.parts[0][place].name, output) for place, output in self.results]
        inputs = [put.name for put in puts.values()]
        return Graph.of([*puts.values(), *nodes], inputs=inputs, outputs=outputs, name=name, native=native)


def _tensors(given: Given) -> int:
    return sum(isinstance(leaf, Shell) for leaf in tree_leaves(given))


def _length(spans: Sequence[Span]) -> int:
    """For sorting: the longest first."""
    return min(start - end for start, end in spans)


def _owner(node: Node) -> str | None:
    """Path of the module whose own code makes a call."""
    return node.native.place.owner if isinstance(node.native, Call) else None


def _is_site(node: Node) -> bool:
    """Whether a switch could be asked for here."""
    op = node.op.removesuffix("_constant")
    return OPS[node.op].merge and op in (*ADD_LIKE, "concat") and node.dtype != "bool"


def _unlike(one: Node, other: Node) -> str:
    """In what two operations differ; "" where one is another call of the other."""
    a, b = one.native, other.native
    if not isinstance(a, Call) or not isinstance(b, Call) or one.op != other.op or len(one.inputs) != len(other.inputs):
        return "what they are"
    places = [(call.place.owner, call.place.order * (call.module is None), call.word, call.path) for call in (a, b)]
    if places[0] != places[1]:
        return "what they are"
    if [t.shape for t in one.outputs] != [t.shape for t in other.outputs]:
        return f"size: {one.shape} and {other.shape}"
    if [t.dtype for t in one.outputs] != [t.dtype for t in other.outputs] or one.channel_axis != other.channel_axis:
        return "type"
    if [(k, w.key) for k, w in one.weights.items()] != [(k, w.key) for k, w in other.weights.items()]:
        return "weights"
    hidden = ("stack", "obstacle")
    names = [key for key in {**one.attrs, **other.attrs} if key not in hidden]
    return "" if all(_same(one.attrs.get(key), other.attrs.get(key)) for key in names) else "settings"


def _same(one: Any, other: Any) -> bool:
    """Whether two settings are equal, arrays among them."""
    return one is other or bool(np.array_equal(one, other))


def _without_prefix(graph: Graph, prefix: str) -> Graph:
    """A body whose nodes are named as in the module itself."""

    def short(name: str) -> str:
        return name.removeprefix(prefix)

    nodes = [
        replace(
            node,
            name=short(node.name),
            layer=short(node.layer),
            inputs=tuple(Edge(short(edge.node), edge.output) for edge in node.inputs),
        )
        for node in graph.nodes.values()
    ]
    outputs = [Edge(short(edge.node), edge.output) for edge in graph.outputs]
    inputs = [short(name) for name in graph.inputs]
    return Graph.of(nodes, inputs=inputs, outputs=outputs, name=graph.name, native=graph.native)


def _recorded(body: Graph) -> Iterator[tuple[str, str]]:
    """For each node of a flattened body the name under which it was recorded."""
    for node in body.nodes.values():
        if isinstance(node.native, SharedCall):
            yield from ((f"{node.name}/{rest}", name) for rest, name in node.native.names.items())
        elif isinstance(node.native, Call):
            yield node.name, node.native.name
