"""Contrasts of pairs: gains in logarithms, noise of seeds and of examples, repeats as one observation."""

import numpy as np
import pytest

from addcat.evidence.contrast import collapsed, contrast


def simulated(rng, pairs, examples, *, seeds=0.05, each=0.4, gain=0.1):
    base = rng.gamma(4.0, 0.25, (1, examples)) * np.ones((pairs, 1))
    per_seed, per_example = rng.normal(0, seeds, (pairs, 1)), rng.normal(0, each, (1, examples))
    return base * np.exp(gain), base + per_seed + per_example + rng.normal(0, 0.3, (pairs, examples))


def test_both_noises_are_what_repetitions_show():
    rng = np.random.default_rng(0)
    found = [contrast(*simulated(rng, 6, 200), np.arange(200)) for _ in range(400)]
    spread = np.var([one.gain for one in found], ddof=1)
    claimed = np.mean([one.seeds / 6 + one.examples for one in found])
    assert claimed == pytest.approx(spread, rel=0.2)
    assert np.mean([one.gain for one in found]) == pytest.approx(0.1, abs=0.01)


def test_repeats_do_not_make_an_estimate_surer():
    rng = np.random.default_rng(1)
    add, concat = simulated(rng, 4, 100)
    place = np.repeat(np.arange(100), 5)
    once, often = contrast(add, concat, np.arange(100)), contrast(add[:, place], concat[:, place], place)
    assert often.gain == pytest.approx(once.gain)
    assert often.examples == pytest.approx(once.examples)
    assert contrast(add[:, place], concat[:, place], np.arange(500)).examples < once.examples / 4


def test_unequal_repeats_keep_the_mean():
    losses = np.random.default_rng(2).normal(size=(3, 7))
    assert collapsed(losses, np.array([0, 1, 0, 2, 2, 2, 3])).mean(axis=1) == pytest.approx(losses.mean(axis=1))


def test_one_pair_has_no_noise_between_seeds_and_losses_below_zero_are_differences():
    losses = np.array([[1.0, 2.0, 3.0]])
    assert np.isnan(contrast(losses, losses, np.arange(3)).seeds)
    found = contrast(-2 * np.ones((2, 3)), -3 * np.ones((2, 3)), np.arange(3))
    assert found.gain == pytest.approx(0.5)  # of |Add's| 2


def test_examples_that_share_users_say_less():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(50), 20)
    add = 1 + 0.3 * rng.standard_normal(50)[users] + 0.1 * rng.standard_normal((4, 1000))
    plain, shared = (contrast(add, np.ones_like(add), np.arange(1000), crossed=groups) for groups in ((), (users,)))
    assert shared.examples == pytest.approx(18 * plain.examples, rel=0.2)  # nearly 20 of one user are one
    assert (shared.gain, shared.seeds) == (plain.gain, plain.seeds)
