"""The rungs of the ladder on the backend of this process; `test_under_torch` runs this file again under torch."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src import testing
from layers.rungs import RUNGS, branches, every_rung, make, normal, numpy_of, on_jax, randomise, reference, wide

from addcat.doors.keras import classify
from addcat.layers import ChannelScaledAdd, ProjectedAdd, ScaledAdd


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")  # by Keras' test of training, to itself
class TestAsKerasDoes(testing.TestCase):
    """Keras' own checks of a layer: build, call, config, symbolic against eager, mixed precision, a training step."""

    def check(self, rung, weights, **options):
        cls, settings_ = RUNGS[rung]
        self.run_layer_test(
            cls,
            init_kwargs={**settings_, **options},
            input_shape=[(2, 4, 3), (2, 4, 3), (2, 4, 3)],
            expected_output_shape=(2, 4, 3),
            expected_num_trainable_weights=weights,
            expected_num_non_trainable_weights=0,
            expected_num_seed_generators=0,
            expected_num_losses=sum(name.endswith("regularizer") for name in options),
            supports_masking=True,
        )

    def test_scaled(self):
        self.check("scaled", 1)
        self.check("scaled", 1, scale_regularizer="l2", scale_constraint="non_neg")

    def test_channel_scaled(self):
        self.check("channel_last", 1)
        self.check("channel_first", 1, scale_regularizer="l1", scale_initializer="he_normal")

    def test_projected(self):
        self.check("projected_last", 2)
        self.check("projected_first", 2, down_regularizer="l2", up_regularizer="l1", up_constraint="max_norm")


@every_rung
@pytest.mark.parametrize("arity", [1, 2, 3])
@pytest.mark.parametrize("policy", ["float32", "float64", "mixed_float16", "mixed_bfloat16"])
def test_starts_as_exactly_add(rung, arity, policy):
    with wide(policy):
        inputs = branches(arity, 2, 3, 5, 4)
        layer, add = make(rung, dtype=policy), keras.layers.Add(dtype=policy)
        result, expected = layer(inputs), add(inputs)
        assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
        assert {w.dtype for w in layer.weights} == {layer.variable_dtype}
        assert layer.variable_dtype == ("float64" if policy == "float64" else "float32")
        as_read = "float64" if policy == "float64" else "float32"
        np.testing.assert_array_equal(*(numpy_of(keras.ops.cast(y, as_read)) for y in (result, expected)))


@every_rung
@pytest.mark.parametrize(("value", "total"), [(15000.0, 30000.0), (40000.0, np.inf)])
def test_overflows_in_float16_where_add_does(rung, value, total):
    layer = make(rung, dtype="mixed_float16")
    layer.build([(1, 4, 4)] * 2)
    if "projected" in rung:
        layer.down.assign(np.full(layer.down.shape, 0.25))
    np.testing.assert_array_equal(numpy_of(layer([np.full((1, 4, 4), value, "float32")] * 2)), total)


def test_a_projection_can_overflow_in_float16_before_add_does():
    layer = ProjectedAdd(1, dtype="mixed_float16")
    layer.build([(1, 4)] * 2)
    layer.down.assign(np.ones(layer.down.shape))
    x = np.full((1, 4), 20000.0, "float32")
    assert np.isnan(numpy_of(layer([x, x]))).all()
    assert np.isfinite(numpy_of(keras.layers.Add(dtype="mixed_float16")([x, x]))).all()


@every_rung
@pytest.mark.parametrize("policy", ["float32", "float64", "mixed_float16", "mixed_bfloat16"])
def test_equals_numpy_with_any_weights(rung, policy):
    tolerance = {"float32": 1e-6, "float64": 1e-14, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}[policy]
    with wide(policy):
        inputs = branches(3, 2, 3, 5, 3)
        layer = make(rung, dtype=policy)
        layer.build([x.shape for x in inputs])
        result = numpy_of(keras.ops.cast(randomise(layer)(inputs), layer.variable_dtype))
        expected = reference(layer, inputs, layer.channel_axis)
        assert np.abs(result - expected).max() <= tolerance * np.abs(expected).max()


@settings(max_examples=15)
@given(
    rung=st.sampled_from(sorted(RUNGS)),
    arity=st.integers(1, 4),
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple),
    seed=st.integers(0, 1000),
)
def test_equals_numpy_for_any_shape(rung, arity, shape, seed):
    inputs = branches(arity, *shape)
    layer = make(rung)
    layer.build([shape] * arity)
    expected = reference(randomise(layer, seed), inputs, layer.channel_axis)
    np.testing.assert_allclose(numpy_of(layer(inputs)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("axis", [-1, 1])
def test_each_rung_contains_the_one_below(axis):
    inputs, channels = branches(2, 2, 4, 4), 4
    scale, by_channel, projected = ScaledAdd(), ChannelScaledAdd(axis=axis), ProjectedAdd(channels, axis=axis)
    for layer in (scale, by_channel, projected):
        layer.build([x.shape for x in inputs])
    randomise(scale)
    by_channel.set_weights([np.repeat(scale.get_weights()[0][:, None], channels, axis=1)])
    np.testing.assert_array_equal(numpy_of(by_channel(inputs)), numpy_of(scale(inputs)))
    randomise(by_channel)
    up = np.stack([np.diag(s - 1) for s in by_channel.get_weights()[0]])
    projected.set_weights([np.stack([np.eye(channels)] * 2), up])
    np.testing.assert_allclose(numpy_of(projected(inputs)), numpy_of(by_channel(inputs)), rtol=1e-5, atol=1e-6)


@every_rung
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "bool"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_symbolic_equals_eager(rung, dtype, policy):
    symbolic = make(rung, dtype=policy)([keras.KerasTensor((2, 3, 4), dtype=dtype) for _ in range(2)])
    inputs = [keras.ops.cast(np.arange(24).reshape(2, 3, 4), dtype) for _ in range(2)]
    eager = make(rung, dtype=policy)(inputs)
    assert symbolic.shape == tuple(eager.shape)
    assert symbolic.dtype == keras.backend.standardize_dtype(eager.dtype)
    assert symbolic.dtype == ("float32" if policy == "float32" else "bfloat16")


@every_rung
def test_adds_integers_as_numbers_of_the_compute_dtype(rung):
    x, y = np.arange(12, dtype="int32").reshape(1, 4, 3), np.full((1, 4, 3), 7, "int32")
    result = numpy_of(make(rung)([x, y]))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, x + y)


def test_a_size_is_known_where_any_input_knows_it():
    shapes = [(None, None, 8, 4), (None, 6, None, 4), (None, None, None, 4)]
    assert ScaledAdd().compute_output_shape(shapes) == (None, 6, 8, 4)
    assert ScaledAdd()([keras.KerasTensor(shape) for shape in shapes]).shape == (None, 6, 8, 4)
    assert ChannelScaledAdd().compute_output_shape([(None, 3, None), (2, 3, 4)]) == (2, 3, 4)


def test_weights_are_shaped_as_the_vocabulary_says():
    inputs = [keras.KerasTensor((None, 8, 8, 5)) for _ in range(3)]
    expected = {
        "scaled": {"scale": (3,)},
        "channel_last": {"scale": (3, 5)},
        "channel_first": {"scale": (3, 8)},
        "projected_last": {"down": (3, 2, 5), "up": (3, 5, 2)},
        "projected_first": {"down": (3, 2, 8), "up": (3, 8, 2)},
    }
    ops = ["scaled_add", "channel_scaled_add", "channel_scaled_add", "projected_add", "projected_add"]
    for (rung, shapes), op in zip(expected.items(), ops, strict=True):
        layer = make(rung)
        layer(inputs)
        assert classify.describe(layer, 3)[0] == op
        assert {name: weight.shape for name, weight in classify.weights_of(layer, op).items()} == shapes


@every_rung
def test_the_same_tensor_twice_and_alone(rung):
    x = normal(2, 4, 3)
    np.testing.assert_array_equal(numpy_of(make(rung)([x, x])), 2 * x)
    np.testing.assert_array_equal(numpy_of(make(rung)([x])), x)
    layer = make(rung)
    layer.build([x.shape, x.shape])
    np.testing.assert_allclose(
        numpy_of(randomise(layer)([x, x])), reference(layer, [x, x], layer.channel_axis), rtol=1e-4, atol=1e-4
    )


@every_rung
@on_jax
def test_jit_equals_eager(rung):
    import jax

    inputs = branches(3, 2, 4, 4)
    layer = make(rung)
    layer.build([x.shape for x in inputs])
    randomise(layer)
    values = [w.value for w in layer.trainable_variables]
    jitted, _ = jax.jit(lambda values, inputs: layer.stateless_call(values, [], inputs))(values, inputs)
    np.testing.assert_allclose(numpy_of(jitted), numpy_of(layer(inputs)), rtol=1e-5, atol=1e-5)
