"""What Add forgets: closed forms against least squares on the data themselves."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from addcat.algebra import identity_projection, tie
from addcat.covariance.forgetting import lost, tie_distortion, tied_kernel
from addcat.covariance.moments import Moments
from addcat.errors import OptionError, ShapeError

law = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
small = st.integers(1, 4)


def branches(seed, arity, channels, rows, rank=None):
    """Stacked branches that correlate, with means, of the given rank."""
    rng, n = np.random.default_rng(seed), arity * channels
    return rng.normal(size=(rows, rank or n)) @ rng.normal(size=(rank or n, n)) + rng.normal(size=n)


def least_squares(inputs, targets):
    """Residual share of the centred targets, and the coefficients, by brute force."""
    inputs, targets = inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)
    coefficients = np.linalg.lstsq(inputs, targets, rcond=1e-9)[0]
    return np.sum((targets - inputs @ coefficients) ** 2) / np.sum(targets**2), coefficients.T


@law
@given(seeds, small, small, small, st.booleans())
def test_lost_is_what_regression_on_the_merge_leaves(seed, arity, channels, outputs, short):
    x = branches(seed, arity, channels, 60, rank=max(1, arity * channels // 2) if short else None)
    cov = Moments.from_batch(x).cov
    for weights in (
        identity_projection(channels, arity, dtype=np.float64),
        np.random.default_rng(seed).normal(size=(outputs, arity * channels)),
        np.eye(arity * channels),
    ):
        share, _ = least_squares(x @ weights.T, x)
        assert lost(cov, weights) == pytest.approx(share, abs=1e-8)


@law
@given(seeds, small, small, st.floats(-3, 3))
def test_lost_has_no_unit_and_concatenate_loses_nothing(seed, arity, channels, power):
    cov, add = Moments.from_batch(branches(seed, arity, channels, 60)).cov, identity_projection(channels, arity)
    assert lost(cov * 10.0**power, add) == pytest.approx(lost(cov, add), abs=1e-9)
    assert 0.0 <= lost(cov, add) <= 1.0
    assert lost(cov, np.eye(len(cov))) == pytest.approx(0.0, abs=1e-9)


def test_lost_of_known_cases():
    add = identity_projection(3, 2)
    x = np.random.default_rng(0).normal(size=(50, 3))
    equal, opposite = np.concatenate([x, x], axis=1), np.concatenate([x, -x], axis=1)
    assert lost(np.cov(equal.T), add) == pytest.approx(0.0, abs=1e-12)
    assert lost(np.cov(opposite.T), add) == 1.0
    assert lost(np.zeros((6, 6)), add) == 0.0
    assert lost(np.eye(6), identity_projection(2, 3)) == pytest.approx(2 / 3)


def test_lost_from_few_observations_is_too_low():
    x = np.random.default_rng(0).normal(size=(400, 200))
    assert lost(np.cov(x.T), identity_projection(100, 2)) == pytest.approx(0.5 * (1 - 100 / 400), rel=0.03)


def test_lost_refuses():
    for cov, weights, text in (
        (np.ones((2, 3)), np.ones((1, 3)), "cov must be square, of shape (n, n). Got shape (2, 3)."),
        (
            np.eye(3),
            np.ones((1, 2)),
            "weights must have shape (m, 3), one column per channel of cov. Got shape (1, 2).",
        ),
    ):
        with pytest.raises(ShapeError) as caught:
            lost(cov, weights)
        assert str(caught.value) == text


@law
@given(seeds, small, small, small)
def test_tied_kernel_is_least_squares(seed, arity, channels, outputs):
    x = branches(seed, arity, channels, 80)
    parts = np.split(np.random.default_rng(seed).normal(size=(outputs, arity * channels)), arity, axis=1)
    merged, wanted = x.reshape(80, arity, channels).sum(axis=1), x @ np.concatenate(parts, axis=1).T
    share, kernel = least_squares(merged, wanted)
    seen = Moments.from_batch(x)
    tied = tied_kernel(seen.cov, parts, mean=seen.mean)
    np.testing.assert_allclose(tied.kernel, kernel, rtol=1e-6, atol=1e-8)
    assert tied.distortion == pytest.approx(share, abs=1e-9)
    np.testing.assert_allclose((merged @ tied.kernel.T + tied.bias).mean(axis=0), wanted.mean(axis=0), atol=1e-8)


@law
@given(seeds, st.integers(2, 3), st.integers(2, 4), small)
def test_a_covariance_of_low_rank_is_welcome(seed, arity, channels, outputs):
    """More channels than examples vary: the kernel is still a least-squares fit, and the smallest of them."""
    x = branches(seed, arity, channels, 60, rank=1)
    parts = np.split(np.random.default_rng(seed).normal(size=(outputs, arity * channels)), arity, axis=1)
    merged, wanted = x.reshape(60, arity, channels).sum(axis=1), x @ np.concatenate(parts, axis=1).T
    share, kernel = least_squares(merged, wanted)
    tied = tied_kernel(Moments.from_batch(x).cov, parts)
    np.testing.assert_allclose(tied.kernel, kernel, rtol=1e-5, atol=1e-7)
    assert tied.distortion == pytest.approx(share, abs=1e-7)


@law
@given(seeds, st.integers(2, 3), small, small)
def test_a_consumer_that_is_tied_already_loses_nothing(seed, arity, channels, outputs):
    kernel = np.random.default_rng(seed).normal(size=(outputs, channels, 3))
    parts = np.split(tie(kernel, arity), arity, axis=1)
    for width in (1, 3):  # positions, and patches
        x = branches(seed, arity, channels * width, 200)
        tied = tied_kernel(np.cov(x.T).reshape(x.shape[1], -1), parts, mean=x.mean(axis=0))
        np.testing.assert_allclose(tied.kernel, kernel, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(tied.bias, 0.0, atol=1e-6)
        assert tied.distortion < 1e-12
        assert tied.per_tap is (width == 1)


def patches(x, taps):
    """x of shape (length, channels) -> (length - taps + 1, channels * taps), in the order (channel, tap)."""
    return np.stack([x[t : len(x) - taps + 1 + t] for t in range(taps)], axis=2).reshape(len(x) - taps + 1, -1)


def test_patches_give_the_exact_regression_of_a_convolution_and_single_positions_an_approximation():
    rng, taps = np.random.default_rng(0), 3
    # neighbouring positions correlate, so that the taps are not independent
    x, y = (np.apply_along_axis(np.convolve, 0, rng.normal(size=(5000, 2)), np.ones(4), "same") for _ in range(2))
    y = y + 0.5 * x
    parts = [rng.normal(size=(2, 2, taps)) for _ in range(2)]
    px, py = patches(x, taps), patches(y, taps)
    wanted = px @ parts[0].reshape(2, -1).T + py @ parts[1].reshape(2, -1).T
    share, kernel = least_squares(px + py, wanted)
    exact = tied_kernel(np.cov(np.concatenate([px, py], axis=1).T), parts)
    assert not exact.per_tap
    np.testing.assert_allclose(exact.kernel.reshape(2, -1), kernel, rtol=1e-6)
    assert exact.distortion == pytest.approx(share, abs=1e-9)

    cov = np.cov(np.concatenate([x, y], axis=1).T)
    rough = tied_kernel(cov, parts)
    assert rough.per_tap
    miss = wanted - (px + py) @ rough.kernel.reshape(2, -1).T
    real = np.sum((miss - miss.mean(axis=0)) ** 2) / np.sum((wanted - wanted.mean(axis=0)) ** 2)
    assert share <= real < 1.2 * share


def test_the_bias_of_a_convolution_counts_every_tap():
    parts = [np.full((1, 1, 3), 2.0), np.full((1, 1, 3), 1.0)]
    tied = tied_kernel(np.eye(2), parts, mean=np.array([10.0, 1.0]))
    np.testing.assert_allclose(tied.kernel, 1.5)
    np.testing.assert_allclose(tied.bias, 3 * (2 * 10 + 1 * 1 - 1.5 * 11))


@law
@given(seeds, small, st.integers(1, 3))
def test_fisher_weighs_the_error_but_not_the_kernel(seed, channels, outputs):
    rng, x = np.random.default_rng(seed), branches(seed, 2, channels, 60)
    parts, root = [rng.normal(size=(outputs, channels)) for _ in range(2)], rng.normal(size=(outputs, outputs))
    cov = Moments.from_batch(x).cov
    plain, weighed = tied_kernel(cov, parts), tied_kernel(cov, parts, fisher=root.T @ root)
    np.testing.assert_array_equal(plain.kernel, weighed.kernel)
    rotated = tied_kernel(cov, [root @ part for part in parts])  # the same error, in outputs scaled by the root
    assert weighed.distortion == pytest.approx(rotated.distortion, abs=1e-7)


def test_ridge_shrinks():
    cov, parts = np.eye(2), [np.array([[1.0]]), np.array([[1.0]])]
    assert tied_kernel(cov, parts, ridge=1.0).kernel.item() == pytest.approx(0.5)
    assert tied_kernel(cov, parts, ridge=1.0).distortion == pytest.approx(0.25)


def test_few_examples_flatter_and_fresh_data_tell():
    """Twelve examples for ten summed channels: nothing seems lost on them, much is on others."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(3, 10)) for _ in range(2)]
    fit, fresh = (np.cov(rng.normal(size=(rows, 20)).T) for rows in (12, 4000))
    tied = tied_kernel(fit, parts)
    assert tied.distortion < 0.2
    assert tie_distortion(fresh, parts, tied.kernel) > 0.5


def test_distortion_of_constant_outputs():
    one = np.array([[1.0]])
    assert tie_distortion(np.zeros((2, 2)), [one, -one], one) == 0.0
    assert tie_distortion(np.eye(2), [0 * one, 0 * one], one) == float("inf")
    assert tied_kernel(np.zeros((2, 2)), [one, -one]).kernel.item() == 0.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: tied_kernel(np.eye(3), [np.ones((1, 1)), np.ones((1, 2))]),
            "Add needs branches of equal width: all parts must have one shape. Got (1, 1), (1, 2). "
            "Project or zero-pad the narrower branch first.",
        ),
        (
            lambda: tied_kernel(np.eye(3), [np.ones((1, 2))] * 2),
            "cov must have one row per stacked channel, 4 rows for 2 parts of shape (1, 2). Got shape (3, 3).",
        ),
        (
            lambda: tied_kernel(np.eye(3), [np.ones((1, 2, 3))] * 2),
            "cov must have one row per stacked channel, 4 or per value of a patch, 12 rows for 2 parts of shape "
            "(1, 2, 3). Got shape (3, 3).",
        ),
        (
            lambda: tied_kernel(np.eye(4), [np.ones((1, 2))] * 2, mean=np.ones(2)),
            "mean must have shape (4,), as cov has. Got shape (2,).",
        ),
        (
            lambda: tied_kernel(np.eye(4), [np.ones((1, 2))] * 2, fisher=np.eye(2)),
            "fisher must have shape (1, 1). Got shape (2, 2).",
        ),
        (
            lambda: tie_distortion(np.eye(4), [np.ones((1, 2))] * 2, np.ones((1, 3))),
            "kernel must have the shape of each part, (1, 2). Got shape (1, 3).",
        ),
    ],
)
def test_shapes_that_do_not_fit(call, text):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == text


def test_ridge_refuses():
    with pytest.raises(OptionError) as caught:
        tied_kernel(np.eye(2), [np.ones((1, 1))] * 2, ridge=-1.0)
    assert str(caught.value) == "ridge is a share of the mean variance, 0 or more. Got -1.0."
