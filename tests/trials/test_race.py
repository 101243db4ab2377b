"""Races: what the arms of one seed share, and that many seeds at once are the same as one by one."""

import numpy as np
import pytest
from networks import keras
from problems import encoded_pair, problem, two_inputs

from addcat.doors import keras as door
from addcat.doors.recipe import Plan
from addcat.evidence.arms import untrained_arms
from addcat.graph import Refusal
from addcat.trials.race import race, train_pairs

PLAN = Plan(per_evaluation=4, evaluations=3, batch=8)


@pytest.fixture(scope="module")
def site():
    data, held = two_inputs(40, lambda x, y: x[:, 0] - y[:, 0], seed=1), two_inputs(16, lambda x, y: x[:, 0], seed=2)
    return problem(encoded_pair("add"), data, held, optimizer=keras.optimizers.Adam(0.05))


def arms_of(site):
    arms = untrained_arms(site)
    assert not isinstance(arms, Refusal)
    return arms


def test_every_seed_gives_each_arm_a_curve_of_every_held_out_example(site):
    said = []
    found = train_pairs(
        door, arms_of(site), site.recipe, PLAN, site.data, site.held, site.losses, (3, 5), tell=said.append
    )
    assert list(found) == ["add", "concat"]
    assert said == ["training 2 x add, concat"]
    for curves in found.values():
        assert [curve.shape for curve in curves] == [(3, 16), (3, 16)]
        assert not np.array_equal(*curves)


def test_a_seed_gives_the_same_whatever_ran_before_it(site):
    ready = race(door, arms_of(site), site.recipe, PLAN, site.data, site.held, site.losses)
    first = ready.run(3)
    ready.run(4)
    again = ready.run_many([3])
    for name in first:
        np.testing.assert_array_equal(first[name], again[name][0])
    assert set(ready.step_seconds()) == {"add", "concat"}


def test_the_same_arm_twice_is_the_same(site):
    graph = arms_of(site)["concat"]
    ready = race(door, {"a": graph, "b": graph}, site.recipe, PLAN, site.data, site.held, site.losses)
    found = ready.run(1)
    np.testing.assert_array_equal(found["a"], found["b"])


def test_an_arm_may_have_a_recipe_of_its_own(site):
    from dataclasses import replace

    still = replace(site.recipe, optimizer=keras.optimizers.serialize(keras.optimizers.SGD(0.0)))
    graph = arms_of(site)["add"]
    ready = race(
        door, {"a": graph, "b": graph}, {"a": site.recipe, "b": still}, PLAN, site.data, site.held, site.losses
    )
    found = ready.run(1)
    assert np.ptp(found["b"], axis=0).max() == 0
    assert np.ptp(found["a"], axis=0).max() > 0


def test_many_seeds_go_to_a_trainer_that_takes_them_as_one_program(site):
    asked = []

    class Many:
        def run_many(self, seeds, weights, shortened=None):
            asked.append((list(seeds), len(weights)))
            return np.zeros((len(seeds), 3, 16))

    ready = race(door, arms_of(site), site.recipe, PLAN, site.data, site.held, site.losses)
    many = type(ready)(ready.door, ready.arms, dict.fromkeys(ready.arms, Many()), ready.plan)
    found = many.run_many([1, 2, 3])
    assert asked == [([1, 2, 3], 3)] * 2
    assert [len(curves) for curves in found.values()] == [3, 3]
