"""`estimate`: how much, where from, and nothing measured."""

import json
import time

import numpy as np
import pytest

import addcat
from addcat.doors.onnx import timer
from addcat.errors import OptionError
from addcat.report.html import document
from addcat.report.text import render
from addcat.verbs.optimize import estimating, optimize
from addcat.verbs.optimize.estimating import Estimate, Source, estimate
from addcat.verbs.optimize.foresight import Foretold
from tests.doors.onnx.models import model, random


def head():
    """Maps of two sizes, mixed at the larger one."""
    return model(
        """g (float[N,64,32,32] x, float[N,16,64,64] skip) => (float[N,8,64,64] y) {
            large = Resize<mode="linear">(x, , scales)
            both = Concat<axis=1>(large, skip)
            mixed = Conv(both, k)
            y = Relu(mixed)
        }""",
        scales=np.array([1, 1, 2, 2], "float32"),
        k=random(8, 80, 1, 1),
    )


def plain():
    return model("g (float[N,3,8,8] x) => (float[N,4,6,6] y) { a = Conv(x, k)\n y = Relu(a) }", k=random(4, 3, 3, 3))


@pytest.fixture
def unmeasured(monkeypatch):
    def fails(*_, **__):
        raise AssertionError("something was measured")

    monkeypatch.setattr(timer, "interleave", fails)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_head_that_mixes_enlarged_maps_is_expected_to_gain(runtime):
    begun = time.process_time()
    found = addcat.estimate(head(), runtime=runtime)
    assert time.process_time() - begun < 5  # of the processor, with the runtime's import
    assert found.worthwhile
    assert found.foretold.low <= found.foretold.gain <= found.foretold.high
    assert found.sources[0].rules[0].startswith("split")
    assert found.sources[0].site == "Conv_4"
    assert sum(source.gain for source in found.sources) == pytest.approx(found.foretold.gain)
    assert found.shapes == {"x": (1, 64, 32, 32), "skip": (1, 16, 64, 64)}
    assert json.loads(json.dumps(found.to_dict()))["worthwhile"] is True


@pytest.mark.usefixtures("unmeasured")
def test_where_no_rule_applies_nothing_is_to_be_gained():
    found = addcat.estimate(plain())
    assert (found.worthwhile, found.foretold.gain, found.sources) == (False, 0.0, ())
    assert str(found).splitlines()[2].startswith("Nothing to gain here: no rewrite applies.")


@pytest.mark.usefixtures("unmeasured")
def test_optimize_stops_where_no_rule_applies():
    record = optimize(plain()).record
    assert record.notes == ("No rewrite applies to it.",)
    assert (record.steps, record.verification, record.ratio) == ((), None, None)


def test_optimize_stops_where_no_gain_can_be_measured_and_searches_if_asked(monkeypatch):
    from addcat.verbs.optimize import ahead

    monkeypatch.setattr(ahead, "foretell", lambda *_: Foretold(0.001, 0.0, 0.004))
    record = optimize(head()).record
    assert record.notes == (
        "At most 0.4 % of the time is expected to be saved, less than can be measured, so nothing was tried "
        "(--thorough, or thorough=True, tries it).",
    )
    assert not record.steps
    assert optimize(head(), thorough=True, cache=False).record.steps
    assert optimize(head(), goal="memory", measure=False).record.steps
    assert optimize(head(), measure=False).record.steps


def test_more_threads_and_too_little_time_are_said(monkeypatch):
    found = estimate(plain(), threads=2)
    assert found.notes == ("The networks it was learnt from ran on one thread.",)
    openings = estimating.openings
    monkeypatch.setattr(estimating, "openings", lambda *given: openings(*given, seconds=0.0))
    said = "Time was too short for 3 of the places where a rule applies; they are left out."
    assert said in estimate(head()).notes


def test_mistakes():
    import keras

    inputs = keras.Input((4,))
    network = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(OptionError) as caught:
        estimate(network)
    assert str(caught.value) == (
        "A Keras model is not timed, so no gain of time can be expected. Export it to ONNX, or take the goal 'memory' "
        "or 'parameters', which are counted."
    )
    with pytest.raises(OptionError) as caught:
        estimate(plain(), runtime="torch")
    assert str(caught.value) == "runtime must be one of 'onnxruntime', 'openvino'. Got 'torch'."
    with pytest.raises(OptionError) as caught:
        estimate(plain(), threads=0)
    assert str(caught.value) == "threads must be 1 or more. Got 0."


def example():
    sources = (
        Source("/decode_head/linear_fuse/Conv", ("split-resized", "resize-product", "sum-product"), 0.21, 0.47),
        Source("", ("passing", "affine-before"), 0.069, 0.069),
        *(Source(f"/stage{i}/Conv", ("split",), 0.002, 0.01) for i in range(12)),
    )
    return Estimate(
        runtime="openvino",
        threads=2,
        shapes={"x": (1, 3, 128, 128)},
        foretold=Foretold(0.303, 0.21, 0.39),
        sources=sources,
        error=0.012,
        covered=0.85,
        networks=61,
        families=34,
        seconds=1.24,
        notes=("The networks it was learnt from ran on one thread.",),
    )


@pytest.mark.parametrize("width", [80, 120])
def test_page(golden, width):
    golden.check(f"estimate_{width}.txt", render(example().page(), width=width))


def test_html_says_the_same():
    text = document(example().page(), "net.onnx: what to expect of optimize")
    assert "About 30 % of the time saved in openvino on 2 threads" in text
    assert "/decode_head/linear_fuse/Conv" in text
