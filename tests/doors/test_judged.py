"""Each half of the held-out examples is judged where the other was best; what is kept belongs to that evaluation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from addcat.doors.judged import Kept, cross_fitted

CURVES = st.tuples(st.integers(1, 6), st.integers(1, 7)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, np.nan, np.inf]))
)


@settings(max_examples=200, deadline=None)
@given(CURVES)
def test_what_is_kept_has_the_losses_that_are_judged(curve):
    kept = Kept()
    for losses in curve:
        kept.look(losses, [losses.copy(), np.stack([losses, losses], axis=1)])
    np.testing.assert_array_equal(kept.outputs[0], cross_fitted(curve))
    np.testing.assert_array_equal(kept.outputs[1], np.stack([cross_fitted(curve)] * 2, axis=1))


def test_a_half_is_judged_where_the_other_was_best():
    curve = np.array([[1.0, 9.0, 1.0, 9.0], [9.0, 1.0, 9.0, 1.0], [5.0, 5.0, 5.0, 5.0]])
    assert cross_fitted(curve).tolist() == [9.0, 9.0, 9.0, 9.0]
