"""Pairs: known answers, starts, what they cost, and that they add up."""

import math
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import Input, keras, layers
from problems import encoded_pair, examples, problem, two_inputs
from small import assert_untouched, model, state

from addcat.doors import keras as door
from addcat.doors.recipe import Recipe, require_shortened
from addcat.errors import DataError, OutOfTimeError
from addcat.evidence.arms import untrained_arms
from addcat.evidence.contrast import contrast
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import Pairs, Stage, begun, plan_of
from addcat.evidence.starts import starts_of
from addcat.graph import Refusal
from addcat.graph.cost import parameters

DATA = two_inputs(200, lambda x, y: x[:, 0], seed=1)
RATE = keras.optimizers.Adam(0.05)


def ordered(x, y):
    return x[:, 0] - y[:, 0]


def ordered_pair(merge="add", **options):
    data, held = two_inputs(200, ordered, noise=0.1, seed=1), two_inputs(100, ordered, noise=0.1, seed=2)
    return problem(encoded_pair(merge), data, held, optimizer=RATE, **{"steps": 60, **options})


def pairs_of(site):
    meter = Meter(site.recipe, math.inf, math.inf)
    return Pairs(site, untrained_arms(site), meter, 0.1), meter


@pytest.fixture(scope="module")
def clear():
    before = state(encoded_pair("add"))
    pairs, meter = pairs_of(ordered_pair())
    return pairs, meter, pairs.run(Stage("fresh", 1.0, 4)), before


def test_a_timed_step_holds_the_budget_to_its_trainings(monkeypatch):
    site = ordered_pair()
    meter = Meter(site.recipe, 1.0, math.inf)
    pairs = Pairs(site, {}, meter, 0.1)
    monkeypatch.setattr(pairs, "_made", lambda: SimpleNamespace(step_seconds=lambda: {"add": 4.0, "concat": 3.0}))
    assert pairs.training_seconds() == 240
    assert meter.deadline == meter.started + 240


@given(st.integers(1, 600), st.integers(1, 64), st.integers(1, 200), st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.9]))
def test_a_short_run_finds_room_in_the_trainer_of_the_whole(steps, batch, held, share):
    site = SimpleNamespace(recipe=Recipe(None, steps, batch, ""), data=DATA, held=DATA.first(held), redrawn=0.0)
    pairs = Pairs(site, {}, Meter(site.recipe, math.inf, math.inf), 0.1)
    whole, short = pairs.plan(1.0), pairs.plan(share)
    assert require_shortened(whole, short) is short
    for run, wanted in ((whole, steps), (short, max(1, round(share * steps)))):
        assert 0.95 * wanted <= run.steps <= wanted


@given(st.integers(1, 600), st.integers(1, 64), st.integers(1, 200), st.sampled_from([0.6, 0.85, 1.0]))
def test_the_beginning_of_a_run_finds_room_in_the_trainer_of_the_whole(steps, batch, held, share):
    site = SimpleNamespace(recipe=Recipe(None, steps, batch, ""), data=DATA, held=DATA.first(held), redrawn=0.0)
    whole, run = plan_of(site, 1.0), begun(site, share)
    assert require_shortened(whole, run) is run
    assert run.begins == run.paced == whole.steps
    assert 0.9 * share * steps - 1 <= run.steps <= share * steps + 1


def test_a_target_that_minds_the_order_is_for_concatenate_by_a_lot(clear):
    pairs, _, found, before = clear
    assert found.pairs == 4
    assert found.gain > 3
    assert found.add == pytest.approx(2, rel=0.35)
    assert pairs.losses(Stage("fresh", 1.0, 4))[0].shape == (4, 100)
    assert_untouched(encoded_pair("add"), before)


def test_what_was_spent_is_what_was_said_and_more_pairs_add_to_the_first(clear):
    pairs, meter, *_ = clear
    spent = meter.spent
    whole, more = Stage("fresh", 1.0, 4), Stage("fresh", 1.0, 5)
    run = pairs.plan(1.0)
    costs = [relative * (1 + run.evaluations * 100 / (3 * 60 * 32)) for relative in (1.0, 30 / 27)]
    assert spent == pytest.approx(4 * sum(costs))
    assert pairs.cost(whole) == 0
    assert pairs.cost(more) == pytest.approx(sum(costs))
    kept = pairs.losses(whole)[0].copy()
    found = pairs.run(more)
    assert (found.pairs, meter.spent) == (5, pytest.approx(spent + sum(costs)))
    assert np.array_equal(pairs.losses(more)[0][:4], kept)
    assert pairs.running_seconds(Stage("fresh", 1.0, 6)) > 0


def test_short_runs_are_looked_at_as_often_as_costs_little_and_cost_their_share(clear):
    pairs, *_ = clear
    assert (pairs.plan(0.1).steps, pairs.plan(0.1).evaluations) == (6, 1)
    assert pairs.plan(0.33).evaluations == 1
    few = pairs_of(ordered_pair(steps=600))[0].plan(0.33)
    assert (few.evaluations, few.steps) == (4, 196)
    assert pairs.cost(Stage("tied", 0.33, 1)) < 0.5 * pairs.cost(Stage("tied", 1.0, 1))


def test_tied_starts_are_one_function_and_warm_ones_keep_the_branches(clear):
    site = ordered_pair()
    arms = untrained_arms(site)
    nets = {name: door.write(graph) for name, graph in arms.items()}

    def started(kind, seed):
        for name, arrays in starts_of(site, arms, kind, seed).items():
            for variable, array in zip(nets[name].variables, arrays, strict=True):
                variable.assign(array)
        return [nets[name].predict(list(site.held.inputs), verbose=0) for name in arms]

    add, concat = started("tied", 3)
    np.testing.assert_allclose(add, concat, atol=1e-5)
    other, _ = started("tied", 4)
    assert not np.allclose(add, other)
    add, concat = started("loose", 3)
    assert not np.allclose(add, concat)
    add, concat = started("warm", 3)
    np.testing.assert_allclose(add, concat, atol=1e-5)
    trained = encoded_pair("add").get_layer("encoder").get_weights()[0]
    for name in arms:
        assert np.array_equal(nets[name].get_layer("encoder").get_weights()[0], trained)
        assert not np.array_equal(
            nets[name].get_layer("head").get_weights()[0][:3], encoded_pair("add").get_layer("head").get_weights()[0]
        )


def test_a_merge_in_a_nested_model_has_no_warm_start():
    a = Input((4,), name="a")
    inner = keras.Model(a, layers.Add(name="merge")([a, layers.Dense(4, name="branch")(a)]), name="inner")
    x = Input((4,), name="x")
    data = examples(np.zeros((40, 4)), np.zeros((40, 1)))
    site = problem(model(x, layers.Dense(1)(inner(x))), data, data, site="inner/merge")
    found = starts_of(site, untrained_arms(site), "warm", 1)
    assert isinstance(found, Refusal)
    with pytest.raises(DataError) as caught:
        pairs_of(site)[0].run(Stage("warm", 0.1, 1))
    assert str(caught.value) == "'inner/merge': it lies in a nested model, whose parts cannot be kept apart."


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


def test_training_that_diverges_is_an_error():
    data = two_inputs(40, ordered)
    site = problem(encoded_pair("add"), data, data, optimizer=keras.optimizers.SGD(1e30), steps=10)
    with pytest.raises(DataError) as caught:
        pairs_of(site)[0].run(Stage("fresh", 1.0, 2))
    assert str(caught.value) == "'merge': training gave NaN. Check the data, or lower the learning rate."


def test_no_two_seeds_of_a_user_share_a_seed_of_a_training(monkeypatch):
    drawn = {}

    def run_many(race, seeds, starts, shortened):
        drawn.setdefault(user, []).extend(seeds)
        return {name: [np.random.default_rng(seed).normal(1, 0.1, (1, 100)) for seed in seeds] for name in race.arms}

    monkeypatch.setattr("addcat.trials.race.Race.run_many", run_many)
    for user in range(3):
        pairs, _ = pairs_of(ordered_pair(steps=2, seed=user))
        for many in (4, 8, 32):
            pairs.run(Stage("fresh", 1.0, many))
    assert [len(seeds) for seeds in drawn.values()] == [32] * 3
    assert len({seed for seeds in drawn.values() for seed in seeds}) == 3 * 32


def test_arms_with_as_many_parameters(clear):
    x, y = Input((6,), name="x"), Input((6,), name="y")
    merged = layers.Add(name="merge")([layers.Dense(8, name="a")(x), layers.Dense(8, name="b")(y)])
    net = model([x, y], layers.Dense(2, name="head")(layers.Dense(16, activation="relu", name="reader")(merged)))
    data = examples((np.zeros((40, 6)), np.zeros((40, 6))), np.zeros((40, 2)))
    site = replace(problem(net, data, data), match="parameters")
    arms = untrained_arms(site)
    whole = parameters(arms["add"])
    assert parameters(arms["concat"]) == pytest.approx(whole, rel=0.05)
    assert parameters(untrained_arms(replace(site, match="widths"))["concat"]) == whole + 8 * 16
    assert arms["concat"].nodes["reader"].channels < 16


def test_slow_pairs_stop_where_the_clock_ran_faster_than_was_reckoned(monkeypatch):
    ran = []

    def run_many(race, seeds, starts, shortened):
        ran.extend(seeds)
        return {name: [np.random.default_rng(seed).normal(1, 0.1, (1, 100)) for seed in seeds] for name in race.arms}

    monkeypatch.setattr("addcat.trials.race.Race.run_many", run_many)
    monkeypatch.setattr("addcat.trials.race.Race.step_seconds", lambda _: {"add": 1.0, "concat": 1.0})
    pairs, meter = pairs_of(ordered_pair(steps=2))
    meter.deadline = -math.inf
    found = pairs.run(Stage("fresh", 1.0, 8))
    assert (found.pairs, len(ran)) == (1, 1)  # it was reckoned to fit, so one is trained
    meter.deadline = math.inf
    monkeypatch.setattr(pairs, "_slower", 1.0)
    assert pairs.run(Stage("fresh", 1.0, 3)).pairs == 3


def test_a_pair_that_the_time_does_not_allow_to_finish_is_left_out(monkeypatch):
    ran = []

    def run_many(race, seeds, starts, shortened):
        if len(ran) == 2:
            time.sleep(0.05)
            raise OutOfTimeError
        ran.append(shortened.until)
        return {name: [np.random.default_rng(seed).normal(1, 0.1, (1, 100)) for seed in seeds] for name in race.arms}

    monkeypatch.setattr("addcat.trials.race.Race.run_many", run_many)
    monkeypatch.setattr("addcat.trials.race.Race.step_seconds", lambda _: {"add": 100.0, "concat": 100.0})
    monkeypatch.setattr("addcat.trials.race.Race.at_once", 1)
    pairs, meter = pairs_of(ordered_pair(steps=2))
    meter.deadline = time.monotonic() + 1000
    each = pairs.cost(Stage("fresh", 1.0, 1))
    assert pairs.run(Stage("fresh", 1.0, 8)).pairs == 2
    assert ran == [meter.deadline] * 2
    assert 2 * each < meter.spent < 2.1 * each  # and what was begun, by the time that it took
    with pytest.raises(DataError) as caught:
        pairs.run(Stage("warm", 0.5, 1))
    assert str(caught.value) == (
        "The time ended while the first pair was being trained, which took longer than was reckoned; give more time."
    )


@pytest.fixture
def reckoned(monkeypatch):
    """Pairs of which one takes a second, compiling as long, and as many as are wanted train together."""
    pairs, meter = pairs_of(ordered_pair(steps=2))
    race = SimpleNamespace(at_once=8)
    monkeypatch.setattr(pairs, "_ready", lambda: race)
    monkeypatch.setattr(pairs, "running_seconds", lambda stage: pairs.each * stage.pairs)
    pairs.each, pairs._took_to_compile = 1.0, 1.0
    return pairs, meter, race


@pytest.mark.parametrize(
    ("each", "pairs", "compiled", "alone"),
    [
        (0.1, 8, set(), False),  # quick: together
        (1.0, 2, set(), True),  # as long as compiling both programs takes
        (1.0, 3, set(), False),
        (0.1, 8, {False}, True),  # another program is not compiled for what takes less
        (0.1, 30, {False}, False),
        (1.0, 2, {True}, False),  # what is compiled serves
        (1.0, 200, {True}, True),  # but the clock is looked at
    ],
)
def test_a_program_for_many_is_compiled_where_it_saves_more(reckoned, each, pairs, compiled, alone):
    made, meter, _ = reckoned
    made.each, made._compiled, meter.deadline = each, compiled, time.monotonic() + 100
    assert made.one_by_one(Stage("fresh", 1.0, pairs)) is alone


@pytest.mark.parametrize(("each", "alone"), [(0.4, False), (0.6, True)])
def test_slow_pairs_that_train_one_by_one_look_at_the_clock(reckoned, each, alone):
    made, _, race = reckoned
    made.each, race.at_once = each, 1
    assert made.one_by_one(Stage("fresh", 1.0, 8)) is alone


def test_what_compiling_took_is_what_it_is_reckoned_to_take(monkeypatch):
    def run_many(race, seeds, starts, shortened):
        time.sleep(0.3 if len(found) < 1 else 0.0)
        found.append(seeds)
        return {name: [np.random.default_rng(seed).normal(1, 0.1, (1, 100)) for seed in seeds] for name in race.arms}

    found = []
    monkeypatch.setattr("addcat.trials.race.Race.run_many", run_many)
    pairs, _ = pairs_of(ordered_pair(steps=2))
    assert pairs.compiling_seconds() == 0.8
    pairs.run(Stage("fresh", 1.0, 8))
    assert 0.29 < pairs.compiling_seconds() != 0.8
    assert pairs.seconds(Stage("fresh", 1.0, 16)) < 0.29  # nothing is left to compile
    assert pairs.seconds(Stage("fresh", 1.0, 9)) > 0.29  # of one alone there is


def test_held_out_examples_that_share_a_branch_s_input_say_less():
    """Forty examples of the first branch, each beside five of the second."""
    site = ordered_pair()
    held = site.held.first(40)
    first, second = (np.repeat(held.inputs[0], 5, axis=0), np.tile(site.held.inputs[1][:5], (40, 1)))
    crossed = replace(held, inputs=(first, second), targets=(np.repeat(held.targets[0], 5, axis=0),))
    assert [int(one.max()) + 1 for one in crossed.crossed()] == [40]
    pairs, _ = pairs_of(replace(site, held=crossed))
    stage = Stage("fresh", 1.0, 3)
    found = pairs.run(stage)
    assert found.examples > 1.5 * contrast(*pairs.losses(stage), crossed.distinct()).examples
