"""Sessions, inputs and the memory of a process."""

from pathlib import Path

import numpy as np
import onnx_ir
import pytest

from addcat.doors.onnx.running.runtime import input_shapes, process_peak, random_inputs, start, start_as_it_likes
from tests.doors.onnx.models import MODELS, model


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say how much a process holds")
def test_process_grows_by_what_a_model_holds():
    proto = model(
        """g (float[1,4,1024,1024] x) => (float[1,1,1,1] y) {
            a = Concat<axis=1>(x, x, x, x)
            b = Exp(a)
            c = Add(a, b)
            y = ReduceSum(c)
        }"""
    )
    small, large = (onnx_ir.from_proto(one) for one in (MODELS["residual"](), proto))
    feeds = [random_inputs(one, input_shapes(one), 0) for one in (small, large)]
    grown = [process_peak(one, feed) for one, feed in zip((small, large), feeds, strict=True)]
    assert grown[1] - grown[0] > 2 * 16 * 2**20


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_runtimes_agree(runtime):
    pytest.importorskip(runtime)
    source = onnx_ir.from_proto(MODELS["residual"]())
    feeds = random_inputs(source, input_shapes(source), 0)
    (found,) = start(source, runtime=runtime)(feeds)
    (expected,) = start(source, optimised=False)(feeds)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_openvino_says_what_it_chooses_to_compute_in():
    pytest.importorskip("openvino")
    source = onnx_ir.from_proto(MODELS["residual"]())
    feeds = random_inputs(source, input_shapes(source), 0)
    run, precision = start_as_it_likes(source)
    assert precision in ("float32", "bfloat16", "float16")
    (found,), (expected,) = run(feeds), start(source, runtime="openvino")(feeds)
    off = np.abs(found - expected).max() / np.abs(expected).max()
    assert off < (1e-5 if precision == "float32" else 0.1)
    assert precision == "float32" or off > 1e-6
