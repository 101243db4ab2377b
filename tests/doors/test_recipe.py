"""Plans of training runs and the order of their batches; no framework."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addcat.data.examples import Examples
from addcat.doors.recipe import MOST_EVALUATIONS, Plan, Recipe, divided, plan


@given(st.integers(1, 5000), st.integers(1, 600), st.integers(1, 3000))
def test_a_plan_keeps_to_the_steps_and_to_the_evaluations(examples, batch, steps):
    made = plan(Recipe(None, 1, batch, ""), examples, steps)
    per_pass = examples // min(batch, examples)
    assert 1 <= made.evaluations <= MOST_EVALUATIONS
    assert 0.95 * steps <= made.steps <= steps
    assert made.batch == batch
    if 20 * MOST_EVALUATIONS < steps < MOST_EVALUATIONS * per_pass and steps >= per_pass:
        assert per_pass * 0.6 <= made.per_evaluation <= per_pass * 1.5  # an evaluation a pass, give or take half of one


@given(st.integers(1, 3000), st.integers(1, 40), st.integers(1, 40))
def test_equal_parts_leave_next_to_nothing_over(steps, wanted, most):
    made = divided(steps, wanted, most)
    assert 1 <= made <= min(most, steps)
    assert steps // made * made >= 0.95 * steps
    exact = [some for some in range(1, min(most, steps) + 1) if steps % some == 0]
    assert all(max(made / wanted, wanted / made) <= max(some / wanted, wanted / some) * (1 + 1e-9) for some in exact)


@pytest.mark.parametrize(("steps", "kept"), [(79, 78), (100, 99), (49, 48), (19, 19), (3, 3)])
def test_one_step_a_pass_loses_a_step_at_the_most(steps, kept):
    assert plan(Recipe(None, 1, 64, ""), 64, steps).steps == kept


def test_a_run_shorter_than_a_pass_is_judged_once_at_its_end():
    assert plan(Recipe(None, 1500, 128, ""), 12_800, 30) == Plan(30, 1, 128)


@given(st.integers(1, 60), st.integers(1, 70), st.integers(1, 6), st.integers(1, 9), st.integers(0, 5))
def test_every_pass_shows_each_example_once_at_most(examples, batch, evaluations, per_evaluation, seed):
    order = Plan(per_evaluation, evaluations, batch).order(examples, seed)
    size = min(batch, examples)
    assert order.shape == (evaluations, per_evaluation, size)
    assert order.min() >= 0
    assert order.max() < examples
    per_pass = examples // size
    steps = order.reshape(-1, size)
    for start in range(0, len(steps), per_pass):
        seen = steps[start : start + per_pass].ravel()
        assert len(set(seen.tolist())) == len(seen)


def test_the_order_is_that_of_its_seed_and_differs_from_pass_to_pass():
    made = Plan(4, 2, 8)
    assert np.array_equal(made.order(32, 3), made.order(32, 3))
    assert not np.array_equal(made.order(32, 3), made.order(32, 4))
    first, second = made.order(32, 3)
    assert sorted(first.ravel()) == sorted(second.ravel()) == list(range(32))
    assert not np.array_equal(first, second)


def test_both_arms_see_the_same_batches_whatever_the_number_of_evaluations():
    fine, coarse = Plan(2, 6, 4).order(20, 1), Plan(6, 2, 4).order(20, 1)
    assert np.array_equal(fine.reshape(12, 4), coarse.reshape(12, 4))


def test_examples_are_taken_by_rows_and_in_chunks():
    data = Examples((np.arange(5), np.arange(10).reshape(5, 2)), (np.arange(5) * 10,))
    some = data.rows(np.array([3, 0]))
    assert (data.count, some.count) == (5, 2)
    assert [a.tolist() for a in (*some.inputs, *some.targets)] == [[3, 0], [[6, 7], [0, 1]], [30, 0]]
    assert [[a.tolist() for a in part.targets] for part in data.chunks(2)] == [[[0, 10]], [[20, 30]], [[40]]]


def test_chunks_are_copies_that_can_be_written_to(tmp_path):
    path = tmp_path / "x.bin"
    np.arange(6, dtype=np.float32).tofile(path)
    mapped = np.memmap(path, np.float32, "r", shape=(6,))
    for part in Examples((mapped,), ()).chunks(4):
        part.inputs[0][:] = 0
    assert mapped.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("steps", "expected"), [(1, (1, 1)), (15, (15, 1)), (45, (15, 3)), (6000, (150, 40))])
def test_plans_of_two_thousand_examples(steps, expected):
    made = plan(Recipe(None, 1, 128, ""), 2000, steps)
    assert (made.per_evaluation, made.evaluations) == expected
