"""An infinitely wide head: its errors are those of wide random layers, and it tells which merge the target needs."""

from dataclasses import replace

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import encoded_pair, examples, linear_pair, problem, two_inputs
from small import assert_untouched, state

from addcat.errors import DataError
from addcat.evidence.kernel import FITTED, JUDGED, arc_cosine, kernel, shares, unfit


def sum_of(x, y):
    return x[:, 0] + y[:, 0]


def product_of_differences(x, y):
    return (x[:, 0] - y[:, 0]) * (x[:, 1] - y[:, 1])


def site(net, target, count=700, noise=0.1, **options):
    data = two_inputs(count, target, noise=noise)
    held = two_inputs(count, target, noise=noise, seed=1)
    return problem(net, data, held, **options)


def test_the_kernel_is_the_mean_of_random_rectified_features():
    """E[relu(w u) relu(w v)] for w of unit variance is half of it (Cho and Saul 2009)."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 3, 4))
    weights = rng.standard_normal((4, 400_000))
    found = 2 * np.maximum(first @ weights, 0) @ np.maximum(second @ weights, 0).T / weights.shape[1]
    np.testing.assert_allclose(arc_cosine(first, second), found, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_a_sum_gains_nothing_by_concatenate_and_what_add_cannot_express_does(merge):
    net = linear_pair(merge, 4)
    before = state(net)
    alike, apart = (kernel(site(net, target)) for target in (sum_of, product_of_differences))
    assert alike.high < 0 < apart.low
    assert apart.facts["left"] < 0.9
    assert (apart.method, apart.question, apart.unit, apart.n) == ("kernel", "fact", "log of the squared error", 700)
    assert apart.words.startswith("An infinitely wide layer on these branches leaves ")
    assert_untouched(net, before)


def test_its_errors_are_those_of_a_wide_random_layer():
    """Of 20,000 units, fitted by ridge regression: the figure is that of the closed form."""
    made = site(linear_pair("add", 4), product_of_differences, count=400)
    found, rng, errors = kernel(made), np.random.default_rng(1), []
    (x, y), (xh, yh) = made.data.inputs, made.held.inputs
    centre, size = np.concatenate([x, y]).mean(axis=0), np.concatenate([x, y]).var(axis=0).mean() ** 0.5
    x, y, xh, yh = ((one.astype(np.float64) - centre) / size for one in (x, y, xh, yh))
    target, truth = (one.targets[0].astype(np.float64) for one in (made.data, made.held))
    target, truth = target - target.mean(), truth - target.mean()
    for merged, unseen in ((x + y, xh + yh), (np.c_[x, y], np.c_[xh, yh])):
        read, other = (np.c_[one / 2, np.ones(len(one))] for one in (merged, unseen))
        weights = rng.standard_normal((read.shape[1], 20_000)) * (2 / 20_000) ** 0.5
        features = np.maximum(read @ weights, 0)
        inner = features @ features.T
        ridge = min((1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0), key=lambda one: left_out(inner, target, one))
        solved = features.T @ np.linalg.solve(ridged(inner, ridge), target)
        errors.append(np.mean((truth - np.maximum(other @ weights, 0) @ solved) ** 2))
    assert found.estimate == pytest.approx(np.log(errors[0] / errors[1]), abs=0.03)


def ridged(inner, ridge):
    """A kernel with a ridge that is a share of its mean diagonal."""
    return inner + ridge * np.trace(inner) / len(inner) * np.eye(len(inner))


def left_out(inner, target, ridge):
    """Squared error of examples that are left out, each fitted without it."""
    inverse = np.linalg.inv(ridged(inner, ridge))
    return float(np.square((inverse @ target)[:, 0] / np.diag(inverse)).sum())


def test_the_interval_holds_what_fresh_examples_say():
    """Of 40 sets of held-out examples, about 38 hold the figure of very many."""
    net, data = linear_pair("add", 4), two_inputs(300, product_of_differences, noise=0.3)
    many = kernel(problem(net, data, two_inputs(1000, product_of_differences, noise=0.3, seed=99))).estimate
    found = [
        kernel(problem(net, data, two_inputs(150, product_of_differences, noise=0.3, seed=seed))) for seed in range(40)
    ]
    assert sum(one.low < many < one.high for one in found) >= 35


def test_classes_and_the_order_of_the_examples():
    """Sorted by class as data often are: some are drawn, not the first."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 900, 4))
    label = ((x[:, 0] - y[:, 0]) * (x[:, 1] - y[:, 1]) > 0).astype("int32")
    order = np.argsort(label, kind="stable")
    net = keras.Sequential([layers.Dense(2, activation="softmax")])
    first, second = Input((4,), name="x"), Input((4,), name="y")
    net = keras.Model([first, second], net(layers.Add(name="merge")([first, second])))
    data = examples((x[order], y[order]), label[order])
    found = kernel(problem(net, data, data, loss="sparse_categorical_crossentropy"))
    assert found.low > 0


def test_how_many_examples_it_takes():
    made = site(linear_pair("add", 4), sum_of, count=2000)
    assert shares(made, None) == shares(made, 5000) == (FITTED, JUDGED)
    assert shares(made, 300) == (100, 200)
    few = site(linear_pair("add", 4), sum_of, count=120)
    assert shares(few, None) == (120, 120)
    assert kernel(made, most=300).n == 200
    with pytest.raises(DataError) as caught:
        kernel(made, most=149)
    assert str(caught.value) == "'kernel' needs 150 examples or more, got 149."


def residual_with_a_way_around():
    x = Input((4,), name="x")
    block = layers.Dense(4, name="block")(x)
    return keras.Model(x, layers.Dense(1)(layers.Add()([layers.Add(name="merge")([x, block]), layers.Dense(4)(x)])))


def maps():
    x, y = Input((5, 4), name="x"), Input((5, 4), name="y")
    return keras.Model([x, y], layers.Dense(1)(layers.Flatten()(layers.Concatenate(name="merge")([x, y]))))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (maps, "'merge' joins (None, 5, 4), (None, 5, 4); 'kernel' asks vectors of one width."),
        (
            residual_with_a_way_around,
            "Not all that the outputs know comes through 'merge'; 'kernel' asks merges that all of it passes.",
        ),
    ],
)
def test_questions_that_are_none_for_it(net, words):
    net = net()
    rng = np.random.default_rng(0)
    inputs = tuple(rng.standard_normal((200, *tensor.shape[1:])) for tensor in net.inputs)
    data = examples(inputs, rng.standard_normal((200, 1)))
    made = problem(net, data, data, site="merge")
    assert unfit(made) == words
    with pytest.raises(DataError) as caught:
        kernel(made)
    assert str(caught.value) == words


def test_merges_of_nested_models_and_families_are_none_for_it():
    inside = encoded_pair("add")
    x, y = Input((4,), name="left"), Input((4,), name="right")
    outer = keras.Model([x, y], layers.Dense(1)(inside([x, y])))
    nested = site(outer, sum_of)
    assert unfit(nested) == f"{nested.merge.site!r} lies in a nested model; 'kernel' asks merges of the outermost."
    one = site(linear_pair("add", 4), sum_of)
    assert unfit(replace(one, family=(one.merge, one.merge))) == (
        "'merge' and others switch together; 'kernel' asks one merge."
    )


def test_targets_of_too_many_numbers(monkeypatch):
    monkeypatch.setattr("addcat.evidence.kernel.MOST_NUMBERS", 0)
    with pytest.raises(DataError) as caught:
        kernel(site(linear_pair("add", 4), sum_of))
    assert str(caught.value) == "Targets of more than 0 numbers an example are too many for 'kernel'."
