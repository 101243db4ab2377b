"""What is held out: a share by a seed, enough of it, and inputs that cross."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinds_of_data import IMAGE, N, X, Y

from addcat.data import Batch, split
from addcat.data.examples import Examples
from addcat.data.held import require_enough
from addcat.errors import DataError, OptionError


@given(n=st.integers(2, 40), share=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_a_split_is_a_partition_and_the_seed_decides_it(n: int, share: float, seed: int) -> None:
    examples = Examples((np.arange(n),), (np.arange(n) * 10,))
    fit, validation = split(examples, share, seed)
    assert sorted([*fit.inputs[0], *validation.inputs[0]]) == list(range(n))
    assert validation.count == min(max(1, round(share * n)), n - 1)
    np.testing.assert_array_equal(validation.targets[0], validation.inputs[0] * 10)
    again = split(examples, share, seed)[1]
    np.testing.assert_array_equal(validation.inputs[0], again.inputs[0])


def test_another_seed_gives_another_split() -> None:
    examples = Examples((np.arange(100),), ())
    assert split(examples, 0.5, 0)[0].inputs[0].tolist() != split(examples, 0.5, 1)[0].inputs[0].tolist()


@pytest.mark.parametrize("share", [0, 1, -0.2, 20])
def test_a_share_out_of_range(share: float) -> None:
    with pytest.raises(OptionError) as caught:
        split(Examples((X,), (Y,)), share, seed=0)
    assert str(caught.value) == (
        f"share={share} is not between 0 and 1. Pass, for instance, 0.2 for one example in five."
    )


def test_one_example_cannot_be_split() -> None:
    with pytest.raises(DataError) as caught:
        split(Examples((X[:1],), (Y[:1],)), 0.5, seed=0)
    assert str(caught.value) == (
        "The data have 1 example; a split needs two or more. Pass more, or pass `validation` as well."
    )


def test_a_batch_counts_its_examples() -> None:
    assert Batch((X, IMAGE), ()).n == N


@pytest.mark.parametrize(("count", "these"), [(1, "1 example to judge on is"), (2, "2 examples to judge on are")])
def test_too_few_examples_are_counted(count, these):
    with pytest.raises(DataError) as caught:
        require_enough(Examples((np.zeros((count, 3)),), ()), "to judge on", 10)
    assert str(caught.value) == (
        f"{these} too few; 10 are needed at least, and some hundred to decide anything but large gains."
    )


def test_inputs_that_cross_are_those_whose_rows_come_again():
    users, items = np.divmod(np.arange(2400), 40)
    columns = {
        "users": users,
        "flag": users % 2,  # all its values are there
        "number": np.arange(2400),  # no row comes again
        "items": np.stack([items, -items], axis=1),
        "age": users % 35,  # of the user, who has one
    }
    examples = Examples(tuple(columns.values()), ())
    assert [int(one.max()) + 1 for one in examples.crossed()] == [35, 40]
    without = Examples((columns["users"], columns["items"]), ())
    items_of, users_of = without.crossed()
    assert np.array_equal(items_of, items)
    assert np.array_equal(users_of, users)
    assert Examples((users,), ()).crossed() == ()
    twice = Examples((columns["users"], columns["users"] + 1.0), ())
    assert twice.crossed() == ()  # each example is one of its user: repeats, and nothing that crosses
