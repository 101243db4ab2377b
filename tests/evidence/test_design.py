"""Several merges from the same pairs: what a design finds, what it costs, and what stands in its way."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from networks import Input, keras, layers
from problems import problem, two_inputs

from addcat.data.metrics import metrics_of
from addcat.errors import DataError, OutOfTimeError
from addcat.evidence.design import Design, findings
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import Stage
from addcat.merges import find_merges
from addcat.statistics import balanced_design

WARM = Stage("warm", 0.5, 0)


def two_merges():
    """A merge that minds the order of its branches, and one of a branch with itself, to which it is all one."""
    keras.utils.set_random_seed(0)
    x, y = Input((4,), name="x"), Input((4,), name="y")
    encoder = layers.Dense(6, name="encoder")
    first = layers.Add(name="first")([encoder(x), encoder(y)])
    hidden = layers.Dense(6, activation="relu", name="hidden")(first)
    second = layers.Add(name="second")([hidden, layers.Dense(6, name="more")(hidden)])
    net = keras.Model([x, y], layers.Dense(1, name="head")(second), name="two_merges")
    net.compile(keras.optimizers.Adam(0.02), "mse")
    return net


def site(**options):
    data = two_inputs(300, lambda x, y: x[:, 0] - y[:, 0], noise=0.1)
    made = problem(two_merges(), data, data, steps=400, site="first", **options)
    merges = tuple(find_merges(made.root))
    return replace(made, merge=merges[0], family=merges)


def meter(made, seconds=math.inf):
    return Meter(made.recipe, math.inf, time.monotonic() + seconds if math.isfinite(seconds) else math.inf)


@pytest.mark.parametrize("kind", ["warm", "fresh"])
def test_the_merge_that_minds_is_told_from_the_one_that_does_not(kind):
    made = site()
    design = Design(made, Stage(kind, 1.0 if kind == "fresh" else 0.5, 0))
    spent = meter(made)
    first, second = design.run(spent, 1.0)
    assert spent.spent == pytest.approx(design.cost())
    assert first.contrast.gain > 0.5
    assert first.contrast.gain > 2 * abs(second.contrast.gain)
    assert first.learnt
    assert first.constant > 1


def test_what_is_to_be_reported_beside_the_loss_is_measured_of_the_same_pairs():
    made = site()
    names = made.door.outputs_of(made.door.write(made.root))
    made = replace(made, metrics=metrics_of(["mse", "mae"], outputs=names, named=made.door.metric_named))
    first, second = Design(made, WARM).run(meter(made), 1.0)
    assert [one.metric for one in first.metrics] == [one.metric for one in second.metrics] == ["mse", "mae"]
    assert first.metrics[0].difference.estimate < -0.1
    both = first.metrics[0].add + first.metrics[0].concat  # every arm, whichever merge is asked
    assert second.metrics[0].add + second.metrics[0].concat == pytest.approx(both)


def test_the_effects_have_the_coverage_of_their_noise():
    """Gains of two merges drawn with noise between pairs: the variance that is reported is the one that there is."""
    rng, rows = np.random.default_rng(0), np.tile(balanced_design(2), (2, 1))
    truth, gains, reported = np.array([0.2, 0.0]), [], []
    for _ in range(300):
        noise = rng.normal(0, 0.1, len(rows))
        middle = rows @ truth + noise
        losses = [(np.full(20, math.exp(m / 2)), np.full(20, math.exp(-m / 2))) for m in middle]
        found = findings(rows, losses, np.arange(20), 1.0)
        gains.append([one.contrast.gain for one in found])
        reported.append(found[0].contrast.seeds / found[0].contrast.pairs)
    assert np.mean(gains, axis=0) == pytest.approx(truth, abs=0.01)
    assert np.mean(reported) == pytest.approx(np.var(gains, axis=0)[0], rel=0.25)


def test_examples_are_a_noise_of_their_own():
    rng, rows = np.random.default_rng(1), balanced_design(3)
    spread = rng.normal(0, 0.3, 400)
    losses = [(1 + 0.5 * r[0] * spread, 1 - 0.5 * r[0] * spread) for r in np.tile(rows, (2, 1))]
    first, second, _ = findings(np.tile(rows, (2, 1)), losses, np.arange(400), 1.0)
    assert first.contrast.examples == pytest.approx(0.3**2 / 400, rel=0.2)
    assert second.contrast.examples < 1e-6


def test_a_clock_that_runs_out_is_said():
    made = site()
    with pytest.raises(DataError) as caught:
        Design(made, WARM).run(meter(made, seconds=0.0), 1.0)
    assert str(caught.value) == "The time ended after 0 pairs, and that does not tell 2 merges apart. Give more time."


def test_pairs_of_a_design_that_the_time_does_not_allow_to_finish_are_left_out(monkeypatch):
    made, ran = site(), []
    design = Design(made, WARM)

    def pair(row, seed, until):
        ran.append(until)
        if len(ran) == 4:
            raise OutOfTimeError
        return tuple(np.random.default_rng([seed, side]).normal(1.0, 0.1, made.held.count) for side in range(2))

    monkeypatch.setattr(design, "_pair", pair)
    paid = meter(made, seconds=1000.0)
    assert [one.contrast.pairs for one in design.run(paid, 1.0)] == [2, 2]  # of three, one tells the other merge
    assert ran == [paid.deadline] * 4


def test_pairs_of_a_design():
    made = site()
    design = Design(made, WARM)
    assert (design.rows.shape, design.pairs) == ((4, 2), 4)
    assert design.seconds(0.01, 1.0) > design.seconds(0.01, 0.1)


def test_examples_that_share_users_say_less_of_every_merge():
    rng, users = np.random.default_rng(0), np.repeat(np.arange(50), 20)
    rows = balanced_design(2)
    gains = 0.3 * rng.standard_normal(50)[users]
    losses = [
        (1 + row[0] * gains + 0.1 * rng.random(1000), 1 - row[0] * gains + 0.1 * rng.random(1000)) for row in rows
    ]
    plain = findings(rows, losses, np.arange(1000), 1.0)
    shared = findings(rows, losses, np.arange(1000), 1.0, crossed=(users,))
    assert shared[0].contrast.examples == pytest.approx(20 * plain[0].contrast.examples, rel=0.1)
    assert shared[0].contrast.gain == plain[0].contrast.gain
