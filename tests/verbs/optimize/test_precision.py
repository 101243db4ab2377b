"""What a runtime computes in where it may choose: timed there, verified in float32, and said with what it costs."""

import os
from dataclasses import replace

import onnx_ir
import pytest

from addcat.doors.onnx.bench import bench_of
from addcat.doors.onnx.running.runtime import start_as_it_likes
from addcat.errors import OptionError
from addcat.report.text import render
from addcat.verbs.optimize import optimize
from addcat.verbs.optimize.options import check_options, more_threads
from addcat.verbs.optimize.page import page_of
from addcat.verbs.optimize.result import Precision
from tests.doors.onnx.models import model, random


def net():
    return model(
        """g (float[1,8,16,16] x) => (float[1,4,16,16] y) {
            a = Conv<pads=[1,1,1,1]>(x, k)
            b = Conv(a, o)
            y = Relu(b)
        }""",
        k=random(8, 8, 3, 3),
        o=random(4, 8, 1, 1),
    )


def test_the_record_says_what_was_chosen_and_what_it_costs():
    pytest.importorskip("openvino")
    record = optimize(net(), runtime="openvino", precision="default", time_limit=5).record
    assert record.precision is not None
    assert record.precision.used == start_as_it_likes(onnx_ir.from_proto(net()))[1]
    least, most = (0.0, 1e-5) if record.precision.used == "float32" else (1e-6, 0.1)
    assert least <= record.precision.difference < most
    assert least <= record.precision.original < most
    assert record.verification is None or record.verification.error < 1e-5
    assert record.to_dict()["precision"]["used"] == record.precision.used


def test_float32_is_what_is_computed_in_unless_asked():
    result = optimize(net(), time_limit=5)
    assert result.record.precision is None
    chosen = replace(result, record=replace(result.record, precision=Precision("bfloat16", 0.0125, 0.0111)))
    text = " ".join(render(page_of(chosen), width=120).split())
    assert (
        "Timed in bfloat16, which the runtime chose: there the outputs are 0.0125 of their largest value away from the "
        "original's in float32, and the original's own 0.0111." in text
    )


def test_times_at_another_precision_are_remembered_apart():
    pytest.importorskip("openvino")
    benches = [bench_of(net(), runtime="openvino", precision=one) for one in ("float32", "default")]
    first, second = (bench.timing.conditions for bench in benches)
    assert second == f"{first}, default precision"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"precision": "default"},
            "precision 'default' is what OpenVINO chooses; ONNX Runtime computes in the types of the model. Take the "
            "runtime 'openvino', or leave precision out.",
        ),
        ({"precision": "int8"}, "precision must be one of 'float32', 'default'. Got 'int8'."),
    ],
)
def test_mistakes(options, text):
    with pytest.raises(OptionError) as caught:
        optimize(net(), **options)
    assert str(caught.value) == text


def test_more_threads_than_any_machine_starts_are_refused(monkeypatch):
    """ONNX Runtime begins to start them, and neither ends nor raises."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    check_options(threads=64)
    with pytest.raises(OptionError) as caught:
        check_options(threads=65)
    assert str(caught.value) == "threads=65 is out of range: this process has 1 core. Expected 64 or fewer."


def test_more_threads_than_cores_are_measured_and_said(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert more_threads(2) == []
    said = "3 threads were asked for, of a process that has 2 cores; times say little then."
    assert more_threads(3) == [said]
    assert said in optimize(net(), threads=3, time_limit=5).record.notes
