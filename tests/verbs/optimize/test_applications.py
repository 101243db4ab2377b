"""Networks of `keras.applications` as Keras exports them: read, written and optimised, the outputs stay."""

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

from addcat.doors.onnx.read import read
from addcat.doors.onnx.write import to_proto, write
from addcat.verbs.optimize import optimize
from addcat.verbs.optimize.difference import difference
from tests.doors.onnx.test_round_trip import run

EXPORT = """
import sys, keras, numpy
keras.utils.set_random_seed(0)
model = getattr(keras.applications, sys.argv[1])(weights=None, input_shape=eval(sys.argv[2]), **eval(sys.argv[3]))
norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
for norm in norms:
    norm.momentum = 0.0
if sys.argv[5:]:
    model = keras.Model(model.input, model.get_layer(sys.argv[5]).output)
image = numpy.random.default_rng(0).standard_normal((2, *eval(sys.argv[2]))).astype("float32")
model(image, training=True)
model(image)
model.export(sys.argv[4], format="onnx", verbose=False)
"""
SMALL = [("MobileNetV2", 32, {"alpha": 0.35}, "block_5_add")]
"""The last is where it is cut: three merges hold what the rest repeats."""
LARGE = [
    ("MobileNetV2", 64, {"alpha": 0.35}),
    *(("ResNet50", 64, {}), ("ResNet50V2", 64, {}), ("DenseNet121", 64, {}), ("InceptionV3", 96, {})),
    *(("InceptionResNetV2", 96, {}), ("Xception", 96, {}), ("NASNetMobile", 224, {}), ("EfficientNetB0", 64, {})),
    *(("EfficientNetV2B0", 64, {}), ("ConvNeXtTiny", 64, {}), ("MobileNet", 64, {}), ("MobileNetV3Small", 64, {})),
    *(("VGG16", 48, {"classes": 10}), ("DenseNet169", 64, {}), ("ResNet101", 64, {})),
]
CASES = [*SMALL, *(pytest.param(*case, "", marks=pytest.mark.slow) for case in LARGE)]


@pytest.mark.parametrize(("name", "size", "options", "cut"), CASES)
def test_outputs_stay(tmp_path, name, size, options, cut):
    path = tmp_path / "model.onnx"
    command = [sys.executable, "-W", "ignore", "-c", EXPORT, name, str((size, size, 3)), repr(options), str(path)]
    command += [cut] if cut else []
    done = subprocess.run(  # noqa: S603
        command, check=False, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"Keras does not export {name} here: {done.stderr.strip().splitlines()[-1]}")
    proto = onnx.load(path)
    data = {proto.graph.input[0].name: np.random.default_rng(1).standard_normal((2, size, size, 3)).astype("float32")}
    expected = run(proto, data)
    assert difference(expected, run(to_proto(write(read(path))), data)) < 1e-5
    result = optimize(path, measure=False, time_limit=30)
    verification = result.record.verification
    assert verification.passed
    assert difference(expected, run(result.model, data)) < 2e-5 + 4 * verification.noise
