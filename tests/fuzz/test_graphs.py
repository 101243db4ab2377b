"""Random ONNX graphs through `optimize`, for each goal: the outputs stay, and nothing needs the verification."""

import numpy as np
import onnxruntime
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.errors import RefusedError
from addcat.rules import Proposal, rules_for
from addcat.verbs.inspect import inspect
from addcat.verbs.optimize import GOALS, optimize
from addcat.verbs.optimize.difference import difference
from tests.fuzz.clock import seeds
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


@pytest.mark.slow
def test_random_graphs():
    done = 0
    for seed in seeds(0.5):
        proto = random_graph(seed)
        data = inputs_of(proto, seed)
        expected = outputs_of(proto, data)
        if expected is None:
            continue
        inspect(proto).page()
        result = optimize(proto, goal=GOALS[seed % len(GOALS)], measure=False, time_limit=5)
        result.page()
        wrong = [step for step in result.record.steps if step.outcome in ("wrong", "not written")]
        assert not wrong, (seed, wrong)
        finite = all(np.isfinite(array).all() for array in expected)
        assert not finite or difference(expected, run(result.model, data)) < 1e-3, seed
        done += 1
    assert done


@pytest.mark.slow
def test_rules_that_nobody_judges():
    """Whatever applies, one after the other, whether it is of use or not."""
    applied = 0
    for seed in seeds(0.5):
        proto = random_graph(seed)
        data = inputs_of(proto, seed)
        expected = outputs_of(proto, data)
        if expected is None:
            continue
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
        applied += len(done)
        finite = all(np.isfinite(array).all() for array in expected)
        assert not finite or difference(expected, run(to_proto(write(graph)), data)) < 1e-3, (seed, done)
    assert applied
