"""Who reads a merge: linear consumers behind channelwise paths, and every blocker by its words."""

import numpy as np
import pytest
from graphs import Sketch
from networks import Input, keras, layers, ops
from small import model

from addcat.doors.keras import read
from addcat.merges.consumers import consumers


def found(net, site="merge"):
    graph = read(net)
    return list(consumers(graph, graph.nodes[site]))


def image(head, *, first=False):
    """Two branches of 4 channels, concatenated by "merge", then `head`."""
    x = Input((4, 8, 8) if first else (8, 8, 4), name="x")
    merged = layers.Concatenate(axis=1 if first else -1, name="merge")([x, layers.ReLU()(x)])
    return model(x, head(merged))


FIRST = {"data_format": "channels_first"}


def chain(*steps):
    def apply(x):
        for step in steps:
            x = step(x)
        return x

    return apply


PASSING = {
    "nothing": ([], "linear"),
    "batch_norm": ([layers.BatchNormalization], "affine"),
    "relu": ([layers.ReLU], "any"),
    "linear": ([lambda: layers.Activation("linear")], "linear"),
    "dropout": ([lambda: layers.Dropout(0.5)], "linear"),
    "average pooling": ([lambda: layers.AveragePooling2D(2)], "linear"),
    "max pooling": ([lambda: layers.MaxPooling2D(2)], "any"),
    "nearest": ([layers.UpSampling2D], "linear"),
    "bilinear": ([lambda: layers.UpSampling2D(interpolation="bilinear")], "linear"),
    "padding": ([layers.ZeroPadding2D], "linear"),
    "cropping": ([layers.Cropping2D], "linear"),
    "depthwise": ([lambda: layers.DepthwiseConv2D(3)], "affine"),
    "depthwise relu": ([lambda: layers.DepthwiseConv2D(3, activation="relu")], "any"),
    "prelu": ([layers.PReLU], "any"),
    "prelu shared": ([lambda: layers.PReLU(shared_axes=[1, 2, 3])], "any"),
    "instance norm": ([lambda: layers.GroupNormalization(-1)], "any"),
    "constant": ([lambda: lambda x: x * 2 + 3], "affine"),
    "function": ([lambda: ops.tanh], "any"),
    "worst of all": ([layers.ReLU, lambda: layers.AveragePooling2D(2), layers.BatchNormalization], "any"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_and_how_it_treats_a_channel(name):
    steps, treatment = PASSING[name]
    head = layers.Conv2D(3, 1, name="head")
    (consumer,) = found(image(chain(*(step() for step in steps), head)))
    assert (consumer.node, consumer.offset, consumer.treatment, consumer.refusal) == ("head", 0, treatment, None)
    assert len(consumer.names) >= len(steps)


def test_global_pooling_leads_to_a_dense_layer_on_vectors():
    for keepdims in (False, True):
        head = chain(layers.GlobalAveragePooling2D(keepdims=keepdims), layers.Dense(3, name="head"))
        (consumer,) = found(image(head))
        assert (consumer.node, consumer.treatment, consumer.refusal) == ("head", "linear", None)
    head = chain(layers.GlobalMaxPooling2D(**FIRST), layers.Dense(3, name="head"))
    (consumer,) = found(image(head, first=True))
    assert (consumer.node, consumer.treatment, consumer.refusal) == ("head", "any", None)


@pytest.mark.parametrize(
    "head",
    [
        layers.Conv2D(3, 3, name="head"),
        layers.SeparableConv2D(3, 3, depth_multiplier=2, name="head"),
        layers.Conv2DTranspose(3, 3, name="head"),
        layers.Dense(3, name="head"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_linear_layers_are_consumers(head):
    (consumer,) = found(image(head))
    assert (consumer.node, consumer.path, consumer.refusal) == ("head", (), None)


class Mystery(layers.Layer):
    def call(self, x):
        return x


def named(cls, *arguments, **settings):
    return cls(*arguments, name="stop", **settings)


BLOCKED = {
    "Flatten": (named(layers.Flatten), "AC103", "Flatten 'stop' interleaves channels with positions"),
    "Reshape": (
        named(layers.Reshape, (16, 32)),
        "AC103",
        "Reshape 'stop' may interleave channels with positions",
    ),
    "Permute": (named(layers.Permute, (3, 1, 2)), "AC103", "Permute 'stop' moves the channel axis"),
    "LayerNorm": (
        named(layers.LayerNormalization),
        "AC103",
        "LayerNormalization 'stop' normalises over all channels together",
    ),
    "GroupNorm": (
        named(layers.GroupNormalization, 2),
        "AC103",
        "GroupNormalization 'stop' normalises over groups of channels",
    ),
    "Softmax": (named(layers.Softmax), "AC103", "Softmax 'stop' normalises over all channels together"),
    "softmax": (
        named(layers.Activation, "softmax"),
        "AC103",
        "Activation 'stop' normalises over all channels together",
    ),
    "glu": (
        named(layers.Activation, "glu"),
        "AC103",
        "Activation 'stop' is an operation that addcat does not look into",
    ),
    "own function": (
        named(layers.Activation, lambda x: x / ops.sum(x, -1, keepdims=True)),
        "AC103",
        "Activation 'stop' is an operation that addcat does not look into",
    ),
    "depthwise softmax": (
        named(layers.DepthwiseConv2D, 1, activation="softmax"),
        "AC103",
        "DepthwiseConv2D 'stop' mixes channels",
    ),
    "depthwise x2": (
        named(layers.DepthwiseConv2D, 3, depth_multiplier=2),
        "AC103",
        "DepthwiseConv2D 'stop' makes 2 channels of each, which addcat does not cut",
    ),
    "custom": (named(Mystery), "AC103", "Mystery 'stop' is an operation that addcat does not look into"),
    "groups": (
        named(layers.Conv2D, 4, 1, groups=2),
        "AC106",
        "Conv2D 'stop' is a convolution in 2 groups, each of which reads some of the channels",
    ),
    "nested": (
        keras.Sequential([Input((8, 8, 8)), layers.Conv2D(2, 1)], name="stop"),
        "AC103",
        "Sequential 'stop' is a nested model, which addcat does not look through here",
    ),
}


@pytest.mark.parametrize("name", BLOCKED)
def test_what_blocks_is_named(name):
    layer, code, reason = BLOCKED[name]
    (consumer,) = found(image(chain(layer, layers.Dense(2))))
    assert (consumer.node, consumer.refusal.code, consumer.refusal.reason) == ("stop", code, reason)
    assert consumer.refusal.site == "merge"


def sequence(head, *more):
    x = Input((6, 4), name="x")
    return model(x, head(layers.Concatenate(name="merge")([x, layers.ReLU()(x)]), *more))


def test_attention_and_recurrent_layers_block():
    (query, value) = found(sequence(lambda x: layers.MultiHeadAttention(1, 2, name="stop")(x, x)))
    assert query.refusal.reason == value.refusal.reason
    assert query.refusal.reason == "MultiHeadAttention 'stop' compares positions over all channels"
    (consumer,) = found(sequence(layers.LSTM(2, name="stop")))
    assert consumer.refusal.reason == "LSTM 'stop' has gates that addcat does not cut"


def test_squeeze_and_excite_blocks():
    def excite(x):
        gate = layers.Dense(8, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        return layers.Multiply(name="stop")([x, gate])

    reasons = {consumer.node: consumer.refusal for consumer in found(image(excite))}
    assert reasons["gate"] is None
    assert reasons["stop"].code == "AC104"
    assert reasons["stop"].reason == "Multiply 'stop' merges the result with another tensor, so its width must stay"


def test_an_output_blocks_also_through_a_path():
    x = Input((4,), name="x")
    merged = layers.Add(name="merge")([x, layers.Dense(4)(x)])
    passed = layers.ReLU(name="relu")(merged)
    net = model(x, [merged, passed, layers.Dense(2, name="head")(passed)])
    reasons = sorted(consumer.refusal.reason for consumer in found(net) if consumer.refusal)
    assert reasons == [
        "'merge' is an output of the model: whoever calls it expects 4 channels",
        "'merge' is through 'relu' an output of the model: whoever calls it expects 4 channels",
    ]


def test_a_shared_consumer_blocks():
    x = Input((4,), name="x")
    head = layers.Dense(2, name="head")
    net = model(x, [head(layers.Add(name="merge")([x, layers.ReLU()(x)])), head(x)])
    (consumer,) = found(net)
    assert consumer.refusal.code == "AC105"
    assert consumer.refusal.reason == (
        "Dense 'head' shares its weights between 'head', 'head#2', so they cannot change for one call"
    )


def test_channels_on_another_axis_block():
    def mixed(head):
        x = Input((4, 6, 6), name="x")
        return model(x, head(layers.Add(name="merge")([layers.BatchNormalization(axis=1)(x), layers.ReLU()(x)])))

    (consumer,) = found(mixed(layers.Conv2D(3, 1, name="head")))
    assert consumer.refusal.reason == "Conv2D 'head' counts channels on axis 3, 'merge' on axis 1"
    (consumer,) = found(mixed(layers.Dense(3, name="head")))
    assert consumer.refusal.reason == "Dense 'head' contracts the last axis, the channels of 'merge' lie on axis 1"
    (consumer,) = found(mixed(layers.GlobalAveragePooling2D(name="head")))
    assert consumer.refusal.reason == "GlobalAveragePooling2D 'head' counts channels on axis 3, 'merge' on axis 1"
    (consumer,) = found(mixed(layers.ZeroPadding2D(name="head")))
    assert consumer.refusal.reason == "ZeroPadding2D 'head' counts channels on axis 3, 'merge' on axis 1"
    (consumer,) = found(mixed(layers.Conv2D(3, 1, **FIRST, name="head")))
    assert consumer.refusal is None


def test_a_constant_array_blocks_and_a_scalar_passes():
    (consumer,) = found(sequence(lambda x: layers.Dense(2)(ops.multiply(x, np.arange(8, dtype="float32")))))
    assert consumer.refusal.reason == f"Multiply {consumer.node!r} has a constant array, which addcat does not cut"
    (consumer,) = found(sequence(lambda x: layers.Dense(2, name="head")(x * 2)))
    assert (consumer.node, consumer.treatment) == ("head", "linear")


def test_offsets_through_nested_concatenates():
    x = Input((4,), name="x")
    inner = layers.Concatenate(name="merge")([x, layers.ReLU()(x)])
    wide = layers.Concatenate(name="outer")([layers.Dense(3)(x), inner, x])
    (consumer,) = found(model(x, layers.Dense(2, name="head")(layers.ReLU(name="relu")(wide))))
    assert [(step.node, step.offset) for step in consumer.path] == [("outer", 3), ("relu", 3)]
    assert (consumer.node, consumer.offset, consumer.treatment) == ("head", 3, "any")


def test_every_reader_is_one_consumer():
    x = Input((8, 8, 4), name="x")
    merged = layers.Concatenate(name="merge")([x, layers.ReLU()(x)])
    outs = [layers.Conv2D(2, 3, name=name)(merged) for name in ("a", "b")]
    outs.append(layers.Conv2D(2, 3, name="c")(layers.MaxPooling2D(2)(merged)))
    assert sorted(consumer.node for consumer in found(model(x, outs))) == ["a", "b", "c"]


def test_too_many_ways_are_given_up_with_a_word():
    sketch = Sketch()
    x = sketch.input(1, (1,))
    merge = sketch.concat(x, sketch.relu(x), name="merge")
    for step in range(11):
        merge = sketch.concat(merge, merge, name=f"doubled{step}")
    sketch.dense(merge)
    graph = sketch.graph()
    *_, last = consumers(graph, graph.nodes["merge"])
    assert last.refusal.code == "AC111"
    assert last.refusal.reason == "'merge' reaches its readers in more than 1000 ways, through nested merges"
