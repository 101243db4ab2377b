"""Which probe a question allows, and which examples judge what a budget hardly pays for."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from ladder import climb, methods, rungs
from problems import encoded_pair, linear_pair, problem, two_inputs

from addcat.errors import DataError
from addcat.evidence.arms import untrained_arms
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import Pairs
from addcat.evidence.problem import Given
from addcat.evidence.swap import swap
from addcat.verbs.advise.rungs import FULL, HEADS, JUDGES, heads_of, heads_within, put_by_for, quickly


def target(x, y):
    return x[:, 0] - y[:, 0]


def asked(merge="concat", held=2 * JUDGES):
    return problem(encoded_pair(merge), two_inputs(60, target), two_inputs(held, target, seed=1), steps=100)


def cost(count, one):
    return heads_of(one.judged_by(count), Meter(one.recipe, math.inf, math.inf), 0.01).cost(HEADS[-1])


@pytest.mark.parametrize("spare", [1e-6, -1e-6])
def test_fewer_examples_judge_heads_where_the_budget_does_not_pay_for_all(spare):
    one = asked()
    meter = Meter(one.recipe, cost(2 * JUDGES, one) + spare, math.inf)
    heads = heads_of(one, meter, 0.01)
    assert heads.whole.held.count == (2 * JUDGES if spare > 0 else JUDGES)
    assert heads_within(heads, meter) == HEADS[-1]
    assert put_by_for(heads, meter) == pytest.approx(cost(heads.whole.held.count, one))


def test_nothing_is_put_by_for_what_cannot_be_paid():
    one = asked()
    meter = Meter(one.recipe, cost(JUDGES, one) - 1e-6, math.inf)
    heads = heads_of(one, meter, 0.01)
    assert (put_by_for(heads, meter), heads_within(heads, meter)) == (0.0, None)
    assert put_by_for(None, meter) == 0.0


class Costing:
    """Runs that cost so many trainings, by the share of the steps and the runs of a pair."""

    def __init__(self, each):
        self._each = each

    def cost(self, stage):
        runs = 1 if stage.kind == "beside" else 2
        return self._each * stage.share * runs * stage.pairs

    def seconds(self, _):
        return 0.0


@pytest.mark.parametrize(
    ("left", "alone", "before_others"),
    [
        (0.7, 4, 4),  # nothing follows
        (1.0, 4, 1),  # nine tenths of a run of the other arm
        (1.15, 4, 1),
        (1.22, 4, 2),  # a whole one
        (1.5, 4, 4),
        (2.32, 4, 2),  # a pair
        (8.22, 4, 2),  # four of them
        (8.5, 4, 4),
    ],
)
def test_heads_are_fewer_where_only_so_other_runs_can_follow(left, alone, before_others):
    heads, whole = Costing(0.125), Costing(1.0)  # a pair of heads, two fifths of the steps: 0.1
    meter = Meter(asked().recipe, left, math.inf)
    assert heads_within(heads, meter).pairs == alone
    assert heads_within(heads, meter, whole).pairs == before_others


def test_fewer_examples_have_their_own_losses_of_a_constant():
    given = Given(None, 1.0, 0.5, np.arange(9.0))
    assert asked(held=9).judged_by(4).given is None
    one = problem(encoded_pair("add"), two_inputs(9, target), two_inputs(9, target), steps=5)
    some = replace(one, given=given).judged_by(4)
    assert (some.held.count, some.given.constant.tolist()) == (4, [0.0, 1.0, 2.0, 3.0])


def test_an_exchange_of_some_examples():
    one = asked()
    whole, some = swap(one), swap(one, most=50)
    assert (whole.n, some.n) == (2 * JUDGES, 50)


class Timed:
    """Pairs whose training takes so long, or has to be reckoned from a pass."""

    def __init__(self, seconds):
        self._seconds = seconds

    def reckoned_seconds(self):
        if isinstance(self._seconds, Exception):
            raise self._seconds
        return self._seconds


@pytest.mark.parametrize(("seconds", "again", "quick"), [(60, 1e-5, True), (60, 1e-3, False), (20, 1e-5, False)])
@pytest.mark.parametrize("known", [False, True])
def test_eight_full_pairs_are_quick_where_they_take_a_small_share_of_the_time(seconds, again, quick, known):
    """Eight pairs take twelve trainings of 100 steps of 32 examples, 9,600 passes each, and eight passes to compile."""
    one = replace(asked(), given=Given(None, 0.5, 1.0 if known else again, np.zeros(1)))
    deadline, pairs = time.monotonic() + seconds, Timed(9600 * again if known else None)
    assert quickly(one, pairs, Meter(one.recipe, math.inf, deadline), 0.5) is quick
    assert not quickly(one, pairs, Meter(one.recipe, 1.0, deadline), 0.5)
    assert not quickly(replace(one, given=None), pairs, Meter(one.recipe, math.inf, deadline), 0.5)


def test_what_cannot_be_trained_is_not_quick():
    one = replace(asked(), given=Given(None, 0.5, 1e-5, np.zeros(1)))
    assert not quickly(one, Timed(DataError("no")), Meter(one.recipe, math.inf, time.monotonic() + 60), 0.5)


def test_networks_that_are_trained_as_one_program_are_timed_without_running():
    one = asked()
    meter = Meter(one.recipe, math.inf, math.inf)
    pairs = Pairs(one, untrained_arms(one), meter, 0.5)
    before = pairs.seconds(FULL[0])
    assert 0.01 < pairs.reckoned_seconds() < 0.1  # 100 steps
    assert pairs.seconds(FULL[0]) != before
    assert meter.spent == 0


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_an_infinitely_wide_head_takes_the_place_of_score_and_tie(instant, monkeypatch, merge):
    monkeypatch.setattr(rungs, "unfit", lambda _: None)
    monkeypatch.setattr(rungs, "FEWEST_FOR_KERNEL", 50)  # of the 120 examples
    order = {"add": "order", "concat": "swap"}[merge]
    assert methods(climb(linear_pair(merge, 4))[0])[:3] == ["structure", "kernel", "warm"]
    made, meter = climb(encoded_pair(merge), trainings=0.03)
    assert methods(made) == ["structure", order, "kernel"]
    assert meter.spent == pytest.approx((2 * 60 + 120) / (3 * 100 * 32))
    assert made.readings["kernel"].gain == 0.0
    assert methods(climb(encoded_pair(merge))[0])[:4] == ["structure", order, "kernel", "heads"]
    assert methods(climb(encoded_pair(merge), trainings=0.21)[0]) == ["structure", order, "heads"]  # they cost 0.2
    instant["kernel"] = "There is none."
    made, _ = climb(linear_pair(merge, 4))
    assert methods(made)[:3] == ["structure", "kernel", {"add": "score", "concat": "tie"}[merge]]
    assert "There is none." in made.path


def test_what_the_order_tells_is_enough_where_no_regret_is_left(instant):
    """Neither heads nor a score may make it worse, for more."""
    instant["swap"] = 0.8
    made, _ = climb(encoded_pair("concat"), trainings=0.3)
    assert methods(made) == ["structure", "swap"]
    assert made.path[-1].endswith(" of the loss, is small enough.")


def test_of_a_network_that_has_learnt_nothing_the_kernel_is_heard_for_concatenate_alone(instant, monkeypatch):
    monkeypatch.setattr(rungs, "unfit", lambda _: None)
    monkeypatch.setattr(rungs, "FEWEST_FOR_KERNEL", 50)
    found = {}
    for gain in (-0.3, 0.3):
        instant["kernel"] = gain
        made, _ = climb(linear_pair("add", 4), trainings=0.02, given=1e9)
        assert methods(made) == ["structure", "kernel"]
        found[gain] = made
    silent, told = found.values()
    assert "kernel" not in silent.readings
    assert silent.looks[1].probability == silent.looks[0].probability < 0.5
    assert told.looks[1].probability > 0.9
