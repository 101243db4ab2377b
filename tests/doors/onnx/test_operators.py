"""All of onnx's own operator tests: inspected and optimised without a wrong result and without a traceback."""

import warnings

import numpy as np
import onnxruntime
import pytest

from addcat.errors import DataError, ModelError, OptionError
from addcat.verbs.inspect import inspect
from addcat.verbs.optimize import optimize

PARTS = 8
RANDOM = ("Random", "Bernoulli", "Multinomial", "Dropout")


def cases():
    node = pytest.importorskip("onnx.backend.test.case.node")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's own, where an operator's test asks for a division by zero
        return [case for case in node.collect_testcases(None) if case.model is not None]


def run(proto, arrays):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip([one.name for one in session.get_inputs()], arrays, strict=False)))


def same(expected, found):
    if not isinstance(expected, np.ndarray) or expected.dtype.kind not in "fc":
        return np.array_equal(expected, found)
    return np.allclose(expected, found, rtol=1e-4, atol=1e-5, equal_nan=True)


def tried(case, arrays):
    """What came of inspecting and optimising a model, or the one sentence that refused it."""
    given = {one.name: array for one, array in zip(case.model.graph.input, arrays, strict=False)}
    try:
        inspect(case.model).page()
        result = optimize(case.model, inputs=given, measure=False, time_limit=5)
        result.page()
    except (ModelError, OptionError, DataError) as error:
        return None, str(error)
    return result.model, ""


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("part", range(PARTS))
def test_operators(part):
    compared = 0
    for case in cases()[part::PARTS]:
        arrays = case.data_sets[0][0]
        try:
            expected = run(case.model, arrays)
        except Exception:  # the runtime has no such operator, or numpy no such type
            expected = None
        before = case.model.SerializeToString()
        found, refused = tried(case, arrays)
        assert case.model.SerializeToString() == before, case.name
        if found is None:
            assert "\n" not in refused, case.name
            plain = all(isinstance(array, np.ndarray) for array in (*arrays, *(expected or ())))
            old = any(word in refused for word in ("uses opset", "several axes"))
            assert expected is None or old or not plain, (case.name, refused)
        elif expected is not None and not any(one.op_type.startswith(RANDOM) for one in case.model.graph.node):
            compared += 1
            for wanted, got in zip(expected, run(found, arrays), strict=True):
                assert same(wanted, got), case.name
    assert compared > 150
