"""What is counted, and what is left."""

import math
import time

import pytest
from problems import encoded_pair, linear_pair

from addcat.doors.keras import read
from addcat.doors.recipe import Plan, Recipe
from addcat.evidence.meter import Meter, relative_cost, run_cost

RECIPE = Recipe(None, 100, 10, "")


def test_a_whole_run_of_the_given_network_costs_one_training_and_its_evaluations():
    assert run_cost(Plan(10, 10, 10), 0, RECIPE) == 1
    assert run_cost(Plan(10, 10, 10), 30, RECIPE, 2.0) == pytest.approx(2 * (1 + 10 * 30 / 3000))


def test_a_network_costs_by_its_multiply_adds():
    add, concat = (read(encoded_pair(merge)) for merge in ("add", "concat"))
    assert relative_cost(concat, add) == pytest.approx((24 + 6) / (24 + 3))
    assert relative_cost(add, add) == 1
    assert relative_cost(read(linear_pair("concat", 4)), read(linear_pair("add", 4))) == 2


def test_what_is_left():
    meter = Meter(RECIPE, 0.5, math.inf)
    assert meter.affords(0.5)
    meter.spent += meter.passes(600)
    assert meter.left == pytest.approx(0.3)
    assert not meter.affords(0.31)
    assert meter.examples_for(0.31, 9) == 103
    timed = Meter(RECIPE, math.inf, time.monotonic() + 5)
    assert timed.affords(1e9, 4)
    assert not timed.affords(0, 6)
    assert timed.examples_for(timed.left, 9) > 10**9


def test_a_budget_in_trainings_ends_in_their_time():
    def held_to(trainings, training, deadline=math.inf, waited=0.0):
        meter = Meter(RECIPE, trainings, deadline, started=1000.0, begun=1000.0 + waited)
        meter.timed(training)
        return meter.deadline - meter.started

    assert held_to(2.0, 100.0) == 200
    assert held_to(0.05, 100.0) == 120  # small networks are compiled for longer than they train
    assert held_to(2.0, 100.0, deadline=1150.0) == 150  # its share of the seconds that there are
    assert held_to(0.05, 100.0, waited=90.0) == 210  # the second of several questions has its two minutes too
    assert held_to(math.inf, 100.0) == math.inf
