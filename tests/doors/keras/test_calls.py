"""What one call of a layer makes of it: constants among its operands, and training=True."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from networks import Input, keras, layers
from small import assert_untouched, model, state

import addcat
from addcat.doors.keras.calls import constants_of
from addcat.doors.keras.classify import Constants
from addcat.doors.keras.read import read
from addcat.errors import ModelError, RefusedError, SiteError
from addcat.verbs.inspect import inspect

ops = keras.ops
TABLE = np.linspace(-3, 3, 6, dtype="float32")[None]


def pair(merge: Any) -> Any:
    """Two branches of six channels, merged by `merge`, then a Dense."""
    x, y = Input((5,), name="x"), Input((5,), name="y")
    branches = layers.Dense(6, name="a")(x), layers.Dense(6, name="b")(y)
    return model([x, y], layers.Dense(2, name="head")(layers.Activation("relu", name="act")(merge(*branches))))


def single(merge: Any) -> Any:
    """One branch of seven positions, merged with a constant by `merge`, then a Dense."""
    x = Input((7, 6), name="x")
    return model(x, layers.Dense(2, name="head")(merge(layers.Dense(6, name="a")(x))))


PAIRS = {
    "Add": lambda a, b: layers.Add(name="m")([a, b, TABLE]),
    "Add, a tensor of the backend": lambda a, b: layers.Add(name="m")([a, ops.convert_to_tensor(TABLE), b]),
    "Concatenate": lambda a, b: layers.Concatenate(axis=0, name="m")([a, TABLE, b]),
    "Multiply": lambda a, b: layers.Multiply(name="m")([a, b, TABLE]),
    "Maximum": lambda a, b: layers.Maximum(name="m")([a, b, TABLE]),
    "Minimum": lambda a, b: layers.Minimum(name="m")([a, b, TABLE]),
    "Average": lambda a, b: layers.Average(name="m")([a, b, TABLE]),
}
OPS_OF = ["add", "add", "concat", "multiply", "maximum", "minimum", "average"]


@pytest.mark.parametrize(("name", "op"), list(zip(PAIRS, OPS_OF, strict=True)))
def test_a_merge_of_tensors_and_a_constant_is_an_op_of_its_own(name: str, op: str) -> None:
    net = pair(PAIRS[name])
    (merge,) = inspect(net).merges
    assert (merge.site, merge.merge.op, merge.merge.arity) == ("m", f"{op}_constant", 2)
    with pytest.raises(RefusedError):
        addcat.switch(net, {"m": "concat"})


def test_what_is_said_of_a_merge_with_a_constant() -> None:
    net = pair(PAIRS["Add"])
    reason = "Add 'm' merges a constant with its branches; apply it in an operation of its own [AC115]."
    with pytest.raises(RefusedError) as refused:
        addcat.switch(net, {"m": "concat"})
    assert str(refused.value) == f"'m' cannot become concat: {reason}"
    rng = np.random.default_rng(0)
    data = rng.normal(size=(2, 60, 5)).astype("float32"), rng.normal(size=(60, 2)).astype("float32")
    with pytest.raises(SiteError) as named:
        addcat.advise(net, ([*data[0]], data[1]), sites="m", loss="mse")
    assert str(named.value) == f"'m' cannot be advised on: {reason}"
    with pytest.raises(RefusedError) as other:
        addcat.switch(pair(PAIRS["Maximum"]), {"m": "concat"})
    words = "Maximum with a constant 'm' is neither an Add nor a Concatenate [AC108]."
    assert str(other.value) == f"'m' cannot become concat: {words}"


@pytest.mark.parametrize("name", ["Add", "Maximum"])
def test_other_verbs_beside_a_merge_with_a_constant(name: str) -> None:
    """What lies around it is rewritten, the constant stays; of the merge itself nothing is said."""
    net = pair(lambda a, b: PAIRS[name](a, layers.Dense(6, name="c")(b)))
    before, rng = state(net), np.random.default_rng(0)
    data = [rng.normal(size=(60, 5)).astype("float32") for _ in range(2)]
    made = addcat.optimize(net, goal="parameters")
    assert sum(step.outcome == "kept" for step in made.record.steps) == 1  # "b" and "c" are one layer
    assert made.model.count_params() == net.count_params() - (6 * 6 + 6)
    assert np.abs(called(net, *data) - called(made.model, *data)).max() < 1e-5
    assert_untouched(net, before)
    examples = data, rng.normal(size=(60, 2)).astype("float32")
    assert addcat.advise(net, examples, loss="mse").verdicts == ()
    with pytest.raises(ModelError) as refused:
        addcat.compare(net, examples, loss="mse", steps=2, pairs=2)
    why = " Add 'm' merges a constant with its branches; apply it in an operation of its own [AC115]."
    nothing = "The model has no Add or Concatenate that could be the other one: nothing to compare."
    assert str(refused.value) == nothing + (why if name == "Add" else "")


ROWS = np.linspace(-1, 1, 42, dtype="float32").reshape(1, 7, 6)
SINGLES = {
    "Add": (lambda a: layers.Add(name="m")([a, ROWS]), "shift"),
    "Add, as an example": (lambda a: layers.Add(name="m")([a, ROWS[0]]), "opaque"),
    "Multiply": (lambda a: layers.Multiply(name="m")([a, ROWS]), "gain"),
    "Subtract": (lambda a: layers.Subtract(name="m")([a, ROWS]), "shift"),
    "Average": (lambda a: layers.Average(name="m")([a, ROWS]), "opaque"),
    "Maximum": (lambda a: layers.Maximum(name="m")([a, ROWS]), "opaque"),
    "Concatenate": (lambda a: layers.Concatenate(axis=0, name="m")([a, ROWS]), "opaque"),
    "Dot": (lambda a: layers.Dot(axes=2, name="m")([a, np.repeat(ROWS, 2, 0)]), "opaque"),
    "c - x": (lambda a: 1.5 - a, "opaque"),
    "c / x": (lambda a: 1.5 / a, "opaque"),
    "x - c": (lambda a: a - 1.5, "shift"),
    "x / c": (lambda a: a / 1.5, "gain"),
    "x + c": (lambda a: a + ROWS, "shift"),
    "c + x": (lambda a: 1.5 + a, "shift"),
    "c - x, an array": (lambda a: ops.subtract(ROWS, a), "opaque"),
    "ops.dot": (lambda a: ops.dot(a, ops.ones((6, 6))), "opaque"),
    "one tensor alone": (lambda a: layers.Add(name="m")([a]), "add"),
}


@pytest.mark.parametrize("name", SINGLES)
def test_one_tensor_and_a_constant(name: str) -> None:
    merge, op = SINGLES[name]
    if name == "Dot":
        x = Input((7, 6), batch_size=2, name="x")
        net = model(x, layers.Dense(2, name="head")(merge(layers.Dense(6, name="a")(x))))
    else:
        net = single(merge)
    graph = read(net)
    assert [node.op for node in graph.nodes.values()][2] == op
    found = inspect(net)
    assert len(found.merges) == (op == "add")
    assert any("one input" in finding.words for finding in found.findings) == (op == "add")


def test_functions_that_share_the_name_of_a_layer_are_no_merge_layers() -> None:
    x, weights = Input((4, 6), name="x"), Input((4, 6), name="w")
    net = keras.Model([x, weights], [ops.average(x, axis=1, weights=weights), ops.dot(x, ops.transpose(weights[0]))])
    assert inspect(net).merges == ()


def test_a_constant_that_broadcasts_the_tensor_is_no_shift() -> None:
    x = Input((1, 6), name="x")
    (node,) = [n for n in read(keras.Model(x, x + ROWS)).nodes.values() if n.op != "input"]
    assert (node.op, node.attrs["reason"]) == ("opaque", "has a constant that broadcasts the tensor to another shape")


@pytest.mark.parametrize("turned", [lambda a: 1.5 - a, lambda a: 1.5 / (ops.abs(a) + 2.0)], ids=["c - x", "c / x"])
def test_a_switch_before_a_turned_constant_keeps_the_function(turned: Any) -> None:
    x, y = Input((5,), name="x"), Input((5,), name="y")
    merged = layers.Add(name="m")([layers.Dense(6, name="a")(x), layers.Dense(6, name="b")(y)])
    net = model([x, y], layers.Dense(2, name="head")(turned(merged)))
    assert addcat.switch(net, {"m": "concat"}).record.steps[0].rule == "project"


# --- training=True -----------------------------------------------------------------------------------------------


NOISY = {
    "BatchNormalization": lambda: layers.BatchNormalization(name="noisy"),
    "Dropout": lambda: layers.Dropout(0.5, name="noisy", seed=1),
    "GaussianNoise": lambda: layers.GaussianNoise(0.5, name="noisy", seed=1),
    "GaussianDropout": lambda: layers.GaussianDropout(0.5, name="noisy", seed=1),
    "AlphaDropout": lambda: layers.AlphaDropout(0.5, name="noisy", seed=1),
    "SpatialDropout2D": lambda: layers.SpatialDropout2D(0.5, name="noisy", seed=1),
}


def branched(call: Any) -> Any:
    """A convolution and what `call` makes of it, beside another one, joined, then a convolution."""
    x = Input((8, 8, 4), name="x")
    a = call(layers.Conv2D(6, 1, name="a")(x))
    merged = layers.Concatenate(name="m")([a, layers.Conv2D(6, 1, name="b")(x)])
    return model(x, layers.Conv2D(3, 1, name="head")(merged))


@pytest.mark.parametrize("name", NOISY)
def test_a_layer_called_in_training_mode_is_not_looked_into(name: str) -> None:
    net = branched(lambda a: NOISY[name]()(a, training=True))
    node = read(net).nodes["noisy"]
    words = "is called with training=True, so what it computes depends on the batch or on chance"
    assert (node.op, node.attrs["reason"]) == ("opaque", words)
    plain = branched(lambda a: NOISY[name]()(a, training=False))
    assert read(plain).nodes["noisy"].op in ("batch_norm", "dropout")


def called(net: Any, *arrays: Any) -> np.ndarray:
    """The outputs as a user gets them; statistics and random generators are put back."""
    before = [(v, v.numpy().copy()) for v in net.variables]
    found = np.asarray(net(list(arrays) if len(arrays) > 1 else arrays[0]))
    for variable, value in before:
        variable.assign(value)
    return found


@pytest.mark.parametrize("name", NOISY)
def test_optimize_keeps_what_a_user_of_the_model_gets(name: str) -> None:
    net = branched(lambda a: NOISY[name]()(a, training=True))
    before, x = state(net), np.random.default_rng(0).normal(size=(4, 8, 8, 4)).astype("float32")
    made = addcat.optimize(net, goal="parameters")
    assert_untouched(net, before)
    assert np.abs(called(net, x) - called(made.model, x)).max() < 1e-5
    assert "noisy" in {layer.name for layer in made.model.layers}


def test_a_nested_model_called_in_training_mode_keeps_its_own_mode_inside() -> None:
    def nested(a: Any) -> Any:
        inner = keras.Input((8, 8, 6))
        body = keras.Model(inner, layers.BatchNormalization(name="norm")(layers.Conv2D(6, 1, name="c")(inner)))
        return body(a) + body(a, training=True)

    net = branched(nested)
    bodies = [node.body for node in read(net).nodes.values() if node.body is not None]
    assert len(bodies) == 2
    assert {body.nodes["norm"].op for body in bodies} == {"opaque"}
    made, x = addcat.optimize(net, goal="parameters").model, np.random.default_rng(0).normal(size=(4, 8, 8, 4))
    assert np.abs(called(net, x) - called(made, x)).max() < 1e-5
    assert made.count_params() == net.count_params()


def test_switch_is_checked_as_a_user_calls_the_model() -> None:
    x = Input((6,), name="x")
    left = layers.BatchNormalization(name="norm")(layers.Dense(6, name="a")(x), training=True)
    net = model(x, layers.Dense(2, name="head")(layers.Add(name="m")([left, layers.Dense(6, name="b")(x)])))
    before, batch = state(net), np.random.default_rng(0).normal(size=(9, 6)).astype("float32")
    statistics = net.get_layer("norm").moving_mean.numpy().copy()
    made = addcat.switch(net, {"m": "concat"}, data=batch)
    assert made.record.difference.relative < 1e-5
    assert np.abs(called(net, batch) - called(made.model, batch)).max() < 1e-5
    assert_untouched(net, before)
    assert np.array_equal(statistics, net.get_layer("norm").moving_mean.numpy())


@pytest.mark.parametrize("make", [np.ones, torch.ones])
def test_constants_are_counted_whichever_library_holds_them(make: Any) -> None:
    arguments = SimpleNamespace(args=(keras.KerasTensor((None, 3)), make(3)), kwargs={"scale": 2.0})
    assert constants_of(keras.Operation(), arguments) == Constants(count=2, arrays=1, first=False)
