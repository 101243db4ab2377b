"""The other arm beside the given network: half a pair, whose other half was paid for before."""

import math
from dataclasses import replace

import numpy as np
import pytest
from networks import keras
from problems import encoded_pair, problem, two_inputs
from small import assert_untouched, state

from addcat.data.metrics import metrics_of
from addcat.evidence.arms import untrained_arms
from addcat.evidence.beside import late_and_rest
from addcat.evidence.matched import Matched
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import Pairs, Stage
from addcat.evidence.shown import interval_of, stage_words
from addcat.verbs.advise.rungs import BESIDE, FEW, FULL, SHORT, stages_within

RATE = keras.optimizers.Adam(0.05)
MOST = Stage("beside", 0.8, 1)


def ordered(x, y):
    return x[:, 0] - y[:, 0]


def asked(merge="add", **options):
    data, held = two_inputs(200, ordered, noise=0.1, seed=1), two_inputs(100, ordered, noise=0.1, seed=2)
    return problem(encoded_pair(merge), data, held, optimizer=RATE, **{"steps": 60, **options})


def pairs_of(site, *, trainings=math.inf):
    meter = Meter(site.recipe, trainings, math.inf)
    return Pairs(site, untrained_arms(site), meter, 0.1), meter


@pytest.mark.parametrize("merge", ["add", "concat"])
def test_the_given_network_stands_for_its_own_arm(merge):
    before = state(encoded_pair(merge))
    site = asked(merge)
    pairs, _ = pairs_of(site)
    found = pairs.run(MOST)
    own, given = {"add": found.add, "concat": found.concat}[merge], float(site.losses_on(site.held).mean())
    assert own == pytest.approx(given)
    assert found.pairs == 1
    losses = dict(zip(("add", "concat"), pairs.losses(MOST), strict=True))
    np.testing.assert_allclose(losses[merge][0], site.losses_on(site.held))
    assert_untouched(encoded_pair(merge), before)


def test_what_only_a_concatenate_can_express_is_seen():
    pairs, _ = pairs_of(asked(steps=200))
    found = pairs.run(MOST)
    reading = pairs.reading(MOST, found, 0.0)
    assert reading.gain - 2 * math.sqrt(reading.noise.variance) > 0.5


def test_half_a_pair_costs_half_a_pair():
    """A run of the other arm alone, four times judged."""
    pairs, meter = pairs_of(asked(), trainings=10)
    run = 30 / 27 * (0.8 + 4 * 100 / (3 * 60 * 32))  # the Concatenate reads twice as much, by 3 more weights of 27
    assert pairs.cost(MOST) == pytest.approx(run)
    pairs.run(MOST)
    assert meter.spent == pytest.approx(run)
    assert pairs.cost(MOST) == 0


def test_metrics_are_those_of_the_run_and_of_the_given_network():
    site = asked()
    names = site.door.outputs_of(site.door.write(site.root))
    pairs, _ = pairs_of(replace(site, metrics=metrics_of(["mse"], outputs=names, named=site.door.metric_named)))
    found = pairs.run(MOST)
    (metric,) = pairs.metrics(MOST)
    assert (metric.metric, metric.pairs) == ("mse", 1)
    assert (metric.add, metric.concat) == (pytest.approx(found.add, rel=1e-4), pytest.approx(found.concat, rel=1e-4))


def test_more_runs_add_to_the_first():
    pairs, _ = pairs_of(asked())
    one = pairs.run(MOST)
    two = pairs.run(Stage("beside", 0.8, 2))
    assert (one.pairs, two.pairs) == (1, 2)
    assert two.add == pytest.approx(one.add)  # the given network's
    assert two.concat != one.concat


def test_a_rise_past_the_best_point_and_a_fall_that_goes_on():
    flat, falling, rising = ([np.full(4, one) for one in curve] for curve in ((1, 1), (2, 1), (1, 2)))
    assert late_and_rest([np.stack(flat)], 0.8) == (0.0, 0.0)
    late, rest = late_and_rest([np.stack(falling)], 0.5)
    assert (late, rest) == (0.0, pytest.approx(math.log(2)))
    late, rest = late_and_rest([np.stack(rising)], 0.5)
    assert (late, rest) == (pytest.approx(math.log(2)), 0.0)
    assert late_and_rest([np.stack(falling)], 1.0)[1] == 0.0
    assert late_and_rest([np.ones((1, 4))], 0.6) == (0.0, 0.0)
    assert late_and_rest([-np.ones((2, 4))], 0.6) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("left", "stages"),
    [
        (0.5, ()),
        (0.8, SHORT[1:]),
        (0.95, (Stage("beside", 0.75, 1),)),
        (1.5, BESIDE[:1]),
        (2.6, FEW),
        (100.0, FULL),
    ],
)
def test_behind_heads_the_other_arm_is_trained_as_far_as_the_budget_goes(left, stages):
    pairs, meter = pairs_of(asked(), trainings=left)
    pairs.training_seconds()
    assert stages_within(pairs, meter, heads=True) == stages


def test_it_is_asked_at_equal_widths():
    wide, narrow = pairs_of(asked())[0], pairs_of(asked())[0]
    both = Matched(narrow, wide)
    assert both.runner(MOST) is wide
    found = both.run(MOST)
    assert both.reading(MOST, found, 0.0) == wide.reading(MOST, found, 0.0)


def test_its_sentence():
    pairs, _ = pairs_of(asked())
    found = pairs.run(MOST)
    words = stage_words(MOST, found, interval_of(pairs.reading(MOST, found, 0.0), found))
    assert words.startswith("1 run of the other merge's network, 80 % of the steps, beside the given one: Add ")
