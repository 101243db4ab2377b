"""The rungs of the ladder on the backend of this process; `test_under_torch` runs this file again under torch."""

import json
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src import testing

from addcat.doors.keras import canonical
from addcat.layers import ChannelScaledAdd, ProjectedAdd, ScaledAdd

RUNGS = {
    "scaled": (ScaledAdd, {}),
    "channel_last": (ChannelScaledAdd, {}),
    "channel_first": (ChannelScaledAdd, {"axis": 1}),
    "projected_last": (ProjectedAdd, {"rank": 2}),
    "projected_first": (ProjectedAdd, {"rank": 2, "axis": 1}),
}
every_rung = pytest.mark.parametrize("rung", RUNGS)
on_jax = pytest.mark.skipif(keras.config.backend() != "jax", reason="is about JAX")
on_torch = pytest.mark.skipif(keras.config.backend() != "torch", reason="is about torch")


def make(rung, **options):
    cls, settings_ = RUNGS[rung]
    return cls(**settings_, **options)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def branches(arity, *shape):
    return [normal(*shape, seed=seed) for seed in range(arity)]


def randomise(layer, seed=100):
    layer.set_weights([normal(*w.shape, seed=seed + n) for n, w in enumerate(layer.weights)])
    return layer


def maps(layer, channels):
    """What each branch is multiplied by, as a matrix (channels, channels) in float64."""
    weights = [np.asarray(w, np.float64) for w in layer.get_weights()]
    if isinstance(layer, ScaledAdd):
        return [scale * np.eye(channels) for scale in weights[0]]
    if isinstance(layer, ChannelScaledAdd):
        return [np.diag(scale) for scale in weights[0]]
    down, up = weights
    return [np.eye(channels) + u @ d for d, u in zip(down, up, strict=True)]


def reference(layer, inputs, axis):
    """The sum of the branches, each multiplied along `axis`, plainly and in float64."""
    total = 0.0
    for matrix, x in zip(maps(layer, inputs[0].shape[axis]), inputs, strict=True):
        mapped = np.tensordot(np.asarray(x, np.float64), matrix, axes=([axis], [1]))
        total = total + np.moveaxis(mapped, -1, axis)
    return total


@pytest.fixture(autouse=True)
def _tracebacks_as_they_were():
    """Keras' TestCase turns the filtering of tracebacks off for the whole process."""
    filtered = keras.config.is_traceback_filtering_enabled()
    yield
    (keras.config.enable_traceback_filtering if filtered else keras.config.disable_traceback_filtering)()


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


def wide(policy):
    """JAX has float64 only where it is switched on."""
    if policy == "float64" and keras.config.backend() == "jax":
        import jax

        return jax.enable_x64(True)
    return nullcontext()


@every_rung
def test_starts_as_add_where_the_sum_overflows_as_it_does(rung):
    inputs = [np.full((1, 4, 4), 40000.0, "float32")] * 2
    result = numpy_of(make(rung, dtype="mixed_float16")(inputs))
    np.testing.assert_array_equal(result, numpy_of(keras.layers.Add(dtype="mixed_float16")(inputs)))
    assert np.isinf(result).all()


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


@settings(max_examples=25)
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
        assert canonical.describe(layer, 3)[0] == op
        assert {name: weight.shape for name, weight in canonical.weights_of(layer, op).items()} == shapes


@pytest.mark.parametrize(
    "masks",
    [
        [None, None],
        [[[True, False, True]], None],
        [[[True, False, False]], [[True, True, False]]],
        [[[True, False, False]], [[False, True, False]], [[False, False, False]]],
    ],
)
def test_masks_as_add_does(masks):
    inputs = branches(len(masks), 1, 3, 4)
    masks = [None if mask is None else keras.ops.convert_to_tensor(mask) for mask in masks]
    ours, theirs = (layer.compute_mask(inputs, masks) for layer in (ScaledAdd(), keras.layers.Add()))
    assert (ours is None) == (theirs is None)
    if ours is not None:
        np.testing.assert_array_equal(numpy_of(ours), numpy_of(theirs))
    assert ScaledAdd().compute_mask(inputs, None) is None


@every_rung
def test_masks_reach_the_next_layer_as_from_add(rung):
    def outputs(merge):
        x, y = keras.Input((4, 3)), keras.Input((4, 3))
        merged = merge([keras.layers.Masking()(x), keras.layers.Masking(5.0)(y)])
        return keras.Model([x, y], keras.layers.GlobalAveragePooling1D()(merged))

    x, y = branches(2, 2, 4, 3)
    x[:, 1:], y[:, 2:] = 0.0, 5.0  # steps 0, and 0 and 1, count: their union is two of four
    ours, theirs = (numpy_of(outputs(merge)([x, y])) for merge in (make(rung), keras.layers.Add()))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    np.testing.assert_allclose(
        ours, (numpy_of(keras.layers.Masking()(x)) + numpy_of(keras.layers.Masking(5.0)(y)))[:, :2].mean(1), rtol=1e-5
    )


def test_one_branch_without_a_mask_drops_it():
    x, y = keras.Input((4, 3)), keras.Input((4, 3))
    masked = keras.layers.Masking()(x)
    assert getattr(ScaledAdd()([masked, masked]), "_keras_mask", None) is not None
    assert getattr(ScaledAdd()([masked, y]), "_keras_mask", None) is None


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


def test_a_shared_layer_takes_other_lengths_but_keeps_its_weights():
    layer = ChannelScaledAdd()
    first = layer([keras.KerasTensor((None, 8, 3)), keras.KerasTensor((None, 8, 3))])
    second = layer([keras.KerasTensor((None, 5, 3)), keras.KerasTensor((None, 5, 3))])
    assert (first.shape, second.shape, len(layer.weights)) == ((None, 8, 3), (None, 5, 3), 1)


def test_config_round_trip_keeps_every_option():
    layer = ProjectedAdd(
        np.int64(3),
        axis=np.int32(1),
        down_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=3),
        up_initializer="glorot_uniform",
        down_regularizer=keras.regularizers.L2(0.25),
        up_regularizer="l1",
        down_constraint="unit_norm",
        up_constraint=keras.constraints.MaxNorm(2.0),
        name="site",
        dtype="mixed_bfloat16",
        trainable=False,
    )
    config = json.loads(json.dumps(layer.get_config()))
    again = ProjectedAdd.from_config(config)
    assert again.get_config() == layer.get_config()
    assert (again.rank, again.axis, again.name, again.trainable) == (3, 1, "site", False)
    assert (again.down_regularizer.l2, again.up_constraint.max_value) == (0.25, 2.0)
    for one in (layer, again):
        one.build([(None, 6), (None, 6)])
    np.testing.assert_array_equal(layer.get_weights()[0], again.get_weights()[0])
    assert "axis" not in ScaledAdd().get_config()
    assert ChannelScaledAdd.from_config(ChannelScaledAdd(axis=2).get_config()).axis == 2


def test_down_is_drawn_with_the_channels_as_fan_in_and_apart_for_each_branch():
    keras.utils.set_random_seed(0)
    layer = ProjectedAdd(32)
    layer.build([(None, 256)] * 3)
    down, up = layer.get_weights()
    assert (down.shape, up.shape) == ((3, 32, 256), (3, 256, 32))
    np.testing.assert_allclose(down.std(axis=(1, 2)), 1 / 16, rtol=0.05)
    assert all(abs(np.corrcoef(down[i].ravel(), down[j].ravel())[0, 1]) < 0.05 for i, j in [(0, 1), (0, 2), (1, 2)])
    assert not up.any()


def test_a_seed_draws_the_same_weights():
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        layer = ProjectedAdd(2)
        layer.build([(None, 8)] * 2)
        drawn.append(layer.get_weights()[0])
    np.testing.assert_array_equal(*drawn)


def trained(merge, target, *, steps, rate=0.1):
    """A model of nothing but the merge, and its losses at the start and the end."""
    x, y = keras.Input((4, 4)), keras.Input((4, 4))
    model = keras.Model([x, y], merge([x, y]))
    inputs = branches(2, 64, 4, 4)
    model.compile("adam", "mse")
    model.optimizer.learning_rate = rate
    before = model.evaluate(inputs, target(*inputs), verbose=0)
    model.fit(inputs, target(*inputs), epochs=steps, batch_size=64, verbose=0)
    return before, model.evaluate(inputs, target(*inputs), verbose=0)


@pytest.mark.parametrize(
    ("rung", "target"),
    [
        ("scaled", lambda x, y: 2 * x - y),
        ("channel_last", lambda x, y: x * [1, 0, 2, -1] + y * [0, 1, 1, 3]),
        ("channel_first", lambda x, y: x * [[1], [0], [2], [-1]] + y * [[0], [1], [1], [3]]),
        ("projected_last", lambda x, y: x + y[..., [1, 0, 2, 3]]),
        ("projected_first", lambda x, y: x + y[:, [1, 0, 2, 3]]),
    ],
)
def test_fit_finds_what_add_cannot_express(rung, target):
    keras.utils.set_random_seed(1)
    merge = make(rung)
    before, after = trained(merge, target, steps=150)
    assert before > 0.1
    assert after < 0.01 * before


@every_rung
def test_the_gradient_reaches_every_weight_and_every_branch(rung):
    keras.utils.set_random_seed(2)
    x, y = keras.Input((4, 4)), keras.Input((4, 4))
    left, right, merge = keras.layers.Dense(4), keras.layers.Dense(4), make(rung)
    model = keras.Model([x, y], merge([left(x), right(y)]))
    model.compile("sgd", "mse")
    inputs, target = branches(2, 8, 4, 4), normal(8, 4, 4, seed=9)
    changed = []
    for _ in range(2):
        before = [w.copy() for w in model.get_weights()]
        model.train_on_batch(inputs, target)
        names = [w.path.split("/")[-1] for w in model.weights]
        changed.append({n for n, a, b in zip(names, before, model.get_weights(), strict=True) if (a != b).any()})
    assert changed[1] == {"kernel", "bias", *(["down", "up"] if "projected" in rung else ["scale"])}
    assert changed[0] == changed[1] - {"down"}  # down's gradient is zero while up is
    assert all((b != 0).any() for b in merge.get_weights())


def test_constraints_hold_and_regularizers_count():
    layer = ScaledAdd(scale_constraint="non_neg", scale_regularizer=keras.regularizers.L2(0.5))
    before, _ = trained(layer, lambda x, _: x - 3 * x, steps=60)
    assert layer.get_weights()[0].min() >= 0
    assert layer.get_weights()[0].min() == 0
    fresh = ScaledAdd(scale_regularizer=keras.regularizers.L2(0.5))
    fresh(branches(2, 1, 3))
    assert float(fresh.losses[0]) == 1.0  # 0.5 times (1 + 1)
    assert before > 1


def test_a_frozen_layer_does_not_train():
    layer = ScaledAdd(trainable=False)
    before, after = trained(layer, lambda x, y: 2 * x - y, steps=3)
    assert (layer.trainable_weights, before) == ([], after)


@every_rung
def test_training_under_mixed_precision_keeps_weights_in_float32(rung):
    if keras.config.backend() == "torch" and "projected" in rung:
        pytest.skip("Keras does not test mixed precision on torch's CPU")
    merge = make(rung, dtype="mixed_bfloat16")
    before, after = trained(merge, lambda x, y: 2 * x - y, steps=60)
    assert after < 0.5 * before
    assert {w.dtype for w in merge.weights} == {"float32"}


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


@every_rung
@on_torch
def test_torch_gradients_are_those_of_the_formula(rung):
    import torch

    inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in branches(2, 2, 3, 3)]
    layer = make(rung, dtype="float64")
    layer.build([tuple(x.shape) for x in inputs])
    randomise(layer)
    assert torch.autograd.gradcheck(lambda *xs: layer(list(xs)), inputs)


@every_rung
def test_save_and_load(rung, tmp_path):
    x, y = keras.Input((4, 4)), keras.Input((4, 4))
    merge = make(rung, name="site")
    model = keras.Model([x, y], merge([x, y]))
    randomise(merge)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs = branches(2, 3, 4, 4)
    assert type(again.get_layer("site")) is type(merge)
    assert keras.saving.get_registered_name(type(merge)) == f"addcat>{type(merge).__name__}"
    np.testing.assert_array_equal(numpy_of(again(inputs)), numpy_of(model(inputs)))
