"""`optimize`: the outputs stay, the goal improves, and a rewrite that is wrong is found and dropped."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import onnx
import onnx_ir
import pytest

from addcat.doors.onnx.bench import bench_of
from addcat.doors.onnx.timer import OnnxTimer
from addcat.doors.timing import Ratio
from addcat.errors import ModelError, OptionError
from addcat.graph import Edge
from addcat.rules import RULES, Plan, Rule
from addcat.verbs.optimize import _run, objectives, optimize, predict
from addcat.verbs.optimize.candidates import expand, find, replay, tidy
from addcat.verbs.optimize.difference import difference, scaled_tolerance
from addcat.verbs.optimize.result import KEPT, REFUSED, UNWRITTEN, WRONG
from addcat.verbs.optimize.task import Settings, Task
from tests.doors.onnx.models import model, norms, random
from tests.doors.onnx.test_round_trip import inputs_of, run


def head():
    """Two maps, one of them enlarged, concatenated, a 1x1 convolution with batch norm, and a residual."""
    return model(
        """g (float[N,4,48,48] x) => (float[N,3,48,48] y) {
            low = Conv<strides=[2,2], pads=[1,1,1,1]>(x, down)
            few = Relu(low)
            up = Resize<mode="linear">(few, , twice)
            both = Concat<axis=1>(x, up)
            mixed = Conv(both, mix)
            normed = BatchNormalization(mixed, s, o, m, v)
            sum = Add(normed, normed)
            y = Relu(sum)
        }""",
        down=random(64, 4, 3, 3),
        twice=np.array([1, 1, 2, 2], np.float32),
        mix=random(3, 68, 1, 1),
        **norms(3),
    )


def branches():
    """Parallel branches that fold into one convolution."""
    return model(
        """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
            a = Conv<pads=[1,1,1,1]>(x, three)
            b = Conv(x, one)
            s = Sum(a, b, x)
            y = Relu(s)
        }""",
        three=random(4, 4, 3, 3),
        one=random(4, 4, 1, 1),
    )


def plain():
    """Nothing that could be rewritten."""
    return model("g (float[N,4] x) => (float[N,4] y) { a = MatMul(x, w) y = Relu(a) }", w=random(4, 4))


def same(old, new, tolerance=1e-5):
    data = inputs_of(old)
    return difference(run(old, data), run(new, data)) <= tolerance


@pytest.fixture
def timed(monkeypatch):
    """Measurements that say what the cost model says, so that tests do not depend on the machine."""

    def compare(timer, old, new, **_):
        before, after = predict.seconds(old), predict.seconds(new)
        ratio = after / before
        return Ratio(ratio, ratio * 0.999, ratio * 1.001, 8, before, after)

    def compare_whole(timer, old, new, **_):
        return compare(timer, timer.bench.read(old), timer.bench.read(new))

    monkeypatch.setattr(OnnxTimer, "compare", compare)
    monkeypatch.setattr(OnnxTimer, "compare_whole", compare_whole)


@pytest.mark.parametrize("goal", ["latency", "memory", "parameters"])
@pytest.mark.parametrize("build", [head, branches, plain])
def test_outputs_stay_whatever_the_goal(timed, build, goal):
    proto = build()
    before = proto.SerializeToString()
    result = optimize(proto, goal=goal)
    assert proto.SerializeToString() == before
    onnx.checker.check_model(result.model, full_check=True)
    assert same(proto, result.model)
    record = result.record
    assert record.verification is None or record.verification.passed
    if goal == "latency":
        assert record.ratio is None or record.ratio.faster
    if goal == "memory":
        assert record.after.peak <= record.before.peak
    if goal == "parameters":
        assert record.after.parameters <= record.before.parameters


def test_latency_moves_the_convolution_before_the_resize(timed):
    result = optimize(head())
    kept = [step for step in result.record.steps if step.outcome == KEPT]
    assert any("split-resized" in step.rules for step in kept)
    assert result.record.after.multiply_adds < result.record.before.multiply_adds


def test_parameters_of_parallel_branches(timed):
    result = optimize(branches(), goal="parameters")
    assert result.record.before.parameters == 160
    assert result.record.after.parameters <= 148
    assert [node.op_type for node in result.model.graph.node] == ["Conv", "Relu"]


def test_nothing_to_do_gives_the_original(timed):
    proto = plain()
    result = optimize(proto)
    assert [node.op_type for node in result.model.graph.node] == ["MatMul", "Relu"]
    assert result.record.ratio is None
    assert result.record.before == result.record.after


def test_a_whole_that_is_slower_is_not_given(timed, monkeypatch):
    slow = Ratio(1.2, 1.1, 1.3, 8, 1.0, 1.2)
    monkeypatch.setattr(OnnxTimer, "compare_whole", lambda *_, **__: slow)
    proto = head()
    result = optimize(proto)
    assert result.record.notes == ("The whole is not faster beyond the noise, so the model is the original.",)
    assert [node.op_type for node in result.model.graph.node] == [node.op_type for node in proto.graph.node]


@pytest.mark.parametrize(("ratio", "kept"), [(0.95, False), (0.85, True)])
def test_a_peak_may_grow_by_no_more_than_the_time_falls(timed, monkeypatch, ratio, kept):
    monkeypatch.setattr(OnnxTimer, "compare_whole", lambda *_, **__: Ratio(ratio, ratio, ratio, 8, 1.0, ratio))

    def memory_of(bench, model):
        return SimpleNamespace(peak=100 if model is bench.original else 110)

    monkeypatch.setattr(import_module("addcat.verbs.optimize.confirm"), "memory_of", memory_of)
    record = optimize(head()).record
    assert any(step.outcome == KEPT for step in record.steps) is kept
    refused = "The peak of live activations grows by more than the time falls, so the model is the original."
    assert (refused in record.notes) is not kept


def test_measured_for_real():
    proto = head()
    result = optimize(proto, time_limit=5)
    assert result.record.ratio is None or result.record.ratio.faster
    assert same(proto, result.model)


def test_all_goals_give_a_pareto_set(timed):
    result = optimize(head(), goal="all")
    points = [(p.ratio.estimate if p.ratio else 1.0, p.price.peak, p.price.parameters) for p in result.pareto]
    assert len(points) == len(set(points)) >= 1
    for one in points:
        assert not any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in points)
    assert {point.goal for point in result.pareto} <= {"original", "latency", "memory", "parameters"}
    assert len(result.to_dict()["pareto"]) == len(points)


def test_without_measuring():
    proto = head()
    result = optimize(proto, measure=False)
    assert result.record.ratio is None
    assert result.record.runtime == ""
    assert same(proto, result.model)


def test_what_is_expected_to_take_as_long_is_not_faster():
    graph = bench_of(head()).graph
    judged = objectives.by_expected_time(graph, graph)
    assert (judged.better, judged.gain, judged.reason) == (False, 0.0, "not expected to be faster")


def wrong_plan(graph, node):
    """A rule that is not exact: it drops the bias of nothing and halves a kernel."""
    if node.op != "conv" or node.name.endswith("_half"):
        return None
    half = node.edit(weights={"kernel": node.weight("kernel") * 0.5}, name=graph.fresh_name(f"{node.name}_half"))
    return Plan(
        (node.name,),
        "halve a kernel",
        lambda: graph.edit(put=[half], remove=[node.name], rewire={Edge(node.name): Edge(half.name)}),
    )


def task(proto, rules, goal="latency", measure=False, limit=60.0):
    settings = Settings("onnxruntime", 1, "float32", 1e-5, measure, True, True, 0, lambda _: None)
    return Task(bench_of(proto), goal, tuple(rules), settings, limit)


def test_a_wrong_rewrite_is_found_and_dropped(monkeypatch):
    proto = head()
    wrong = Rule("halve", "AC999", ("latency",), wrong_plan)
    monkeypatch.setattr(objectives.predict, "change", lambda old, new: -1.0)
    result = _run(task(proto, (*[rule for rule in RULES if rule.name in ("twice", "affine-after")], wrong)))
    dropped = [step for step in result.record.steps if step.outcome == WRONG]
    assert dropped
    assert all("halve" in step.rules for step in dropped)
    site = dropped[0].site
    assert f"halve at {site!r} changed the outputs and was dropped." in result.record.notes
    assert any(step.outcome == KEPT for step in result.record.steps)
    assert result.record.verification.passed
    assert same(proto, result.model)


def unwritable_plan(graph, node):
    """A rule that makes an operation which ONNX has no form for."""
    if node.op != "conv":
        return None
    made = node.edit(name=graph.fresh_name("made"), op="no such operation", native=None)
    return Plan(
        (node.name,),
        "an operation of ours",
        lambda: graph.edit(put=[made], remove=[node.name], rewire={Edge(node.name): Edge(made.name)}),
    )


def test_a_rewrite_that_cannot_be_written_is_dropped_and_said_to_be_that(monkeypatch):
    proto = head()
    odd = Rule("odd", "AC999", ("latency",), unwritable_plan)
    monkeypatch.setattr(objectives.predict, "change", lambda old, new: -1.0)
    result = _run(task(proto, (*[rule for rule in RULES if rule.name in ("twice", "affine-after")], odd)))
    dropped = [step for step in result.record.steps if "odd" in step.rules]
    assert {step.outcome for step in dropped} == {UNWRITTEN}
    assert {step.reason for step in dropped} == {"the model with it cannot be written or run"}
    said = f"With odd at {dropped[0].site!r} the model cannot be written or run, so it was dropped: "
    assert any(note.startswith(said) for note in result.record.notes)
    assert not any("changed the outputs" in note for note in result.record.notes)
    assert result.record.verification.passed
    assert same(proto, result.model)


def test_half_precision_is_verified_at_its_own(timed):
    proto = model(
        """g (float16[N,4,8,8] x) => (float16[N,8,8,8] y) {
            a = Conv<pads=[1,1,1,1]>(x, three)
            b = Conv(x, one)
            y = Add(a, b)
        }""",
        three=random(8, 4, 3, 3, dtype="float16"),
        one=random(8, 4, 1, 1, dtype="float16"),
    )
    result = optimize(proto)
    assert result.record.verification.precision == "float16"
    assert same(proto, result.model, 5e-3)


def test_kinds_of_models(timed, tmp_path):
    proto = head()
    onnx.save(proto, tmp_path / "head.onnx")
    assert isinstance(optimize(tmp_path / "head.onnx").model, onnx.ModelProto)
    assert isinstance(optimize(str(tmp_path / "head.onnx")).model, onnx.ModelProto)
    assert isinstance(optimize(onnx_ir.from_proto(proto)).model, onnx_ir.Model)


def test_keras_in_and_out():
    import keras

    inputs = keras.Input((8, 8, 4))
    low = keras.layers.AveragePooling2D(2)(inputs)
    both = keras.layers.Concatenate()([inputs, keras.layers.UpSampling2D()(keras.layers.Conv2D(8, 1)(low))])
    network = keras.Model(inputs, keras.layers.Conv2D(2, 1, activation="relu")(both))
    result = optimize(network, goal="memory")
    assert isinstance(result.model, keras.Model)
    assert result.model is not network
    assert result.record.after.peak < result.record.before.peak
    data = np.random.default_rng(0).standard_normal((2, 8, 8, 4)).astype("float32")
    assert difference([np.asarray(network(data))], [np.asarray(result.model(data))]) < 1e-5


def test_keras_is_not_timed():
    import keras

    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(OptionError) as caught:
        optimize(network)
    assert str(caught.value) == (
        "A Keras model is not timed, so the goal 'latency' needs measure=False (--no-measure). "
        "Export it to ONNX to have it measured, or take the goal 'memory' or 'parameters'."
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"goal": "speed"}, "goal must be one of 'latency', 'memory', 'parameters', 'all'. Got 'speed'."),
        ({"threads": 0}, "threads must be 1 or more. Got 0."),
        ({"seed": -1}, "seed=-1 is out of range. Expected 0 or more."),
        ({"tolerance": -1.0}, "tolerance must be 0 or more. Got -1.0."),
        ({"time_limit": float("nan")}, "time_limit must be 0 or more. Got nan."),
        ({"runtime": "tensorrt"}, "runtime must be one of 'onnxruntime', 'openvino'. Got 'tensorrt'."),
        ({"shapes": {"z": (1, 4)}}, "The model has no input 'z'. Its inputs are 'x'."),
        ({"shapes": [(1, 4), (2, 4)]}, "The model has 1 input, got 2 shapes. Give one for each."),
        ({"shapes": {"x": (1, 5)}}, "Input 'x' has the shape (None, 4), which (1, 5) does not fit."),
    ],
)
def test_wrong_options(options, text):
    with pytest.raises(OptionError) as caught:
        optimize(plain(), **options)
    assert str(caught.value) == text


def test_size_that_is_not_known():
    proto = model("g (float[N,4,H,W] x) => (float[N,4,H,W] y) { y = Relu(x) }")
    with pytest.raises(OptionError) as caught:
        optimize(proto)
    assert str(caught.value) == (
        "Input 'x' has the shape (None, 4, None, None), so its size is not known. "
        "Pass one, such as shapes={'x': (1, 4, 224, 224)}, or --shape x=1x4x224x224."
    )
    assert optimize(proto, shapes={"x": (1, 4, 6, 6)}).record.shapes == {"x": (1, 4, 6, 6)}


def test_other_things_are_refused():
    with pytest.raises(ModelError) as caught:
        optimize(3)
    text = (
        "No door takes a builtins.int. Pass an ONNX model, a Keras model, a path of one, or a PyTorch module with "
        "example_inputs."
    )
    assert str(caught.value) == text


def test_model_that_the_runtime_does_not_take():
    proto = model("g (float[N,4] x) => (float[N,4] y) { y = com.microsoft.Nothing(x) }")
    with pytest.raises(
        ModelError, match=r"^onnxruntime does not run the model: .+\. Try the model in onnxruntime alone\.$"
    ):
        optimize(proto)


# the parts


def test_difference_of_outputs():
    one = np.array([1.0, -2.0])
    assert difference([one], [one]) == 0.0
    assert difference([one], [one * (1 + 1e-6)]) == pytest.approx(1e-6)
    assert difference([one], [one, one]) == float("inf")
    assert difference([one], [one[:1]]) == float("inf")
    assert difference([np.array([np.nan, 1.0])], [np.array([np.nan, 1.0])]) == 0.0
    assert difference([np.array([np.nan, 1.0])], [np.array([0.0, 1.0])]) == float("inf")
    assert difference([np.array([1, 2])], [np.array([1, 3])]) == float("inf")
    assert scaled_tolerance(1e-5, "float64") == 1e-5


def test_candidates_follow_up_what_they_make_possible():
    bench = bench_of(head())
    by_name = {rule.name: rule for rule in RULES}
    proposals, _ = find(bench.graph, RULES)
    split = next(p for p in proposals if p.rule == "split")
    candidates = expand(bench.graph, split, by_name)
    assert ("split", "exchange-resize") in [candidate.rules[:2] for candidate in candidates]
    for candidate in candidates:
        again = replay(bench.graph, candidate.steps, by_name)
        assert list(again.nodes) == list(candidate.graph.nodes)


def test_tidying_ends():
    bench = bench_of(branches())
    kept = tidy(bench.graph, RULES)
    assert kept
    assert tidy(kept[-1].graph, RULES) == []


def test_part_of_a_model_is_measured_alone():
    bench = bench_of(head())
    graph = tidy(bench.graph, RULES)[-1].graph
    ratio = bench.timing.compare(bench.graph, graph, limit=0.05)
    assert ratio.pairs >= 8
    assert bench.timing.signature(bench.graph, graph) == bench.timing.signature(bench.graph, graph)


def test_refused_candidates_are_recorded(timed):
    steps = optimize(head()).record.steps
    assert any(step.outcome in (REFUSED, "not measured") and step.reason for step in steps)


def test_page_and_json(timed):
    result = optimize(head(), goal="all")
    found = result.to_dict()
    assert found["goal"] == "all"
    assert found["steps"][0]["outcome"] in ("kept", "refused", "not measured", "wrong")
    text = result.page()
    assert text.blocks[0].text == "Optimised for all"
