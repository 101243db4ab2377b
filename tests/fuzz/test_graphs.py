"""Random ONNX graphs through `optimize`, for each goal: the outputs stay, and nothing needs the verification."""

from collections import Counter

import numpy as np
import onnx_ir
import onnxruntime
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.running.reference import run_float64
from addcat.doors.onnx.write import to_proto, write
from addcat.errors import RefusedError
from addcat.rules import Proposal, rules_for
from addcat.verbs.inspect import inspect
from addcat.verbs.optimize import GOALS, optimize
from addcat.verbs.optimize.difference import difference
from tests.fuzz.clock import search
from tests.fuzz.graphs import random_graph


def run(proto, data):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(proto.SerializeToString(), options).run(None, data)


def outputs_of(proto, data):
    """The outputs; None where the runtime does not take the graph, which then is no test."""
    try:
        return run(proto, data)
    except Exception:
        return None


def inputs_of(proto, seed):
    rng = np.random.default_rng(seed)
    shapes = {one.name: [dim.dim_value or 2 for dim in one.type.tensor_type.shape.dim] for one in proto.graph.input}
    return {name: rng.standard_normal(shape).astype("f") for name, shape in shapes.items()}


def case(seed, drawn):
    """A graph, its inputs and its outputs; None where the runtime does not take the graph, which then is no test."""
    proto = random_graph(seed)
    data = inputs_of(proto, seed)
    expected = outputs_of(proto, data)
    drawn["graphs that the runtime refuses"] += expected is None
    return None if expected is None else (proto, data, expected)


def same(proto, data, expected, found):
    """Whether outputs are equal but for rounding; of infinite ones nothing is asked.

    What cancels out, or divides by next to nothing, is rounding itself: an output may be twice as far from that in
    float64 as the graph's own is.
    """
    if not all(np.isfinite(array).all() for array in expected) or difference(expected, found) < 1e-3:
        return True
    exact = run_float64(onnx_ir.from_proto(proto), data)
    return exact is not None and all(
        difference([old], [new]) < 1e-3 or np.abs(new - true).max() <= 2 * np.abs(old - true).max()
        for true, old, new in zip(exact, expected, found, strict=True)
    )


def test_rounding_is_told_from_what_is_wrong():
    """Of these graphs one output is what cancels out; a rewrite gave another rounding, an error another number."""
    for seed, place in ((2814131, 2), (2812276, 1)):
        proto, data, expected = case(seed, Counter())
        exact = run_float64(onnx_ir.from_proto(proto), data)
        rounded = [*expected]
        rounded[place] = (exact[place] - 1.4 * (expected[place] - exact[place])).astype("f")
        assert difference(expected, rounded) > 1e-3
        assert same(proto, data, expected, rounded)
        for wrong in range(len(expected)):
            off = [one + 0.3 if number == wrong else one for number, one in enumerate(expected)]
            assert not same(proto, data, expected, off)


@pytest.mark.slow
def test_random_graphs(drawn):
    def check(seed):
        found = case(seed, drawn)
        if found is None:
            return
        proto, data, expected = found
        goal = GOALS[drawn["graphs"] % len(GOALS)]
        drawn["graphs"] += 1
        drawn[f"for {goal}"] += 1
        inspect(proto).page()
        result = optimize(proto, goal=goal, measure=False, time_limit=5)
        result.page()
        drawn["rewrites kept"] += sum(step.outcome == "kept" for step in result.record.steps)
        wrong = [step for step in result.record.steps if step.outcome in ("wrong", "not written")]
        assert not wrong, wrong
        assert same(proto, data, expected, run(result.model, data)), goal

    search("graphs", check)
    assert drawn["graphs"]


@pytest.mark.slow
def test_rules_that_nobody_judges(drawn):
    """Whatever applies, one after the other, whether it is of use or not."""

    def check(seed):
        found = case(seed, drawn)
        if found is None:
            return
        proto, data, expected = found
        graph, rng, done = read(proto), np.random.default_rng(seed), []
        for _ in range(12):
            found = [(rule, one) for rule in rules_for("onnx", "latency") for one in rule.find(graph)]
            proposals = [(rule, one) for rule, one in found if isinstance(one, Proposal)]
            if not proposals:
                break
            rule, one = proposals[rng.integers(len(proposals))]
            try:
                graph = rule.apply(graph, one)
            except RefusedError:  # a weight would be too large for its type
                continue
            done.append(one.words)
        drawn["graphs"] += 1
        drawn["rewrites"] += len(done)
        assert same(proto, data, expected, run(to_proto(write(graph)), data)), done

    search("rules", check)
    assert drawn["rewrites"]
