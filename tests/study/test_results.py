"""The numbers of the study: every task is there, with every pair; and measured anew they agree."""

import pytest
from study_installed import MISSING

if MISSING:
    pytest.skip(f"the extra `study` is not installed: {MISSING}", allow_module_level=True)

import numpy as np

from addcat.verbs.compare import running
from addcat.verbs.compare.tuning import Tuned, at_factors
from study.agreement import committed, disagreements, predicted
from study.data import split
from study.record import BUDGETS, PAIRS, compared, measured
from study.run import SMALL_EVERY
from study.tasks import FAMILIES, TASKS

RECORDS = committed()
FRESH = [str(name) for name in np.random.default_rng(10).permutation(list(TASKS))[:10]]
LEVEL = 1 - 0.05 / (len(FRESH) * len(BUDGETS))
"""One of all the fresh pairs may lie outside of its interval in one run of twenty."""


def test_every_task_is_there():
    assert list(RECORDS) == list(TASKS)
    assert len(TASKS) >= 60
    assert all(len(tasks) >= 6 for tasks in FAMILIES.values())


@pytest.mark.parametrize("record", RECORDS.values(), ids=list(RECORDS))
def test_no_pair_is_dropped(record):
    assert set(record["budgets"]) == set(BUDGETS)
    assert len(record["seeds"]) >= PAIRS
    for arm in record["arms"].values():
        assert len(arm["losses"]) == len(arm["statuses"]) == len(record["seeds"])
        assert set(arm["statuses"]) <= {"done", "diverged"}
        assert arm["diverged"] == arm["statuses"].count("diverged") == arm["losses"].count(None)
        assert arm["learning_rate"] in {0.5, 1, 2}
    for found in record["budgets"].values():
        assert found["verdict"] in {"add", "concat", "equal", "undecided"}
        assert found["gain"]["low"] <= found["gain"]["estimate"] <= found["gain"]["high"]
        assert record["metric"] in {one["metric"] for one in found["metrics"]}
    assert record["data"]
    assert record["licence"]
    assert record["package"] or record["generated"]


def test_gains_are_those_of_the_losses():
    for record in RECORDS.values():
        add = np.array(record["arms"]["add"]["losses"], float)
        concat = np.array(record["arms"]["concat"]["losses"], float)
        if not np.isnan(add - concat).any():
            np.testing.assert_allclose(record["budgets"]["widths"]["differences"], add - concat, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TASKS)[::SMALL_EVERY])
def test_a_tenth_measured_anew_agrees(name, tmp_path):
    assert disagreements(measured(name, tmp_path), RECORDS[name]) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FRESH)
def test_fresh_pairs_lie_in_the_written_spread(name, monkeypatch):
    written = {arm: found["learning_rate"] for arm, found in RECORDS[name]["arms"].items()}
    monkeypatch.setattr(running, "tuned", lambda prepared, *_: Tuned(at_factors(prepared, written), written))
    found = asked(name, pairs=2, seed=1)
    for finding in found.findings:
        low, high = predicted(RECORDS[name]["budgets"][finding.budget]["differences"], LEVEL)
        assert low <= finding.differences[0] <= high


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual/diabetes", "siblings/italy-power"])
def test_the_same_seed_gives_the_same_numbers(name):
    once, again = (asked(name, pairs=2, learning_rates=()) for _ in range(2))
    for first, second in zip(once.trials, again.trials, strict=True):
        np.testing.assert_array_equal(first.losses, second.losses)
        assert first.metrics == second.metrics


def asked(name, **options):
    task = TASKS[name]
    fit, held = split(task.data())
    return compared(task, task.build(fit), fit, held, None, **options)
