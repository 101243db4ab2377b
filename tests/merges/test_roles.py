"""The role of a merge, told from the graph alone."""

import networks
import pytest
from networks import Input, layers
from small import model

from addcat.doors.keras import read
from addcat.merges import find_merges


def roles(net):
    return {merge.site: merge.role for merge in find_merges(read(net))}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("residual", {"block1_add": "residual", "block2_add": "siblings"}),
        ("unet", {"skip1": "skip", "skip2": "skip"}),
        ("inception", {"mixed": "siblings"}),
        ("two_tower_shared", {"codes": "fusion"}),
        ("two_tower_own", {"codes": "fusion"}),
        ("nested", {"middle/inner/inner_add": "residual"}),
        ("shared_layers", {"add": "residual", "add#2": "residual", "all": "residual"}),
        ("masks", {"cat": "fusion", "add": "fusion"}),
        ("attention", {"attended": "residual", "fed": "residual"}),
        ("channels_first", {"block_add": "residual", "dense_cat": "residual"}),
    ],
)
def test_roles_of_the_reference_networks(name, expected):
    assert roles(networks.network(name)) == expected


def stack(depth):
    x = Input((4,), name="x")
    y = x
    for _ in range(depth):
        y = layers.Dense(4)(y)
    return model(x, layers.Add(name="merge")([x, y]))


def test_a_link_over_many_layers_is_a_skip():
    assert roles(stack(8)) == {"merge": "residual"}
    assert roles(stack(9)) == {"merge": "skip"}


def test_batch_norms_do_not_make_a_link_long():
    x = Input((4,), name="x")
    y = x
    for _ in range(6):
        y = layers.BatchNormalization()(layers.Dense(4)(y))
    assert roles(model(x, layers.Add(name="merge")([x, y]))) == {"merge": "residual"}


def test_squeeze_and_excite_is_residual_but_a_strided_way_back_up_is_a_skip():
    x = Input((8, 8, 4), name="x")
    gate = layers.Dense(4)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    assert roles(model(x, layers.Multiply(name="merge")([x, gate]))) == {"merge": "residual"}
    down = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    up = layers.UpSampling2D()(down)
    assert roles(model(x, layers.Add(name="merge")([x, up]))) == {"merge": "skip"}


def test_strides_with_unknown_sizes():
    x = Input((None, None, 4), name="x")
    up = layers.Conv2DTranspose(4, 2, strides=2)(layers.MaxPooling2D()(x))
    assert roles(model(x, layers.Add(name="merge")([x, up]))) == {"merge": "skip"}


def test_one_tensor_twice_is_of_one_origin():
    x = Input((4,), name="x")
    assert roles(model(x, layers.Add(name="merge")([x, x]))) == {"merge": "siblings"}


def test_two_outputs_of_one_operation_are_siblings():
    x = Input((4,), name="x")
    left, right = networks.ops.split(x, 2, axis=-1)
    assert roles(model(x, layers.Add(name="merge")([left, right]))) == {"merge": "siblings"}


def test_what_is_cropped_or_padded_to_fit_keeps_its_role():
    x = Input((16, 16, 4), name="x")
    fine = layers.Conv2D(4, 3, padding="valid")(x)
    coarse = layers.Conv2D(4, 3, padding="valid")(layers.MaxPooling2D()(fine))
    up = layers.UpSampling2D()(coarse)
    skip = layers.Concatenate(name="skip")([layers.Cropping2D(2)(fine), up])
    wide = layers.Conv2D(8, 3, padding="valid")(skip)
    assert roles(model(x, layers.Add(name="link")([layers.Cropping2D(1)(skip), wide]))) == {
        "skip": "skip",
        "link": "residual",
    }
    short = layers.Conv2D(4, 3, padding="valid")(x)
    assert roles(model(x, layers.Add(name="link")([x, layers.ZeroPadding2D(1)(short)]))) == {"link": "residual"}
