"""Tied by regression: free where the parts are equal, dear where the order is needed."""

from dataclasses import replace

import numpy as np
import pytest
from problems import encoded_pair, linear_pair, problem, set_weights, two_inputs

from addcat.errors import DataError
from addcat.evidence.tie import tie

ENCODER = (np.eye(4)[:, :3], np.zeros(3))
FIRST = np.array([[1.0], [0.0], [0.0]])


def tied(parts, target):
    data, held = two_inputs(200, target, noise=0.1, seed=1), two_inputs(100, target, noise=0.1, seed=2)
    return tie(problem(set_weights(encoded_pair("concat"), encoder=ENCODER, head=(parts, [0.0])), data, held))


def test_equal_parts_lose_nothing_and_a_difference_loses_all():
    found = tied(np.r_[FIRST, FIRST], lambda x, y: x[:, 0] + y[:, 0])
    assert found.estimate == pytest.approx(0, abs=1e-5)
    assert found.facts["log_rise"] == pytest.approx(0, abs=1e-3)
    found = tied(np.r_[FIRST, -FIRST], lambda x, y: x[:, 0] - y[:, 0])
    assert found.low > 1
    assert found.facts["log_rise"] > 4
    assert (found.method, found.question, found.unit) == ("tie", "from here", "loss")


def test_an_add_is_refused():
    data = two_inputs(40, lambda x, y: x[:, 0])
    with pytest.raises(DataError) as caught:
        tie(problem(linear_pair("add", 4), data, data))
    assert str(caught.value) == "'merge' is an Add, which is tied already; 'tie' asks Concatenates."


def test_a_family_that_takes_too_long_is_left(monkeypatch):
    """The first merge is tied whatever it takes: its time is in the reckoning before."""
    data = two_inputs(40, lambda x, y: x[:, 0])
    one = problem(encoded_pair("concat"), data, data)
    monkeypatch.setattr("addcat.evidence.tie.LONGEST", -1.0)
    assert tie(one).method == "tie"
    with pytest.raises(DataError) as caught:
        tie(replace(one, family=(one.merge,) * 3))
    assert str(caught.value) == ("'merge' cannot be tied: the time allowed for it ended after 1 of 3 merges.")
