"""Networks that learn nothing decide nothing: against the best constant, by the words, and on pure noise."""

from dataclasses import replace

import numpy as np
import pytest
from advices import evidence
from networks import Input, keras, layers
from problems import examples, linear_pair, problem, two_inputs

import addcat
from addcat.data.examples import Examples
from addcat.evidence.baseline import (
    beats_constant,
    constant_losses,
    doubt,
    learnt,
    mean_of,
    nothing_learnt,
    worse_than_constant,
)
from addcat.evidence.finetune import finetune
from addcat.evidence.meter import Meter
from addcat.report import rows
from addcat.verbs.advise.climb import Climber
from addcat.verbs.advise.climbed import Wanted


def noise(n, seed):
    return two_inputs(n, lambda x, _: np.random.default_rng(seed + 100).normal(size=len(x)), seed=seed)


def test_a_constant_beside_arms():
    rng = np.random.default_rng(0)
    constant = rng.chisquare(1, 200)
    better, worse = 0.7 * constant + rng.normal(0, 0.01, (4, 200)), constant + 0.2
    assert (learnt([better, worse], constant), learnt([worse, worse], constant)) == (True, False)
    assert (worse_than_constant([better, worse], constant), worse_than_constant([worse, worse], constant)) == (
        False,
        True,
    )
    alike = constant + rng.normal(0, 0.5, (4, 200))  # neither better nor worse beyond noise
    assert (learnt([alike], constant), worse_than_constant([alike], constant)) == (False, False)


class Judge:
    """Gives losses of a network by a function of its inputs and the targets."""

    def __init__(self, judged):
        self.judged = judged

    def losses_of(self, model, losses, held):
        return self.judged(held.inputs[0], held.targets[0])


@pytest.mark.parametrize(
    ("judged", "beats"),
    [
        (lambda x, y: (x - y) ** 2, True),
        (lambda x, y: (0 * x - y) ** 2, False),
        (lambda x, y: np.full(len(x), ((0 * x - y) ** 2).mean()), False),  # one value for the batch
        (lambda x, y: np.full(len(x), (x**2).mean()), True),  # as one that is computed within the model
    ],
)
def test_a_network_is_held_against_shuffled_targets(judged, beats):
    y = np.random.default_rng(0).normal(size=100)
    held = Examples((y + 0.1,), (y,))
    assert beats_constant(Judge(judged), None, None, held) == (pytest.approx(judged(y + 0.1, y).mean()), beats)


def test_two_runs_that_both_do_better_have_learnt_however_they_differ():
    """The interval over two runs has one degree of freedom: it holds nearly everything."""
    rng = np.random.default_rng(0)
    constant = rng.chisquare(1, 200) + 1
    two = constant * np.array([[0.4], [0.8]])
    assert learnt([two], constant)
    assert worse_than_constant([constant], two[0])
    assert not worse_than_constant([constant * np.array([[1.2], [1.6]]), two], constant)
    assert worse_than_constant([constant * np.array([[1.2], [1.6]])], constant)
    one = np.stack([0.4 * constant, constant + rng.normal(0, 0.5, 200)])
    assert not learnt([one], constant)  # the other may have been lucky


def test_where_no_constant_has_a_finite_loss_every_network_has_learnt():
    arm, constant = np.ones((4, 20)), np.full(20, np.inf)
    assert learnt([arm], constant)
    assert not worse_than_constant([arm], constant)
    assert mean_of(constant) is None
    assert mean_of(np.array([1.0, 3.0])) == 2.0


@pytest.mark.parametrize("runs", [2, 4])
def test_noise_is_taken_for_learning_as_rarely_as_the_interval_says(runs):
    """Four runs do as well as a constant on average; of two none does better, or it would have learnt."""
    rng, taken = np.random.default_rng(1), 0
    for _ in range(400):
        constant = rng.chisquare(1, 60)
        seeds = rng.normal(0, 0.3, (runs, 1))
        arm = constant + (abs(seeds) if runs == 2 else seeds) + rng.normal(0, 0.5, 60) + rng.normal(0, 0.2, (runs, 60))
        taken += learnt([arm], constant)
    assert taken / 400 < 0.05  # one side of a 95 % interval


def retrain(site):
    """Full pairs of both arms, as `advise(effort="retrain")` trains them."""
    meter = Meter(site.recipe, 25.0, float("inf"))
    return Climber(site, meter, Wanted(), 0.1, 1.0).only("retrain", named=True).get("retrain")


@pytest.mark.parametrize("method", [retrain, finetune])
def test_arms_trained_on_noise_have_not_learnt(method):
    x, y = Input((4,), name="x"), Input((4,), name="y")
    hidden = [layers.Dense(16, activation="relu")(layers.Dense(16)(t)) for t in (x, y)]
    net = keras.Model([x, y], layers.Dense(1)(layers.Activation("relu")(layers.Add(name="merge")(hidden))))
    adam = keras.optimizers.Adam(1e-2)
    site = problem(net, noise(80, 0), noise(200, 1), optimizer=adam, steps=60)
    found = method(site)
    assert found.learnt is False
    assert found.constant_loss == pytest.approx(constant_losses(site).mean())
    assert found.reference_loss > found.constant_loss
    assert found.choice in (None, "undecided")
    told = problem(
        net, *(two_inputs(n, lambda x, y: x[:, 0] + y[:, 1], seed=n) for n in (80, 200)), optimizer=adam, steps=60
    )
    assert method(told).learnt is True


def test_a_verdict_on_pure_noise():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y, target = (rng.normal(size=(200, size)).astype("float32") for size in (4, 4, 1))
    inputs = Input((4,), name="x"), Input((4,), name="y")
    merged = layers.Add(name="m")([layers.Dense(24)(one) for one in inputs])
    net = keras.Model(list(inputs), layers.Dense(1)(layers.Activation("relu")(merged)))
    net.compile(keras.optimizers.Adam(2e-2), "mse")
    net.fit([x, y], target, epochs=10, verbose=0)
    (verdict,) = addcat.advise(net, ([x, y], target)).verdicts
    assert not verdict.certain
    label = {"add": "Add", "concat": "Concatenate"}[verdict.choice]
    likely = f"{rows.probability(verdict.probability)} likely the better"
    last = nothing_learnt(verdict.evidence[-1])
    assert verdict.reason == f"Take {label} for want of evidence, {likely}: {last}"
    assert verdict.wanting
    assert "is more than all" not in verdict.reason


def test_the_words_on_nothing_learnt():
    found = evidence(
        "retrain", "trained anew", 0.1, 0.05, 0.15, n=8, reference_loss=1.46, constant_loss=1.02, learnt=False
    )
    assert nothing_learnt(found) == (
        "neither network, trained anew over 8 pairs, does better than a constant output: Add reaches 1.46, Concatenate "
        "1.36, the constant 1.02. There is nothing to decide here."
    )
    found = evidence(
        "retrain", "trained anew", 0.163, -0.2, 0.5, n=2, reference_loss=0.708, constant_loss=0.693, learnt=False
    )
    assert nothing_learnt(found) == (
        "networks trained anew over 2 pairs differ too much to say that they do better than a constant output: Add "
        "reaches 0.708, Concatenate 0.545, the constant 0.693. More pairs would tell."
    )
    assert nothing_learnt(replace(found, facts={"share_of_steps": 0.2})) == (
        "networks trained anew over 2 pairs for 20 % of the steps differ too much to say that they do better than a "
        "constant output: Add reaches 0.708, Concatenate 0.545, the constant 0.693. More pairs, or longer ones, would "
        "tell."
    )
    short = replace(found, facts={"share_of_steps": 0.125}, estimate=-0.1)
    assert nothing_learnt(short) == (
        "neither network, trained anew over 2 pairs for 12 % of the steps, does better than a constant output: Add "
        "reaches 0.708, Concatenate 0.808, the constant 0.693. Longer trainings would tell."
    )
    assert "trained anew over 1 pair for 12 % of" in nothing_learnt(replace(short, n=1))
    assert nothing_learnt(evidence("refit", "from here", 0.1, 0.05, 0.15, reference_loss=1.46, learnt=False)) == (
        "neither network, trained from here, does better than a constant output: Add reaches 1.46, Concatenate "
        "1.36, the constant ?. There is nothing to decide here."
    )


SHUFFLED = "The model's loss of 0.693 would be no higher with the labels shuffled"
UNTRAINED = f"{SHUFFLED}, so it is untrained, or the targets do not depend on what it can see."
BLIND = (
    f"{SHUFFLED}. Add 'fusion' joins branches that share their weights and cannot tell their order: a target that "
    "depends on it is out of reach of any training."
)
HERE = "What is measured from here says little"


@pytest.mark.parametrize(
    ("trained", "blind", "words"),
    [
        ((), "", f"{UNTRAINED} {HERE}."),
        ((True, False), "", f"{UNTRAINED} {HERE}; networks trained anew do learn."),
        ((False,), "", f"{UNTRAINED} Networks trained anew learn no more."),
        ((True,), "fusion", f"{BLIND} {HERE}; networks trained anew do learn."),
        ((), "fusion", f"{BLIND} {HERE}."),
    ],
)
def test_the_words_on_a_network_that_knows_nothing(trained, blind, words):
    measured = [evidence("retrain", "trained anew", 0.1, 0.0, 0.2, learnt=one) for one in trained]
    assert doubt(0.6931, [*measured, evidence("score", "from here", 0.1, 0.0, 0.2)], blind) == words


def test_noise_is_not_called_nothing_learnt():
    """Pairs that do better than a constant on average do not say that networks learn no more."""
    few = evidence(
        "retrain", "trained anew", 0.005, -0.08, 0.07, n=4, reference_loss=0.259, constant_loss=0.778, learnt=False
    )
    assert doubt(0.6931, [few]) == f"{UNTRAINED} Whether networks trained anew learn more is lost in their noise."


def test_constant_losses_of_a_merge_are_those_of_its_network():
    data, held = (
        examples((np.zeros((9, 4)),) * 2, np.arange(9.0)[:, None]),
        examples((np.zeros((2, 4)),) * 2, np.ones((2, 1))),
    )
    assert constant_losses(problem(linear_pair("add", 4), data, held)).tolist() == [9.0, 9.0]
