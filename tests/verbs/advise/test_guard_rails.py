"""What can deceive a comparison: overfitting, nothing to learn, rare classes, norms over batches, losses of batches."""

import re

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import problem, two_inputs

import addcat
from addcat.data.examples import Examples
from addcat.errors import DataError
from addcat.evidence.baseline import constant_losses, learnt
from addcat.evidence.score import score
from addcat.report import rows


def network(*, norm=False, out=1, activation="linear", width=12):
    keras.utils.set_random_seed(0)
    x, y = Input((4,), name="x"), Input((4,), name="y")
    branches = [layers.Dense(width, activation="relu", name=name)(side) for name, side in (("a", x), ("b", y))]
    if norm:
        branches = [layers.BatchNormalization(name=f"norm_{place}")(one) for place, one in enumerate(branches)]
    merged = layers.Add(name="merge")(branches)
    if norm:
        merged = layers.BatchNormalization(name="norm_after")(merged)
    hidden = layers.Dense(width, activation="relu", name="hidden")(merged)
    return keras.Model([x, y], layers.Dense(out, activation=activation, name="out")(hidden), name="net")


def drawn(count, seed, target):
    x, y = np.random.default_rng(seed).normal(size=(2, count, 4)).astype("float32")
    return [x, y], target(x, y)


def sums(x, y):
    return np.tanh(x[:, 0] + y[:, 0]) * x[:, 1]


def noisy_signs(x, y):
    wrong = np.random.default_rng(len(x)).uniform(size=len(x)) < 0.3
    return ((x[:, 0] + y[:, 0] > 0) ^ wrong).astype("float32")


def test_an_overfitted_network_is_named_and_judged_from_its_best_point():
    """Few examples with wrong labels, learnt by heart: the last evaluation is far behind the best one."""
    fit, held = drawn(80, 1, noisy_signs), drawn(300, 2, noisy_signs)
    net = network(activation="sigmoid", width=48)
    net.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    net.fit(*fit, epochs=150, batch_size=16, verbose=0)
    found = addcat.advise(net, fit, validation=held, effort="retrain", batch_size=16)
    (verdict,) = found.verdicts
    given = net.evaluate(*held, verbose=0)
    assert given > 1.0
    assert verdict.loss < 0.8 * given  # at its best evaluation, not at the end
    (said,) = [note for note in found.notes if note.startswith("The network is past its best: its held-out loss is ")]
    assert "at its best evaluation, where pairs are judged." in said


def test_a_recipe_that_does_not_lead_to_the_network_is_named():
    """A file has the learning rate that a callback lowered last: pairs stay far behind the network."""
    fit, held = drawn(300, 1, sums), drawn(300, 2, sums)
    net = network()
    net.compile(keras.optimizers.Adam(0.01), "mse")
    net.fit(*fit, epochs=30, batch_size=30, verbose=0)
    net.optimizer.learning_rate = 1e-4
    asked = {"validation": held, "effort": "retrain", "batch_size": 30}
    found = addcat.advise(net, fit, **asked)
    given, (verdict,) = net.evaluate(*held, verbose=0), found.verdicts
    assert verdict.loss > 2 * given
    (said,) = [note for note in found.notes if note.startswith("The recipe hardly leads to this network: ")]
    assert re.fullmatch(
        r"The recipe hardly leads to this network: its held-out loss is (\S+), and trained anew by its recipe it "
        r"reaches \S+\. Was it trained from other weights, for longer, on more data, or at a learning rate that a "
        r"callback has lowered since\? Pairs speak of the recipe: say how it was trained with epochs=, batch_size= and "
        r"learning_rate= \(--epochs, --batch-size, --learning-rate\)\.",
        said,
    )[1] == rows.decimal(given)
    again = addcat.advise(net, fit, **asked, learning_rate=0.01)
    assert abs(np.log(again.verdicts[0].loss / given)) < 0.4
    assert not any(note.startswith("The recipe hardly") for note in again.notes)


def test_arms_on_a_plateau_prove_nothing():
    """Parity of eight signs, a few steps: both arms sit at chance, and look equal."""

    def parity(x, y):
        return (np.prod(np.sign(np.concatenate([x, y], axis=1)), axis=1) > 0).astype("float32")

    fit, held = drawn(400, 1, parity), drawn(400, 2, parity)
    net = network(activation="sigmoid")
    net.compile(keras.optimizers.Adam(0.002), "binary_crossentropy")
    net.fit(*fit, epochs=4, batch_size=32, verbose=0)
    found = addcat.advise(net, fit, validation=held, effort="retrain", batch_size=32)
    (verdict,) = found.verdicts
    assert not verdict.certain
    assert verdict.evidence[-1].learnt is False
    assert verdict.reason.startswith("Take ")
    assert "does better than a constant output" in verdict.reason


@pytest.mark.parametrize("form", ["sigmoid", "softmax"])
def test_of_rare_classes_the_constant_is_their_share(form):
    """A network that always says the common class has learnt nothing, though it is right with 95 %."""

    def rare(x, y):
        return (np.arange(len(x)) % 20 == 0).astype("float32" if form == "sigmoid" else "int64")

    (inputs, labels), loss = drawn(400, 1, rare), "binary_crossentropy"
    labels = labels[:, None] if form == "sigmoid" else labels
    net = network(out=1 if form == "sigmoid" else 2, activation=form)
    if form == "softmax":
        loss = "sparse_categorical_crossentropy"
    data = Examples(tuple(inputs), (labels,))
    constant = constant_losses(problem(net, data, data, loss=loss))
    entropy = -(0.05 * np.log(0.05) + 0.95 * np.log(0.95))
    assert constant.mean() == pytest.approx(entropy, rel=0.01)
    always = np.where(labels.reshape(-1) > 0, -np.log(0.02), -np.log(0.98))
    assert not learnt([np.stack([always, always])], constant)


def test_batch_norm_in_both_arms_learns_and_is_judged_at_inference():
    fit, held = (drawn(300, seed, lambda x, y: x[:, :1] - y[:, :1]) for seed in (1, 2))
    net = network(norm=True)
    net.compile(keras.optimizers.Adam(0.01), "mse")
    net.fit(*fit, epochs=20, batch_size=32, verbose=0)
    found = addcat.advise(net, fit, validation=held, effort="retrain", batch_size=32)
    (verdict,) = found.verdicts
    retrained = verdict.evidence[-1]
    assert retrained.learnt
    assert retrained.n >= 4
    both = retrained.reference_loss, retrained.reference_loss - retrained.estimate
    assert max(both) < 0.25 * retrained.constant_loss
    assert verdict.choice == "add"  # branches of their own, each of which can turn its sign


def dice(y_true, y_pred):
    ops = keras.ops
    return 1 - 2 * ops.sum(y_true * y_pred) / (ops.sum(y_true) + ops.sum(y_pred) + 1e-6)


@pytest.mark.parametrize("loss", [dice, keras.losses.Dice()], ids=["function", "Keras"])
def test_a_loss_that_couples_a_batch_leaves_the_interval_to_the_seeds(loss):
    def same(x, y):
        return (x[:, :1] * x[:, 1:2] > 0).astype("float32")

    fit, held = drawn(300, 1, same), drawn(200, 2, same)
    net = network(activation="sigmoid")
    net.compile(keras.optimizers.Adam(0.01), loss)
    found = addcat.advise(net, fit, validation=held, effort="retrain", epochs=5, batch_size=32)
    assert "it has no value for one example, so pairs of seeds alone carry the interval" in found.loss
    retrained = found.verdicts[0].evidence[-1]
    assert retrained.low < retrained.estimate < retrained.high


def test_a_score_needs_a_loss_for_each_example():
    data = two_inputs(100, lambda x, y: x[:, 0])
    with pytest.raises(DataError) as caught:
        score(problem(network(), data, data, loss=dice))
    assert str(caught.value) == (
        "The loss has one value for a batch and none for an example, so 'score' has no interval. Trained pairs have "
        "one, of their seeds."
    )


def test_repeats_among_the_held_out_examples_are_no_gain():
    """293 distinct rows among 1,000: halves that share rows once claimed 87 % of the loss on such data."""
    rng = np.random.default_rng(0)
    distinct = rng.normal(size=(2, 293, 4)).astype("float32")
    target = (distinct[0, :, :1] + distinct[1, :, :1] + rng.normal(size=(293, 1))).astype("float32")
    rows = rng.integers(0, 293, 1000)
    data = [distinct[0, rows], distinct[1, rows]], target[rows]
    net = network(width=64)
    net.compile(keras.optimizers.Adam(0.01), "mse")
    net.fit([distinct[0, :150], distinct[1, :150]], target[:150], epochs=60, batch_size=32, verbose=0)
    found = addcat.advise(net, data, validation=data, effort="score")
    scored = found.verdicts[0].evidence[-1]
    assert scored.low <= 0.02 * scored.facts["loss"]


def test_a_merge_that_frozen_weights_read_is_named():
    """They stay in both arms, so such a Concatenate is the Add that it was made of."""
    fit, held = drawn(300, 1, sums), drawn(150, 2, sums)
    net = network()
    net.get_layer("hidden").trainable = False
    net.compile(keras.optimizers.Adam(0.01), "mse")
    net.fit(*fit, epochs=5, batch_size=30, verbose=0)
    found = addcat.advise(net, fit, validation=held, effort="retrain", batch_size=30)
    (verdict,) = found.verdicts
    assert (verdict.choice, verdict.evidence[-1].estimate) == ("add", pytest.approx(0, abs=1e-5))
    said = (
        "What reads 'merge' is frozen: it stays as it is in every arm, and only layers that a switch adds are trained."
    )
    assert said in found.notes
    net.get_layer("hidden").trainable = True
    net.compile(keras.optimizers.Adam(0.01), "mse")
    assert said not in addcat.advise(net, fit, validation=held, budget="0.05x", batch_size=30).notes
