"""Intervals and tests: against scipy and brute force, and their error rates by simulation with fixed seeds.

A rate of r in N repetitions is allowed four standard errors, 4 sqrt(r (1 - r) / N). Beside each method that holds its
rate stands one that does not, so that the simulation is known to be able to fail.
"""

import itertools
import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from addcat.errors import AddcatError, DataError, OptionError
from addcat.statistics import (
    Interval,
    Noise,
    anytime_interval,
    bca_interval,
    combined_interval,
    crossed_interval,
    e_value,
    pairs_needed,
    satterthwaite,
    sign_flip,
    smallest_p,
    t_interval,
)

law = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 2**32 - 1)


def allowed(rate, repetitions):
    return 4.0 * math.sqrt(rate * (1.0 - rate) / repetitions)


def refused(error, text, function, *args, **options):
    with pytest.raises(AddcatError) as caught:
        function(*args, **options)
    assert type(caught.value) is error
    assert str(caught.value) == text


# Intervals


def test_interval_speaks():
    gain = Interval(1.0, -0.5, 2.5, 0.95, 6)
    assert not gain.excludes(0.0)
    assert gain.excludes(3.0)
    assert gain.inside(2.5)
    assert not gain.inside(2.4)
    assert not gain.inside(0.4)
    assert gain.scaled(-2.0) == Interval(-2.0, -5.0, 1.0, 0.95, 6)


@law
@given(seeds, st.integers(2, 30), st.floats(0.5, 0.999))
def test_t_interval_is_scipys(seed, n, level):
    values = np.random.default_rng(seed).normal(size=n)
    ours = t_interval(values, level=level)
    theirs = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(level)
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-9)
    assert (ours.estimate, ours.level, ours.n) == (values.mean(), level, n)


def test_t_interval_covers():
    rng, n, repetitions = np.random.default_rng(1), 5, 3000
    draws = rng.normal(loc=2.0, scale=3.0, size=(repetitions, n))
    missed = np.mean([t_interval(row).excludes(2.0) for row in draws])
    assert abs(missed - 0.05) < allowed(0.05, repetitions)
    # with the normal quantile in the place of t the same five pairs miss too often
    half = 1.96 * draws.std(axis=1, ddof=1) / math.sqrt(n)
    assert np.mean(np.abs(draws.mean(axis=1) - 2.0) > half) > 0.05 + allowed(0.05, repetitions)


def test_bca_interval_is_scipys():
    values = np.random.default_rng(0).exponential(size=40)
    ours = bca_interval(values, resamples=40_000)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(1), vectorized=True
    ).confidence_interval
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=0.01)
    assert ours.high - ours.estimate > 1.2 * (ours.estimate - ours.low)


@pytest.mark.parametrize("values", [[0.0] * 6 + [1.0] * 3 + [4.0], [0.0, 0.0, 0.0, 1.0], [-1.0, 0.0, 0.0, 0.0, 2.0]])
def test_bca_interval_is_scipys_where_means_are_tied(values):
    """Of a few whole numbers many resamples have the very mean of the data: half of them count as below."""
    ours = bca_interval(values, resamples=40_000)
    theirs = scipy.stats.bootstrap(
        (np.array(values),), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(1), vectorized=True
    ).confidence_interval
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], atol=0.02)


def test_bca_interval_is_reproducible_and_turns_with_its_data():
    values = np.random.default_rng(0).exponential(size=25)
    found = bca_interval(values, seed=3)
    assert found == bca_interval(values, seed=3)
    assert found != bca_interval(values, seed=4)
    turned = bca_interval(-values, seed=3)
    np.testing.assert_allclose([turned.low, turned.high], [-found.high, -found.low], rtol=1e-2)


def test_bca_interval_of_equal_differences():
    assert bca_interval([0.1] * 7) == Interval(pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1), 0.95, 7)
    assert bca_interval([0.0, 0.0]) == Interval(0.0, 0.0, 0.0, 0.95, 2)


def bca_misses(repetitions, resamples):
    rng, n = np.random.default_rng(2), 60
    low = high = plain = 0
    for row in rng.exponential(size=(repetitions, n)):
        found, symmetric = bca_interval(row, resamples=resamples), t_interval(row)
        low, high = low + (found.low > 1.0), high + (found.high < 1.0)
        plain += symmetric.high < 1.0
    return low / repetitions, high / repetitions, plain / repetitions


def test_bca_interval_covers_skewed_differences():
    low, high, plain = bca_misses(600, 499)
    assert low + high < 0.07 + allowed(0.07, 600)  # 0.07 is what the method reaches for sixty such differences
    assert high < plain  # the long tail: where t misses on one side


@pytest.mark.slow
def test_bca_interval_shares_its_misses_between_both_sides():
    """Both keep 93 % for sixty exponential differences, but t misses five times as often on the side of the tail."""
    low, high, plain = bca_misses(6000, 1999)
    assert low + high < 0.075
    assert 0.5 < low / high < 2.0
    assert high < 0.8 * plain


# Sign flips


@law
@given(seeds, st.integers(1, 9))
def test_sign_flip_counts_every_pattern(seed, n):
    values = np.round(np.random.default_rng(seed).normal(size=n), 1)  # ties and zeros on purpose
    sums = [abs(np.dot(signs, values)) for signs in itertools.product([-1, 1], repeat=n)]
    assert sign_flip(values) == np.mean(np.array(sums) >= abs(values.sum()) - 1e-9)


@law
@given(st.integers(1, 20))
def test_the_smallest_p_is_reached_where_all_agree(n):
    assert sign_flip(np.arange(1, n + 1) / 7) == smallest_p(n) == 2 / 2**n


def test_pairs_needed():
    assert [pairs_needed(alpha) for alpha in (0.5, 0.1, 0.05, 0.01, 2**-9)] == [2, 5, 6, 8, 10]
    assert smallest_p(pairs_needed(0.003)) <= 0.003 < smallest_p(pairs_needed(0.003) - 1)


def test_sign_flip_draws_agree_with_the_normal_limit():
    values = np.random.default_rng(5).normal(loc=0.12, size=400)
    z = values.sum() / math.sqrt(np.sum(values**2))
    expected = 2 * scipy.stats.norm.sf(abs(z))
    found = sign_flip(values, seed=1)
    assert found == pytest.approx(expected, abs=allowed(expected, 9_999) + 1e-3)
    assert found == sign_flip(values, seed=1)


def test_sign_flip_drawn_is_never_zero():
    assert sign_flip([1.0] * 40, draws=999) == 1 / 1000
    assert sign_flip([0.0] * 40, draws=99) == 1.0


@pytest.mark.parametrize("n", [6, 25])
def test_sign_flip_holds_its_rate_for_heavy_tails(n):
    repetitions = 800
    draws = np.random.default_rng(3).standard_t(1.5, size=(repetitions, n))
    ps = np.array([sign_flip(row, draws=499, seed=i) for i, row in enumerate(draws)])
    for alpha in (0.05, 0.2):
        assert np.mean(ps <= alpha) < alpha + allowed(alpha, repetitions)
    assert np.mean(ps <= 0.5) > 0.4  # and it is not merely timid


# Several sources of noise


@law
@given(st.lists(st.tuples(st.floats(1e-6, 1e3), st.floats(1, 500)), min_size=1, max_size=5))
def test_satterthwaite(pairs):
    total = satterthwaite(*(Noise(*pair) for pair in pairs))
    assert total.variance == pytest.approx(sum(v for v, _ in pairs))
    assert total.degrees == pytest.approx(total.variance**2 / sum(v * v / df for v, df in pairs))
    assert min(df for _, df in pairs) * (1 - 1e-9) <= total.degrees <= sum(df for _, df in pairs) * (1 + 1e-9)


def test_satterthwaite_at_its_ends():
    assert satterthwaite(Noise(0.0, 3), Noise(0.0, 9)) == Noise(0.0, 3)
    assert satterthwaite(Noise(2.0, math.inf)) == Noise(2.0, math.inf)
    assert satterthwaite(Noise(1e-300, 4), Noise(1e-300, 4)).degrees == 8.0
    known = combined_interval(0.0, [Noise(1.0, math.inf)], n=9)
    assert known.high == pytest.approx(1.959964, abs=1e-6)


def test_two_arms_of_unequal_spread_are_welch():
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=6), 3.0 * rng.normal(size=15)
    noises = [Noise(v.var(ddof=1) / v.size, v.size - 1) for v in (a, b)]
    ours = combined_interval(a.mean() - b.mean(), noises, n=6)
    theirs = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-9)


def crossed_misses(repetitions, between_seeds, between_examples, both):
    rng, shape = np.random.default_rng(8), (5, 40)
    missed = naive = 0
    for _ in range(repetitions):
        table = between_seeds * rng.normal(size=(shape[0], 1)) + between_examples * rng.normal(size=(1, shape[1]))
        table = table + both * rng.normal(size=shape)
        missed += crossed_interval(table).excludes(0.0)
        naive += t_interval(table.reshape(-1)).excludes(0.0)
    return missed / repetitions, naive / repetitions


@pytest.mark.parametrize("noise", [(1.0, 0.1, 0.5), (0.3, 2.0, 1.0), (0.0, 0.0, 1.0)])
def test_crossed_interval_covers_new_seeds_and_new_examples(noise):
    missed, naive = crossed_misses(1000, *noise)
    assert missed < 0.05 + allowed(0.05, 1000)
    if noise[0]:  # two hundred differences that are not independent, taken as if they were
        assert naive > 0.3


@law
@given(seeds, st.integers(2, 6), st.integers(2, 9))
def test_crossed_interval_adds_the_variances_of_both_means(seed, s, e):
    table = np.random.default_rng(seed).normal(size=(s, e))
    rows, columns = table.mean(axis=1).var(ddof=1) / s, table.mean(axis=0).var(ddof=1) / e
    degrees = (rows + columns) ** 2 / (rows**2 / (s - 1) + columns**2 / (e - 1))
    half = scipy.stats.t.ppf(0.95, degrees) * math.sqrt(rows + columns)
    found = crossed_interval(table, level=0.9)
    np.testing.assert_allclose([found.low, found.high], [table.mean() - half, table.mean() + half], rtol=1e-9)
    assert found.n == s


# Refusals


@pytest.mark.parametrize("function", [t_interval, bca_interval, sign_flip, anytime_interval, e_value])
def test_runs_that_diverged_are_not_averaged(function):
    refused(
        DataError,
        "2 of 4 values are not finite; the first is inf at index 1. A run that diverged must be reported, not "
        "averaged: leave its pair out and say so.",
        function,
        [1.0, math.inf, 2.0, math.nan],
    )


@pytest.mark.parametrize(
    ("function", "values", "least"),
    [
        (t_interval, [1.0], 2),
        (bca_interval, [1.0], 2),
        (sign_flip, [], 1),
        (anytime_interval, [], 1),
        (e_value, [], 1),
        (t_interval, np.ones((2, 2)), 2),
    ],
)
def test_too_few_pairs(function, values, least):
    shape = np.shape(values)
    refused(
        DataError,
        f"Differences must have shape (n,), one per pair, with n = {least} or more. Got shape {shape}.",
        function,
        values,
    )


@pytest.mark.parametrize("function", [t_interval, bca_interval, anytime_interval])
@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_levels_that_are_none(function, level):
    text = f"level is a coverage between 0 and 1, such as 0.95. Got {level}."
    refused(OptionError, text, function, [1.0, 2.0], level=level)
    refused(OptionError, text, Interval, 0.0, 0.0, 0.0, level, 1)
    refused(OptionError, text, crossed_interval, np.ones((2, 2)), level=level)


def test_options_refuse():
    refused(OptionError, "resamples must be 1 or more. Got 0.", bca_interval, [1.0, 2.0], resamples=0)
    refused(OptionError, "draws must be 1 or more. Got 0.", sign_flip, [1.0, 2.0], draws=0)
    refused(OptionError, "n is a number of pairs, 1 or more. Got 0.", smallest_p, 0)
    refused(OptionError, "alpha is a threshold between 0 and 1, such as 0.05. Got 0.", pairs_needed, 0)
    effect = "effect is a ratio of mean to standard deviation, above 0. Got 0."
    refused(OptionError, effect, anytime_interval, [1.0, 2.0], effect=0)
    refused(OptionError, effect, e_value, [1.0, 2.0], effect=0)
    refused(
        OptionError,
        "Give one or more sources, each with a variance of 0 or more and degrees above 0. "
        "Got [Noise(variance=-1.0, degrees=3)].",
        satterthwaite,
        Noise(-1.0, 3),
    )


def test_tables_refuse():
    refused(
        DataError,
        "Differences must have shape (seeds, examples), with two or more of each, for the noise of either to show. "
        "Got shape (1, 9).",
        crossed_interval,
        np.ones((1, 9)),
    )
    refused(
        DataError,
        "1 of 4 values are not finite; the first is nan at index (1, 0). A run that diverged must be reported, not "
        "averaged: leave its pair out and say so.",
        crossed_interval,
        np.array([[1.0, 2.0], [math.nan, 3.0]]),
    )
