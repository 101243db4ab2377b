"""Rules made wrong on purpose: comparing with the reference notices every one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import Sketch
from rules.checks import proposals, same

from addcat.graph import Array, Graph
from addcat.rules import (
    Rule,
    affine_before,
    compose,
    early_stride,
    exchange_pool,
    guards,
    nearest_conv,
    over_concat,
    phases,
    split,
    stack,
    transposed_compose,
)
from addcat.rules.aligned import Window
from addcat.rules.fold import FOLD


def concatenated(**settings: Any) -> Graph:
    sketch = Sketch()
    sketch.conv(sketch.concat(sketch.input(2, name="a"), sketch.input(2, name="b")), 3, **settings)
    return sketch.graph()


def chain(*steps: Callable[[Sketch, Any], Any]) -> Graph:
    sketch = Sketch()
    edge = sketch.input(4, (6, 6))
    for step in steps:
        edge = step(sketch, edge)
    return sketch.graph()


def folded() -> Graph:
    sketch = Sketch()
    x = sketch.input(4)
    sketch.add(sketch.conv(x, 4, 3), sketch.conv(x, 4, 1), x)
    return sketch.graph()


def siblings() -> Graph:
    sketch = Sketch()
    x = sketch.input(4)
    sketch.concat(sketch.conv(x, 2, 3, activation="relu"), sketch.conv(x, 2, 3))
    return sketch.graph()


def joined_norm() -> Graph:
    sketch = Sketch()
    sketch.norm(sketch.concat(sketch.input(2, name="a"), sketch.input(2, name="b")))
    return sketch.graph()


right_cut, right_spread, right_product = split._cut, nearest_conv.spread, transposed_compose.transposed_product


def bias_in_every_part(node: Any, sizes: list[int]) -> list[dict[str, Array]]:
    return [{**part, "bias": node.weight("bias")} for part in right_cut(node, sizes)]


def transposed(s: Sketch, e: Any) -> Any:
    return s.conv(e, 2, 4, op="conv_transpose", strides=(2, 2))


def doubled(s: Sketch, e: Any) -> Any:
    return s.conv(e, 3, 2, op="conv_transpose", strides=(2, 2), padding="valid", bias=False)


def counted(s: Sketch, e: Any) -> Any:
    return s.pool(e, 3, 2, padding=((1, 1), (1, 1)), counts_padding=True)


def from_the_corner(_: Window, kernel: Array, __: int) -> Array:
    return np.pad(kernel, [(0, 0), (0, 0), *((0, 3 - k) for k in kernel.shape[2:])])


MUTANTS: dict[str, tuple[Rule, Callable[[], Graph], list[tuple[Any, str, Any]]]] = {
    "the bias is added with every part": (split.SPLIT, concatenated, [(split, "_cut", bias_in_every_part)]),
    "the parts are cut in the wrong order": (
        split.SPLIT,
        concatenated,
        [(split, "split_kernel", lambda kernel, sizes: np.split(kernel, len(sizes), axis=1)[::-1])],
    ),
    "every branch gets the first channels": (
        over_concat.OVER_CONCAT,
        joined_norm,
        [(over_concat, "rows", lambda array, start, stop: array[: stop - start])],
    ),
    "a bias passes zeros that count": (
        exchange_pool.EXCHANGE_POOL,
        lambda: chain(lambda s, e: s.conv(e, 3, 1), counted),
        [(exchange_pool, "pads", lambda *_: ((0, 0), (0, 0)))],
    ),
    "a shift passes zero padding": (
        affine_before.AFFINE_BEFORE,
        lambda: chain(lambda s, e: s.norm(e), lambda s, e: s.conv(e, 3, 3)),
        [(affine_before, "misses_taps", lambda *_: False)],
    ),
    "an inner bias passes zero padding": (
        compose.COMPOSE,
        lambda: chain(lambda s, e: s.conv(e, 3, 1), lambda s, e: s.conv(e, 3, 3)),
        [(compose, "misses_taps", lambda *_: False)],
    ),
    "the kernel is not flipped": (
        nearest_conv.NEAREST_CONV,
        lambda: chain(lambda s, e: s.resize(e, 2), lambda s, e: s.conv(e, 3, 3)),
        [(nearest_conv, "spread", lambda kernel, factors: right_spread(np.flip(kernel, (2, 3)), factors))],
    ),
    "phases are interleaved backwards": (
        phases.PHASES_EACH,
        lambda: chain(transposed),
        [(phases, "product", lambda *ranges: [(b, a) for a in ranges[0] for b in ranges[1]])],
    ),
    "the second kernel is flipped": (
        transposed_compose.TRANSPOSED_COMPOSE,
        lambda: chain(doubled, lambda s, e: s.conv(e, 2, 3)),
        [(transposed_compose, "transposed_product", lambda a, b, d: right_product(a, np.flip(b, (2, 3)), d))],
    ),
    "small kernels lie in the corner": (FOLD, folded, [(Window, "place", from_the_corner)]),
    "siblings of different functions are stacked": (
        stack.STACK,
        siblings,
        [(guards, "activation", lambda _: "linear")],
    ),
    "a stride taken early keeps the padding of another stride": (
        early_stride.EARLY_STRIDE,
        lambda: chain(lambda s, e: s.conv(e, 3, 3), lambda s, e: s.conv(e, 2, 1, strides=(2, 2))),
        [(early_stride, "pads", lambda *_: ((0, 1), (0, 1)))],
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_rule_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rule, build, patches = MUTANTS[name]
    graph = build()
    assert all(same(graph, rule.apply(graph, found)) for found in proposals(rule, graph))
    for owner, attribute, wrong in patches:
        monkeypatch.setattr(owner, attribute, wrong)
    (found,) = proposals(rule, graph)
    assert not same(graph, rule.apply(graph, found))
