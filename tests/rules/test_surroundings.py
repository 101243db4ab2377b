"""Every rule where something is in its way: it refuses and says why, or what it makes still computes the same.

Each graph of `examples` is changed in one place, at every node that the rule would touch: the layer is shared, the
tensor has a second reader or is an output of the model, the type is mixed, a function ends the layer, channels come
in groups, a size is unknown, a mask is read, windows move, pad or reach differently, an axis is another one.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from graphs import feed
from reference import FUNCTIONS, checked, compute
from rules.checks import RULES, proposals, same
from rules.examples import CASES, example

from addcat.graph import Array, Edge, Graph, Node, Refusal, Tensor
from addcat.graph.windows import taps

BY_NAME = {rule.name: rule for rule in RULES}
LINEAR = ("dense", "conv", "conv_transpose", "depthwise_conv", "separable_conv")
Change = Callable[[Graph, Node], Graph | None]


def more_outputs(graph: Graph, nodes: list[Node], *edges: Edge) -> Graph:
    return Graph.of([*graph.nodes.values(), *nodes], inputs=graph.inputs, outputs=(*graph.outputs, *edges))


def shared_layer(graph: Graph, node: Node) -> Graph | None:
    if not node.weights:
        return None
    again = replace(node, name=f"{node.name}#2", layer="shared", inputs=node.inputs)
    graph = graph.edit(put=[replace(node, layer="shared")])
    return more_outputs(graph, [again], Edge(again.name))


def second_reader(graph: Graph, node: Node) -> Graph:
    reader = Node("reader", "activation", (Edge(node.name),), node.outputs[:1], {"function": "tanh"},
                  channel_axis=node.channel_axis)  # fmt: skip
    return more_outputs(graph, [reader], Edge("reader"))


def second_reading(graph: Graph, node: Node) -> Graph | None:
    """Its reader reads it twice."""
    readers = [graph.nodes[name] for name, _ in graph.readers(Edge(node.name))]
    found = next((one for one in readers if one.op in ("add", "concat")), None)
    return (
        None if found is None else recomputed(graph.edit(put=[replace(found, inputs=(*found.inputs, Edge(node.name)))]))
    )


def output(graph: Graph, node: Node) -> Graph | None:
    return None if graph.is_output(Edge(node.name)) else more_outputs(graph, [], Edge(node.name))


def mixed_type(graph: Graph, node: Node) -> Graph:
    return graph.edit(put=[replace(node, outputs=tuple(Tensor(t.shape, "float32") for t in node.outputs))])


def integers(graph: Graph, node: Node) -> Graph:
    put = [replace(n, outputs=tuple(Tensor(t.shape, "int32") for t in n.outputs)) for n in graph.nodes.values()]
    return graph.edit(put=put)


def ended_by(function: str) -> Change:
    def change(graph: Graph, node: Node) -> Graph | None:
        return graph.edit(put=[node.edit(attrs={"activation": function})]) if node.op in LINEAR else None

    return change


def function_is(function: str) -> Change:
    def change(graph: Graph, node: Node) -> Graph | None:
        return graph.edit(put=[node.edit(attrs={"function": function})]) if node.op == "activation" else None

    return change


def in_groups(graph: Graph, node: Node) -> Graph | None:
    if node.op != "conv" or node.weights["kernel"].shape[1] % 2 or node.weights["kernel"].shape[0] % 2:
        return None
    kernel = node.weight("kernel")
    return graph.edit(put=[node.edit(attrs={"groups": 2}, weights={"kernel": kernel[:, : kernel.shape[1] // 2]})])


def unknown(which: str) -> Change:
    def change(graph: Graph, node: Node) -> Graph:
        def open_(one: Node) -> Node:
            axes = range(2, 9) if which == "sizes" else (1,)
            shapes = [tuple(None if axis in axes else n for axis, n in enumerate(t.shape)) for t in one.outputs]
            outputs = tuple(Tensor(s, t.dtype) for s, t in zip(shapes, one.outputs, strict=True))
            return replace(one, outputs=outputs)

        touched = graph.nodes.values() if which == "sizes" else [node]
        return graph.edit(put=[open_(one) for one in touched])

    return change


def masked(graph: Graph, node: Node) -> Graph:
    return graph.edit(put=[replace(node, attrs={**node.attrs, "masks": (True,)})])


def window(**settings: object) -> Change:
    def change(graph: Graph, node: Node) -> Graph | None:
        known = {key: value for key, value in settings.items() if key in node.attrs}
        return recomputed(graph.edit(put=[node.edit(attrs=known)])) if known else None

    return change


def one_tap(graph: Graph, node: Node) -> Graph | None:
    """A single tap, part of which lies on the padding."""
    if node.op not in ("conv", "depthwise_conv") or not taps(node):
        return None
    kernel = node.weight("kernel")[..., :1, :1]
    padding = {"padding": ((1, 0), (0, 1)), "dilation": (2, 2)}
    return recomputed(graph.edit(put=[node.edit(attrs=padding, weights={"kernel": kernel})]))


def longer(graph: Graph, node: Node) -> Graph | None:
    if node.op not in ("conv", "depthwise_conv", "conv_transpose"):
        return None
    kernel = np.random.default_rng(0).normal(size=(*node.weights["kernel"].shape[:2], 3, 2))
    return recomputed(graph.edit(put=[node.edit(weights={"kernel": kernel})]))


def biased(graph: Graph, node: Node) -> Graph | None:
    if node.op not in LINEAR or "bias" in node.weights or node.channels is None:
        return None
    return graph.edit(put=[node.edit(weights={"bias": np.linspace(1, 2, node.channels)})])


def without_constant(graph: Graph, node: Node) -> Graph | None:
    """A shift by a constant that the graph does not hold."""
    if node.op not in ("batch_norm", "shift", "gain"):
        return None
    return graph.edit(put=[replace(node, op="shift", weights={}, attrs={})])


def no_spread(graph: Graph, node: Node) -> Graph | None:
    """A batch norm that divides by zero."""
    if node.op != "batch_norm":
        return None
    zeros = np.zeros(node.weights["variance"].shape)
    return graph.edit(put=[node.edit(attrs={"epsilon": 0.0}, weights={"variance": zeros})])


def other_axis(graph: Graph, node: Node) -> Graph | None:
    """Joined, cut or scaled along the second axis after the channels."""
    if node.op in ("concat", "split"):
        return recomputed(graph.edit(put=[node.edit(attrs={"axis": 3})]))
    if node.op == "batch_norm" and node.shape[-1] is not None:
        rng = np.random.default_rng(0)
        arrays = {name: 1 + rng.random(node.shape[-1]) for name in node.weights}
        return graph.edit(put=[replace(node.edit(weights=arrays), channel_axis=3)])
    return None


def resized_by(**settings: object) -> Change:
    def change(graph: Graph, node: Node) -> Graph | None:
        return recomputed(graph.edit(put=[node.edit(attrs=settings)])) if node.op == "resize" else None

    return change


def broadcast(graph: Graph, node: Node) -> Graph | None:
    """Another term that has one position."""
    if node.op not in ("add", "multiply") or node.channels is None:
        return None
    small = Node("small", "input", (), (Tensor((None, node.channels, 1, 1), node.dtype),), channel_axis=1)
    put = [small, replace(node, inputs=(*node.inputs, Edge("small")))]
    changed = {**graph.nodes, **{one.name: one for one in put}}
    order = [changed["small"], *(one for name, one in changed.items() if name != "small")]
    return Graph.of(order, inputs=(*graph.inputs, "small"), outputs=graph.outputs)


CHANGES: dict[str, Change] = {
    "a shared layer": shared_layer,
    "a second reader": second_reader,
    "a second reading": second_reading,
    "an output": output,
    "a mixed type": mixed_type,
    "integers": integers,
    "a relu end": ended_by("relu"),
    "a softmax end": ended_by("softmax"),
    "an unknown end": ended_by("custom:odd"),
    "an unknown function": function_is("custom:odd"),
    "a function below zero": function_is("tanh"),
    "groups": in_groups,
    "unknown sizes": unknown("sizes"),
    "unknown channels": unknown("channels"),
    "a mask": masked,
    "a stride": window(strides=(2, 2)),
    "a stride along one axis": window(strides=(1, 3)),
    "a dilation": window(dilation=(2, 1)),
    "no padding": window(padding="valid"),
    "padding by hand": window(padding=((1, 0), (0, 1))),
    "padding that counts": window(padding=((1, 1), (1, 1)), counts_padding=True, kind_of_pool="average"),
    "a maximum": window(kind_of_pool="max"),
    "one tap on padding": one_tap,
    "more taps": longer,
    "a bias": biased,
    "no constant": without_constant,
    "no spread": no_spread,
    "another axis": other_axis,
    "bilinear": resized_by(method="bilinear"),
    "an unknown method": resized_by(method="lanczos"),
    "a reduction": resized_by(factor=(0.5, 0.5)),
    "a factor along one axis": resized_by(factor=(1, 2)),
    "a broadcast term": broadcast,
}
MOVES = ("pad-into", "early-stride", "hidden-halves", "hidden-quarters", "hidden-eighths")
"""Rules that change no number and no type: they may meet any."""
DROPS = (*MOVES, "passing", "cancel", "over-concat", "views")
"""Rules that only leave operations out or take them elsewhere: they may meet integers."""
UNLIKE = ("a mixed type", "integers", "a mask", "no constant", "no spread", "an unknown method")
"""Changes after which no outputs tell right from wrong: there, a rule must leave the node alone."""


def recomputed(graph: Graph) -> Graph | None:
    """The graph with the shapes that come of computing it; None where it does not compute."""
    inputs, values, put = feed(graph), dict[Edge, Array](), list[Node]()
    try:
        for node in graph.nodes.values():
            read = [values[edge] for edge in node.inputs]
            results = [inputs[node.name]] if node.op == "input" else compute(node, read)
            shapes = [(None, *result.shape[1:]) for result in results]
            outputs = tuple(Tensor(shape, t.dtype) for shape, t in zip(shapes, node.outputs, strict=True))
            put.append(replace(node, outputs=outputs))
            values.update({Edge(node.name, number): result for number, result in enumerate(results)})
    except (ValueError, AssertionError, IndexError, KeyError):
        return None
    return Graph.of(put, inputs=graph.inputs, outputs=graph.outputs)


@pytest.fixture(autouse=True)
def odd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that mixes channels, of a name that nobody knows."""
    monkeypatch.setitem(FUNCTIONS, "custom:odd", lambda x: x - 0.5 * np.roll(x, 1, axis=1))


def changed(rule: str, number: int, name: str) -> list[tuple[str, Graph]]:
    """A rule's graph, changed at each node that the rule touches."""
    graph = example(rule, number)
    (proposal, *_) = proposals(BY_NAME[rule], graph)
    touched = [graph.nodes[one] for one in proposal.nodes]
    found = [(node.name, CHANGES[name](graph, node)) for node in touched]
    return [(at, one) for at, one in found if one is not None and computes(one)]


def computes(graph: Graph) -> bool:
    if any(node.op == "resize" and node.attrs["method"] == "lanczos" for node in graph.nodes.values()):
        return True
    if any(node.op in ("shift", "gain") and not node.weights for node in graph.nodes.values()):
        return True
    if any(node.op == "batch_norm" and not node.attrs["epsilon"] for node in graph.nodes.values()):
        return True
    try:
        checked(graph, feed(graph))
    except (ValueError, AssertionError, IndexError):
        return False
    return True


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(("rule", "number"), CASES)
def test_a_rule_refuses_or_computes_the_same(rule: str, number: int, name: str) -> None:
    for at, graph in changed(rule, number, name):
        for found in BY_NAME[rule].find(graph):
            if isinstance(found, Refusal):
                assert found.reason
                assert found.site in graph.nodes
            elif name in UNLIKE:
                assert at not in found.nodes or may_stay(rule, name), (at, found)
            else:
                result = BY_NAME[rule].apply(graph, found)
                assert same(graph, result), (at, found)


def may_stay(rule: str, name: str) -> bool:
    """Whether a rule need not mind a change; masks there are in Keras alone."""
    if name == "a mask":
        return BY_NAME[rule].frameworks == ("onnx",)
    if name == "no spread":
        return rule in (*MOVES, "over-concat", "recompute", "before-resize")
    return rule in (DROPS if name == "integers" else MOVES if name == "a mixed type" else ())


@pytest.mark.parametrize(("rule", "number"), CASES)
def test_a_rule_applies_to_its_example(rule: str, number: int) -> None:
    graph = example(rule, number)
    assert proposals(BY_NAME[rule], graph)
    for found in proposals(BY_NAME[rule], graph):
        assert same(graph, BY_NAME[rule].apply(graph, found))


def test_every_rule_has_an_example() -> None:
    assert {rule for rule, _ in CASES} == set(BY_NAME)
