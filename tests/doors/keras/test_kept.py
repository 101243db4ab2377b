"""What is not drawn anew: statistics, frozen weights, layers that were adapted to the data."""

import networks
import numpy as np
import pytest

from addcat.doors.keras.read import read
from addcat.doors.keras.write import write
from addcat.merges import find_merges
from addcat.switches.to_concat import tie
from tests.doors.keras.test_write import assert_same_function

keras, layers = networks.keras, networks.layers


def test_what_training_does_not_change_is_not_drawn_anew() -> None:
    """A frozen backbone is as it was trained elsewhere, statistics included; drawn anew it would stay noise."""
    image = keras.Input((8, 8, 3), name="image")
    backbone = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.GlobalAveragePooling2D()],
        name="backbone",
    )
    dense = layers.Dense(4, name="adapted")
    head = layers.Dense(2, name="head")
    model = networks.randomised(keras.Model(image, head(dense(backbone(image)))))
    backbone.trainable = False
    dense.enable_lora(2)
    one, two = (write(read(model), weights=False, seed=seed) for seed in (0, 1))
    for made in (one, two):
        for old, new in zip(backbone.weights, made.get_layer("backbone").weights, strict=True):
            assert np.array_equal(old.numpy(), new.numpy()), old.path
        assert np.array_equal(dense._kernel.numpy(), made.get_layer("adapted")._kernel.numpy())
        assert not made.get_layer("backbone").trainable
    for name in ("adapted", "head"):  # what is trained
        old, new = (made.get_layer(name).trainable_variables[-1].numpy() for made in (model, one))
        assert not np.array_equal(old, new) or not old.any()
    assert not np.array_equal(head.kernel.numpy(), one.get_layer("head").kernel.numpy())
    assert not np.array_equal(one.get_layer("head").kernel.numpy(), two.get_layer("head").kernel.numpy())


def test_a_frozen_reader_of_a_changed_merge_has_the_weights_that_it_was_given() -> None:
    inputs = [keras.Input((3,), name=name) for name in "ab"]
    reader = layers.Dense(2, name="reader", trainable=False)
    model = networks.randomised(keras.Model(inputs, layers.Dense(1, name="out")(reader(layers.Add(name="m")(inputs)))))
    opened = tie(read(model), find_merges(read(model))[0])
    made = write(opened, weights=False, seed=3)
    kernel = reader.kernel.numpy()
    assert np.array_equal(made.get_layer("reader").kernel.numpy(), np.concatenate([kernel, kernel]))
    assert not made.get_layer("reader").trainable


@pytest.mark.parametrize("weights", [True, False])
def test_a_layer_that_was_adapted_to_the_data_stays_so(weights: bool) -> None:
    """Normalization computes with what it has made of its variables; a copy of these alone changes nothing."""
    x = (np.random.default_rng(0).normal(size=(200, 3)) * 50 + 300).astype("float32")
    norm = layers.Normalization(name="norm")
    norm.adapt(x)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones", name="out")(norm(inputs)))
    assert_same_function(model, write(read(model), weights=weights, seed=0), x[:5])
