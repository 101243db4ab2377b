"""Examples that share users and items: by simulation, and where nothing is shared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addcat.statistics import crossed_interval
from addcat.statistics.crossing import crossing

EXAMPLES, USERS, ITEMS = 600, 60, 40


def drawn(rng, *, users=1.0, items=1.0):
    """Which user and item each example has, and values that differ by both."""
    user, item = rng.integers(USERS, size=EXAMPLES), rng.integers(ITEMS, size=EXAMPLES)
    values = users * rng.standard_normal(USERS)[user] + items * rng.standard_normal(ITEMS)[item]
    return user, item, values + rng.standard_normal(EXAMPLES)


@pytest.mark.parametrize(("users", "items"), [(1.0, 1.0), (0.3, 0.0), (0.0, 0.0)])
def test_intervals_cover_what_new_users_and_items_would_give(users, items):
    """The mean over all users and items is 0; seeds differ by little."""
    rng, inside, plainly = np.random.default_rng(0), 0, 0
    for _ in range(400):
        user, item, values = drawn(rng, users=users, items=items)
        runs = values + 0.01 * rng.standard_normal((8, 1))
        shared = crossing(values, np.arange(EXAMPLES), [user, item])
        inside += not crossed_interval(runs, shared=shared).excludes(0)
        plainly += not crossed_interval(runs).excludes(0)
    assert 0.925 <= inside / 400 <= 0.99
    assert (plainly / 400 < 0.6) == (users == 1.0)


def test_by_hand():
    """Two users with two examples each: V_user = 2 ((2 - 0)² + (-2)²) / 16 = 1, V_examples = 4/3 (4 / 16) = 1/3."""
    values, user = np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1])
    assert crossing(values, np.arange(4), [user]) == pytest.approx(3.0)
    item = np.array([0, 1, 0, 1])
    assert crossing(values, np.arange(4), [user, item]) == pytest.approx(3.0 + 0.0 - 1.0)


@given(st.integers(0, 10_000))
def test_it_is_never_below_one_and_does_not_mind_units(seed):
    rng = np.random.default_rng(seed)
    user, item, values = drawn(rng, users=0.0, items=0.0)
    found = crossing(values, np.arange(EXAMPLES), [user, item])
    assert found >= 1.0
    assert crossing(-3 * values + 7, np.arange(EXAMPLES), [user, item]) == pytest.approx(found)


def test_where_nothing_is_shared_or_differs_it_is_one():
    values = np.random.default_rng(0).standard_normal(50)
    assert crossing(values, np.arange(50), []) == 1.0
    assert crossing(values, np.arange(50), [np.arange(50)]) == pytest.approx(1.0)
    assert crossing(np.ones(50), np.arange(50), [np.arange(50) // 2]) == 1.0
    assert crossing(values, np.zeros(50, int), [np.zeros(50, int)]) == 1.0
