"""Alignment of two branches: known cases, the order of its levels, and what CKA cannot see."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import ortho_group

from addcat.covariance.alignment import alignment, linear_cka, scale_ratio
from addcat.errors import ShapeError

law = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


def blocks(x, y):
    cov, c = np.cov(np.concatenate([x, y], axis=1).T), x.shape[1]
    return cov[:c, :c], cov[c:, c:], cov[:c, c:]


def draw(seed, channels, rows=60):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, channels)) @ rng.normal(size=(channels, channels))


@law
@given(seeds, st.integers(1, 5), st.floats(0, 1))
def test_each_level_allows_more(seed, channels, mix):
    x = draw(seed, channels)
    found = alignment(*blocks(x, mix * x + (1 - mix) * draw(seed + 1, channels)))
    assert 0.0 <= found.as_is <= found.permuted <= found.rotated <= 1.0


@law
@given(seeds, st.integers(1, 5))
def test_permuted_is_the_best_of_all_orders(seed, channels):
    x, y = draw(seed, channels), draw(seed + 1, channels) + draw(seed, channels)
    correlation = np.abs(np.corrcoef(np.concatenate([x, y], axis=1).T)[:channels, channels:])
    found = alignment(*blocks(x, y))
    assert found.as_is == pytest.approx(np.mean(np.diag(correlation)))
    orders = itertools.permutations(range(channels))
    best = max(np.mean(correlation[np.arange(channels), list(order)]) for order in orders)
    assert found.permuted == pytest.approx(best)
    assert np.mean(correlation[np.arange(channels), found.permutation]) == pytest.approx(best)


@law
@given(seeds, st.integers(2, 4))
def test_no_rotation_found_by_chance_beats_procrustes(seed, channels):
    x, y = draw(seed, channels), draw(seed + 1, channels)
    found = alignment(*blocks(x, y))
    x, y = (v / v.std(axis=0, ddof=1) for v in (x - x.mean(axis=0), y - y.mean(axis=0)))
    for turn in ortho_group.rvs(channels, size=50, random_state=seed):
        assert np.mean(np.sum(x * (y @ turn.T), axis=0) / (len(x) - 1)) <= found.rotated + 1e-12


@law
@given(seeds, st.integers(2, 5), st.floats(0.1, 10))
def test_a_rotated_copy_is_recognised_by_rotation_and_by_cka(seed, channels, size):
    x = draw(seed, channels)
    cov = blocks(x, size * x @ ortho_group.rvs(channels, random_state=seed))
    assert alignment(*cov).rotated == pytest.approx(1.0)
    assert linear_cka(*cov) == pytest.approx(1.0)


def test_add_now_after_reordering_after_a_1x1_or_never():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 6))
    turn, order = ortho_group.rvs(6, random_state=1), rng.permutation(6)
    cases = {"same": x, "signs": -2 * x, "order": x[:, order], "turn": x @ turn, "noise": rng.normal(size=(4000, 6))}
    found = {name: alignment(*blocks(x, y)) for name, y in cases.items()}
    levels = {name: (f.as_is > 0.9, f.permuted > 0.9, f.rotated > 0.9) for name, f in found.items()}
    assert levels == {
        "same": (True, True, True),
        "signs": (True, True, True),
        "order": (False, True, True),
        "turn": (False, False, True),
        "noise": (False, False, False),
    }
    np.testing.assert_array_equal(x[:, order][:, found["order"].permutation], x)
    # CKA is the same for the four that are rotations of one another
    similar = {name: linear_cka(*blocks(x, y)) for name, y in cases.items()}
    assert min(similar[name] for name in ("same", "signs", "order", "turn")) > 0.999
    assert similar["noise"] < 0.01


def test_channels_that_never_change_correlate_with_nothing():
    x = np.random.default_rng(0).normal(size=(50, 2))
    dead = np.concatenate([x[:, :1], np.full((50, 1), 0.1)], axis=1)  # not exact in binary: its variance is rounding
    found = alignment(*blocks(dead, dead))
    assert found.as_is == pytest.approx(0.5)
    zero = np.zeros((2, 2))
    assert alignment(zero, zero, zero).rotated == 0.0
    assert linear_cka(zero, zero, zero) == 0.0


@pytest.mark.parametrize(("channels", "rows"), [(40, 400), (60, 2400)])
def test_agreement_by_chance(channels, rows):
    rng = np.random.default_rng(0)
    found = alignment(*blocks(rng.normal(size=(rows, channels)), rng.normal(size=(rows, channels))))
    assert found.rotated == pytest.approx(8 / (3 * np.pi) * np.sqrt(channels / rows), rel=0.05)
    assert found.as_is < 0.2 * found.permuted + 0.1


@law
@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_cka_is_that_of_the_examples(seed, c, d):
    """Kornblith et al.: |Y'X|² / (|X'X| |Y'Y|) on centred data, for branches of any width."""
    x, y = draw(seed, c), draw(seed + 1, d)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    theirs = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    cov = np.cov(np.concatenate([x, y], axis=1).T)
    assert linear_cka(cov[:c, :c], cov[c:, c:], cov[:c, c:]) == pytest.approx(theirs)


def test_scale_ratio():
    assert scale_ratio(np.diag([4.0, 4.0, 1.0, 36.0]), [2, 1, 1]) == 6.0
    assert scale_ratio(np.diag([1.0, 0.0]), [1, 1]) == float("inf")
    assert scale_ratio(np.zeros((2, 2)), [1, 1]) == 1.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: alignment(np.eye(2), np.eye(3), np.ones((2, 3))),
            "Channels can be compared one by one only in branches of equal width, with three covariances of shape "
            "(c, c). Got shapes (2, 2), (3, 3) and (2, 3).",
        ),
        (
            lambda: linear_cka(np.eye(2), np.eye(2), np.ones((2, 3))),
            "For cov_xy of shape (2, 3), cov_x and cov_y must have shapes (2, 2) and (3, 3). Got (2, 2) and (2, 2).",
        ),
        (
            lambda: scale_ratio(np.eye(2), [1, 2]),
            "cov must have one row and one column for each of the 3 channels of 2 branches. Got shape (2, 2).",
        ),
    ],
)
def test_shapes_that_do_not_fit(call, text):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == text
