"""Structural facts, each held against what networks can and cannot compute."""

import numpy as np
import pytest
from networks import Input, layers, network
from problems import encoded_pair, linear_pair, problem, two_inputs
from small import difference, mlp, model, relative, run

from addcat.doors.keras import read, write
from addcat.evidence.structure import disguised, equal_power, shares_weights, structure
from addcat.graph.nested import subgraph
from addcat.merges import find_merges
from addcat.switches.apply import Changed, Setting, switch_site
from addcat.switches.ladder import Rung


def only_merge(net):
    graph = read(net)
    (merge,) = find_merges(graph)
    return subgraph(graph, merge.site)[0], merge


def test_equal_power_is_shown_by_the_add_that_computes_the_same():
    net = mlp(4, 3)
    graph, merge = only_merge(net)
    assert equal_power(graph, merge)
    outcome = switch_site(graph, "merge", Rung("add"), Setting(None, (), "project", 0))
    assert isinstance(outcome, Changed)
    assert (outcome.rule, outcome.exact) == ("absorb", True)
    added = write(outcome.graph)
    assert [layer.name for layer in added.layers if isinstance(layer, layers.Add)] == ["merge"]
    assert difference(net, added) < 1e-6
    opened = switch_site(read(added), "merge", Rung("concat"), Setting(None, (), "project", 0))
    assert isinstance(opened, Changed)
    assert difference(net, write(opened.graph)) < 1e-6


def test_one_channel_too_few_costs_rank_and_so_functions():
    """Add's joint map is W [E_1 E_2], of the rank of one branch; Concatenate's, [W_1 E_1, W_2 E_2], has twice that."""
    net = mlp(2, 2)
    graph, merge = only_merge(net)
    assert not equal_power(graph, merge)  # three outputs, two channels
    parts = np.split(net.get_layer("head").kernel.numpy(), 2)
    joint = np.concatenate([net.get_layer(f"branch{n}").kernel.numpy() @ parts[n] for n in (0, 1)])
    singular = np.linalg.svd(joint, compute_uv=False)
    assert singular[2] > 0.01 * singular[0]  # nothing of rank 2 comes closer than that


@pytest.mark.parametrize(("taps", "equal"), [((1, 1), True), ((1, 3), False), ((3, 1), False)])
def test_every_reader_has_to_look_at_one_place(taps, equal):
    """Over several taps the parts of Concatenate can differ in more ways than one branch has channels for."""
    left, right = (Input((6, 6, 8), name=name) for name in ("left", "right"))
    merged = layers.Add(name="merge")([layers.Conv2D(16, 1)(left), layers.Conv2D(16, 1)(right)])
    graph, merge = only_merge(model([left, right], [layers.Conv2D(2, size)(merged) for size in taps]))
    assert equal_power(graph, merge) is equal


@pytest.mark.parametrize("reason", ["activation", "wide consumer", "another reader", "nonlinear between", "shared"])
def test_what_takes_equal_power_away(reason):
    x, y = Input((5,), name="x"), Input((5,), name="y")
    first = layers.Dense(4, activation="relu" if reason == "activation" else None, name="first")
    a, b = first(x), (first if reason == "shared" else layers.Dense(4, name="second"))(y)
    merged = layers.Concatenate(name="merge")([a, b])
    if reason == "nonlinear between":
        merged = layers.ReLU()(merged)
    out = layers.Dense(5 if reason == "wide consumer" else 3, name="head")(merged)
    outputs = [out, layers.Dense(2)(a)] if reason == "another reader" else out
    assert not equal_power(*only_merge(model([x, y], outputs)))


def test_equal_power_counts_all_consumers_and_sees_through_batch_norm():
    x, y = Input((5,), name="x"), Input((5,), name="y")

    def net(width, norm):
        a, b = layers.Dense(width)(x), layers.Dense(width)(y)
        a = layers.BatchNormalization()(a) if norm else a
        merged = layers.Add(name="merge")([a, b])
        return model([x, y], [layers.Dense(2, name="one")(merged), layers.Dense(2, name="two")(merged)])

    assert equal_power(*only_merge(net(4, norm=True)))
    assert not equal_power(*only_merge(net(3, norm=False)))


def test_a_consumer_that_reaches_over_positions_has_more_power():
    x = Input((8, 3), name="x")

    def net(taps):
        branches = [layers.Conv1D(4, 1, name=f"b{n}")(x) for n in (0, 1)]
        return model(x, layers.Conv1D(4, taps, name="head")(layers.Concatenate(name="merge")(branches)))

    assert equal_power(*only_merge(net(1)))
    assert not equal_power(*only_merge(net(2)))


def test_an_add_of_shared_branches_cannot_tell_their_order():
    graph, merge = only_merge(encoded_pair("add"))
    assert shares_weights(graph, merge)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6, 4)).astype("float32")
    net = encoded_pair("add")
    assert relative(run(net, x, y), run(net, y, x)) < 1e-6
    concat = encoded_pair("concat")
    assert shares_weights(*only_merge(concat))
    assert relative(run(concat, x, y), run(concat, y, x)) > 0.01


def test_branches_through_one_nested_model_share():
    graph = read(network("two_tower_shared"))
    (merge,) = (m for m in find_merges(graph) if m.site == "codes")
    assert shares_weights(graph, merge)
    graph = read(network("two_tower_own"))
    (merge,) = (m for m in find_merges(graph) if m.site == "codes")
    assert not shares_weights(graph, merge)


def shared(kind):
    x, y = Input((4,), name="x"), Input((4,), name="y")
    dense = layers.Dense(4, name="dense")
    once = dense(x)
    a, b = {
        "siamese": lambda: (once, dense(y)),
        "siamese with functions": lambda: (layers.ReLU()(dense(x)), layers.ReLU()(dense(y))),
        "own": lambda: (dense(x), layers.Dense(4, name="other")(y)),
        "no weights": lambda: (x, y),
        "in a row": lambda: (dense(x), dense(dense(x))),
        "one bent": lambda: (dense(x), layers.ReLU()(dense(y))),
        "bent otherwise": lambda: (layers.Activation("tanh")(dense(x)), layers.Activation("elu")(dense(y))),
        "same tensor": lambda: (once, once),
        "residual": lambda: (x, dense(x)),
    }[kind]()
    inputs = [x] if kind in ("in a row", "same tensor", "residual") else [x, y]
    return model(inputs, layers.Dense(1)(layers.Add(name="merge")([a, b])))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("siamese", True),
        ("siamese with functions", True),
        ("own", False),
        ("no weights", False),
        ("in a row", False),  # one layer for both, but the second branch is not the first with other inputs
        ("one bent", False),
        ("bent otherwise", False),
        ("same tensor", False),
        ("residual", False),
    ],
)
def test_branches_share_their_weights_only_where_exchanging_them_is_exchanging_inputs(kind, expected):
    assert shares_weights(*only_merge(shared(kind))) is expected


def test_a_concatenate_with_equal_parts_is_an_add():
    net = mlp(4, 4)
    kernel, bias = net.get_layer("head").get_weights()
    assert not disguised(*only_merge(net))
    net.get_layer("head").set_weights([np.concatenate([kernel[:4], kernel[:4]]), bias])
    assert disguised(*only_merge(net))


def test_words_and_fields():
    data = two_inputs(40, lambda x, y: x[:, 0])
    found = structure(problem(encoded_pair("add"), data, data))
    assert (found.method, found.question, found.unit, found.n) == ("structure", "fact", "", 0)
    assert (found.estimate, found.low, found.high) == (None, None, None)
    assert (found.equal_power, found.shared_branches, found.disguised) == (False, True, False)
    assert found.to_dict()["facts"] == {"equal_power": False, "shared_branches": True, "disguised": False}
    assert found.words == "The branches share their weights, so Add cannot tell their order."
    found = structure(problem(encoded_pair("concat", shared=False), data, data))
    assert found.words == (
        "The branches end in wide enough linear layers for Add to represent all that Concatenate can."
    )
    found = structure(problem(linear_pair("concat", 4), data, data))
    assert found.words == "Concatenate can represent functions that Add cannot."
