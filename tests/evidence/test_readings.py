"""Readings: what each figure may move, and what it may not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from addcat.evidence.contrast import Contrast, contrast
from addcat.evidence.decision import choose
from addcat.evidence.readings import (
    at_equal_widths,
    prior,
    read_beside,
    read_kernel,
    read_order,
    read_pairs,
    read_score,
    read_swap,
    read_tie,
    read_tie_beside,
)
from addcat.statistics.belief import POINTS
from addcat.statistics.interval import t_quantile


def pairs(gain, pairs=2, seeds=0.03**2):
    return Contrast(gain, seeds, 1e-6, pairs, 1.0, 1.0)


def test_a_prior_leaves_both_open_and_shared_branches_more_so():
    for shared in (True, False):
        belief = prior(shared=shared)
        assert 0.4 < belief.above(0.0) < 0.9
        assert belief.regret("concat") < belief.regret("add")  # what Add cannot express weighs more than it is likely
    assert prior(shared=True).above(0.1) > prior().above(0.1)
    assert prior(matched=True).above(0.0) < prior().above(0.0)


def test_a_score_is_a_lower_end_and_its_silence_excludes_large_gains_alone():
    before = prior(shared=True)
    silent = before.told(read_score(0.01, 0.02, 500))
    assert silent.mass[POINTS > 0.5].sum() < 0.3 * before.mass[POINTS > 0.5].sum()
    assert silent.mass[abs(POINTS) < 0.05].sum() > before.mass[abs(POINTS) < 0.05].sum()
    assert read_score(-0.3, 0.02, 500) == read_score(0.0, 0.02, 500)
    strong = prior(shared=True).told(read_score(0.5, 0.05, 500))
    weak = prior(shared=True).told(read_score(0.05, 0.04, 500))
    assert strong.above(0.0) > weak.above(0.0) > prior(shared=True).above(0.0)
    assert strong.above(0.0) > 0.85


def test_a_tie_that_loses_nothing_speaks_for_add_and_one_that_loses_for_concatenate():
    free, dear = (prior(shared=True).told(read_tie(rise, 0.01)) for rise in (-0.01, 1.0))
    assert free.regret("add") < 0.02
    assert free.above(0.05) < 0.1
    assert dear.above(0.0) > 0.6
    assert dear.regret("concat") < 0.02


def test_full_pairs_need_no_bias_and_short_ones_show_the_side_before_the_size():
    full, short = read_pairs("fresh", 1.0, pairs(0.1, 8), 0.0), read_pairs("loose", 0.2, pairs(0.1, 8), 0.0)
    assert (full.gain, full.upto, full.lapse) == (0.1, None, 0.0)
    assert (short.gain, short.upto) == (0.05, pytest.approx(0.3))
    assert short.noise.variance > full.noise.variance
    negative = read_pairs("loose", 0.2, pairs(-0.1, 8), 0.0)
    assert (negative.gain, negative.upto) == (pytest.approx(-0.3), -0.05)


def test_one_arm_beside_the_given_network_says_between_which_gains():
    """Of its loss that may be lower, and of the given network that may lie past its best point."""
    one = pairs(0.1, 1, math.nan)
    add, concat = (read_beside(now, one, -0.2, late=0.03, rest=0.02) for now in ("add", "concat"))
    assert (add.gain, add.upto) == (pytest.approx(0.07), pytest.approx(0.15))
    assert (concat.gain, concat.upto) == (pytest.approx(0.05), pytest.approx(0.13))
    kept = read_beside("add", one, 0.0, late=0.03, rest=0.02)  # no worse than heads on its branches: at its best
    assert (kept.gain, kept.upto) == (0.1, pytest.approx(0.15))


def test_what_the_given_network_brings_does_not_average_out():
    """Its variance is half of a pair's, and stays however many runs of the other arm are held against it."""
    few, many = (read_beside("add", pairs(0.0, count, 0.03**2), 0.0, 0.0, 0.0).noise.variance for count in (2, 1000))
    assert few > many > 0.03**2


def test_runs_beside_the_given_network_cover_the_gain():
    """Networks of either arm lie 0.055 about their means; the given one is one of them."""
    rng, inside = np.random.default_rng(0), 0
    for _ in range(2000):
        given, other = 0.055 * rng.standard_normal(2)
        reading = read_beside("add", Contrast(0.1 + given - other, math.nan, 1e-6, 1, 1.0, 1.0), 0.0, 0.0, 0.0)
        half = t_quantile(0.95, reading.noise.degrees) * math.sqrt(reading.noise.variance)
        inside += abs(reading.gain - 0.1) < half
    assert 0.94 < inside / 2000 < 0.995


def test_branches_that_may_change_places_speak_for_add_and_others_for_concatenate():
    before = prior(shared=True)
    alike, apart = before.told(read_swap(0.02)), before.told(read_swap(2.0))
    assert alike.above(0.02) < 0.5 * before.above(0.02)
    assert apart.above(0.0) > 0.85 > before.above(0.0)


def test_an_order_that_tells_speaks_for_concatenate_and_one_that_does_not_for_add():
    before = prior(shared=True)
    told, silent = (before.told(read_order(p, 0.5, 1000)) for p in (1e-4, 0.5))
    assert told.above(0.0) > 0.9 > before.above(0.0)
    assert silent.above(0.0) < 0.5
    assert silent.regret("add") < silent.regret("concat")
    assert read_order(0.02, 0.5, 1000) is None
    assert read_order(0.5, 1e-4, 1000) is None  # whether the two are alike may be asked
    assert read_order(0.5, 0.5, 300) is None  # few examples would not have seen it
    assert read_order(1e-4, 0.5, 300) is not None


def test_where_there_is_nothing_to_learn_add_overfits_less():
    belief = prior(shared=True, idle=0.99)
    assert belief.above(math.log(1.05)) < 0.02
    assert 0.15 < belief.above(0.0) < 0.35
    assert belief.regret("add") < 0.5 * belief.regret("concat")


def test_a_concatenate_that_has_learnt_nothing_is_expected_to_overfit_more():
    belief = prior(shared=True, idle=0.98)
    assert belief.above(0.0) < 0.35
    assert belief.regret("add") < belief.regret("concat")
    an_add = prior(shared=True, idle=0.7)  # its merge may be what keeps it from learning
    assert an_add.regret("concat") < an_add.regret("add")


def test_what_is_left_to_go_makes_a_short_run_say_less():
    near, far = (read_pairs("fresh", 0.33, pairs(0.05), way) for way in (0.0, 0.8))
    assert far.noise.variance > 10 * near.noise.variance
    assert read_pairs("fresh", 0.33, pairs(0.05), 9.0).noise == read_pairs("fresh", 0.33, pairs(0.05), 1.0).noise


def test_one_pair_takes_the_noise_of_others():
    one = read_pairs("fresh", 1.0, pairs(0.05, 1, math.nan), 0.0)
    assert 0.03 < one.noise.variance**0.5 < 0.04


def test_arms_with_as_many_parameters_are_told_less_by_what_equal_widths_say():
    reading = read_tie(0.5, 0.01)
    other = at_equal_widths(reading)
    assert other.gain == pytest.approx(reading.gain - 0.03)
    assert other.noise.variance > reading.noise.variance
    assert other.lapse == reading.lapse
    assert at_equal_widths(replace(reading, lapse=0.02)).lapse == 0.1


def data_sets(share, pairs, *, sets=1000, examples=100, spread=0.05, seed=0):
    """Gains of pairs that each train on 90 % of a data set, whose examples pull the gain up or down.

    Args:
        share: Of the variance of one pair's gain that its examples cause; its start causes the rest.

    Returns:
        Array (sets, pairs); the true gain for data of this kind is zero.
    """
    rng = np.random.default_rng(seed)
    pulls = rng.normal(size=(sets, examples)) * spread * math.sqrt(0.9 * examples * share)
    kept = rng.permuted(np.tile(np.arange(examples) < 0.9 * examples, (sets, pairs, 1)), axis=2)
    drawn = np.einsum("se,spe->sp", pulls, kept.astype(float)) / (0.9 * examples)
    return drawn + rng.normal(size=(sets, pairs)) * spread * math.sqrt(1 - share)


def covered(gains, redrawn):
    """How often the interval of full pairs holds the true gain."""
    held = 0
    for row in gains:
        arms = np.exp(np.stack([row / 2, -row / 2]))[:, :, None] * np.ones(2)
        reading = read_pairs("fresh", 1.0, contrast(*arms, np.arange(2), redrawn=redrawn), 0.0)
        held += abs(reading.gain) < t_quantile(0.95, reading.noise.degrees) * reading.noise.variance**0.5
    return held / len(gains)


@pytest.mark.parametrize("pairs", [8, 32])
def test_intervals_for_data_of_this_kind_hold_the_draws(pairs):
    """Where a ninth of the variance is the examples', as the formula has it; as if on these data they are too short."""
    gains = data_sets(1 / 9, pairs)
    assert covered(gains, 0.9) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / len(gains)))
    assert covered(gains, 0.0) < (0.92 if pairs == 8 else 0.75)


def test_where_the_examples_cause_more_the_intervals_are_too_short():
    """What the formula assumes, and the page on advise says."""
    assert covered(data_sets(1 / 2, 16), 0.9) < 0.85


def test_a_proof_for_data_of_this_kind_asks_for_more():
    rng = np.random.default_rng(0)
    add = 1.0 + 0.05 * rng.normal(size=(16, 1)) + np.zeros((1, 50))
    concat = np.full((16, 50), 0.94)
    assert choose(add, concat, 0.02) == "concat"
    assert choose(add, concat, 0.02, redrawn=0.9) == "undecided"


def test_a_small_rise_by_tying_counts_for_less_where_the_branches_may_change_places():
    alike, apart = read_swap(0.0), read_swap(1.0)
    small, large = read_tie(0.12, 0.02), read_tie(0.5, 0.02)
    assert read_tie_beside(small, apart) is small
    assert read_tie_beside(large, alike) is large
    bound = read_tie_beside(small, alike)
    assert (bound.gain, bound.upto) == (-3.0, small.upto)
    belief = prior(shared=True)
    assert belief.told(small).told(alike).above(0.0) > 0.8
    assert belief.told(bound).told(alike).above(0.0) < 0.6


def test_an_infinitely_wide_head_is_read_as_a_gain_that_may_be_off_by_what_is_left_to_go():
    near, far = read_kernel(0.1, 0.01, 0.0), read_kernel(0.1, 0.01, 2.0)
    assert (near.gain, near.upto) == (0.1, None)
    assert near.noise.variance == pytest.approx(0.03**2 + 0.03**2 + 0.01**2)
    assert far.noise.variance == pytest.approx(near.noise.variance + 0.2**2)
    assert read_kernel(0.1, 0.01, -1.0) == near
    for_add, for_concat = (prior(shared=True).told(read_kernel(gain, 0.01, 0.0)) for gain in (-0.08, 0.2))
    assert for_add.above(0.0) < 0.25
    assert for_concat.above(0.0) > 0.9


def test_an_order_that_plainly_matters_is_believed_more():
    plainly, told = (prior(shared=True).told(read_order(p, 1.0, 500)).above(0.0) for p in (1e-6, 1e-3))
    assert plainly > 0.97 > told > 0.9
    plainly, told = (prior(shared=True).told(read_swap(rise)).above(0.0) for rise in (0.6, 0.3))
    assert plainly > 0.97 > told > 0.9
