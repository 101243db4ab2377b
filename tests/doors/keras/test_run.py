"""Models as they are run to be compared."""

import numpy as np
from networks import keras

from addcat.doors.keras.run import predictor


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
