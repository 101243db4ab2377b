"""`optimize(goal="memory")`: the peak falls, or the model stays; sizes that are passed reach the search."""

import numpy as np
import onnx
import pytest

from addcat.doors.onnx.bench import bench_of
from addcat.graph.peak import memory
from addcat.rules.hidden import HIDDEN_EIGHTHS, HIDDEN_HALVES
from addcat.verbs.optimize import optimize
from addcat.verbs.optimize.objectives import ByMemory, by_time_at_no_memory
from addcat.verbs.optimize.result import KEPT
from tests.doors.onnx.models import model, random
from tests.doors.onnx.test_round_trip import run
from tests.verbs.optimize.test_optimize import head, plain, same


def expansion():
    """A wide hidden layer between narrow ones."""
    return model(
        """g (float[N,4,64,64] x) => (float[N,4,64,64] y) {
            wide = Conv(x, expand)
            act = Relu(wide)
            taps = Conv<group=64, pads=[1,1,1,1]>(act, each)
            act2 = Relu(taps)
            narrow = Conv(act2, project)
            y = Add(narrow, x)
        }""",
        expand=random(64, 4, 1, 1),
        each=random(64, 1, 3, 3),
        project=random(4, 64, 1, 1),
    )


def open_sizes():
    """The same kind of network for images of any size."""
    return model(
        """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
            wide = Conv(x, expand)
            act = Relu(wide)
            narrow = Conv(act, project)
            y = Add(narrow, x)
        }""",
        expand=random(64, 4, 1, 1),
        project=random(4, 64, 1, 1),
    )


def peak_of_file(proto, shape=()):
    """The peak of a model run node by node in the order of its file, counted apart from our graph."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(proto)
    for dim, size in zip(fixed.graph.input[0].type.tensor_type.shape.dim, shape, strict=False):
        dim.dim_value = size
    del fixed.graph.value_info[:]
    del fixed.graph.output[0].type.tensor_type.shape.dim[:]
    fixed.graph.output[0].type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(fixed)
    infos = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    known = {i.name: 4 * int(np.prod([d.dim_value or 1 for d in i.type.tensor_type.shape.dim])) for i in infos}
    weights = {tensor.name for tensor in proto.graph.initializer}
    last = {name: place for place, node in enumerate(proto.graph.node) for name in node.input}
    last |= {output.name: len(proto.graph.node) for output in proto.graph.output}
    live = sum(known[i.name] for i in proto.graph.input)
    peak = live
    for place, node in enumerate(proto.graph.node):
        live += sum(known[name] for name in node.output)
        peak = max(peak, live)
        live -= sum(known[name] for name in {*node.input, *node.output} - weights if last.get(name, -1) == place)
    return peak


def test_a_hidden_layer_is_never_whole():
    proto = expansion()
    result = optimize(proto, goal="memory", measure=False)
    assert same(proto, result.model)
    assert result.record.after.peak < 0.5 * result.record.before.peak
    assert any("hidden-eighths" in step.rules for step in result.record.steps if step.outcome == KEPT)


def test_the_file_is_in_the_order_that_was_counted():
    proto = expansion()
    result = optimize(proto, goal="memory", measure=False)
    assert peak_of_file(result.model) < 0.5 * peak_of_file(proto)
    found = memory(bench_of(result.model).sized)
    assert peak_of_file(result.model) == found.apart


@pytest.mark.parametrize("build", [plain, head, expansion])
def test_the_peak_falls_or_the_model_stays(build):
    proto = build()
    result = optimize(proto, goal="memory", time_limit=10)
    changed = [n.op_type for n in result.model.graph.node] != [n.op_type for n in proto.graph.node]
    assert changed == (result.record.after.peak < result.record.before.peak)


def test_a_process_that_grows_gives_the_original(monkeypatch):
    proto = expansion()
    peaks = iter([100, 120, 110, 120, 110, 120, 110])
    monkeypatch.setattr("addcat.doors.onnx.timer.process_peak", lambda *_, **__: next(peaks))
    result = optimize(proto, goal="memory")
    assert result.record.notes == ("Whatever lowers the peak makes the process grow, so the model is the original.",)
    assert [n.op_type for n in result.model.graph.node] == [n.op_type for n in proto.graph.node]


def test_the_least_of_two_processes_counts(monkeypatch):
    peaks = iter([100, 120, 104])
    monkeypatch.setattr("addcat.doors.onnx.timer.process_peak", lambda *_, **__: next(peaks))
    result = optimize(expansion(), goal="memory")
    assert result.record.notes == ()
    assert (result.record.before.process, result.record.after.process) == (100, 104)


def test_sizes_that_are_passed_reach_the_search():
    proto = open_sizes()
    result = optimize(proto, goal="memory", shapes={"x": (1, 4, 128, 128)}, measure=False)
    assert result.record.after.peak < 0.5 * result.record.before.peak
    assert same(proto, result.model)
    assert peak_of_file(result.model, (1, 4, 128, 128)) < 0.5 * peak_of_file(proto, (1, 4, 128, 128))
    dims = [d.dim_param for d in result.model.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["N", "", "H", "W"]
    for size in ((2, 4, 5, 7), (1, 4, 16, 3)):
        data = {"x": np.random.default_rng(0).standard_normal(size).astype("float32")}
        assert np.allclose(run(proto, data)[0], run(result.model, data)[0], atol=1e-5)


def test_declared_outputs_stay_as_they_are():
    proto = model(
        """g (float[1,4,8,8] x) => (float[a,4,b,b] y) {
            s = Conv(x, one)
            y = Resize<mode="nearest">(s, , twice)
        }""",
        one=random(4, 4, 1, 1),
        twice=np.array([1, 1, 2, 2], np.float32),
    )
    bench = bench_of(proto)
    written = bench.give(bench.write(bench.graph))
    assert [d.dim_param for d in written.graph.output[0].type.tensor_type.shape.dim] == ["a", "", "b", "b"]


def test_the_original_comes_back_as_it_was():
    proto = plain()
    result = optimize(proto, time_limit=2)
    assert [n.op_type for n in result.model.graph.node] == [n.op_type for n in proto.graph.node]
    assert list(result.model.graph.value_info) == []
    assert len(result.model.graph.initializer) == len(proto.graph.initializer)


# the judges


def graphs():
    start = bench_of(expansion()).graph
    site = next(node for node in start.nodes.values() if node.channels == 4 and node.op == "conv")
    halves, eighths = (rule.plan(start, site).change() for rule in (HIDDEN_HALVES, HIDDEN_EIGHTHS))
    return start, halves, eighths


def test_judged_by_memory():
    start, halves, eighths = graphs()
    judge = ByMemory()
    one, two = judge(start, halves), judge(start, eighths)
    assert one.better
    assert two.gain > one.gain
    assert judge(halves, start).reason == "the peak of live activations rises"
    assert judge(start, start).reason == "no less memory is alive"


def test_what_takes_too_long_is_not_worth_it():
    start, halves, _ = graphs()
    judge = ByMemory(most=1e-12)
    assert judge(start, halves).reason == "the whole is expected to take more than 1.5 times as long as before"


def test_time_is_saved_only_where_memory_allows_it(monkeypatch):
    start, halves, _ = graphs()
    monkeypatch.setattr("addcat.verbs.optimize.predict.change", lambda old, new: -1.0)
    assert by_time_at_no_memory(start, halves).better
    assert by_time_at_no_memory(halves, start).reason == "more memory is alive"


def unknown_sizes():
    """A size that depends on values."""
    return model(
        """g (float[4,4] x) => (float[a,b] y) {
            places = NonZero(x)
            k = Cast<to=1>(places)
            s = Add(k, k)
            t = Add(s, k)
            y = Add(t, t)
        }"""
    )


def test_a_peak_that_cannot_be_counted():
    proto = unknown_sizes()
    result = optimize(proto, goal="memory", measure=False)
    assert [n.op_type for n in result.model.graph.node] == [n.op_type for n in proto.graph.node]
    held_back = "left out, since the whole gains no more by it"
    assert any(step.reason == held_back for step in result.record.steps)  # there was something to hold back
    assert result.record.notes == ("No peak can be counted where sizes are unknown, so the model is the original.",)


def test_unnamed_nodes_are_found_again_where_sizes_are_open():
    proto = model(
        """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
            sh = Shape(x)
            flat = Reshape(x, sh)
            wide = Conv(flat, expand)
            act = Relu(wide)
            narrow = Conv(act, project)
            y = Add(narrow, x)
        }""",
        expand=random(64, 4, 1, 1),
        project=random(4, 64, 1, 1),
    )
    for node in proto.graph.node:
        node.name = ""
    result = optimize(proto, goal="memory", shapes={"x": (1, 4, 128, 128)}, measure=False)
    assert result.record.after.peak < 0.5 * result.record.before.peak
    assert same_at(proto, result.model, (2, 4, 5, 7))


def same_at(old, new, shape):
    data = {"x": np.random.default_rng(0).standard_normal(shape).astype("float32")}
    return np.allclose(run(old, data)[0], run(new, data)[0], atol=1e-5)


def test_an_input_may_have_any_name():
    from addcat.doors.onnx.reading.load import load
    from addcat.doors.onnx.running.runtime import process_peak

    proto = model("g (float[N,4] file) => (float[N,4] y) { y = Relu(file) }")
    assert (process_peak(load(proto).model, {"file": np.ones((1, 4), np.float32)}) or 1) > 0


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_keras_models_get_less_too(padding):
    import keras

    keras.utils.set_random_seed(0)
    x = keras.Input((24, 24, 4))
    wide = keras.layers.ReLU(6.0)(keras.layers.BatchNormalization()(keras.layers.Conv2D(64, 1)(x)))
    taps = keras.layers.DepthwiseConv2D(3, padding=padding)(wide)
    stem = keras.layers.Conv2D(8, 1)(keras.layers.ReLU(6.0)(taps))
    up = keras.layers.Conv2DTranspose(2, 2, strides=2)(keras.layers.ReLU()(keras.layers.Conv2D(32, 1)(stem)))
    network = keras.Model(x, up)
    result = optimize(network, goal="memory", measure=False)
    assert result.record.after.peak < 0.7 * result.record.before.peak
    data = np.random.default_rng(0).standard_normal((2, 24, 24, 4)).astype("float32")
    assert np.allclose(np.asarray(network(data)), np.asarray(result.model(data)), atol=1e-5)
    assert not [step for step in result.record.steps if step.outcome in ("wrong", "not written")]


def test_models_of_moderate_size_are_held_against_float64():
    verification = optimize(expansion(), goal="memory", measure=False).record.verification
    assert verification.reference is not None
    assert 0 < verification.reference < 1e-5
    assert 0 < verification.reference_original < 1e-5


def test_outputs_of_another_type_are_no_equals():
    from addcat.verbs.optimize.check import _of_one_type

    one = np.array([1.0, 2.0], np.float32)
    assert _of_one_type([one], [one]) == 0.0
    assert _of_one_type([one], [one.astype(np.float64)]) == float("inf")
