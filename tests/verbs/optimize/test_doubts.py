"""Models that cannot be verified come back as they are; what the result does not hold is not called kept."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from networks import Input, keras, layers

from addcat.verbs.optimize import optimize
from addcat.verbs.optimize.check import Checker
from addcat.verbs.optimize.result import KEPT, REFUSED, WRONG
from tests.doors.onnx.models import Draws, model, norms
from tests.verbs.optimize.test_optimize import branches, head

random = Draws(1)

WEIGHTS = {"three": random(4, 4, 3, 3), "one": random(4, 4, 1, 1)}
BODY = "a = Conv<pads=[1,1,1,1]>(x, three) b = Conv(x, one) s = Sum(a, b)"


def unchanged(result, proto):
    return [node.op_type for node in result.model.graph.node] == [node.op_type for node in proto.graph.node]


@pytest.mark.parametrize("noise", ["RandomNormalLike(s)", "RandomUniformLike<seed=3.0>(s)"])
def test_a_model_that_differs_from_itself(noise):
    proto = model(f"g (float[N,4,8,8] x) => (float[N,4,8,8] y) {{ {BODY} n = {noise} y = Add(s, n) }}", **WEIGHTS)
    result = optimize(proto, measure=False)
    assert unchanged(result, proto)
    assert (result.record.steps, result.record.verification) == ((), None)
    assert result.record.notes == (
        "The model gives other outputs each time that it runs on the same inputs, so no rewrite can be verified, and "
        "the model is the original.",
    )


def test_an_output_without_a_number():
    proto = model(
        f"g (float[N,4,8,8] x) => (float[N,4,8,8] s, float[N,4,8,8] y) {{ {BODY} y = Add(s, nan) }}",
        nan=np.array(np.nan, np.float32),
        **WEIGHTS,
    )
    result = optimize(proto, measure=False)
    assert unchanged(result, proto)
    name = result.record.notes[0].split("'")[1]
    assert result.record.notes == (
        f"Output {name!r} is NaN or infinite throughout on random inputs, so no rewrite can be verified, and the model "
        "is the original.",
    )


@pytest.mark.parametrize("given", [False, True])
def test_an_output_without_an_element(given):
    """Whatever a rewrite makes of nothing is equal to it."""
    size = "N" if given else "0"
    text = f"g (float[{size},4,8,8] x) => (float[{size},4,8,8] y) {{ {BODY} y = Relu(s) }}"
    inputs = {"x": np.zeros((0, 4, 8, 8), np.float32)} if given else None
    proto = model(text, **WEIGHTS)
    result = optimize(proto, measure=False, inputs=inputs)
    assert unchanged(result, proto)
    name, where = result.record.notes[0].split("'")[1], "the inputs that were given" if given else "random inputs"
    assert result.record.notes == (
        f"Output {name!r} has no element on {where}, so no rewrite can be verified, and the model is the original.",
    )


def test_half_precision_that_overflows_in_part_is_not_held_against_float64():
    rng = np.random.default_rng(0)  # of some weights half precision rounds more than is allowed
    wide = {name: (200 * rng.standard_normal(array.shape)).astype("float16") for name, array in WEIGHTS.items()}
    proto = model(
        """g (float16[N,4,8,8] x) => (float16[N,4,8,8] y) {
            a = Conv<pads=[1,1,1,1]>(x, three) b = Conv(x, one) s = Sum(a, b) c = Clip(s, low, high) y = Mul(c, c)
        }""",
        low=np.array(-400, "float16"),
        high=np.array(400, "float16"),
        **wide,
    )
    found = optimize(proto, measure=False).record.verification
    assert found.passed
    assert (found.reference, found.reference_original) == (None, None)


def test_a_weight_too_large_for_its_type_is_not_folded():
    large = {name: (100 * np.abs(array) + 1).astype("float16") for name, array in norms(3).items()}
    proto = model(
        """g (float16[N,4,8,8] x) => (float16[N,3,8,8] y) {
            a = Conv(x, w) b = BatchNormalization(a, s, o, m, v) y = Relu(b)
        }""",
        w=np.full((3, 4, 1, 1), 60000, "float16"),
        **{**large, "v": np.full(3, 1e-3, "float16")},
    )
    assert unchanged(optimize(proto, measure=False), proto)


def test_what_was_dropped_is_not_kept(monkeypatch):
    confirm = import_module("addcat.verbs.optimize.confirm")
    monkeypatch.setattr(confirm, "_against", lambda *_: ("It is not", None, ()))
    result = optimize(head(), measure=False)
    assert result.record.notes == ("It is not, so the model is the original.",)
    outcomes = {attempt.outcome for attempt in result.record.steps}
    assert KEPT not in outcomes
    assert REFUSED in outcomes
    reasons = {attempt.reason for attempt in result.record.steps if attempt.outcome == REFUSED}
    assert "left out, since the whole gains no more by it" in reasons


def test_a_wrong_part_of_the_tidying_is_told_from_the_rest(monkeypatch):
    whole = Checker.check

    def check(checker, built):
        folded = sum(node.op_type == "Conv" for node in built.graph) < 3
        return replace(whole(checker, built), error=1.0) if folded else whole(checker, built)

    monkeypatch.setattr(Checker, "check", check)
    proto = model(
        """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
            a = Conv<pads=[1,1,1,1]>(x, three) b = Conv(x, one) s = Sum(a, b)
            t = Sigmoid(s) u = Add(t, t) v = Conv(u, one) y = Relu(v)
        }""",
        **WEIGHTS,
    )
    record = optimize(proto, measure=False).record
    found = [(attempt.rules, attempt.outcome) for attempt in record.steps]
    assert (("fold",), WRONG) in found
    assert all("fold" not in rules for rules, outcome in found if outcome == KEPT)
    assert any("twice" in rules for rules, outcome in found if outcome == KEPT)
    assert [note for note in record.notes if note.startswith("fold at ")]


def drawn(net):
    random_ = np.random.default_rng(0)
    for weight in net.weights:
        weight.assign(random_.uniform(0.3, 1.0, weight.shape))
    return net


def test_in_keras_what_has_no_layer_is_refused_by_name_and_what_folds_is_kept():
    x = Input((8, 8, 4), name="x")
    alone = drawn(keras.Model(x, layers.ReLU()(layers.Add(name="sum")([x, x]))))
    record = optimize(alone, goal="parameters").record
    assert not record.notes
    assert not record.steps
    assert ("AC305", "'sum_times1' would be a new gain, for which Keras has no layer") in [
        (refusal.code, refusal.reason) for refusal in record.refusals
    ]
    folded = drawn(keras.Model(x, layers.Conv2D(3, 1, name="conv")(layers.Add(name="sum")([x, x]))))
    result = optimize(folded, goal="latency", measure=False)
    assert [attempt.outcome for attempt in result.record.steps] == [KEPT]
    assert [layer.name for layer in result.model.layers] == ["x", "conv"]
    transposed = drawn(keras.Model(x, layers.Conv2DTranspose(3, 4, strides=2, padding="same")(x)))
    record = optimize(transposed, goal="latency", measure=False).record
    assert all("phases" not in rule for attempt in record.steps for rule in attempt.rules)


def test_kept_counts_what_is_in_the_result():
    record = optimize(branches(), goal="parameters").record
    assert [attempt.outcome for attempt in record.steps if attempt.outcome == KEPT] == [KEPT]
