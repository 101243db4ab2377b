"""What is odd about merges: each finding by its code and words, and that a plain model has none."""

import networks
import numpy as np
import pytest
from networks import Input, keras, layers, ops
from small import dense_net, model

from addcat.doors.keras import read
from addcat.merges.oddities import find_oddities


def found(net):
    return [(finding.code, finding.site, finding.words) for finding in find_oddities(read(net))]


def codes(net):
    return [(code, site) for code, site, _ in found(net)]


@pytest.mark.parametrize("name", ["unet", "inception", "two_tower_shared", "two_tower_own", "nested", "multi_output"])
def test_plain_networks_have_nothing_odd(name):
    assert found(networks.network(name)) == []


def test_an_add_of_linear_layers_is_a_concatenate_in_disguise():
    assert found(networks.network("residual")) == [
        (
            "AC201",
            "block2_add",
            "every branch ends in a linear layer of its own, so this Add is a Concatenate in disguise: "
            "E_1 h + E_2 g = [E_1 E_2] [h; g].",
        )
    ]


def test_a_concatenate_with_equal_parts_is_an_add_in_disguise():
    net = dense_net("concat")
    kernel, bias = net.get_layer("head").get_weights()
    net.get_layer("head").set_weights([np.concatenate([kernel[:4]] * 2), bias])
    assert found(net) == [
        (
            "AC202",
            "merge",
            "the consumer's kernel has the same part for every branch, so this Concatenate is an Add in disguise.",
        )
    ]
    assert codes(dense_net("concat")) == []


def test_one_input():
    x = Input((4,), name="x")
    net = model(x, layers.Concatenate(name="cat")([layers.Add(name="add")([x])]))
    assert found(net) == [
        ("AC203", "add", "Add has one input, so it gives that input back."),
        ("AC203", "cat", "Concatenate has one input, so it gives that input back."),
    ]


def test_one_tensor_several_times():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    outs = [
        layers.Add(name="add")([x, x]),
        layers.Concatenate(name="cat")([x, y, x]),
        layers.Multiply(name="square")([x, x]),
    ]
    assert found(model([x, y], outs)) == [
        ("AC204", "add", "Add reads one tensor more than once; Add(x, x) = 2 x."),
        ("AC204", "cat", "Concatenate reads one tensor more than once; W [x; x] = (W_1 + W_2) x."),
        ("AC204", "square", "Multiply reads one tensor more than once."),
    ]


def test_nested_concatenates():
    x, y = Input((5, 4), name="x"), Input((5, 4), name="y")
    inner = layers.Concatenate(name="inner")([x, y])
    words = "its only reader is Concatenate 'outer' on the same axis: one Concatenate would do."
    net = model([x, y], layers.Concatenate(name="outer")([inner, x]))
    assert found(net) == [("AC205", "inner", words)]
    other_axis = layers.Concatenate(axis=1, name="outer")([layers.Concatenate(name="inner")([x, y])] * 2)
    assert codes(model([x, y], other_axis)) == [("AC204", "outer")]
    inner = layers.Concatenate(name="inner")([x, y])
    assert codes(model([x, y], [layers.Concatenate(name="outer")([inner, x]), inner])) == []


def test_the_batch():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    words = "Concatenate joins the batch (axis 0): it makes more examples, not more channels."
    assert found(model([x, y], layers.Concatenate(axis=0, name="cat")([x, y]))) == [("AC206", "cat", words)]
    assert codes(model([x, y], ops.stack([x, y], axis=0))) == []


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (
            ((8, 8, 16), (1, 1, 16)),
            "Add broadcasts (None, 8, 8, 16) and (None, 1, 1, 16) to (None, 8, 8, 16) without a word.",
        ),
        (
            ((8, 8, 16), (8, 8, 1)),
            "Add broadcasts (None, 8, 8, 16) and (None, 8, 8, 1) to (None, 8, 8, 16) without a word.",
        ),
        (((10,), (5, 10)), "Add broadcasts (None, 10) and (None, 5, 10) to (None, 5, 10) without a word."),
    ],
)
def test_broadcasting(shapes, words):
    inputs = [Input(shape, name=f"x{n}") for n, shape in enumerate(shapes)]
    assert found(model(inputs, layers.Add(name="add")(inputs))) == [("AC207", "add", words)]


def test_a_gate_broadcasts_on_purpose():
    x = Input((8, 8, 4), name="x")
    gate = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    assert codes(model(x, layers.Multiply()([x, gate]))) == []
    assert [code for code, _ in codes(model(x, layers.Maximum()([x, gate])))] == ["AC207"]


def test_a_shared_merge_layer():
    words = (
        "one Add layer is called at 'add', 'add#2'. Keras keeps the rank rule of its first call, so a later "
        "call with other ranks can mix examples; give each call a layer of its own."
    )
    assert ("AC208", "add", words) in found(networks.network("shared_layers"))
    assert [code for code, _ in codes(networks.network("shared_layers"))].count("AC208") == 1


def masked():
    tokens, other = Input((6,), dtype="int32", name="tokens"), Input((6, 4), name="other")
    return tokens, other, layers.Embedding(5, 4, mask_zero=True)(tokens)


def test_masks_that_are_dropped():
    tokens, other, x = masked()
    words = "1 of 2 inputs carry a mask, and the result carries none."
    y = layers.Embedding(5, 4, mask_zero=True)(tokens)
    outs = [
        layers.Add(name="half")([x, other]),
        layers.Add(name="both")([x, y]),
        layers.Concatenate(name="cat")([x, other]),
        x + other,
        layers.Dot(2, name="dot")([x, y]),
    ]
    dropped = [(site, words) for code, site, words in found(model([tokens, other], outs)) if code == "AC209"]
    assert dropped[0] == ("half", words)
    assert dropped[1][1] == words  # x + other
    assert dropped[2] == ("dot", "2 of 2 inputs carry a mask, and the result carries none.")
    assert len(dropped) == 3
    # and so it is
    masks = [getattr(out, "_keras_mask", None) is not None for out in outs]
    assert masks == [False, True, True, False, False]


def test_hidden_merges():
    x = Input((6, 4), name="x")
    tail = " addcat names this merge but does not rewrite inside the layer."
    outs = [layers.Bidirectional(layers.GRU(2), merge_mode=mode, name=f"bi_{mode}")(x) for mode in ("sum", "concat")]
    outs.append(layers.Bidirectional(layers.GRU(2), merge_mode=None, name="bi_none")(x))
    outs.append(layers.MultiHeadAttention(2, 2, name="mha")(x, x))
    net = model(x, outs)
    assert found(net) == [
        ("AC210", "bi_sum", "Bidirectional adds its two directions." + tail),
        ("AC210", "bi_concat", "Bidirectional concatenates its two directions." + tail),
        ("AC210", "mha", "MultiHeadAttention concatenates its heads before the output projection." + tail),
    ]


def test_a_layer_that_holds_a_merge_hides_it():
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.add = layers.Add(name="inside")
            self.dense = layers.Dense(4)

        def call(self, x):
            return self.add([x, self.dense(x)])

    x = Input((4,), name="x")
    words = (
        "Block merges in its own call(): 1 Add. addcat does not change a layer's code and asks nothing about what it "
        "merges. Call its layers in the Functional model itself, from a function, or give `compare` one function for "
        "each arm."
    )
    assert found(model(x, Block(name="block")(x))) == [("AC215", "block", words)]


def test_custom_scale_layer_hides_a_residual_add():
    class CustomScaleLayer(layers.Layer):
        def call(self, inputs):
            return inputs[0] + inputs[1] * 0.2

    x = Input((4,), name="x")
    (finding,) = found(model(x, CustomScaleLayer(name="scaled")([x, layers.Dense(4)(x)])))
    assert finding[:2] == ("AC210", "scaled")
    assert finding[2].startswith("CustomScaleLayer adds its two inputs, the second one scaled.")


def test_unknown_sizes_that_could_broadcast():
    x, y = Input((None, 4), name="x"), Input((None, 4), name="y")
    words = "axis 1 is unknown in several branches: if one of them is 1 at run time, it broadcasts silently."
    net = model([x, y], layers.Add(name="add")([x, y]))
    assert found(net) == [("AC211", "add", words)]
    one = net([np.ones((2, 8, 4), "float32"), np.ones((2, 1, 4), "float32")])
    assert one.shape == (2, 8, 4)  # and so it does
    assert codes(model(x, layers.Add(name="add")([x, layers.Dense(4)(layers.ReLU()(x))]))) == []


def test_a_stack_that_is_summed():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    net = model([x, y], ops.sum(ops.stack([x, y], axis=1), axis=1))
    ((code, _, words),) = found(net)
    assert code == "AC212"
    assert words.startswith("Stack, then 'sum")
    assert words.endswith("' sums: this is an Add of 2 tensors that first copies them.")


def test_findings_inside_nested_models_come_once_with_their_path():
    i = Input((4,), name="i")
    inner = keras.Model(i, layers.Add(name="add")([i, i]), name="inner")
    x = Input((4,), name="x")
    assert codes(model(x, inner(inner(x)))) == [("AC204", "inner/add")]
