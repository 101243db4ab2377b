"""The rungs as parts of a Keras model: masks, config, saving, drawing, training; `test_under_torch` runs it again."""

import json

import keras
import numpy as np
import pytest
from layers.rungs import (
    branches,
    every_rung,
    make,
    normal,
    numpy_of,
    on_torch,
    randomise,
)

from addcat.layers import ChannelScaledAdd, ProjectedAdd, ScaledAdd


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
    # one epoch that repeats the batch: Keras takes longer between epochs than for a step
    again = [np.tile(array, (steps, 1, 1)) for array in (*inputs, target(*inputs))]
    model.fit(again[:2], again[2], batch_size=64, shuffle=False, verbose=0)
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
    merge = make(rung)
    before, after = trained(merge, target, steps=150)
    assert before > 0.1
    assert after < 0.01 * before


@every_rung
def test_the_gradient_reaches_every_weight_and_every_branch(rung):
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
    assert numpy_of(fresh.losses[0]) == 1.0  # 0.5 times (1 + 1)
    assert before > 1


def test_a_frozen_layer_does_not_train():
    frozen = ScaledAdd(trainable=False)
    x, y = keras.Input((3,)), keras.Input((3,))
    merged = frozen([x, y])
    model = keras.Model([x, y], keras.layers.Dense(1)(merged))
    model.compile("sgd", "mse")
    model.fit(branches(2, 8, 3), normal(8, 1, seed=5), verbose=0)
    assert frozen.trainable_weights == []
    np.testing.assert_array_equal(frozen.get_weights()[0], [1.0, 1.0])


@every_rung
def test_training_under_mixed_precision_keeps_weights_in_float32(rung):
    if keras.config.backend() == "torch" and "projected" in rung:
        pytest.skip("Keras does not test mixed precision on torch's CPU")
    merge = make(rung, dtype="mixed_bfloat16")
    before, after = trained(merge, lambda x, y: 2 * x - y, steps=60)
    assert after < 0.5 * before
    assert {w.dtype for w in merge.weights} == {"float32"}


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
