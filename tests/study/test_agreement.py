"""When two measurements of a task agree: worked numbers, and simulated pairs."""

import numpy as np
import pytest
from study_installed import MISSING

if MISSING:
    pytest.skip(f"the extra `study` is not installed: {MISSING}", allow_module_level=True)

from study.agreement import disagreements, predicted


def record(estimate, half):
    gain = {"estimate": estimate, "low": estimate - half, "high": estimate + half}
    return {"name": "task", "budgets": {"widths": {"gain": gain}}}


def test_gains_agree_up_to_both_half_widths():
    assert disagreements(record(0.49, 0.4), record(0.0, 0.3)) == []
    assert disagreements(record(0.51, 0.4), record(0.0, 0.3)) == ["task, widths: 0.51 now, 0 then"]


def test_a_further_pair_lies_in_the_predicted_interval_as_often_as_said():
    rng = np.random.default_rng(0)
    pairs = rng.normal(0.3, 2.0, size=(800, 9))
    inside = [low <= further <= high for *known, further in pairs for low, high in [predicted(known, 0.9)]]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)
