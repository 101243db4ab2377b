"""Odds and regrets: against integrals, and how often they come true."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from addcat.errors import DataError, OptionError
from addcat.statistics import Noise, effect_size, holm, odds, paired_odds

law = settings(derandomize=True, deadline=None, max_examples=40)


@law
@given(st.floats(-3, 3), st.floats(0.01, 4), st.floats(2.5, 60), st.floats(0, 1))
def test_odds_are_integrals_of_the_posterior(estimate, variance, degrees, margin):
    found = odds(estimate, Noise(variance, degrees), margin)
    posterior = scipy.stats.t(degrees, estimate, math.sqrt(variance))
    assert found.better == pytest.approx(posterior.sf(0), abs=1e-9)
    assert found.beyond == pytest.approx(posterior.sf(margin), abs=1e-9)
    # E[max(0, g)] is the integral of P(g > a) over a > 0, here over the logarithm of a
    a = np.exp(np.linspace(-12, 12, 2_001))
    assert found.regret_keep == pytest.approx(np.trapezoid(posterior.sf(a), a), rel=0.01, abs=1e-4)
    assert found.regret_take == pytest.approx(np.trapezoid(posterior.cdf(-a), a), rel=0.01, abs=1e-4)


@law
@given(st.floats(-3, 3), st.floats(0.01, 4), st.floats(1.5, 60))
def test_the_regrets_differ_by_the_estimate(estimate, variance, degrees):
    found = odds(estimate, Noise(variance, degrees))
    assert found.regret_keep - found.regret_take == pytest.approx(estimate, abs=1e-9)
    mirrored = odds(-estimate, Noise(variance, degrees))
    assert found.regret_keep == pytest.approx(mirrored.regret_take, rel=1e-9, abs=1e-12)


def test_many_degrees_are_the_normal_distribution():
    known, many = odds(0.3, Noise(0.04, math.inf), 0.1), odds(0.3, Noise(0.04, 1e7), 0.1)
    for name in ("better", "beyond", "regret_keep", "regret_take"):
        assert getattr(known, name) == pytest.approx(getattr(many, name), rel=1e-5)


def test_a_gain_without_noise_is_known_and_two_pairs_leave_the_regret_open():
    known = odds(0.3, Noise(0.0, 5), 0.3)
    assert (known.better, known.beyond, known.regret_keep, known.regret_take) == (1.0, 0.5, 0.3, 0.0)
    assert paired_odds([0.1, 0.3]).regret_take == math.inf


def test_what_is_out_of_range():
    with pytest.raises(OptionError) as caught:
        odds(0.1, Noise(-1.0, 3))
    assert str(caught.value) == (
        "noise has a variance of 0 or more and degrees above 0. Got Noise(variance=-1.0, degrees=3)."
    )
    with pytest.raises(DataError):
        paired_odds([0.1])
    with pytest.raises(OptionError) as caught:
        holm([0.2, 1.2])
    assert str(caught.value) == "p values lie between 0 and 1. Got [0.2, 1.2]."


def test_probabilities_come_true():
    """5,000 comparisons of 4 to 16 pairs whose true gains are spread wide against their noise, in ten bins."""
    random = np.random.default_rng(1)
    said, came = [], []
    for _ in range(5_000):
        gain, n = random.normal(scale=1.5), int(random.integers(4, 17))
        said.append(paired_odds(gain + random.normal(size=n)).better)
        came.append(gain > 0)
    said, came = np.array(said), np.array(came)
    bins = np.minimum((said * 10).astype(int), 9)
    for place in range(10):
        inside = bins == place
        assert inside.sum() > 50
        noise = math.sqrt(said[inside].mean() * (1 - said[inside].mean()) / inside.sum())
        assert abs(said[inside].mean() - came[inside].mean()) < 0.03 + 2 * noise


def test_the_regret_is_never_less_than_what_following_the_lean_costs():
    """With v degrees of freedom the posterior does not know the spread: it overstates by up to v / (v - 2)."""
    random = np.random.default_rng(2)
    expected, cost = [], []
    for _ in range(20_000):
        gain = random.normal(scale=3)
        found = paired_odds(gain + random.normal(size=8))
        take = found.better > 0.5
        expected.append(found.regret_take if take else found.regret_keep)
        cost.append(max(0.0, -gain) if take else max(0.0, gain))
    assert 0.9 < np.mean(expected) / np.mean(cost) < 1.1 * 7 / 5


@law
@given(st.integers(0, 999), st.integers(1, 8))
def test_holm_is_its_definition(seed, questions):
    p = np.random.default_rng(seed).uniform(size=questions) ** 2
    adjusted = np.array(holm(list(p)))
    order = np.argsort(p)
    steps = (questions - np.arange(questions)) * p[order]
    assert np.allclose(adjusted[order], np.minimum(1, np.maximum.accumulate(steps)))


def test_holm_errs_as_rarely_as_one_question():
    random = np.random.default_rng(3)
    wrong = np.mean([min(holm(list(random.uniform(size=5)))) < 0.05 for _ in range(4_000)])
    assert wrong < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4_000)


def test_the_effect_size_is_unbiased():
    random = np.random.default_rng(4)
    found = [effect_size(0.8 + random.normal(size=6)) for _ in range(20_000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.02)
    assert effect_size([0.0, 0.0]) == 0.0
    assert effect_size([0.5, 0.5, 0.5]) == math.inf
    assert effect_size([-0.5, -0.5, -0.5]) == -math.inf
