"""Switches in half, mixed and double precision."""

import json
import subprocess
import sys

import numpy as np
from networks import Input, keras, layers, ops
from small import difference, model, run

from addcat.verbs.switch import switch


def test_a_function_in_half_precision_gets_a_layer_in_half_precision():
    half = {"dtype": "mixed_float16"}
    x = Input((4,), name="x")
    z = layers.Dense(4, **half)(x) + layers.Dense(4, **half)(x)
    net = model(x, layers.Dense(2)(ops.relu(z)))
    site = z._keras_history.operation.name
    done = switch(net, {site: "concat"})
    assert done.model.get_layer(f"{site}_project").dtype_policy.name == "mixed_float16"
    assert done.record.difference.tolerance == 1e-2


def test_mixed_precision():
    x = Input((4,), name="x")
    half = {"dtype": "mixed_float16"}
    y = layers.Dense(4, activation="tanh", **half)(x)
    z = layers.Dense(4, activation="tanh", **half)(y)
    merged = layers.Add(name="merge", **half)([y, z])
    net = model(x, layers.Dense(2, dtype="float32")(layers.Dense(3, name="head", **half)(merged)))
    for rung in ("concat", "scale", "low_rank:1"):
        done = switch(net, {"merge": rung})
        assert done.model.get_layer("merge").dtype_policy.name == "mixed_float16"
        assert done.model.get_layer("head").kernel.dtype == "float32"
        assert done.record.difference.tolerance == 1e-2
        assert difference(net, done.model) < 1e-2


def test_half_precision_overflows_in_add_and_not_in_concatenate():
    big = np.full((1, 1), 40000.0, "float16")
    x, y = Input((1,), dtype="float16", name="x"), Input((1,), dtype="float16", name="y")
    half = {"dtype": "float16"}
    net = keras.Model([x, y], layers.Add(**half)([x, y]))
    assert np.isinf(run(net, big, big)[0]).all()
    assert np.isfinite(run(keras.Model([x, y], layers.Concatenate(**half)([x, y])), big, big)[0]).all()


FLOAT64 = """
import json, sys
sys.path[:0] = ["tests"]
import numpy as np
import networks
from networks import keras, layers, Input
from small import model, difference
from addcat.verbs.switch import switch
keras.config.set_dtype_policy("float64")
x = Input((5, 5, 4), dtype="float64", name="x")
y = layers.Conv2D(4, 3, padding="same")(x)
first = layers.Add(name="first")([x, y])
second = first + layers.Conv2D(4, 1)(layers.ReLU()(first))
third = layers.Concatenate(name="third")([layers.Conv2D(2, 1)(second), layers.Conv2D(3, 1)(x)])
z = layers.Conv2D(4, 3, name="head")(third)
net = model(x, z)
site = second._keras_history.operation.name
there = switch(net, {"first": "concat", site: "low_rank:2"})
done = [there, switch(net, {site: "concat"})]
out = {"differences": [d.record.difference.relative for d in done], "tolerance": there.record.difference.tolerance}
out["dtypes"] = sorted({str(w.dtype) for d in done for w in d.model.weights if "seed" not in w.path})
print(json.dumps(out))
"""


def test_double_precision_is_exact_to_the_last_digits():
    """In another process: on the torch backend, whose default device computes in float64."""
    code = FLOAT64.replace("import json, sys", "import json, os, sys\nos.environ['KERAS_BACKEND'] = 'torch'")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["dtypes"] == ["float64"]
    assert found["tolerance"] == 1e-12
    assert max(found["differences"]) < 1e-12
