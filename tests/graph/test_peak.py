"""Which of two memories is lower: both peaks count."""

import pytest
from graphs import Sketch

from addcat.graph.peak import Memory


def of(peak: int, apart: int) -> Memory:
    sketch = Sketch()
    sketch.input()
    return Memory(peak, apart, 1.0, sketch.graph())


@pytest.mark.parametrize(
    ("mine", "other", "rises", "lower"),
    [
        ((10, 20), (10, 20), False, False),
        ((9, 20), (10, 20), False, True),
        ((10, 19), (10, 20), False, True),
        ((10, 21), (10, 20), True, False),
        ((9, 21), (10, 20), True, False),
        ((11, 19), (10, 20), True, False),
    ],
)
def test_neither_peak_may_rise_and_one_must_fall(mine, other, rises, lower):
    assert (of(*mine).rises_from(of(*other)), of(*mine).lower_than(of(*other))) == (rises, lower)
