"""Budgets: readers made narrower until totals match, and networks that still compute."""

import numpy as np
import pytest
from networks import Input, keras, layers, outputs, sample

from addcat.doors import keras as door
from addcat.errors import OptionError
from addcat.graph.cost import parameters
from addcat.trials.arms import arm_graph
from addcat.trials.budgets import matched, narrowed, total, weight_bytes


def dense():
    x, y = Input((8,), name="x"), Input((8,), name="y")
    left, right = layers.Dense(16, name="left")(x), layers.Dense(16, name="right")(y)
    merged = layers.Add(name="merge")([left, right])
    hidden = layers.PReLU(name="bend")(layers.BatchNormalization(name="norm")(layers.Dense(32, name="reader")(merged)))
    return keras.Model([x, y], layers.Dense(3, name="head")(hidden), name="dense")


def convolutional():
    x = Input((8, 8, 6), name="x")
    y = layers.Conv2D(6, 3, padding="same", name="branch")(x)
    z = layers.Conv2D(16, 3, padding="same", name="reader")(layers.Add(name="merge")([x, y]))
    z = layers.BatchNormalization(name="norm")(layers.ReLU(name="relu")(z))
    z = layers.Conv2D(4, 1, name="next")(z)
    return keras.Model(x, layers.GlobalAveragePooling2D(name="gap")(z), name="convolutional")


def nested():
    inputs = Input((8,), name="inside")
    merged = layers.Add(name="merge")([layers.Dense(8, name="a")(inputs), inputs])
    body = keras.Model(inputs, layers.Dense(4, name="out")(layers.Dense(20, name="reader")(merged)), name="body")
    x = Input((8,), name="x")
    return keras.Model(x, layers.Dense(2, name="head")(body(x)), name="outer")


CASES = {"dense": (dense, "merge"), "convolutional": (convolutional, "merge"), "nested": (nested, "body/merge")}


@pytest.mark.parametrize("budget", ["parameters", "multiply_adds"])
@pytest.mark.parametrize("name", CASES)
def test_totals_match_to_one_step_of_a_width(name, budget):
    build, site = CASES[name]
    graph = door.read(build())
    large = arm_graph(door, graph, {site: "concat"})
    found = matched(large, (site,), total(graph, budget), budget)
    assert found.total == total(found.graph, budget) < total(large, budget)
    (reader,) = found.widths
    assert reader == site.replace("merge", "reader")
    step = total(narrowed(large, {reader: found.widths[reader] + 1}), budget) - found.total
    assert abs(found.mismatch) * found.target <= step / 2 + 1
    net = door.write(found.graph, weights=False, seed=0)
    assert net.count_params() == parameters(found.graph)
    assert all(np.isfinite(out).all() for out in outputs(net, sample(net)))


def test_an_arm_is_the_same_wherever_it_is_built():
    graph = door.read(dense())
    large = arm_graph(door, graph, {"merge": "concat"})
    found = matched(large, ("merge",), parameters(graph), "parameters")
    again = arm_graph(door, graph, {"merge": "concat"}, widths=found.widths)
    assert parameters(again) == found.total
    first, second = (door.write(g, weights=False, seed=3) for g in (found.graph, again))
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_reader_that_another_merge_needs_keeps_its_width():
    x = Input((8,), name="x")
    merged = layers.Add(name="merge")([x, layers.Dense(8, name="branch")(x)])
    reader = layers.Dense(8, name="reader")(merged)
    net = keras.Model(x, layers.Dense(2)(layers.Add(name="second")([x, reader])))
    graph = door.read(net)
    large = arm_graph(door, graph, {"merge": "concat"})
    found = matched(large, ("merge",), parameters(graph), "parameters")
    assert found.widths == {}
    assert found.mismatch > 0


def test_the_smaller_arm_stays_as_it_is():
    graph = door.read(dense())
    found = matched(graph, ("merge",), parameters(graph) + 100, "parameters")
    assert found.graph is graph
    assert found.mismatch < 0


def test_a_size_that_is_unknown_has_no_total():
    x = Input((None, None, 3), name="x")
    y = layers.Conv2D(3, 3, padding="same")(x)
    net = keras.Model(x, layers.Conv2D(2, 1)(layers.Add(name="merge")([x, y])))
    graph = door.read(net)
    with pytest.raises(OptionError) as caught:
        matched(graph, ("merge",), 100, "multiply_adds")
    assert str(caught.value) == (
        "The arms cannot be matched by multiply_adds: a size is unknown. Give the model fixed input sizes."
    )


def test_bytes_are_those_of_the_weights():
    graph = door.read(dense())
    assert weight_bytes(graph) == 4 * parameters(graph)
