"""Corners of the statistics: ties in the bootstrap, a direction of which nothing is known."""

import numpy as np
import pytest
import scipy.stats

from addcat.statistics import bca_interval, score_test


def test_bca_agrees_with_scipy_where_resamples_tie_with_the_mean():
    values = [0.0] * 6 + [1.0] * 6  # every twelfth resample or so has the mean of the sample
    mine = bca_interval(values, resamples=20_000, seed=3)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=20_000, random_state=np.random.default_rng(5)
    ).confidence_interval
    assert (mine.low, mine.high) == (pytest.approx(theirs.low, abs=0.045), pytest.approx(theirs.high, abs=0.045))
    assert mine.estimate - mine.low == pytest.approx(mine.high - mine.estimate, abs=0.045)  # symmetric data, no bias


def test_a_score_that_is_zero_for_every_example_is_no_direction():
    random = np.random.default_rng(0)
    scores = random.normal(size=(40, 2))
    both = score_test(np.column_stack([scores[:, 0], np.zeros(40), scores[:, 1]]))
    alone = score_test(scores)
    assert (both.statistic, both.rank, both.p) == pytest.approx((alone.statistic, alone.rank, alone.p))
    assert score_test(np.zeros((40, 2))).p == 1.0
