"""`explain`: the axis, the outcomes, the prices against Keras, the ways out, and the sentences."""

import json
from math import prod

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import addcat
from addcat.errors import OptionError, ShapeError
from addcat.report.text import render

SIZES = st.sampled_from([1, 2, 3, 4, 7])


def explain(*shapes, **options):
    return addcat.explain(list(shapes), **options)


def test_the_json_of_the_first_question():
    answer = json.loads(json.dumps(explain("64x128x128", "32x128x128").to_dict()))
    assert answer["shapes"] == [[64, 128, 128], [32, 128, 128]]
    assert answer["axis"] == 0
    assert answer["keras_axis"] == 1
    assert (answer["add"]["possible"], answer["add"]["shape"]) == (False, None)
    assert answer["add"]["reason"] == (
        "axis 0 is 64 in input 0 and 32 in input 1; Add needs the same size, or 1, on every axis"
    )
    assert answer["concat"] == {
        "possible": True,
        "shape": [96, 128, 128],
        "reason": None,
        "bytes": 4 * 96 * 128 * 128,
        "note": None,
        "ways_out": [],
    }
    assert answer["consumer"] is None


@pytest.mark.parametrize(
    ("shapes", "given_axis", "axis", "why"),
    [
        (["64x8x8", "32x8x8"], None, 0, "differs"),
        (["8x8x64", "8x8x32"], None, 2, "differs"),
        (["8x8x64", "8x8x64"], None, 2, "last"),
        (["8x4x64", "4x8x64"], None, 2, "last"),
        (["64", "5x64"], None, 1, "last"),
        (["?x64", "8x64"], None, 1, "last"),
        (["64x8x8", "32x8x8"], 2, 2, "given"),
        (["64x8x8", "32x8x8"], -3, 0, "given"),
    ],
)
def test_the_axis_and_why(shapes, given_axis, axis, why):
    answer = explain(*shapes, axis=given_axis)
    assert (answer.axis, answer.axis_reason) == (axis, why)


@given(st.lists(SIZES, min_size=1, max_size=3), st.data())
def test_the_outcomes_are_those_of_arrays(base, data):
    count = data.draw(st.integers(2, 3))
    shapes = [tuple(data.draw(SIZES) if data.draw(st.integers(0, 4)) == 0 else n for n in base) for _ in range(count)]
    answer = explain(*shapes)
    arrays = [np.zeros((2, *shape), "float32") for shape in shapes]
    merges = ((answer.add, sum), (answer.concat, lambda inputs: np.concatenate(inputs, axis=answer.axis + 1)))
    for outcome, merge in merges:
        if outcome.possible:
            result = merge(arrays)
            assert (outcome.shape, outcome.bytes) == (result.shape[1:], result.nbytes // 2)
            assert (outcome.reason, outcome.ways_out) == (None, ())
        else:
            assert outcome.ways_out
            assert outcome.reason
            with pytest.raises(ValueError, match=r"broadcast|must match"):
                merge(arrays)


@settings(max_examples=12)  # each builds layers of sizes that are new to jax
@given(st.lists(SIZES, min_size=2, max_size=4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_the_price_of_a_convolution_is_that_of_keras(sizes, features, taps, stride):
    kernel = "x".join([str(taps)] * (len(sizes) - 1))
    shapes = [tuple(sizes), tuple(sizes)]
    answer = explain(*shapes, axis=-1, consumer=f"conv{kernel}:{features}/{stride}")
    layer = {2: keras.layers.Conv1D, 3: keras.layers.Conv2D, 4: keras.layers.Conv3D}[len(sizes)]
    for arm, outcome in ((answer.consumer.add, answer.add), (answer.consumer.concat, answer.concat)):
        conv = layer(features, taps, strides=stride, padding="same", kernel_initializer="zeros")
        conv.build((None, *outcome.shape))
        assert arm.shape == conv.compute_output_shape((None, *outcome.shape))[1:]
        assert (arm.price.parameters, arm.price.weights) == (conv.count_params(), prod(conv.kernel.shape))
        # each output is a sum of one product for each tap and channel
        assert arm.price.multiply_adds == prod(arm.shape) * taps ** (len(sizes) - 1) * outcome.shape[-1]


@settings(max_examples=12)
@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(1, 5))
def test_the_price_of_a_dense_layer_is_that_of_keras(sizes, features):
    answer = explain(tuple(sizes), tuple(sizes), consumer=f"dense:{features}")
    for arm, outcome in ((answer.consumer.add, answer.add), (answer.consumer.concat, answer.concat)):
        dense = keras.layers.Dense(features, kernel_initializer="zeros")
        dense.build((None, *outcome.shape))
        assert arm.shape == dense.compute_output_shape((None, *outcome.shape))[1:]
        assert arm.price.parameters == dense.count_params()
        assert arm.price.multiply_adds == prod(outcome.shape) * features


def test_two_equal_branches_have_a_consumer_of_twice_the_weights():
    consumer = explain("8x8x64", "8x8x64", consumer="conv3x3:64").consumer
    assert consumer.ratio() == {"to": "add", "parameters": 73_792 / 36_928, "weights": 2.0, "multiply_adds": 2.0}


def test_channels_first():
    consumer = explain("64x128x128", "32x128x128", consumer="conv3x3:64/2").consumer
    assert consumer.add is None
    assert consumer.concat.shape == (64, 64, 64)
    assert consumer.concat.price.weights == 3 * 3 * 96 * 64
    projected = consumer.projected_add
    assert projected.projection.parameters == 32 * 64 + 64
    assert projected.price.parameters == 3 * 3 * 64 * 64 + 64 + 32 * 64 + 64
    assert consumer.ratio()["to"] == "projected_add"


def test_the_projection_is_priced_as_keras_has_it():
    way = explain("8x8x64", "8x8x32").add.ways_out[0]
    conv = keras.layers.Conv2D(64, 1)
    conv.build((None, 8, 8, 32))
    assert way.price.parameters == conv.count_params()
    assert way.price.multiply_adds == 8 * 8 * 32 * 64
    assert way.text == (
        "Project input 1 from 32 to 64 with a 1x1 convolution: 2,112 parameters (bias included), 131.1 k multiply-adds."
    )


def ways(outcome):
    return [(way.kind, way.text) for way in outcome.ways_out]


def test_ways_out_of_unequal_widths():
    assert ways(explain("64", "32").add) == [
        (
            "project",
            "Project input 1 from 32 to 64 with a Dense layer: 2,112 parameters (bias included), 2,048 multiply-adds.",
        ),
        ("pad", "Zero-pad input 1 from 32 to 64: no parameters; that input meets only the first channels of the rest."),
        ("concat", "Use Concatenate on axis 0, which takes them as they are: 96."),
    ]


def test_a_projection_at_a_size_not_yet_chosen_has_no_multiply_adds():
    answer = explain("64x88x8", "32x89x8", axis=0, consumer="conv3x3:8")
    assert ways(answer.add)[:2] == [
        ("fit", "Axis 1 is 88 against 89: crop 1 off the 89, pad the 88 by 1, or resize one to the other."),
        ("project", "Project input 1 from 32 to 64 with a 1x1 convolution: 2,112 parameters (bias included)."),
    ]
    assert answer.add.ways_out[1].price.multiply_adds is None
    assert (answer.consumer.add, answer.consumer.projected_add, answer.consumer.concat) == (None, None, None)
    assert "Neither merge is possible, so there is nothing for it to read yet." in str(answer)


def test_the_trunk_keeps_its_width():
    assert [kind for kind, _ in ways(explain("32", "64", "32").add)] == ["project", "concat"]
    assert ways(explain("32", "64", "32").add)[0][1].startswith("Project input 1 from 64 to 32 with a Dense layer")


def test_ways_out_of_odd_sizes_are_the_same_for_both():
    answer = explain("88x88x64", "89x89x64")
    fit = "Axes 0 and 1 are 88 against 89: crop 1 off the 89, pad the 88 by 1, or resize one to the other."
    assert ways(answer.add) == ways(answer.concat) == [("fit", fit)]
    assert "no switch between them helps" in answer.identity[0]


def test_ways_out_of_the_wrong_axis():
    answer = explain("64x8x8", "32x8x8", axis=-1)
    assert ways(answer.concat)[-1] == ("axis", "Merge on axis 0, the only one on which the sizes differ.")
    answer = explain("64x88x8", "32x89x8")
    assert ways(answer.concat)[-1] == (
        "axis",
        "The sizes differ on axes 0 and 1: if one of them counts channels, name it.",
    )


def test_ways_out_of_unequal_ranks():
    answer = explain("10", "5x10")
    assert answer.add.shape == (5, 10)
    assert answer.add.note == (
        "the ranks differ; the Add layer inserts axes of size 1 after the batch and broadcasts, where the `+` operator "
        "inserts them before the batch and mixes the examples or fails"
    )
    assert answer.concat.reason == (
        "the numbers of axes differ: input 0 has 1, input 1 has 2; Concatenate never broadcasts"
    )
    assert ways(answer.concat) == [
        ("reshape", "Reshape the inputs to 2 axes, and repeat them along those that this adds.")
    ]


def test_what_to_beware_of():
    assert explain("8x8x16", "1x1x16").add.note == "it broadcasts silently, repeating an input along axes 0 and 1"
    assert explain("?x16", "?x16").add.note == (
        "axis 0 is not known, so that at run time a size of 1 is broadcast silently"
    )
    assert explain("8x?", "8x16").concat.note == (
        "the size of axis 1 is not known, so a Dense layer or a convolution over it cannot be built"
    )


def test_unknown_sizes_have_unknown_prices():
    answer = explain("?x16", "?x16", consumer="dense:4")
    assert (answer.add.bytes, answer.concat.shape) == (None, (None, 32))
    assert (answer.consumer.concat.price.parameters, answer.consumer.concat.price.multiply_adds) == (32 * 4 + 4, None)
    assert answer.consumer.ratio()["multiply_adds"] is None


def test_the_formula_of_a_projected_add_is_true():
    rng = np.random.default_rng(0)
    x, y, wide, narrow = rng.normal(size=64), rng.normal(size=32), rng.normal(size=(10, 64)), rng.normal(size=(10, 32))
    answer = explain("64", "32", consumer="dense:10")
    assert "`W (x + P y) = W x + (W P) y`" in answer.identity[1]
    assert "takes 10 sums, no more than the 64 channels" in answer.identity[2]
    p = np.linalg.pinv(wide) @ narrow  # the P that gives the second branch any kernel
    np.testing.assert_allclose(wide @ (x + p @ y), wide @ x + narrow @ y, rtol=1e-9)
    assert "takes 64 sums" in explain("64", "32", consumer="dense:64").identity[2]
    assert "cannot be told apart again" in explain("64", "32", consumer="dense:65").identity[2]
    assert "`W (P x + y) = (W P) x + W y`" in explain("32", "64").identity[1]


def test_the_formula_of_a_broadcast_channel_is_true():
    rng = np.random.default_rng(0)
    x, y, kernel = rng.normal(size=64), rng.normal(size=1), rng.normal(size=(10, 64))
    answer = explain("64x8x8", "1x8x8")
    assert answer.axis == 0
    assert answer.concat.shape == (65, 8, 8)
    assert "its column is tied: it is the sum of the columns of the wide branch" in answer.identity[1]
    np.testing.assert_allclose(kernel @ (x + y), kernel @ x + kernel.sum(1) * y, rtol=1e-9)


def test_a_dense_layer_on_another_axis_is_neither_cut_nor_tied():
    answer = explain("5x16", "7x16", consumer="dense:3")
    assert answer.identity[0] == (
        "The Dense layer reads axis 1 and not the merge axis 0, so its kernel is neither cut nor tied: "
        "`W [x; y] = [W x; W y]` with Concatenate, `W (x + y) = W x + W y` with Add, once it is possible."
    )
    assert answer.consumer.note == "A Dense layer reads the last axis, 1; the merge axis is 0."


def test_a_convolution_in_the_middle():
    assert explain("8x16x8", "8x16x8", axis=1, consumer="conv3x3:4").consumer.note == (
        "Axis 1 is counted as the channels; Keras has them first or last, so it would need a Permute."
    )


def test_the_sentences_of_two_equal_branches():
    assert explain("8x8x64", "8x8x64", consumer="conv3x3:64").identity == (
        "In front of a linear layer, with nothing nonlinear between, Concatenate is `W [x; y] = W1 x + W2 y`, a kernel "
        "for each branch (64 channels each); Add is `W (x + y)`, the same layer with the kernels tied, `W1 = W2`.",
        "Untied, Concatenate computes all that Add can and more, for 2.0x the weights of that layer "
        "(73,728 against 36,864; the bias is there once).",
        "At each position Add keeps 64 sums for 128 numbers and forgets the difference `x - y`: right where channel i "
        "means the same in every branch, as in a residual block, and a loss where the next layer has to tell x and y "
        "apart.",
    )


def test_the_formula_of_many_branches_loses_its_middle():
    first = explain(*["8"] * 5).identity[0]
    assert "`W [x1; x2; ...; x5] = W1 x1 + W2 x2 + ... + W5 x5`" in first
    assert "`W1 = W2 = ... = W5`" in first


@given(st.lists(st.lists(st.none() | SIZES, min_size=1, max_size=3).map(tuple), min_size=2, max_size=5), st.data())
def test_every_question_has_an_answer(shapes, data):
    rank = max(map(len, shapes))
    consumer = data.draw(
        st.sampled_from([None, "dense:3", f"conv{'x'.join(['3'] * (rank - 1))}:4" if rank > 1 else None])
    )
    axis = data.draw(st.none() | st.integers(-rank, rank - 1))
    answer = explain(*shapes, axis=axis, consumer=consumer)
    assert json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert 2 <= len(answer.identity) <= 3
    for width in (80, 120):
        text = render(answer.page(), width=width)
        assert max(map(len, text.splitlines())) <= width
    for outcome in (answer.add, answer.concat):
        assert outcome.possible == (outcome.shape is not None) == (outcome.reason is None) == (not outcome.ways_out)


def refused(error, *args, **options):
    with pytest.raises(error) as caught:
        addcat.explain(*args, **options)
    return str(caught.value)


def test_too_few_shapes():
    assert refused(ShapeError, ["64x8"]) == (
        "explain takes two shapes or more, and got 1: ['64x8']. "
        "Give it a list, one shape for each branch, such as 64x128x128 and 32x128x128; or one code, such as AC104."
    )
    assert refused(ShapeError, "64x8 32x8") == (
        "explain takes two shapes or more, and got '64x8 32x8'. "
        "Give it a list, one shape for each branch, such as 64x128x128 and 32x128x128; or one code, such as AC104."
    )


@pytest.mark.parametrize("shape", [(), (0, 4), (-1, 4), (2.5, 4), 64, ("8", 4)])
def test_what_is_not_a_shape(shape):
    assert refused(ShapeError, [shape, (4,)]) == (
        f"{shape!r} is not a shape. Give the sizes without batch, each from 1 up or None where one is unknown, "
        "such as (64, 128, 128)."
    )


@pytest.mark.parametrize(
    "consumer", ["conv3x3", "dense", "dense:0", "dense:4/2", "conv3x:4", "conv3x3:4/0", "", "pool:2"]
)
def test_what_is_not_a_consumer(consumer):
    assert refused(OptionError, ["8", "8"], consumer=consumer) == (
        f"{consumer!r} is not a consumer. "
        "Write dense:N, or convKxK:N with an optional stride: dense:10, conv3x3:64, conv3x3:64/2."
    )


@pytest.mark.parametrize(
    ("shape", "consumer", "slides", "have", "wanted"),
    [
        ("8x16", "conv3x3:4", "2 axes", "1 axis", "conv3:4"),
        ("8x8x16", "conv5:4/2", "1 axis", "2 axes", "conv5x5:4/2"),
        ("16", "conv1x1:4", "2 axes", "0 axes", "dense:4"),
    ],
)
def test_a_consumer_of_another_rank(shape, consumer, slides, have, wanted):
    axis = shape.count("x")
    assert refused(OptionError, [shape, shape], consumer=consumer) == (
        f"Consumer {consumer!r} slides over {slides}, and these shapes have {have} besides the merge axis {axis}. "
        f"Use {wanted}."
    )


def test_printing_it_is_enough():
    text = str(explain("64x8", "32x8"))
    assert text.startswith("Add or concatenate 64x8 and 32x8?\n\nMerge axis 0: the only one on which the sizes differ.")
    assert all(len(line) <= 80 and line == line.rstrip() for line in text.splitlines())
