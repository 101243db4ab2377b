"""The arithmetic of the score test in numpy: its step is Newton's, its level holds, its power rises."""

from functools import cache

import numpy as np
import pytest

from addcat.covariance.moments import Moments
from addcat.evidence.untying import joined_interval, natural_step, residuals, slope_test
from addcat.statistics import t_interval

WIDTH = 4


def least_squares(design, target):
    return np.linalg.lstsq(np.c_[design, np.ones(len(design))], target, rcond=None)[0]


def step_of(branches, delta):
    gradient = delta.T @ np.concatenate(branches, axis=1) / len(delta)
    return natural_step(gradient, delta.mean(0), residuals(Moments.from_batch(*branches), len(branches)))


def test_for_squares_the_step_from_the_best_tied_kernel_reaches_the_best_untied_one():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 500, WIDTH)) + 1
    y = y + 0.5 * x
    target = x @ rng.normal(size=(WIDTH, 2)) - y @ rng.normal(size=(WIDTH, 2)) + rng.normal(size=(500, 2))
    tied = least_squares(x + y, target)
    delta = np.c_[x + y, np.ones(500)] @ tied - target
    step = step_of([x, y], delta)
    reached = np.vstack([np.tile(tied[:-1], (2, 1)) + step.kernel.T, tied[-1] + step.bias])
    np.testing.assert_allclose(reached, least_squares(np.c_[x, y], target), rtol=0.01, atol=0.01)


def test_the_step_leaves_out_what_the_tied_kernel_could_do_as_well():
    """Errors that are a function of the sum are no reason to untie, however large."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 400, WIDTH))
    delta = (x + y) @ rng.normal(size=(WIDTH, 3)) + 5
    step = step_of([x, y], delta)
    assert np.abs(step.kernel).max() < 1e-6
    assert np.abs(step.bias).max() < 1e-6


def test_the_step_is_a_descent_for_three_branches_and_for_kernels_with_taps():
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, 400, WIDTH))
    delta = (x - z) @ rng.normal(size=(WIDTH, 2))
    step = step_of([x, y, z], delta)
    along = np.concatenate([x, y, z], axis=1) @ step.kernel.T + step.bias
    assert (delta * along).mean() < -0.3 * (delta**2).mean()
    rests = residuals(Moments.from_batch(x, y), 2)
    kernel = rng.normal(size=(2, 2 * WIDTH, 3, 1))
    whole = natural_step(kernel, None, rests).kernel
    for tap in range(3):
        np.testing.assert_allclose(whole[:, :, tap, 0], natural_step(kernel[:, :, tap, 0], None, rests).kernel)


def test_residuals_of_a_sum_without_variance_are_the_branches():
    x = np.random.default_rng(0).normal(size=(100, 2))
    (first, second) = residuals(Moments.from_batch(x, -x), 2)
    assert np.abs(first.slope).max() == 0
    np.testing.assert_allclose(first.inverse, np.linalg.inv(np.cov(x.T)), rtol=0.01)
    np.testing.assert_allclose(second.inverse, first.inverse)


def test_no_slope_is_no_evidence():
    assert slope_test(np.zeros(50), np.zeros(50)) == 1
    assert slope_test(np.zeros(50), np.random.default_rng(0).normal(size=50)) == 1


def test_slopes_may_be_on_different_scales():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 100)) - 0.3
    assert slope_test(first, second) == pytest.approx(slope_test(first * 1e6, second * 1e-6))


def test_halves_that_repeat_each_other_are_not_more_evidence_than_one():
    half = np.random.default_rng(0).normal(size=100) - 0.2
    one = t_interval(half)
    joined = joined_interval(half, half)
    assert (joined.estimate, joined.low, joined.high, joined.n) == (one.estimate, one.low, one.high, 200)


def softmax(scores):
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def draw(rng, n):
    """Two branches with a common cause, as behind rectifiers: correlated, skewed, of different variance."""
    z = rng.normal(size=(n, WIDTH))
    x = np.maximum(z + 0.5 * rng.normal(size=(n, WIDTH)), 0) + 0.3 * z
    return x, 1.3 * np.maximum(rng.normal(size=(n, WIDTH)), 0) + 0.3 * z


def label(rng, kind, scores):
    if kind == "squares":
        return scores + rng.standard_t(4, scores.shape)
    return (softmax(scores).cumsum(1) > rng.random((len(scores), 1))).argmax(1)


def errors(kind, scores, target):
    if kind == "squares":
        return scores - target
    return softmax(scores) - np.eye(scores.shape[1])[target]


def fitted(kind, design, target, start):
    """The tied parameters as training finds them: exactly for squares, by Newton's steps for classes."""
    if kind == "squares":
        return np.linalg.lstsq(design, target, rcond=None)[0]
    weights = start.copy()
    for _ in range(6):
        p = softmax(design @ weights)
        gradient = design.T @ (p - np.eye(p.shape[1])[target]) + 1e-3 * weights
        blocks = [
            [design.T @ (design * (p[:, a] * ((a == b) - p[:, b]))[:, None]) for b in range(p.shape[1])]
            for a in range(p.shape[1])
        ]
        hessian = np.block(blocks) + 1e-3 * np.eye(weights.size)
        weights -= np.linalg.solve(hessian, gradient.T.ravel()).reshape(weights.T.shape).T
    return weights


def p_value(kind, n, gap, seed, *, trained):
    """One network with Add, fitted to `trained` examples or at the truth, tested on `n` others."""
    rng, outputs = np.random.default_rng([seed, n]), 4
    tied = rng.normal(size=(WIDTH + 1, outputs)) / 2
    apart = gap * rng.normal(size=(WIDTH, outputs))

    def sample(n):
        x, y = draw(rng, n)
        design = np.c_[x + y, np.ones(n)]
        return x, y, design, label(rng, kind, design @ tied + (x - y) @ apart)

    weights = tied
    if trained:
        _, _, design, target = sample(trained)
        weights = fitted(kind, design, target, tied)
    x, y, design, target = sample(n)
    delta, halves, slopes = errors(kind, design @ weights, target), (slice(0, n, 2), slice(1, n, 2)), []
    for found, judged in (halves, halves[::-1]):
        step = step_of([x[found], y[found]], delta[found])
        along = np.concatenate([x[judged], y[judged]], axis=1) @ step.kernel.T + step.bias
        slopes.append((along * delta[judged]).sum(1))
    return slope_test(*slopes)


@cache
def rejected(kind, n, gap, repetitions, trained=0):
    return float(np.mean([p_value(kind, n, gap, seed, trained=trained) < 0.05 for seed in range(repetitions)]))


CASES = [("squares", 0), ("squares", 150), ("classes", 0), ("classes", 600)]


@pytest.mark.parametrize(("kind", "trained"), CASES)
def test_the_level_holds(kind, trained):
    """Of 200 tests at 5 %, binomially 2 to 19 reject in 99.5 % of all cases."""
    assert 0.01 <= rejected(kind, 300, 0.0, 200, trained) <= 0.095


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "trained"), CASES)
def test_the_level_holds_in_a_thousand_repetitions(kind, trained):
    assert 0.03 <= rejected(kind, 300, 0.0, 1000, trained) <= 0.07


@pytest.mark.parametrize("kind", ["squares", "classes"])
def test_power_rises_with_the_examples(kind):
    powers = [rejected(kind, n, 0.15, 100) for n in (100, 300, 900)]
    assert powers[0] < powers[1] < powers[2]
    assert powers[2] > 0.8


def test_one_direction_is_tested_with_care():
    """Slopes of one parameter in both halves are less alike than of many, and the test errs less than it may."""
    count = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        x, y, delta = rng.normal(size=(3, 200, 1))
        slopes = []
        for found, judged in ((slice(0, 100), slice(100, 200)), (slice(100, 200), slice(0, 100))):
            step = step_of([x[found], y[found]], delta[found])
            slopes.append((np.c_[x[judged], y[judged]] @ step.kernel.T + step.bias)[:, 0] * delta[judged, 0])
        count += slope_test(*slopes) < 0.05
    assert 0.005 <= count / 400 <= 0.05
