"""Streaming moments: equal to the batch formulas, whatever the shards; and errors that name the place."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from addcat.covariance import moments
from addcat.covariance.moments import Moments, branch_slices
from addcat.errors import DataError, ShapeError

law = settings(derandomize=True, deadline=None, max_examples=50)


def draw(seed, rows, channels):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, channels)) @ rng.normal(size=(channels, channels)) + 10 * rng.normal(size=channels)


@law
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(1, 5))
def test_shards_combine_to_the_batch(seed, sizes, channels):
    x = draw(seed, sum(sizes) + 2, channels)
    shards = [Moments.from_batch(part) for part in np.split(x, np.cumsum(sizes))]
    for order in (shards, shards[::-1]):
        total = sum(order, Moments.empty(channels))
        assert total.count == len(x)
        np.testing.assert_allclose(total.mean, x.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(total.cov, np.cov(x.T).reshape(channels, channels), rtol=1e-10, atol=1e-12)


@law
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_addition_is_commutative_and_associative(seed, rows, more, channels):
    a, b, c = (Moments.from_batch(draw(seed + i, n, channels)) for i, n in enumerate((rows, more, 3)))
    for left, right in ((a + b, b + a), ((a + b) + c, a + (b + c))):
        assert left.count == right.count
        np.testing.assert_allclose(left.mean, right.mean, rtol=1e-12)
        np.testing.assert_allclose(left.scatter, right.scatter, rtol=1e-10, atol=1e-10)


def test_branches_are_stacked_and_positions_count():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4, 3, 2)).astype(np.float32), rng.normal(size=(6, 4, 3, 5)).astype(np.float32)
    found = Moments.from_batch(x, y)
    stacked = np.concatenate([x.reshape(-1, 2), y.reshape(-1, 5)], axis=1).astype(np.float64)
    assert found.count == 72
    np.testing.assert_allclose(found.cov, np.cov(stacked.T), rtol=1e-12)
    first, second = branch_slices([2, 5])
    np.testing.assert_array_equal(found.block(first, second), found.cov[:2, 2:])


def test_chunks_change_nothing(monkeypatch):
    x = draw(3, 100, 4)
    whole = Moments.from_batch(x)
    monkeypatch.setattr(moments, "CHUNK", 28)  # seven rows at a time
    chunked = Moments.from_batch(x)
    assert chunked.count == whole.count
    np.testing.assert_allclose(chunked.cov, whole.cov, rtol=1e-12)


def test_a_large_mean_does_not_drown_the_variance():
    """The textbook sum of squares minus square of the sum has no digits left here."""
    x = 1e8 + np.random.default_rng(0).normal(size=(1000, 1))
    streamed = sum((Moments.from_batch(part) for part in np.split(x, 10)), Moments.empty(1)).cov[0, 0]
    naive = (np.sum(x**2) - np.sum(x) ** 2 / 1000) / 999
    assert streamed == pytest.approx(np.var(x, ddof=1), rel=1e-7)
    assert abs(naive / streamed - 1) > 1e-2


def test_the_callers_array_is_untouched():
    x = draw(0, 8, 3)
    before = x.copy()
    Moments.from_batch(x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(value):
    x, y = np.zeros((4, 2, 3), np.float32), np.zeros((4, 2, 2), np.float32)
    y[2, 1, 1] = y[3, 0, 0] = value
    rest = "Look for overflow in the model, or missing values in the data, and leave such examples out."
    for names, said in (((), "branch 1"), (("conv_a", "conv_b"), "conv_b")):
        with pytest.raises(DataError) as caught:
            Moments.from_batch(x, y, names=names)
        assert str(caught.value) == (
            f"{said} has 2 of 16 values that are not finite; the first is {value} in example 2, channel 1. {rest}"
        )


def test_branches_that_do_not_fit_are_listed():
    with pytest.raises(ShapeError) as caught:
        Moments.from_batch(np.ones((4, 2, 3)), np.ones((5, 2, 3)), np.ones(3), names=["a", "b", "c"])
    assert str(caught.value) == (
        "Branches must be arrays (examples, ..., channels) that differ in channels only.\n"
        "  a  (4, 2, 3)\n"
        "  b  (5, 2, 3)  <- unlike the first\n"
        "  c  (3,)  <- needs two axes or more"
    )


def test_names_must_match():
    for given_, names, said in (((), (), "0 and 0"), ((np.ones((2, 2)),), ("a", "b"), "1 and 2")):
        with pytest.raises(ShapeError) as caught:
            Moments.from_batch(*given_, names=names)
        assert str(caught.value) == f"Give one or more branches, and a name for each. Got {said} names."


def test_shards_of_other_branches_do_not_combine():
    with pytest.raises(ShapeError) as caught:
        Moments.empty(2) + Moments.empty(3)
    assert str(caught.value) == (
        "Moments of 2 and of 3 channels cannot be combined: shards must see the same branches in the same order."
    )


def test_a_covariance_needs_two_observations():
    one = Moments.from_batch(np.ones((1, 2)))
    for read in (lambda: one.cov, lambda: one.block(slice(0, 1), slice(1, 2))):
        with pytest.raises(DataError) as caught:
            read()
        assert str(caught.value) == "A covariance needs two observations or more. Got 1."
