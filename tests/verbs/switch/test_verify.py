"""The check before a model is handed over: a wrong switch cannot pass, and an honest one is not stopped."""

import numpy as np
import pytest
from networks import Input, layers, ops
from small import dense_net, difference, mlp, model

from addcat.doors import keras as door
from addcat.errors import VerificationError
from addcat.graph import Edge
from addcat.switches import apply, to_add, to_concat
from addcat.verbs.switch import switch
from addcat.verbs.switch.verify import compare_outputs


def wrong(function, *, by):
    """A rule that is off by a factor in one of its results."""

    def spoiled(*arguments, **options):
        graph = function(*arguments, **options)
        node = next(n for n in graph.nodes.values() if n.edited and "kernel" in n.weights)
        return graph.edit(put=[node.edit(weights={"kernel": node.weight("kernel") * by})])

    return spoiled


@pytest.mark.parametrize("by", [1.001, -1.0, np.nan])
def test_a_wrong_tie_is_caught(monkeypatch, by):
    monkeypatch.setattr(to_concat, "tie", wrong(to_concat.tie, by=by))
    with pytest.raises(VerificationError) as caught:
        switch(dense_net("add"), {"merge": "concat"})
    assert str(caught.value).startswith("The switched model's tensors differ by ")
    assert str(caught.value).endswith(
        " of the largest on random inputs, more than float32 explains (1e-05). "
        "It is not handed over; please report this model."
    )


def test_a_wrong_absorption_is_caught(monkeypatch):
    monkeypatch.setattr(apply, "absorb", wrong(to_add.absorb, by=1.01))
    with pytest.raises(VerificationError):
        switch(mlp(3, 4), {"merge": "add"})


def nearly_constant():
    """A network whose output hides its merge: the head's weights are tiny, its bias is large."""
    x = Input((4,), name="x")
    merged = layers.Add(name="merge")([x, layers.Dense(4, name="block")(x)])
    out = layers.Dense(2, name="out")(layers.Dense(3, name="head")(merged))
    net = model(x, out)
    net.get_layer("out").set_weights([np.full((3, 2), 1e-9), np.full(2, 100.0)])
    return net


def test_an_error_that_the_outputs_hide_is_caught_beside_the_merge(monkeypatch):
    monkeypatch.setattr(to_concat, "tie", wrong(to_concat.tie, by=2.0))
    net = nearly_constant()
    with pytest.raises(VerificationError):
        switch(net, {"merge": "concat"})
    # and the outputs alone would not have told
    graph = door.read(net)
    head = graph.nodes["head"]
    off = door.write(graph.edit(put=[head.edit(weights={"kernel": 2 * head.weight("kernel")})]))
    assert difference(net, off) < 1e-5


def test_a_wrong_projection_is_caught_beside_the_merge(monkeypatch):
    monkeypatch.setattr(to_concat, "blocks", lambda node, channels: [1.01 * np.eye(channels) for _ in node.inputs])
    net = dense_net("add", head=lambda x: layers.Dense(2, name="out")(layers.ReLU()(x)))
    net.get_layer("out").set_weights([np.zeros((4, 2)), np.ones(2)])
    with pytest.raises(VerificationError):
        switch(net, {"merge": "concat"})


def test_where_the_original_has_no_number_the_new_one_may_have_none():
    x = Input((4,), name="x")
    merged = layers.Add(name="merge")([x, layers.Dense(4)(x)])
    net = model(x, [ops.log(merged), ops.sqrt(merged), 1 / (layers.ReLU()(merged))])
    done = switch(net, {"merge": "concat"})
    assert done.record.difference.relative < 1e-5
    assert done.record.difference.largest < 1.0


def compared(old, new, **options):
    graph = door.read(old)
    settings = {"data": (), "checks": (), "seed": 0, "exact": True, **options}
    return compare_outputs(door, (old, new), graph, settings.pop("data"), settings.pop("checks"), **settings)


def test_what_is_measured():
    x = Input((3,), name="x")
    old, new = (model(x, layers.Dense(2, use_bias=False, name="dense")(x)) for _ in range(2))
    old.get_layer("dense").set_weights([np.full((3, 2), 1.0)])
    new.get_layer("dense").set_weights([np.full((3, 2), 1.25)])
    data = ([np.array([[1.0, 1, 1], [0, 0, -4]], "float32")],)
    found = compared(old, new, data=data, exact=False)
    assert (found.largest, found.relative, found.tolerance) == (1.0, 0.25, None)
    assert (found.examples, found.on) == (2, "data")
    with pytest.raises(VerificationError) as caught:
        compared(old, new, data=data)
    assert "differ by 2.5e-01 of the largest on data, more than float32 explains (1e-05)" in str(caught.value)


def test_every_output_counts_by_its_own_size():
    x = Input((3,), name="x")
    large, small = layers.Dense(2, use_bias=False, name="large"), layers.Dense(2, use_bias=False, name="small")
    old = model(x, [large(x), small(x)])
    old.get_layer("large").set_weights([np.full((3, 2), 1e6)])
    old.get_layer("small").set_weights([np.full((3, 2), 1e-3)])
    new = door.write(door.read(old))
    new.get_layer("small").set_weights([np.full((3, 2), 1.1e-3)])
    with pytest.raises(VerificationError):
        compared(old, new)


def test_something_that_is_no_number_is_not_overlooked_behind_one_that_is():
    x = Input((3,), name="x")
    old = model(x, [layers.Dense(2, name="a")(x), layers.Dense(2, name="b")(x)])
    new = door.write(door.read(old))
    new.get_layer("b").set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    with pytest.raises(VerificationError, match="differ by nan"):
        compared(old, new)
    inside = [(Edge("a"), Edge("a")), (Edge("b"), Edge("b"))]
    with pytest.raises(VerificationError, match="differ by nan"):
        compared(old, new, checks=inside)
