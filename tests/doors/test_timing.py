"""Interleaved runs: the ratio and its interval, when they stop, and that one outlier moves nothing."""

import numpy as np
import pytest

from addcat.doors.timing import interleave, ratio_of


def clock_of(*seconds):
    """A clock on which runs take given times."""
    now = [0.0]

    def run_of(duration):
        def run_once():
            now[0] += duration

        return run_once

    return (lambda: now[0]), [run_of(one) for one in seconds]


def test_interleaved_runs_find_the_ratio():
    clock, (old, new) = clock_of(0.010, 0.008)
    ratio = interleave(old, new, clock=clock)
    assert ratio.estimate == pytest.approx(0.8)
    assert ratio.faster
    assert not ratio.slower
    assert ratio.pairs == 8


def test_equal_runs_are_neither_faster_nor_slower():
    clock, (old, new) = clock_of(0.010, 0.010)
    ratio = interleave(old, new, clock=clock, limit=0.05)
    assert not ratio.faster
    assert not ratio.slower


@pytest.mark.parametrize(("worth", "pairs"), [(1.0, 64), (0.98, 8)])
def test_what_cannot_be_worth_it_is_not_measured_to_the_end(worth, pairs):
    clock, (old, new) = clock_of(0.010, 0.0099)
    equal = interleave(old, old, clock=clock, worth=worth)
    assert equal.pairs == pairs
    assert interleave(old, new, clock=clock, worth=0.98).pairs == 8


def test_a_ratio_for_the_report_takes_all_pairs():
    clock, (old, new) = clock_of(0.010, 0.008)
    assert interleave(old, new, clock=clock, stop_early=False).pairs == 64


def test_interval_of_the_ratio_holds_its_level():
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(400):
        times = [(1.0, float(np.exp(noise))) for noise in rng.standard_t(2, 16) * 0.05]
        ratio = ratio_of(times, level=0.9)
        missed += ratio.faster or ratio.slower
    assert missed <= 0.1 * 400 + 3 * np.sqrt(400 * 0.1 * 0.9)


def test_one_outlier_moves_nothing():
    assert ratio_of([(1.0, 0.9)] * 31 + [(1.0, 50.0)]).high == pytest.approx(0.9)
