"""The plan: what would be run, and that nothing is."""

import pytest
from comparisons import DATA, HELD, two_merges
from networks import keras
from problems import encoded_pair, two_inputs

from addcat.report.text import render
from addcat.statistics.few_pairs import few_pairs_bound
from addcat.trials.model import ModelTrial
from addcat.verbs.compare import plan


def build(arm):
    return arm


def train(model, seed):
    raise AssertionError("trained")


def test_a_plan_of_functions_knows_no_time():
    found = plan(build, train=train, pairs=16, stop="sequential")
    assert (found.trials, found.steps, found.seconds) == (32, None, None)
    assert found.half_width == pytest.approx(0.04 * few_pairs_bound(16, 0.95) / 4)
    text = render(found.page())
    assert "16 pairs, 32 trials; time: unknown before the first trial." in text
    assert text.rstrip().endswith("Nothing was trained.")


def test_a_plan_of_a_model_times_its_steps(monkeypatch, tmp_path):
    monkeypatch.setattr(ModelTrial, "__call__", lambda *_: pytest.fail("trained"))
    net = keras.models.clone_model(encoded_pair("add"))
    net.compile(keras.optimizers.Adam(0.05), "mean_squared_error")
    examples = two_inputs(100, lambda x, y: x[:, 0] - y[:, 0])
    data = list(examples.inputs), examples.targets[0]
    found = plan(net, data, steps=60, pairs=4, workers=2, store=tmp_path / "trials.db")
    steps = sum(arm.step_seconds for arm in found.settings.arms)
    assert found.seconds == pytest.approx(4 * found.steps * steps / 2)
    assert not (tmp_path / "trials.db").exists()
    assert found.to_dict()["trials"] == 8


def test_a_fixed_number_expects_the_interval_of_t():
    fixed = plan(build, train=train, pairs=4)
    assert fixed.half_width == pytest.approx(0.04 * 3.182 / 2, rel=1e-3)


def test_a_plan_of_a_design_times_the_steps_of_one_pair(monkeypatch):
    monkeypatch.setattr(ModelTrial, "__call__", lambda *_: pytest.fail("trained"))
    found = plan(two_merges(), DATA, validation=HELD, steps=60, pairs=4)
    times = [arm.step_seconds for arm in found.settings.arms if arm.step_seconds is not None]
    assert len(times) == 2
    assert found.seconds == pytest.approx(found.trials * found.steps * sum(times) / 2)
    assert "time: about" in render(found.page())
