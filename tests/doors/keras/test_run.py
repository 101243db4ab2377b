"""Models as they are run to be compared."""

import random

import numpy as np
from networks import keras

from addcat.doors.keras.read import read
from addcat.doors.keras.run import predictor, probe
from addcat.doors.keras.write import write
from addcat.graph import Edge


def test_float32_is_float32_where_models_are_compared():
    """On GPUs JAX would round what is multiplied to TF32, and an exact switch would seem to move the outputs."""
    import jax

    asked = []

    class Watched(keras.layers.Layer):
        def call(self, x):
            asked.append(jax.config.jax_default_matmul_precision)
            return x

    inputs = keras.Input((3,))
    run = predictor(keras.Model(inputs, Watched()(inputs)))
    asked.clear()
    run([np.ones((2, 3), "float32")])
    assert asked == ["highest"]
    assert jax.config.jax_default_matmul_precision is None


def test_pythons_own_generator_is_where_it_was():
    """Each layer that Keras makes draws a seed from it; a script that draws on would go another way."""
    inputs = keras.Input((3,))
    hidden = keras.layers.Dropout(0.5, name="dropped")(keras.layers.Dense(2)(inputs))
    graph = read(keras.Model(inputs, keras.layers.Dense(1)(hidden)))
    before = random.getstate()
    write(graph)
    assert random.getstate() == before
    probe(graph, [Edge("dropped")])
    assert random.getstate() == before
