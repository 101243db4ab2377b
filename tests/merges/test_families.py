"""Families: what a person would decide as one."""

import networks
import pytest
from networks import Input, keras, layers

from addcat.doors.keras import read
from addcat.merges.families import families


def found(net):
    return {family.name: family.sites for family in families(read(net))}


def conv(x, filters, strides=1):
    return layers.BatchNormalization()(layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x))


def resnet(*, preactivated=False, merged=layers.Add):
    """Two stages of two blocks; the second stage begins with a projected shortcut. The last block feeds a Dense."""
    x = inputs = Input((8, 8, 3))
    x = layers.ReLU()(conv(x, 8))
    for stage, (filters, strides) in enumerate(((8, 1), (12, 2))):
        for block in range(2):
            step = strides if block == 0 else 1
            y = layers.ReLU()(x) if preactivated else x
            y = conv(layers.ReLU()(conv(y, filters, step)), filters)
            short = x if filters == x.shape[-1] else layers.BatchNormalization()(layers.Conv2D(filters, 1, step)(x))
            x = merged(name=f"stage{stage}_block{block}")([short, y])
            x = x if preactivated else layers.ReLU()(x)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


BLOCKS = ("stage0_block0", "stage0_block1", "stage1_block0", "stage1_block1")


@pytest.mark.parametrize("preactivated", [False, True])
def test_the_blocks_of_a_resnet_are_one_family(preactivated):
    assert found(resnet(preactivated=preactivated)) == {"residual": BLOCKS}


def test_the_blocks_of_a_concatenated_resnet_are_one_family():
    assert found(resnet(merged=layers.Concatenate)) == {"residual": BLOCKS}


def test_two_branches_of_a_concatenate_are_siblings_where_nothing_else_is_residual():
    x = Input((8, 8, 4))
    z = layers.Concatenate(name="module")([conv(x, 4), conv(layers.ReLU()(conv(x, 4)), 4)])
    assert found(keras.Model(x, layers.Conv2D(2, 1)(z))) == {"siblings": ("module",)}


def test_the_skips_of_a_unet_are_one_family():
    x = inputs = Input((16, 16, 1))
    left = []
    for filters in (4, 6, 8):
        x = layers.ReLU()(conv(x, filters))
        left.append(x)
        x = layers.MaxPooling2D()(x)
    x = conv(x, 10)
    for level, skip in reversed(list(enumerate(left))):
        up = layers.Conv2DTranspose(skip.shape[-1], 2, strides=2)(x)
        x = layers.ReLU()(conv(layers.Concatenate(name=f"skip{level}")([skip, up]), skip.shape[-1]))
    net = keras.Model(inputs, layers.Conv2D(1, 1)(x))
    assert found(net) == {"skip": ("skip2", "skip1", "skip0")}
    assert families(read(net))[0].words == "the 3 skip merges"


def test_the_concatenates_of_a_densenet_are_one_family():
    x = inputs = Input((8, 8, 4))
    for block in range(3):
        y = layers.Conv2D(3, 3, padding="same")(layers.ReLU()(layers.BatchNormalization()(x)))
        x = layers.Concatenate(name=f"dense{block}")([x, y])
    net = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.ReLU()(x))))
    assert found(net) == {"residual": ("dense0", "dense1", "dense2")}


def test_the_modules_of_an_inception_are_one_family():
    x = inputs = Input((8, 8, 4))
    for module in range(2):
        ways = [conv(x, 3), conv(conv(x, 4), 5), layers.Conv2D(2, 1)(layers.MaxPooling2D(3, 1, "same")(x))]
        x = layers.Concatenate(name=f"mixed{module}")(ways[: 3 - module])
    net = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    assert found(net) == {"siblings": ("mixed0", "mixed1")}


def test_two_families_of_one_role_are_told_apart_by_what_makes_their_branches():
    x = inputs = Input((5, 8))
    for block in range(2):
        x = layers.Add(name=f"attended{block}")([x, layers.MultiHeadAttention(2, 4)(x, x)])
        x = layers.Add(name=f"fed{block}")([x, layers.Dense(8)(layers.Dense(16, activation="gelu")(x))])
    net = keras.Model(inputs, layers.Dense(2)(x))
    assert found(net) == {
        "residual-attention": ("attended0", "attended1"),
        "residual-dense": ("fed0", "fed1"),
    }


def test_two_families_of_one_role_are_told_apart_by_the_merge():
    x = inputs = Input((8, 8, 4))
    x = layers.Add(name="sum")([x, conv(x, 4)])
    x = layers.Concatenate(name="cat")([x, conv(x, 4)])
    net = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    assert found(net) == {"residual-add": ("sum",), "residual-concat": ("cat",)}
    assert families(read(net))[0].words == "the residual-add merge"


def test_several_differences_give_several_words():
    x = inputs = Input((8, 8, 4))
    x = layers.Add(name="sum")([x, conv(x, 4)])
    x = layers.Concatenate(name="cat")([x, conv(x, 4)])
    v = layers.GlobalAveragePooling2D()(x)
    net = keras.Model(inputs, layers.Add(name="head")([v, layers.Dense(8)(v)]))
    assert found(net) == {
        "residual-add-conv": ("sum",),
        "residual-concat-conv": ("cat",),
        "residual-add-dense": ("head",),
    }


def test_a_gate_does_not_hide_what_makes_a_branch():
    """Squeeze and excite: the branch is a product, made of convolutions."""
    x = inputs = Input((8, 8, 4))
    for block in range(2):
        y = conv(x, 4)
        if block:
            gate = layers.Conv2D(4, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
            y = layers.Multiply(name="gate")([y, gate])
        x = layers.Add(name=f"block{block}")([x, y])
    assert found(keras.Model(inputs, x)) == {"residual": ("block0", "block1")}


def test_sums_of_two_alike_ways_are_siblings():
    inputs = Input((8, 8, 4))
    x = layers.Add(name="sum")([conv(inputs, 4), conv(inputs, 4)])
    assert found(keras.Model(inputs, x)) == {"siblings": ("sum",)}


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_merge_that_can_be_the_other_is_in_exactly_one_family(name):
    from addcat.merges import find_merges
    from addcat.merges.switchability import unswitchable

    graph = read(networks.network(name))
    members = [site for family in families(graph) for site in family.sites]
    assert sorted(members) == sorted(merge.site for merge in find_merges(graph) if unswitchable(merge) is None)
    names = [family.name for family in families(graph)]
    assert len(set(names)) == len(names)
