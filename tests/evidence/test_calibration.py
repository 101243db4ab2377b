"""Probabilities and regrets: against truths drawn from what is believed, and on the tasks of `benchmarks/tasks.csv`."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from addcat.evidence.expected import of_pairs
from addcat.evidence.pairs import Stage
from addcat.evidence.readings import prior
from addcat.statistics.belief import POINTS, share_of

MEASURED = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "readings.py"))
calibration_error = MEASURED["calibration_error"]


def drawn(step, *, shared, draws, seed=0):
    """For each draw: the regret found and the one expected, the probability that was said, whether it was right."""
    rng, before, found = np.random.default_rng(seed), prior(shared=shared), []
    for truth in rng.choice(POINTS, draws, p=before.mass):
        belief = before.told(step.reads(float(truth), rng))
        choice = min(("concat", "add"), key=belief.regret)
        above, share, concat = belief.above(0.0), float(share_of(truth)), choice == "concat"
        lost = max(0.0, -share if concat else share)
        found.append((min(lost, 2.0), belief.regret(choice), above if concat else 1 - above, concat == (truth > 0)))
    return np.array(found, float).T


def agrees(shared, draws, error, regret):
    step = of_pairs(Stage("fresh", 1.0, 8), examples=800)
    lost, expected, said, right = drawn(step, shared=shared, draws=draws)
    assert calibration_error(said, right) < error
    assert lost.mean() == pytest.approx(expected.mean(), abs=regret)


@pytest.mark.parametrize("shared", [True, False])
def test_what_full_pairs_say_is_what_is_found(shared):
    agrees(shared, 300, error=0.06, regret=0.003)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_what_full_pairs_say_is_what_is_found_in_many_draws(shared):
    agrees(shared, 10_000, error=0.015, regret=0.0005)


@pytest.mark.parametrize(
    ("evidence", "regret", "error"),
    [
        ("score or tie, few examples", 0.006, 0.07),
        ("and two warm pairs", 0.0045, 0.075),
        ("and 8 full pairs", 0.0045, 0.06),
    ],
)
def test_what_is_said_of_tasks_is_what_was_found_there(evidence, regret, error):
    """106 answers show no less than an error of 0.03, whatever is said."""
    lost, expected, said, right = MEASURED["followed"](MEASURED["tasks"](), evidence)
    assert lost.mean() < regret
    assert calibration_error(said, right) < error
    assert abs(lost.mean() - expected.mean()) < 0.005
