"""Evidence as a value, and as JSON has it."""

import time

import pytest

from addcat.evidence.result import Evidence
from addcat.statistics import Interval


def test_an_interval_becomes_the_figure():
    start = time.perf_counter() - 2
    found = Evidence.of(Interval(0.3, 0.1, 0.5, 0.9, 8), start=start, method="score", question="from here", words="So.")
    assert (found.estimate, found.low, found.high, found.level, found.n) == (0.3, 0.1, 0.5, 0.9, 8)
    assert (found.unit, found.seconds) == ("loss", pytest.approx(2, abs=0.5))


def test_json_has_what_decides_among_the_facts_and_leaves_out_what_is_not_known():
    gain = Interval(0.3, 0.1, 0.5, 0.9, 8)
    found = Evidence.of(
        gain,
        start=time.perf_counter(),
        method="retrain",
        question="trained anew",
        words="So.",
        choice="concat",
        reference_loss=2.0,
        facts={"pairs": 8},
    ).to_dict()
    assert list(found) == [
        "method", "question", "estimate", "low", "high", "level", "unit", "n", "seconds", "words", "facts"
    ]  # fmt: skip
    assert found["facts"] == {"choice": "concat", "loss_add": 2.0, "pairs": 8}
