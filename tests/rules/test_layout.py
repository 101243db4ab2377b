"""Between images and tokens: Dense layers move to the image, and Transposes that do nothing go."""

from dataclasses import replace
from typing import Any

import pytest
from graphs import Sketch
from hypothesis import given
from hypothesis import strategies as st
from rules.checks import ops, proposals, reasons, rewritten, same
from rules.examples import to_image, to_tokens

from addcat.graph import Edge, Graph, Tensor
from addcat.rules import exchange_layout
from addcat.rules.exchange_layout import EXCHANGE_LAYOUT
from addcat.rules.layout import layout_at
from addcat.rules.views import VIEWS

IMAGES = ("turned, laid out", "laid out, turned", "turned")
TOKENS = ("flat, turned", "turned, flat", "turned")


def image_of(s: Sketch, edge: Edge, size: tuple[int, ...], spelling: str) -> Edge:
    """An image, channels first, of tokens; for "turned" alone they are in rows and columns already."""
    channels, rank = s.values[edge].shape[-1], len(size) + 2
    order = (0, rank - 1, *range(1, rank - 1))
    if spelling == "turned, laid out":
        return to_image(s, edge, size, "image")
    if spelling == "laid out, turned":
        edge = s.node("reshape", edge, shape=(0, *size, channels), channel_axis=rank - 1)
    return s.node("permute", edge, order=order, channel_axis=1, name="image")


def tokens_of(s: Sketch, edge: Edge, spelling: str) -> Edge:
    channels, *size = s.values[edge].shape[1:]
    rank = len(size) + 2
    if spelling == "flat, turned":
        return to_tokens(s, edge, "tokens")
    edge = s.node("permute", edge, order=(0, *range(2, rank), 1), channel_axis=rank - 1, name="tokens")
    count = s.values[edge][0, ..., 0].size
    return s.node("reshape", edge, shape=(0, count, channels), channel_axis=2) if spelling == "turned, flat" else edge


def dense_then_image(spelling: str, size: tuple[int, ...] = (3, 4), *, seed: int = 0, **more: Any) -> Graph:
    s = Sketch(seed, first=True)
    count = 1
    for one in size:
        count *= one
    places = size if spelling == "turned" else (count,)
    tokens = s.node("permute", s.input(4, places), order=(0, *range(2, 2 + len(places)), 1),
                    channel_axis=1 + len(places), name="rows")  # fmt: skip
    edge = s.dense(tokens, 6, name="dense", bias=more.get("bias", True))
    last = 1 + len(places)
    for function in more.get("functions", ()):
        edge = s.node("activation", edge, function=function, name=function, channel_axis=last)
    image = image_of(s, edge, size, spelling)
    return s.graph(s.conv(image, 2, 3, name="conv"), *(Edge(name) for name in more.get("outputs", ())))


def dense_of_image(spelling: str, size: tuple[int, ...] = (3, 4), *, seed: int = 0, **more: Any) -> Graph:
    s = Sketch(seed, first=True)
    edge = tokens_of(s, s.conv(s.input(4, size), 6, 3, name="conv"), spelling)
    for function in more.get("functions", ()):
        edge = s.node("activation", edge, function=function, name=function, channel_axis=len(s.values[edge].shape) - 1)
    dense = s.dense(edge, 3, name="dense", bias=more.get("bias", True))
    return s.graph(dense, *(Edge(name) for name in more.get("outputs", ())))


SIZES = st.sampled_from([(3, 4), (1, 5), (4, 1), (2, 3, 2)])
FUNCTIONS = st.lists(st.sampled_from(["relu", "gelu", "tanh"]), max_size=2, unique=True)


@given(spelling=st.sampled_from(IMAGES), size=SIZES, seed=st.integers(0, 99), functions=FUNCTIONS, bias=st.booleans())
def test_a_dense_of_tokens_moves_behind(
    spelling: str, size: tuple[int, ...], seed: int, functions: list[str], bias: bool
) -> None:
    graph = dense_then_image(spelling, size, seed=seed, functions=functions, bias=bias)
    result = rewritten(EXCHANGE_LAYOUT, graph, "image_laid_out" if spelling == "turned, laid out" else "image")
    found = ops(result)
    assert "dense" not in found
    assert found[-2 - len(functions) :] == ["conv", *["activation"] * len(functions), "conv"]


@given(spelling=st.sampled_from(TOKENS), size=SIZES, seed=st.integers(0, 99), functions=FUNCTIONS, bias=st.booleans())
def test_a_dense_of_an_image_moves_before(
    spelling: str, size: tuple[int, ...], seed: int, functions: list[str], bias: bool
) -> None:
    graph = dense_of_image(spelling, size, seed=seed, functions=functions, bias=bias)
    result = rewritten(EXCHANGE_LAYOUT, graph, "dense")
    assert ops(result)[: 2 + len(functions)] == ["conv", *["activation"] * len(functions), "conv"]


def test_a_dense_between_two_images_leaves_no_tokens() -> None:
    s = Sketch(first=True)
    tokens = to_tokens(s, s.conv(s.input(4, (3, 4)), 6, name="one"), "tokens")
    image = to_image(s, s.dense(tokens, 6, name="dense"), (3, 4), "image")
    s.conv(image, 2, name="two")
    graph = rewritten(EXCHANGE_LAYOUT, s.graph(), "dense")
    assert ops(rewritten(VIEWS, graph)) == ["conv", "conv", "conv"]


@pytest.mark.parametrize("name", ["rows", "dense", "relu", "image_turned"])
def test_what_lies_between_is_not_wanted_elsewhere(name: str) -> None:
    graph = dense_then_image("turned, laid out", functions=["relu"], outputs=[name])
    if name == "rows":
        assert proposals(EXCHANGE_LAYOUT, graph)
    else:
        assert reasons(EXCHANGE_LAYOUT, graph) == [f"{name!r} is an output of the model, so its value must stay"]


def test_refusals_and_words() -> None:
    graph = dense_of_image("flat, turned")
    assert proposals(EXCHANGE_LAYOUT, graph)[0].words == (
        "apply 'dense' before 'tokens_flat' and 'tokens_turned', as a 1x1 convolution"
    )
    found = {one.site: one for one in proposals(EXCHANGE_LAYOUT, dense_then_image("turned"))}
    assert found["image"].words == "apply 'dense' behind 'image', as a 1x1 convolution"
    mixing = dense_then_image("turned, laid out", functions=["softmax"])
    assert reasons(EXCHANGE_LAYOUT, mixing) == ["'softmax' is not known to treat channels apart"]


def test_a_transpose_of_positions_is_no_change_of_layout() -> None:
    s = Sketch(first=True)
    turned = s.node("permute", s.input(4, (3, 3)), order=(0, 3, 2, 1), channel_axis=3)
    assert layout_at(s.graph(), s.graph().nodes[turned.node]) is None


def test_a_reshape_that_mixes_channels_and_positions_is_none() -> None:
    s = Sketch(first=True)
    tokens = s.node("permute", s.input(4, (6,)), order=(0, 2, 1), channel_axis=2)
    turned = s.node("permute", tokens, order=(0, 2, 1), channel_axis=1)
    mixed = s.node("reshape", turned, shape=(0, 2, 3, 4), channel_axis=1)
    assert layout_at(s.graph(), s.graph().nodes[mixed.node]) is None


def test_a_wrong_kernel_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = dense_of_image("flat, turned")
    (found,) = proposals(EXCHANGE_LAYOUT, graph)
    convolution = exchange_layout._convolution

    def turned(*arguments: Any) -> Any:
        made = convolution(*arguments)
        return made.edit(weights={"kernel": made.weight("kernel")[::-1].copy()})

    monkeypatch.setattr(exchange_layout, "_convolution", turned)
    assert not same(graph, EXCHANGE_LAYOUT.apply(graph, found))


@given(first=st.sampled_from(TOKENS[:2]), second=st.sampled_from(IMAGES[:2]), size=SIZES)
def test_an_image_again(first: str, second: str, size: tuple[int, ...]) -> None:
    s = Sketch(first=True)
    s.relu(image_of(s, tokens_of(s, s.relu(s.input(4, size)), first), size, second))
    assert ops(rewritten(VIEWS, s.graph())) == ["activation", "activation"]


def test_another_image_is_not_the_same() -> None:
    s = Sketch(first=True)
    s.relu(to_image(s, to_tokens(s, s.relu(s.input(4, (2, 6)))), (3, 4)))
    assert reasons(VIEWS, s.graph()) == []


def test_a_view_before_it_is_still_read() -> None:
    s = Sketch(first=True)
    image = to_image(s, s.node("permute", s.input(4, (30,)), order=(0, 2, 1), channel_axis=2), (5, 6), "first")
    s.relu(to_image(s, to_tokens(s, image, "tokens"), (5, 6), "again"))
    result = rewritten(VIEWS, s.graph(), "again_laid_out")
    assert "tokens_flat" not in result.nodes
    assert "first_laid_out" in result.nodes


def test_tokens_that_others_read_stay() -> None:
    s = Sketch(first=True)
    tokens = to_tokens(s, s.relu(s.input(4)), "tokens")
    graph = s.graph(s.relu(to_image(s, tokens, (5, 6), "image")), s.dense(tokens, 2))
    result = rewritten(VIEWS, graph)
    assert "tokens_turned" in result.nodes
    assert "image_turned" not in result.nodes


def test_an_output_of_its_own_stays() -> None:
    s = Sketch(first=True)
    source = s.relu(s.input(4), name="relu")
    graph = s.graph(source, to_image(s, to_tokens(s, source), (5, 6), "image"))
    assert reasons(VIEWS, graph) == [
        "'image_laid_out' is an output of the model of its own, which 'relu' cannot stand for"
    ]


@pytest.mark.parametrize(("shape", "order"), [((1, 5), (0, 2, 1, 3)), ((3, 1), (0, 1, 3, 2)), ((1, 1), (0, 3, 2, 1))])
def test_moving_axes_of_size_one_is_a_reshape(shape: tuple[int, ...], order: tuple[int, ...]) -> None:
    s = Sketch(first=True)
    s.relu(s.node("permute", s.input(4, shape), order=order, name="turned"))
    assert ops(rewritten(VIEWS, s.graph())) == ["reshape", "activation"]


def test_moving_others_is_none() -> None:
    s = Sketch(first=True)
    s.node("permute", s.input(4, (1, 5)), order=(0, 3, 2, 1), name="turned")
    assert reasons(VIEWS, s.graph()) == []
    open_ = s.graph()
    nodes = [
        replace(node, outputs=(Tensor((None, *(None if size == 5 else size for size in node.shape[1:])), node.dtype),))
        for node in open_.nodes.values()
    ]
    relabel = open_.edit(put=nodes)
    order = relabel.nodes["turned"].edit(attrs={"order": (0, 2, 1, 3)})
    moved = replace(order, outputs=(Tensor((None, 1, 4, None), "float64"),))
    assert reasons(VIEWS, relabel.edit(put=[moved])) == ["the sizes of 'turned' are unknown"]
