"""Full pairs under the budget of the question, shorter ones at equal widths."""

import math
from dataclasses import replace

import pytest
from networks import Input, keras, layers
from problems import problem, two_inputs

from addcat.errors import DataError
from addcat.evidence import matched
from addcat.evidence.arms import untrained_arms
from addcat.evidence.matched import Matched, at_widths, is_full, runs_of
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import Pairs, Stage
from addcat.graph import Refusal
from addcat.graph.cost import parameters

DATA = two_inputs(60, lambda x, y: x[:, 0] - y[:, 0])
SHORT, FULL = Stage("fresh", 0.33, 1), Stage("fresh", 1.0, 1)


def net():
    """Its reader can be made narrower."""
    x, y = Input((4,), name="x"), Input((4,), name="y")
    encoder = layers.Dense(8, name="encoder")
    hidden = layers.Dense(8, name="hidden")(layers.Add(name="merge")([encoder(x), encoder(y)]))
    return keras.Model([x, y], layers.Dense(1, name="head")(hidden))


def runs(match):
    one = replace(problem(net(), DATA, DATA, steps=10), match=match)
    meter = Meter(one.recipe, math.inf, math.inf)
    full = Pairs(one, untrained_arms(one), meter, 0.01)
    return runs_of(full, one, meter, 0.01), full, one, meter


def test_at_equal_widths_all_pairs_are_of_one_kind():
    found, full, one, _ = runs("widths")
    assert found is full
    assert at_widths(one) is one


def test_only_full_pairs_have_as_many_parameters():
    found, full, one, meter = runs("parameters")
    assert isinstance(found, Matched)
    assert found.runner(FULL) is full
    assert {found.runner(stage) for stage in (SHORT, Stage("warm", 0.2, 1), Stage("tied", 1.0, 1))} == {
        found.runner(SHORT)
    }
    assert found.runner(SHORT) is not full
    assert at_widths(one).match == "widths"
    sizes = {runner: [parameters(graph) for graph in runner._arms.values()] for runner in (full, found.runner(SHORT))}
    narrow, wide = sizes.values()
    assert wide[1] > wide[0] >= narrow[1]
    assert found.cost(SHORT) == found.runner(SHORT).cost(SHORT)
    assert found.relative == found.runner(SHORT).relative
    found.run(SHORT)
    assert meter.spent == pytest.approx(found.runner(SHORT).cost(replace(SHORT, pairs=2)))
    assert (found.runner(SHORT).pairs(SHORT), full.pairs(FULL)) == (1, 0)
    assert found.losses(SHORT)[0].shape == (1, 60)


def test_a_stage_is_full_where_nothing_is_left_out():
    stages = [FULL, SHORT, Stage("tied", 1.0, 4), Stage("heads", 0.4, 4)]
    assert [is_full(stage) for stage in stages] == [True, False, False, False]


def test_what_cannot_be_built_at_equal_widths_says_so(monkeypatch):
    monkeypatch.setattr(matched, "untrained_arms", lambda _: Refusal("AC102", "merge", "there is no layer for it"))
    with pytest.raises(DataError) as caught:
        runs("parameters")
    assert str(caught.value) == "'merge' cannot be trained with the other merge: there is no layer for it."
