"""Beliefs: they are what the formula says, and calibrated where their readings are honest."""

import numpy as np
import pytest
from scipy import stats

from addcat.errors import OptionError
from addcat.statistics.belief import POINTS, Belief, Reading, share_of
from addcat.statistics.interval import Noise

PRIOR = Belief.around(Reading(0.0, Noise(0.05**2, 3)), Reading(0.3, Noise(0.2**2, 3)), weights=(3.0, 1.0))


def test_one_reading_is_a_students_distribution():
    found = Belief.around(Reading(0.02, Noise(0.01**2, 5)))
    for value in (-0.01, 0.0, 0.02, 0.05):
        assert found.above(value) == pytest.approx(stats.t.sf((value - 0.02) / 0.01, 5), abs=5e-3)
    ends = share_of(0.02 + 0.01 * stats.t.ppf([0.025, 0.975], 5))
    assert (found.interval().low, found.interval().high) == pytest.approx(ends, abs=2e-4)


def test_regrets_are_means_over_the_belief():
    found = Belief.around(Reading(0.01, Noise(0.02**2, 1e6)))
    draws = share_of(np.random.default_rng(0).normal(0.01, 0.02, 400_000))
    assert found.regret("add") == pytest.approx(np.maximum(draws, 0).mean(), rel=0.01)
    assert found.regret("concat") == pytest.approx(np.maximum(-draws, 0).mean(), rel=0.01)


def test_readings_come_in_any_order_and_a_wild_one_is_outweighed():
    one, two = Reading(0.03, Noise(0.01**2, 4)), Reading(-0.01, Noise(0.02**2, 4))
    assert np.allclose(PRIOR.told(one).told(two).mass, PRIOR.told(two).told(one).mass)
    steady = PRIOR.told(Reading(0.03, Noise(0.005**2, 50)))
    wild = steady.told(Reading(-1.0, Noise(0.005**2, 4)))
    assert wild.above(0.0) > 0.95


def test_a_reading_beyond_the_furthest_gain_is_one_of_that():
    """A run without loss has an infinite gain, and is no reason to believe less of it."""
    before = PRIOR.told(Reading(0.5, Noise(0.3**2, 4)))
    for gain in (POINTS[-1] + 2.0, 50.0):
        told = before.told(Reading(gain, Noise(0.05**2, 6)))
        assert told.interval().estimate > before.interval().estimate + 0.1
        assert np.allclose(told.mass, before.told(Reading(POINTS[-1], Noise(0.05**2, 6))).mass)


def test_a_reading_that_may_have_lapsed_leaves_what_was_believed():
    """Density of a reading: (1 - e) of Student's around the gain, and e of one that has nothing to do with it."""
    told = PRIOR.told(Reading(0.3, Noise(0.02**2, 6), lapse=0.25))
    expected = PRIOR.mass * (0.75 * stats.t.pdf((0.3 - POINTS) / 0.02, 6) / 0.02 + 0.25)
    assert np.allclose(told.mass, expected / expected.sum())
    sure = PRIOR.told(Reading(0.3, Noise(0.02**2, 6)))
    assert told.above(0.1) < sure.above(0.1)


def test_a_prior_with_weights_for_others_is_refused():
    with pytest.raises(OptionError) as caught:
        Belief.around(Reading(0.0, Noise(1.0, 3)), weights=(0.5, 0.5))
    assert str(caught.value) == "Give one weight for each reading, got 2 for 1."


def test_probabilities_are_calibrated_and_regrets_right_by_simulation():
    rng = np.random.default_rng(1)
    truths = rng.choice(POINTS, 2000, p=PRIOR.mass)
    said, right, expected, lost = [], [], [], []
    for truth in truths:
        spread = rng.choice([0.01, 0.03, 0.1])
        belief = PRIOR.told(Reading(truth + spread * rng.standard_t(4), Noise(spread**2, 4)))
        choice = "concat" if belief.regret("concat") < belief.regret("add") else "add"
        better = belief.above(0.0) if choice == "concat" else 1 - belief.above(0.0)
        said.append(better)
        right.append((choice == "concat") == (truth > 0))
        expected.append(belief.regret(choice))
        lost.append(float(np.clip(share_of(truth) if choice == "add" else -share_of(truth), 0, 2)))
    said, right = np.array(said), np.array(right)
    places = np.minimum((said * 10).astype(int), 9)
    error = sum(abs(said[places == k].mean() - right[places == k].mean()) * (places == k).mean() for k in set(places))
    assert error < 0.03
    assert np.mean(lost) == pytest.approx(np.mean(expected), rel=0.2)


@pytest.mark.parametrize("side", [1, -1])
def test_a_range_that_begins_far_out_is_no_lapse(side):
    """However far: it says that the gain is large, and on which side."""
    before = Belief.around(Reading(0.0, Noise(0.05**2, 3)), Reading(0.0, Noise(0.35**2, 3)))
    ranges = [sorted((side * 3.0, side * near)) for near in (0.5, 1.0, 2.9)]
    found = [before.told(Reading(low, Noise(0.02**2, 4), 0.1, high)) for low, high in ranges]
    right = [one.above(0.0) if side > 0 else 1 - one.above(0.0) for one in found]
    assert right == pytest.approx([right[0]] * 3)
    assert right[0] > 0.9


def test_a_probability_is_one_at_most_however_its_parts_round():
    mass = np.full(len(POINTS), (1 + 1e-12) / len(POINTS))
    assert mass.sum() > 1.0
    assert Belief(mass).above(-100.0) == 1.0
