"""Random ONNX graphs through `optimize`, for each goal: the outputs stay, and nothing needs the verification."""

import numpy as np
import onnxruntime
import pytest

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
