"""Trained anew, in pairs: known answers, early stops, and what pairs have in common."""

import math
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import encoded_pair, examples, problem, two_inputs
from small import assert_untouched, model, state

from addcat.doors import keras as door
from addcat.doors.keras.training.jax_trainer import JaxTrainer
from addcat.errors import DataError
from addcat.evidence.arms import untrained_arms
from addcat.evidence.retrain import LOOKS, retrain
from addcat.graph import Refusal

RATE = keras.optimizers.Adam(0.05)


def ordered(x, y):
    return x[:, 0] - y[:, 0]


def symmetric(x, y):
    return x[:, 0] + y[:, 0]


def ordered_pair(**options):
    data, held = two_inputs(200, ordered, noise=0.1, seed=1), two_inputs(100, ordered, noise=0.1, seed=2)
    return problem(encoded_pair("add"), data, held, optimizer=RATE, **{"steps": 60, **options})


@pytest.fixture(scope="module")
def clear():
    """Evidence on an ordered target, what was said, and the state of the model before."""
    said, before = [], state(encoded_pair("add"))
    return retrain(ordered_pair(said=said), 0.02), said, before


def test_a_target_that_minds_the_order_is_for_concatenate_by_a_lot(clear):
    found, _, before = clear
    assert found.choice == "concat"
    assert found.estimate == pytest.approx(2, rel=0.35)
    assert found.low > 1
    assert found.reference_loss == pytest.approx(2, rel=0.35)
    assert (found.method, found.question, found.unit) == ("retrain", "trained anew", "loss")
    assert_untouched(encoded_pair("add"), before)


def test_it_stops_at_the_first_look_when_all_is_clear(clear):
    found, said, _ = clear
    assert found.n == found.facts["pairs"] == LOOKS[0] == 4
    assert said == [f"merge: training pair {pair}" for pair in (1, 2, 3, 4)]
    assert found.facts["steps"] == 60
    assert found.facts["share_of_steps"] == 1
    assert np.mean(found.facts["differences"]) == pytest.approx(found.estimate)
    assert found.words.startswith("Trained anew, 4 pairs of 60 steps: Add 2.")


def test_the_answer_is_the_same_from_either_network(clear):
    """Both arms are drawn anew, so what is trained does not depend on the network that was given."""
    data, held = two_inputs(200, ordered, noise=0.1, seed=1), two_inputs(100, ordered, noise=0.1, seed=2)
    found = retrain(problem(encoded_pair("concat"), data, held, optimizer=RATE, steps=60), 0.02)
    assert found.estimate == pytest.approx(clear[0].estimate, rel=1e-3)


def test_a_symmetric_target_with_few_noisy_examples_is_not_for_concatenate():
    data, held = two_inputs(40, symmetric, noise=1.0, seed=1), two_inputs(400, symmetric, noise=1.0, seed=2)
    found = retrain(problem(encoded_pair("concat"), data, held, optimizer=RATE, steps=60), 0.02)
    assert found.choice == "add"
    assert found.high < 0.05


def test_pairs_start_alike_wherever_their_layers_are_alike():
    arms = untrained_arms(ordered_pair())
    assert not isinstance(arms, Refusal)
    assert [arms[name].nodes["merge"].op for name in ("add", "concat")] == ["add", "concat"]
    first, second, other = (
        {name: door.write(graph, weights=False, seed=seed) for name, graph in arms.items()} for seed in (3, 3, 4)
    )
    encoders = [nets[name].get_layer("encoder").get_weights()[0] for nets in (first, second, other) for name in arms]
    assert all(np.array_equal(encoders[0], encoder) for encoder in encoders[:4])
    assert not np.array_equal(encoders[0], encoders[4])
    assert first["add"].get_layer("head").kernel.shape == (3, 1)
    assert first["concat"].get_layer("head").kernel.shape == (6, 1)


def test_a_merge_in_a_nested_model_has_arms_too():
    a = Input((4,), name="a")
    merged = layers.Concatenate(name="merge")([a, layers.Dense(4, activation="tanh", name="branch")(a)])
    inner = keras.Model(a, layers.Dense(2, name="dense")(merged), name="inner")
    x = Input((4,), name="x")
    net = model(x, layers.Dense(1)(inner(x)))
    data = examples(np.zeros((40, 4)), np.zeros((40, 1)))
    arms = untrained_arms(problem(net, data, data, site="inner/merge"))
    assert not isinstance(arms, Refusal)
    assert [g.nodes["inner"].body.nodes["merge"].op for g in (arms["add"], arms["concat"])] == ["add", "concat"]


def test_all_pairs_are_used_where_nothing_decides(monkeypatch):
    looks = []
    monkeypatch.setattr("addcat.evidence.retrain.choose", lambda add, *_: looks.append(len(add)) or "undecided")
    monkeypatch.setattr("addcat.evidence.retrain.learnt", lambda *_: True)  # two steps teach little
    found = retrain(ordered_pair(steps=2), 0.02)
    assert found.n == LOOKS[-1] == 32
    assert looks == [*LOOKS, 32]  # and once more for the fact
    assert len(set(found.facts["differences"])) == 32  # every pair has a seed of its own


@pytest.mark.parametrize(("deadline", "pairs"), [(5.0, 2), (25.0, 3)])
def test_the_deadline_ends_it_after_two_pairs_at_least(monkeypatch, deadline, pairs):
    """A clock by which each pair takes ten seconds, begun at zero."""
    now = [0.0]
    monkeypatch.setattr("addcat.evidence.problem.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(JaxTrainer, "step_seconds", lambda _: 1e-9)
    site = replace(ordered_pair(deadline=deadline), tell=lambda _: now.__setitem__(0, now[0] + 10))
    found = retrain(site, 0.02)
    assert (found.n, found.choice, found.facts["steps"]) == (pairs, "undecided", 60)


def test_steps_are_given_up_down_to_a_third(monkeypatch):
    monkeypatch.setattr(JaxTrainer, "step_seconds", lambda _: 0.5)
    seconds = 0.7 * (0.5 + 0.5) * 60  # of a pair at full length
    found = retrain(ordered_pair(deadline=time.monotonic() + 4 * seconds), 0.02)  # 8 pairs were wanted
    assert found.facts["steps"] == pytest.approx(0.8 * 60 * 4 / 8, abs=2)
    found = retrain(ordered_pair(deadline=time.monotonic() + seconds), 0.02)
    assert found.facts["steps"] == pytest.approx(20, abs=2)
    assert found.facts["share_of_steps"] == pytest.approx(1 / 3, abs=0.04)


def test_time_that_is_not_enough_is_an_error(monkeypatch):
    monkeypatch.setattr(JaxTrainer, "step_seconds", lambda _: 0.5)
    with pytest.raises(DataError) as caught:
        retrain(ordered_pair(deadline=time.monotonic() + 1), 0.02)
    assert str(caught.value) == "'merge': training both arms anew takes 28.0 s at least, more than is left."


def test_a_merge_without_the_other_merge_is_an_error():
    x, y = Input((4,), name="x"), Input((1,), name="y")
    net = model([x, y], layers.Dense(1)(layers.Add(name="merge")([x, y])))
    data = examples((np.zeros((10, 4)), np.zeros((10, 1))), np.zeros((10, 1)))
    with pytest.raises(DataError) as caught:
        retrain(problem(net, data, data), 0.02)
    assert str(caught.value) == (
        "'merge' cannot be trained anew with the other merge: Add 'merge' broadcasts (None, 1) against (None, 4); "
        "Concatenate never does."
    )


def test_training_that_diverges_is_an_error():
    data = two_inputs(40, ordered)
    site = problem(encoded_pair("add"), data, data, optimizer=keras.optimizers.SGD(1e30), steps=10)
    with pytest.raises(DataError) as caught:
        retrain(site, 0.02)
    assert str(caught.value) == "'merge': training gave NaN. Check the data, or lower the learning rate."
    assert site.left == math.inf


def test_no_two_seeds_of_a_user_share_a_seed_of_a_training(monkeypatch):
    drawn = {}

    def run(race, seed):
        drawn.setdefault(user, []).append(seed)
        return {name: np.random.default_rng(seed).normal(1, 0.1, (1, 100)) for name in race.arms}

    monkeypatch.setattr("addcat.trials.race.Race.run", run)
    monkeypatch.setattr("addcat.evidence.retrain.choose", lambda *_: "undecided")
    monkeypatch.setattr("addcat.evidence.retrain.worse_than_constant", lambda *_: False)
    for user in range(3):
        retrain(ordered_pair(steps=2, seed=user), 0.02)
    assert [len(seeds) for seeds in drawn.values()] == [LOOKS[-1]] * 3
    assert len({seed for seeds in drawn.values() for seed in seeds}) == 3 * LOOKS[-1]
