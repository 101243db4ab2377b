"""The untying score through Keras: the same p value as by hand, and sides that are known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from networks import Input, keras, layers, randomised
from problems import encoded_pair, examples, linear_pair, problem, set_weights, two_inputs
from small import assert_untouched, model, state

from addcat.covariance.moments import Moments
from addcat.errors import DataError
from addcat.evidence.score import score
from addcat.evidence.untying import natural_step, residuals, slope_test
from addcat.report import rows

KERNEL = np.array([[1.0], [-0.5], [0.3], [2.0]])


def summed(x, y):
    return (x + y) @ KERNEL[:, 0]


def apart(x, y):
    return summed(x, y) + 0.5 * (x - y)[:, 0]


def at_the_truth():
    return set_weights(linear_pair("add", 4), head=(KERNEL, [0.0]))


def by_hand(held):
    """The same test on the arrays: squared errors of one output, at KERNEL."""
    x, y = (np.asarray(a, np.float64) for a in held.inputs)
    delta = 2 * ((x + y) @ KERNEL - held.targets[0])
    halves, slopes = (slice(0, None, 2), slice(1, None, 2)), []
    for found, judged in (halves, halves[::-1]):
        both = np.concatenate([x[found], y[found]], axis=1)
        rests = residuals(Moments.from_batch(x[found], y[found]), 2)
        step = natural_step(delta[found].T @ both / len(both), delta[found].mean(0), rests)
        along = np.concatenate([x[judged], y[judged]], axis=1) @ step.kernel.T + step.bias
        slopes.append((along * delta[judged]).sum(1))
    return slope_test(*slopes)


@pytest.mark.parametrize(("target", "seed"), [(summed, 1), (summed, 2), (apart, 3)])
def test_the_p_value_is_that_of_the_arrays(target, seed):
    held = two_inputs(200, target, noise=1.0, seed=seed)
    found = score(problem(at_the_truth(), held, held))
    assert found.facts["p"] == pytest.approx(by_hand(held), rel=1e-2, abs=1e-6)
    assert found.low <= found.estimate <= found.high
    assert (found.method, found.question, found.unit, found.n) == ("score", "from here", "loss", 200)


def test_a_kernel_that_reads_more_than_the_merge_is_untied_where_it_reads_the_merge():
    """Two more channels stand before the merged ones, with weights of zero: the test is the same."""
    x, y, z = (Input((size,), name=name) for name, size in (("x", 4), ("y", 4), ("z", 2)))
    joined = layers.Concatenate(name="joined")([z, layers.Add(name="merge")([x, y])])
    net = keras.Model([x, y, z], layers.Dense(1, name="head")(joined))
    net.get_layer("head").set_weights([np.r_[np.zeros((2, 1)), KERNEL], np.zeros(1)])
    held = two_inputs(200, apart, noise=1.0, seed=3)
    wider = examples((*held.inputs, np.random.default_rng(9).normal(size=(200, 2))), held.targets)
    found = score(problem(net, wider, wider, site="merge"))
    assert found.facts["p"] == pytest.approx(by_hand(held), rel=1e-2, abs=1e-6)


def test_a_target_that_add_expresses_is_let_be():
    held = two_inputs(400, summed, noise=1.0, seed=4)
    found = score(problem(at_the_truth(), held, held))
    assert found.facts["p"] > 0.05
    assert found.estimate < 0.05
    assert found.low <= 0


def test_the_gain_of_a_target_that_add_cannot_express_is_predicted():
    """Half of (x - y) is missing, of variance 0.5: that is what untying gains."""
    held = two_inputs(400, apart, noise=0.5, seed=5)
    found = score(problem(at_the_truth(), held, held))
    assert found.facts["p"] < 1e-6
    assert found.low < 0.5 < found.high
    assert found.estimate == pytest.approx(0.5, abs=0.12)
    assert found.words.startswith("Untying from here would gain +0.")


def test_it_sees_through_batch_norm_and_pooling_to_what_the_kernel_reads():
    """Branches enter the kernel scaled by norm's gamma; the sum they are regressed on must be scaled alike."""
    x, y = Input((4, 2), name="x"), Input((4, 2), name="y")
    merged = layers.Add(name="merge")([x, y])
    merged = layers.BatchNormalization(name="norm")(layers.AveragePooling1D(2)(merged))
    head = layers.Conv1D(1, 2, name="head")
    net = randomised(model([x, y], layers.Flatten()(head(merged))))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 400, 4, 2)).astype("float32")
    target = np.asarray(net([x, y], training=False)) + rng.normal(size=(400, 1))
    found = score(problem(net, held := examples((x, y), target), held))
    assert found.facts["p"] > 0.05
    more = examples((x, y), target + 2 * (x - y)[:, :2].mean(1)[:, :1])
    assert score(problem(net, more, more)).facts["p"] < 1e-3


@pytest.mark.parametrize("calls", [1, 2])
def test_a_merge_in_a_nested_model(calls):
    a = Input((2,), name="a")
    merged = layers.Add(name="merge")([a, layers.Dense(2, activation="tanh", name="bent")(a)])
    inner = keras.Model(a, layers.Dense(2, name="out")(merged), name="inner")
    x = Input((2,), name="x")
    out = inner(inner(x)) if calls == 2 else inner(x)
    net = randomised(keras.Model(x, layers.Dense(1, name="head")(out)))
    inner.get_layer("bent").set_weights([-3 * np.eye(2), np.zeros(2)])  # the sum does not give a away
    rng = np.random.default_rng(0)
    given = rng.normal(size=(300, 2)).astype("float32")
    before = state(net)
    truth = np.asarray(net(given, training=False))
    held = examples(given, truth + 0.5 * rng.normal(size=(300, 1)))
    assert score(problem(net, held, held, site="inner/merge")).facts["p"] > 0.05
    held = examples(given, truth + np.sin(3 * given[:, :1]) * 3)
    assert score(problem(net, held, held, site="inner/merge")).facts["p"] < 1e-3
    assert_untouched(net, before)


def test_behind_a_nonlinearity_the_sum_itself_is_untied():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    merged = layers.ReLU()(layers.Add(name="merge")([x, y]))
    net = randomised(keras.Model([x, y], layers.Dense(1, name="head")(merged)))
    a, b = np.random.default_rng(0).normal(size=(2, 400, 4)).astype("float32")
    held = examples((a, b), np.asarray(net([a, 0.3 * b], training=False)))
    assert score(problem(net, held, held)).facts["p"] < 1e-3


def repeated(distinct, times):
    """Examples without a pattern, each of them several times, in mixed order."""
    rng = np.random.default_rng(7)
    once = [rng.normal(size=(distinct, 8)).astype("float32") for _ in range(2)], rng.normal(size=(distinct, 1))
    rows = rng.permutation(np.repeat(np.arange(distinct), times))
    return examples(tuple(part[rows] for part in once[0]), once[1][rows])


def test_repeats_in_both_halves_are_not_taken_for_a_gain(monkeypatch):
    """Where a step is judged on the examples that found it, noise is learnt by heart and looks like untying."""
    net = set_weights(linear_pair("add", 8), head=(np.zeros((8, 1)), [0.0]))
    held = repeated(80, 30)
    one = problem(net, held, held)
    found = score(one)
    assert found.low <= 0
    monkeypatch.setattr(
        "addcat.evidence.score.halves_of", lambda held: [held.rows(np.arange(half, held.count, 2)) for half in (0, 1)]
    )
    deceived = score(one)
    assert deceived.low > 0.02 * deceived.facts["loss"]
    assert deceived.facts["p"] < 1e-6


def test_a_perfect_network_has_nothing_to_gain():
    held = two_inputs(60, lambda x, y: 0 * x[:, 0])
    net = set_weights(linear_pair("add", 4), head=(0 * KERNEL, [0.0]))
    found = score(problem(net, held, held))
    assert (found.estimate, found.facts["p"]) == (0, 1)


def test_what_score_refuses():
    few, some = two_inputs(39, summed), two_inputs(40, summed)

    def refusal(net, held):
        with pytest.raises(DataError) as caught:
            score(problem(net, held, held))
        return str(caught.value)

    assert refusal(linear_pair("concat", 4), some) == (
        "'merge' is a Concatenate; 'score' asks whether an Add should be untied."
    )
    assert refusal(linear_pair("add", 4), few) == (
        "'score' needs two halves of 20 held-out examples or more without a repeat in both, got halves of 20 and 19."
    )
    x = Input((4, 4), name="x")
    net = model(x, layers.SeparableConv1D(1, 2)(layers.Add(name="merge")([x, layers.Dense(4)(x)])))
    held = examples(np.zeros((40, 4, 4)), np.zeros((40, 3, 1)))
    assert refusal(net, held) == "'merge' has no Dense or convolution behind it, so there is no kernel to untie."
    x, y = Input((4,), name="x"), Input((1,), name="y")
    net = model([x, y], layers.Dense(1)(layers.Add(name="merge")([x, y])))
    held = examples((np.zeros((40, 4)), np.zeros((40, 1))), np.zeros((40, 1)))
    assert refusal(net, held) == (
        "'merge' cannot be opened: Add 'merge' broadcasts (None, 1) against (None, 4); Concatenate never does."
    )
    net = set_weights(encoded_pair("add", shared=False), other=(np.full((4, 3), np.inf), np.zeros(3)))
    assert refusal(net, some) == (
        "'merge' gives NaN or infinite activations. Check the inputs and the model's weights."
    )


def test_a_step_that_ruins_the_network_elsewhere_is_refused(monkeypatch):
    held = two_inputs(60, summed, noise=0.1)
    site = problem(linear_pair("add", 4), held, held)
    own = site.door.losses_of(site.root.native, site.losses, held).mean()
    assert score(site).estimate < own  # as it is, the step is a sane one
    monkeypatch.setattr("addcat.evidence.score._gain", lambda *given: np.full(given[-1].count, -2.93e8))
    with pytest.raises(DataError) as caught:
        score(site)
    assert str(caught.value) == (
        f"'merge': the first step of untying takes the loss of other examples from {rows.decimal(own)} to 2.93e+08, so "
        "the score does not apply here. Use 'refit' or 'finetune'."
    )


def test_a_step_that_serves_its_own_half_alone_is_not_taken():
    """Every second example is judged along a step that was found where the first feature of x is all but constant."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 80, 4))
    x[::2, 0] *= 1e-3
    x[1::2, 0] *= 1e3
    held = examples((x, y), rng.normal(size=(80, 1)))
    found = score(problem(set_weights(linear_pair("add", 4), head=(0 * KERNEL, [0.0])), held, held))
    assert -0.05 < found.estimate < 0.05  # the step as it was found would take the loss a million times up
    assert found.low <= 0


def test_an_opened_network_that_is_another_one_is_refused(monkeypatch):
    held = two_inputs(60, summed)
    site = problem(linear_pair("add", 4), held, held)
    truth = site.door.losses_of(site.root.native, site.losses, held)
    wrong = SimpleNamespace(**{name: getattr(site.door, name) for name in dir(site.door) if not name.startswith("_")})
    opened = [site.door.losses_of]
    wrong.losses_of = lambda model, *rest: opened[0](model, *rest) * (1 + (model.count_params() > 5))
    with pytest.raises(DataError) as caught:
        score(replace(site, door=wrong))
    assert str(caught.value) == (
        f"'merge': opened for the score, the network has a loss of {rows.decimal(2 * truth.mean())} where it had "
        f"{rows.decimal(truth.mean())}, so nothing can be measured on it."
    )


def test_a_loss_without_a_gradient_is_refused():
    held = two_inputs(60, summed)
    site = problem(linear_pair("add", 4), held, held, loss=lambda _, y: keras.ops.sqrt(-1 - y**2))
    with pytest.raises(DataError) as caught:
        score(site)
    assert str(caught.value) == (
        "'merge': the loss has no finite gradient here, so the score does not apply. Use 'refit' or 'finetune'."
    )


def test_a_score_that_would_end_too_late_is_not_begun(monkeypatch):
    """Its first program says how long the others would take."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    data = two_inputs(100, lambda x, y: x[:, 0] - y[:, 0])
    made = replace(problem(encoded_pair("add"), data, data), deadline=45.0)
    losses_of = made.door.losses_of

    def slow(*args):
        now[0] += 10.0
        return losses_of(*args)

    monkeypatch.setattr(made.door, "losses_of", slow)
    with pytest.raises(DataError) as caught:
        score(made)
    assert str(caught.value) == "'merge': the time does not allow to score it."
    assert now[0] == 10
    now[0] = 0.0
    monkeypatch.setattr(made.door, "gradient", lambda *_: pytest.fail("enough"))
    with pytest.raises(pytest.fail.Exception):
        score(replace(made, deadline=51.0))
