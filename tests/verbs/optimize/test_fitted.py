"""What a gain is foretold by is what the measured networks give, and holds on families that a fit has not seen."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from addcat.verbs.optimize.fitted import FITTED
from addcat.verbs.optimize.foresight import LEVEL, Fit, expected, foretell

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fit_estimate", BENCHMARKS / "fit_estimate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["fit_estimate"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fit_estimate"]


@pytest.fixture(scope="module")
def cases(script):
    return script.cases(json.loads((BENCHMARKS / "architectures.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def judged(script, cases):
    """Every family is left out of a fit once: much for one test, and nothing in it changes."""
    return script.judged(cases)


def test_the_constants_are_what_the_records_give(script, judged):
    fit, _ = judged
    assert script.source(fit) == script.FILE.read_text(encoding="utf-8"), "run benchmarks/fit_estimate.py --write"


def test_the_interval_holds_on_families_left_out(cases, judged):
    fit, foretold = judged
    inside = [said.low <= case.gain <= said.high for case, said in foretold]
    assert {case.runtime for case in cases} == {"onnxruntime", "openvino"}
    assert len(inside) == len(cases)
    assert sum(inside) / len(inside) == pytest.approx(fit.covered)
    assert fit.covered >= LEVEL
    wide = [said.high - said.low for _, said in foretold]
    assert sorted(wide)[len(wide) // 2] < 0.2  # it says something


def test_another_gain_gives_other_constants(script, cases):
    first = max(cases, key=lambda case: case.gain)
    changed = [replace(case, gain=0.0) if case is first else case for case in cases]
    assert script.fit_of(changed) != script.fit_of(cases)


def test_weights_are_not_negative_and_no_opening_is_no_gain():
    assert min(FITTED.weights.values()) >= 0
    nothing = foretell({}, FITTED)
    assert (nothing.gain, nothing.low, nothing.high, nothing.worthwhile) == (0.0, 0.0, 0.0, False)


def test_the_interval_is_wider_where_more_is_touched_and_stays_a_share():
    fit = Fit({"opening saves": 0.5}, 0.01, 0.5, 1.0, 2.0, 9, 9, 0.0, 1.0)
    features = {"opening saves": 0.2, "opening touches": 0.3}
    assert expected(features, fit.weights) == pytest.approx(0.1)
    found = foretell(features, fit)
    assert (found.gain, found.low, found.high) == pytest.approx((0.1, 0.0, 0.1 + 2 * 0.14))
    assert found.worthwhile
    much = foretell({"opening saves": 3.0, "opening touches": 1.0}, fit)
    assert (much.gain, much.high) == (0.95, 0.95)
