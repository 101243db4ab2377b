"""Robust score tests: against Hotelling's formula and the t test, and how often they reject what is true."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from addcat.errors import AddcatError, DataError, ShapeError
from addcat.statistics import direction_test, score_test

law = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 2**32 - 1)


def allowed(rate, repetitions):
    return 4.0 * math.sqrt(rate * (1.0 - rate) / repetitions)


def refused(error, text, function, *args, **options):
    with pytest.raises(AddcatError) as caught:
        function(*args, **options)
    assert type(caught.value) is error
    assert str(caught.value) == text


@law
@given(seeds, st.integers(1, 4), st.integers(8, 40))
def test_score_test_is_hotellings(seed, p, n):
    unit = np.random.default_rng(seed).normal(loc=0.2, size=(n, p))
    scores = unit * 10.0 ** np.arange(-p, p, 2)
    mean, cov = scores.mean(axis=0), np.cov(scores.T).reshape(p, p)
    statistic = n * mean @ np.linalg.solve(cov, mean)
    found = score_test(scores)
    assert found.statistic == pytest.approx(statistic, rel=1e-6)
    assert found.p == pytest.approx(scipy.stats.f.sf(statistic * (n - p) / (p * (n - 1)), p, n - p), rel=1e-6)
    assert (found.rank, found.n) == (p, n)
    turned = score_test(unit @ np.random.default_rng(seed + 1).normal(size=(p, p)))  # no choice of axes matters
    assert turned.statistic == pytest.approx(statistic, rel=1e-4)


@law
@given(seeds, st.integers(3, 30))
def test_in_one_direction_it_is_the_t_test(seed, n):
    scores = np.random.default_rng(seed).normal(size=(n, 2, 3))
    direction = np.random.default_rng(seed + 1).normal(size=(2, 3))
    theirs = scipy.stats.ttest_1samp(np.sum(scores * direction, axis=(1, 2)), 0.0)
    found = direction_test(scores, direction)
    assert found.statistic == pytest.approx(theirs.statistic**2, rel=1e-6)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-6)


def test_repeated_and_empty_directions_count_once_or_not_at_all():
    scores = np.random.default_rng(0).normal(loc=0.3, size=(30, 2))
    padded = np.concatenate([scores, scores @ np.ones((2, 1)), np.zeros((30, 1))], axis=1)
    plain, found = score_test(scores), score_test(padded)
    assert found.rank == plain.rank == 2
    assert found.statistic == pytest.approx(plain.statistic)
    nothing = score_test(np.zeros((5, 3)))
    assert (nothing.statistic, nothing.rank, nothing.p) == (0.0, 0, 1.0)


def test_equal_scores_leave_no_doubt():
    found = score_test(np.full((6, 2), 0.1))
    assert (found.statistic, found.rank, found.p) == (math.inf, 1, 0.0)


def test_a_combination_of_scores_that_is_always_the_same_leaves_no_doubt():
    share = np.random.default_rng(0).uniform(size=(500, 1))
    found = score_test(np.concatenate([share, 1.0 - share, share**2], axis=1))
    assert (found.statistic, found.rank, found.p) == (math.inf, 3, 0.0)


def test_the_robust_score_test_holds_its_rate_where_the_model_is_wrong():
    """Least squares with noise that grows with x: scores of a slope that is truly zero."""
    rng, repetitions, n, robust, classical = np.random.default_rng(9), 1500, 80, 0, 0
    for _ in range(repetitions):
        x = rng.normal(size=n)
        residual = x * rng.normal(size=n)
        scores = (x * residual)[:, None]
        robust += score_test(scores).p <= 0.05
        information = np.mean(residual**2) * np.mean(x**2)  # what the score's variance would be under the model
        classical += n * scores.mean() ** 2 / information > scipy.stats.chi2.isf(0.05, 1)
    assert robust / repetitions < 0.05 + allowed(0.05, repetitions)
    assert classical / repetitions > 0.15


def test_the_score_test_holds_its_rate_in_many_directions():
    rng, repetitions, n, p, found, chi2 = np.random.default_rng(10), 1500, 40, 8, 0, 0
    for _ in range(repetitions):
        test = score_test(rng.normal(size=(n, p)))
        found += test.p <= 0.05
        chi2 += test.statistic > scipy.stats.chi2.isf(0.05, p)
    assert abs(found / repetitions - 0.05) < allowed(0.05, repetitions)
    assert chi2 / repetitions > 0.1  # why F and not its limit


def test_scores_refuse():
    refused(ShapeError, "scores must have shape (n, p), one row per example. Got shape (3,).", score_test, np.ones(3))
    refused(
        DataError,
        "A test of rank 2 needs 3 examples or more. Got 2. "
        "Give more examples, or test one direction (see direction_test).",
        score_test,
        np.eye(2),
    )
    refused(
        DataError,
        "A test of rank 0 needs 2 examples or more. Got 1. "
        "Give more examples, or test one direction (see direction_test).",
        score_test,
        np.zeros((1, 2)),
    )
    refused(
        ShapeError,
        "direction must have the shape of one score. Got scores of shape (4, 2) and a direction of shape (3,).",
        direction_test,
        np.ones((4, 2)),
        np.ones(3),
    )
