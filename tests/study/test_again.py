"""What was measured twice, and which starts fall silent: worked numbers."""

import json
from copy import deepcopy

import pytest

from study import again as module
from study.again import again, silenced
from study.analysis import outcomes
from study.guide import RESULTS


@pytest.fixture
def results():
    return {"tasks": json.loads(RESULTS.read_text("utf-8"))["tasks"]}


def held(results, first, tmp_path, monkeypatch):
    """The second measurement against a first one."""
    monkeypatch.setattr(module, "FIRST", tmp_path / "first.json")
    module.FIRST.write_text(json.dumps({"tasks": first}))
    return again(results, outcomes(results))


def won(record, share):
    """Let Concatenate win a task at equal widths by a share of the loss; Add where it is negative."""
    worse = max(arm["loss"] for arm in record["arms"].values())
    record["budgets"]["widths"]["gain"] |= {
        end: worse * (share + beside) for end, beside in (("estimate", 0), ("low", -0.01), ("high", 0.01))
    }


def test_what_gave_the_same_twice_has_not_changed(results, tmp_path, monkeypatch):
    found = held(results, results["tasks"][:2], tmp_path, monkeypatch)
    assert (found.tasks, found.answers, found.turned, found.opposed) == (2, 4, 0, 0)
    assert found.before == found.now
    assert found.findings == []


def test_a_win_that_was_none_has_turned_and_one_that_was_the_other_merges_is_opposed(results, tmp_path, monkeypatch):
    first = deepcopy(results["tasks"][:2])
    for now, before, shares in zip(results["tasks"], first, ((0.3, 0.0), (0.3, -0.3)), strict=False):
        won(now, shares[0])
        won(before, shares[1])
    found = held(results, first, tmp_path, monkeypatch)
    assert (found.turned, found.opposed) == (2, 1)
    assert found.before["widths"].value < 0 < found.now["widths"].value


def test_a_claim_that_the_first_measurement_judged_otherwise_is_named(results, tmp_path, monkeypatch):
    first = deepcopy(results["tasks"])
    for record in first:
        won(record, -0.5)
    claims = dict(held(results, first, tmp_path, monkeypatch).findings)
    assert claims["At equal widths Concatenate's loss is lower by more than 3 % on average."] == "no"


def test_a_silent_start_is_one_far_above_the_median(tmp_path):
    losses = {str(seed): 0.002 for seed in range(9)}
    by_head = {"drawn": losses | {"3": 0.05, "4": 0.05}, "bias": losses | {"3": 0.009}, "kernel and bias": losses}
    path = tmp_path / "starts.json"
    path.write_text(json.dumps({"task": "a/of-two-words", "arm": "concat", "learning_rate": 2, "losses": by_head}))
    assert silenced(path) == {
        "task": "of two words",
        "starts": 9,
        "rate": 2,
        "drawn": 2,
        "bias": 0,
        "kernel_and_bias": 0,
    }


def test_a_start_that_diverged_is_silent_too():
    assert module.silent({"1": 0.1, "2": None, "3": 0.1, "4": 0.1}) == ["2"]
