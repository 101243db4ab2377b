"""From here: tied against untied from one start, on tasks whose answer is known by construction."""

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import encoded_pair, examples, problem, set_weights, two_inputs
from small import assert_untouched, model, state

from addcat.errors import DataError
from addcat.evidence.finetune import finetune
from addcat.evidence.refit import refit

ENCODER = (np.eye(4)[:, :3], np.zeros(3))
FIRST = np.array([[1.0], [0.0], [0.0]])
RATE = keras.optimizers.SGD(0.1)


def ordered(x, y):
    return x[:, 0] - y[:, 0]


def symmetric(x, y):
    return x[:, 0] + y[:, 0]


DATA = {target: two_inputs(256, target, noise=0.1, seed=1) for target in (ordered, symmetric)}
HELD = {target: two_inputs(200, target, noise=0.1, seed=2) for target in (ordered, symmetric)}


@pytest.fixture(scope="module")
def add():
    """Computes x_0 + y_0."""
    return set_weights(encoded_pair("add"), encoder=ENCODER, head=(FIRST, [0.0]))


@pytest.fixture(scope="module")
def concat():
    """Computes x_0 - y_0."""
    return set_weights(encoded_pair("concat"), encoder=ENCODER, head=(np.r_[FIRST, -FIRST], [0.0]))


def measured(method, net, target, **options):
    return method(problem(net, DATA[target], HELD[target], optimizer=RATE, steps=1000, **options))


@pytest.mark.parametrize("method", [refit, finetune])
def test_from_an_add_network_that_lacks_the_order_concatenate_gains_it(add, method):
    """Nothing of x - y is seen in x + y: Add is left with its variance, 2, Concatenate with the noise."""
    before = state(add)
    found = measured(method, add, ordered)
    assert found.estimate == pytest.approx(2, rel=0.3)
    assert 1.2 < found.low < found.estimate < found.high < 3
    assert found.reference_loss == pytest.approx(2, rel=0.3)
    assert found.facts["start"] == "tie"
    assert (found.method, found.question) == (method.__name__, "from here")
    assert (found.unit, found.n, found.level) == ("loss", 200, 0.95)
    assert_untouched(add, before)


@pytest.mark.parametrize("method", [refit, finetune])
def test_from_an_add_network_that_is_right_there_is_nothing_to_gain(add, method):
    found = measured(method, add, symmetric)
    assert abs(found.estimate) < 0.002
    assert found.low <= 0.001
    assert found.reference_loss == pytest.approx(0.01, rel=0.4)


@pytest.mark.parametrize("method", [refit, finetune])
def test_from_a_concatenate_network_that_uses_the_order_add_loses_it(concat, method):
    before = state(concat)
    found = measured(method, concat, ordered)
    assert found.estimate == pytest.approx(2, rel=0.3)
    assert found.low > 1.2
    assert found.facts["start"] == "fit"
    assert_untouched(concat, before)


def test_words_say_what_was_done(add):
    found = measured(refit, add, ordered)
    assert found.facts["steps"] == 160  # twenty passes over 256 examples in batches of 32
    assert found.words.startswith("Branches frozen, 160 steps from here: Add 2.")
    assert ", Concatenate 0.0" in found.words
    said = []
    found = measured(finetune, add, symmetric, said=said)
    assert found.words.startswith("Nothing frozen, 320 steps from here: Add 0.0")
    assert said == ["finetune: training add", "finetune: training concat"]


def test_no_run_is_longer_than_the_networks_own_training(add):
    data, held = DATA[ordered], HELD[ordered]
    assert refit(problem(add, data, held, optimizer=RATE, steps=24)).facts["steps"] == 24


def test_the_same_seed_gives_the_same_evidence(add):
    first, again, other = (measured(refit, add, ordered, seed=seed) for seed in (1, 1, 2))
    assert (first.estimate, first.low, first.high) == (again.estimate, again.low, again.high)
    assert first.estimate != other.estimate


def test_outputs_that_do_not_depend_on_the_merge_count_in_the_loss_of_add():
    x = Input((4,), name="x")
    block = layers.Dense(4, activation="tanh", name="block")(x)
    merged = layers.Add(name="merge")([x, block])
    net = model(x, [layers.Dense(1, name="aside")(block), layers.Dense(1, name="out")(merged)])
    rng = np.random.default_rng(0)
    given = rng.normal(size=(64, 4)).astype("float32")
    truth = [np.asarray(out) for out in net(given, training=False)]
    data = examples(given, (truth[0] + 3, truth[1]))
    found = refit(problem(net, data, data, optimizer=RATE, steps=4))
    assert found.reference_loss == pytest.approx(9, rel=1e-3)
    assert found.estimate == pytest.approx(0, abs=1e-4)
    both = examples(given, (truth[0] + 3, truth[1] + 2))
    still = refit(problem(net, both, both, optimizer=keras.optimizers.SGD(1e-8), steps=1))
    assert still.reference_loss == pytest.approx(9 + 4, rel=1e-3)


def test_what_refit_refuses():
    a = Input((4,), name="a")
    inner = keras.Model(a, layers.Add(name="merge")([a, layers.Dense(4)(a)]), name="inner")
    x = Input((4,), name="x")
    net = model(x, layers.Dense(1)(inner(x)))
    data = examples(np.zeros((10, 4)), np.zeros((10, 1)))
    with pytest.raises(DataError) as caught:
        refit(problem(net, data, data, site="inner/merge"))
    assert str(caught.value) == (
        "'inner/merge' lies in a nested model; 'refit' cuts only the outermost. Use 'finetune'."
    )
    x, y = Input((4,), name="x"), Input((1,), name="y")
    net = model([x, y], layers.Dense(1)(layers.Add(name="merge")([x, y])))
    data = examples((np.zeros((10, 4)), np.zeros((10, 1))), np.zeros((10, 1)))
    with pytest.raises(DataError) as caught:
        finetune(problem(net, data, data))
    assert str(caught.value) == (
        "'merge' cannot be switched: Add 'merge' broadcasts (None, 1) against (None, 4); Concatenate never does."
    )


def test_training_that_diverges_is_an_error(add):
    data, held = DATA[ordered], HELD[ordered]
    with pytest.raises(DataError) as caught:
        refit(problem(add, data, held, optimizer=keras.optimizers.SGD(1e30), steps=16))
    assert str(caught.value) == "'merge': training gave NaN. Check the data, or lower the learning rate."
