"""Intervals that may be looked at after every pair: against their definition, and how often they are ever wrong."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from addcat.statistics import Interval, anytime_interval, e_value, t_interval

law = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 2**32 - 1)


def allowed(rate, repetitions):
    return 4.0 * math.sqrt(rate * (1.0 - rate) / repetitions)


@law
@given(seeds, st.integers(2, 40), st.floats(0.1, 3.0), st.floats(-2, 2))
def test_the_anytime_interval_is_where_the_evidence_is_below_its_bound(seed, n, effect, shift):
    values = np.random.default_rng(seed).normal(loc=shift, size=n)
    found = anytime_interval(values, effect=effect)
    if math.isinf(found.high):
        assert e_value(values, mean=1e6, effect=effect) < 20
        return
    for end in (found.low, found.high):
        assert e_value(values, mean=end, effect=effect) == pytest.approx(20.0, rel=1e-6)
    width = found.high - found.low
    assert e_value(values, mean=found.high + 0.01 * width, effect=effect) > 20
    assert e_value(values, mean=found.high - 0.01 * width, effect=effect) < 20


@law
@given(seeds, st.integers(2, 30), st.floats(0.2, 2.0))
def test_the_e_value_is_the_bayes_factor_of_the_t_statistic(seed, n, effect):
    """Integrate the density of t, noncentral at sqrt(n) times the effect, over the normal prior on the effect."""
    values = np.random.default_rng(seed).normal(loc=0.3, size=n)
    t = values.mean() / values.std(ddof=1) * math.sqrt(n)
    nodes = np.linspace(-8.0, 8.0, 801) * effect
    density = scipy.stats.nct.pdf(t, n - 1, math.sqrt(n) * nodes) * scipy.stats.norm.pdf(nodes, scale=effect)
    mixed = np.trapezoid(density, nodes)
    assert e_value(values, effect=effect) == pytest.approx(mixed / scipy.stats.t.pdf(t, n - 1), rel=1e-4)


@law
@given(seeds, st.integers(1, 20), st.floats(0.01, 100.0), st.floats(-5, 5))
def test_the_anytime_interval_has_no_unit(seed, n, unit, shift):
    values = np.random.default_rng(seed).normal(size=n)
    plain, other = anytime_interval(values), anytime_interval(unit * values + shift)
    np.testing.assert_allclose(
        [other.low, other.high], [unit * plain.low + shift, unit * plain.high + shift], rtol=1e-9, atol=1e-9 * unit
    )


def test_one_pair_says_nothing_and_the_price_of_looking():
    assert anytime_interval([0.3]) == Interval(0.3, -math.inf, math.inf, 0.95, 1)
    assert e_value([0.3]) == 1.0
    for n, price in ((6, 2.1), (20, 1.6)):
        values = np.random.default_rng(0).normal(size=n)
        anytime, fixed = anytime_interval(values), t_interval(values)
        assert (anytime.high - anytime.low) / (fixed.high - fixed.low) == pytest.approx(price, abs=0.05)


def test_evidence_from_equal_differences_is_finite():
    """No spread: the likelihood ratio of an exact hit, (1 + n g)^((n - 1) / 2)."""
    assert e_value([0.5] * 6) == pytest.approx(7.0**2.5)
    assert e_value([0.0] * 6) == pytest.approx(7.0**-0.5)
    assert anytime_interval([0.5] * 6).high == 0.5


def ever_wrong(draws, interval):
    """Share of rows where some look, from the second pair on, has an interval without zero."""
    return np.mean([any(interval(row[:n]).excludes(0.0) for n in range(2, len(row) + 1)) for row in draws])


@pytest.mark.parametrize("kind", ["normal", "laplace", "skewed"])
def test_looking_after_every_pair_keeps_the_rate(kind):
    """An A/A run of up to 40 pairs comes out "different" at most 5 % of the time."""
    rng, shape = np.random.default_rng(4), (500, 40)
    draws = {
        "normal": rng.normal(size=shape),
        "laplace": rng.laplace(size=shape),
        "skewed": rng.gamma(4.0, size=shape) - 4.0,
    }[kind]
    assert ever_wrong(draws, anytime_interval) < 0.05 + allowed(0.05, 500)
    if kind == "normal":
        assert ever_wrong(draws, t_interval) > 0.15


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.3, 1.0])
def test_looking_after_each_of_many_pairs_keeps_the_rate(effect):
    draws = np.random.default_rng(5).normal(size=(2000, 100))
    wrong = ever_wrong(draws, lambda row: anytime_interval(row, effect=effect))
    assert 0.005 < wrong < 0.05 + allowed(0.05, 2000)


def test_a_real_effect_is_found_early():
    draws = np.random.default_rng(6).normal(loc=1.5, size=(200, 20))
    stops = [next((n for n in range(2, 21) if anytime_interval(row[:n]).excludes(0.0)), 99) for row in draws]
    assert np.mean(stops) < 12
    assert np.mean(np.array(stops) <= 20) > 0.98
