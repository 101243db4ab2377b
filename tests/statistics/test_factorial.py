"""Designs: balance, what they estimate without bias, and how often their intervals cover."""

import math
from itertools import combinations

import numpy as np
import pytest

from addcat.errors import DataError, OptionError
from addcat.statistics import balanced_design, interactions, main_effects, total_effect


@pytest.mark.parametrize("factors", [1, 2, 3, 4, 7, 8, 11, 12, 15, 16, 19, 20, 31, 40, 63])
def test_columns_are_balanced_and_orthogonal(factors):
    rows = balanced_design(factors)
    assert set(np.unique(rows)) == {-1, 1}
    assert np.array_equal(rows.T @ rows, len(rows) * np.eye(factors, dtype=int))
    assert not rows.sum(axis=0).any()
    assert (rows[0] == 1).all()  # with its mirror: everything Concatenate against everything Add


def test_with_their_mirrors_every_run_is_a_different_setting():
    for factors in range(1, 20):
        rows = balanced_design(factors)
        both = {tuple(row) for row in np.concatenate([rows, -rows])}
        assert len(both) == min(2 * len(rows), 2**factors)


@pytest.mark.parametrize("factors", [0, 64])
def test_too_many_questions(factors):
    with pytest.raises(OptionError) as caught:
        balanced_design(factors)
    assert str(caught.value) == f"A design takes 1 to 63 questions at a time. Got {factors}. Ask by families."


def simulated(random, factors, pairs, *, pairwise=0.0, noise=1.0):
    """Losses of a network in which every merge has an effect, and every two of them one together."""
    gains, together = random.normal(size=factors), pairwise * random.normal(size=(factors, factors))
    rows = np.resize(balanced_design(factors), (pairs, factors))

    def loss(setting):
        both = sum(together[j, k] * setting[j] * setting[k] for j, k in combinations(range(factors), 2))
        return 3.0 - 0.5 * setting @ gains + both

    clean = np.array([[loss(-row), loss(row)] for row in rows])
    seeds = random.normal(size=(pairs, 1))  # shared by the two runs of a pair
    losses = clean + seeds + noise * random.normal(size=(pairs, 2)) / math.sqrt(2)
    return rows, losses, gains, together


@pytest.mark.parametrize(("factors", "pairs"), [(2, 8), (3, 8), (5, 16), (8, 24), (16, 40)])
def test_main_effects_are_unbiased_and_covered(factors, pairs):
    random = np.random.default_rng(factors)
    covered, errors, repetitions = 0, [], 400
    for _ in range(repetitions):
        rows, losses, gains, _ = simulated(random, factors, pairs, pairwise=0.5)
        found = main_effects(rows, losses[:, 0] - losses[:, 1])
        covered += sum(not effect.gain.excludes(gain) for effect, gain in zip(found, gains, strict=True))
        errors.append([effect.gain.estimate - gain for effect, gain in zip(found, gains, strict=True)])
    share, several = covered / (repetitions * factors), repetitions * factors
    assert share == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / several))
    assert abs(np.mean(errors)) < 4 * np.std(errors) / math.sqrt(several)


def test_every_question_is_answered_as_sharply_as_one_alone():
    random = np.random.default_rng(9)
    spread = {}
    for factors in (1, 7):
        found = []
        for _ in range(600):
            rows, losses, gains, _ = simulated(random, factors, 16)
            found.append(main_effects(rows, losses[:, 0] - losses[:, 1])[0].gain.estimate - gains[0])
        spread[factors] = np.std(found)
    assert spread[7] == pytest.approx(spread[1], rel=0.15)


def test_the_total_is_all_of_them_against_none():
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(500):
        rows, losses, gains, _ = simulated(random, 4, 16, pairwise=0.5)
        covered += not total_effect(rows, losses[:, 0] - losses[:, 1]).gain.excludes(gains.sum())
    assert covered / 500 == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 500))


def test_two_merges_together_are_seen_where_the_design_sees_them():
    random = np.random.default_rng(4)
    rows, losses, _, together = simulated(random, 3, 16, pairwise=2.0, noise=0.05)
    losses -= losses.mean(axis=1, keepdims=True) - np.array([rows_mean(rows, together)]).T - 3.0  # no noise of seeds
    found = dict(interactions(rows, losses.sum(axis=1), ["a", "b", "c"]))
    assert set(found) == {"a x b", "a x c", "b x c"}
    # the gain at a, with b at Concatenate less with b at Add, halved
    assert found["a x b"].gain.estimate == pytest.approx(-2 * together[0, 1], abs=0.1)
    assert found["a x b"].p < 1e-6


def rows_mean(rows, together):
    return [sum(together[j, k] * row[j] * row[k] for j, k in combinations(range(rows.shape[1]), 2)) for row in rows]


def test_what_cannot_be_told_apart_is_named_together():
    rows = np.resize(balanced_design(7), (16, 7))
    found = interactions(rows, np.random.default_rng(0).normal(size=16), list("abcdefg"))
    assert len(found) == 7
    assert all(name.count(" or ") == 2 for name, _ in found)
    assert interactions(balanced_design(7), np.zeros(8), list("abcdefg")) == ()


def test_too_few_pairs():
    rows = balanced_design(3)
    with pytest.raises(DataError) as caught:
        main_effects(rows[:3], np.zeros(3))
    assert str(caught.value) == "3 effects need more than 3 pairs. Got 3."
    with pytest.raises(DataError) as caught:
        main_effects(rows[[0, 0, 0, 1]], np.zeros(4))
    assert str(caught.value) == "These 4 pairs do not tell the 3 effects apart. Run the whole design."
    with pytest.raises(DataError) as caught:
        main_effects(rows, np.zeros(3))
    assert str(caught.value) == "A design of 4 pairs needs 4 values. Got shape (3,)."


def test_effects_without_any_noise_are_known():
    rows = balanced_design(2)
    first, second = main_effects(rows, rows @ np.array([0.5, 0.0]))
    assert (first.gain.low, first.gain.high, first.p) == pytest.approx((0.5, 0.5, 0.0), abs=1e-12)
    assert second.gain.estimate == pytest.approx(0.0, abs=1e-12)
