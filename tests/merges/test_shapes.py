"""Our shape rules against those of Keras itself, and every error text whole."""

from functools import reduce
from operator import add

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addcat.errors import ShapeError
from addcat.merges.shapes import add_shape, concat_shape, format_shape, normalise_axis, parse_shape

SIZES = st.sampled_from([None, 1, 1, 2, 3])


@st.composite
def branches(draw, *, one_rank=False):
    """Inputs of a merge, batch first; near one another, so that many can be merged and many cannot."""
    rank = draw(st.integers(1, 4))
    base = draw(st.lists(SIZES, min_size=rank, max_size=rank))
    shapes = []
    for _ in range(draw(st.integers(1, 4))):
        shape = [draw(SIZES) if draw(st.integers(0, 3)) == 0 else size for size in base]
        if not one_rank and draw(st.integers(0, 2)) == 0:
            shape = [shape[0], *shape[draw(st.integers(1, rank)) :]]
        shapes.append(tuple(shape))
    return shapes


def ours(rule, *args, **options):
    try:
        return rule(*args, **options)
    except ShapeError:
        return None


def symbolic(merge, shapes):
    try:
        return tuple(merge([keras.KerasTensor(shape) for shape in shapes]).shape)
    except (ValueError, IndexError):
        return None


def declared(layer, shapes):
    try:
        return tuple(layer.compute_output_shape(shapes))
    except (ValueError, IndexError):
        return None


@given(branches())
def test_add_agrees_with_the_layer(shapes):
    mine, theirs = ours(add_shape, shapes), symbolic(keras.layers.Add(), shapes)
    if mine is not None:
        assert mine == theirs == declared(keras.layers.Add(), shapes)
    elif theirs is not None:
        assert any(None in shape for shape in shapes)  # an unknown size hides the clash from Keras


@given(branches())
def test_add_agrees_with_the_operator(shapes):
    assert ours(add_shape, shapes, operator=True) == symbolic(lambda x: reduce(add, x), shapes)


@given(branches(one_rank=True), st.data())
def test_concatenate_agrees_with_the_layer(shapes, data):
    axis = data.draw(st.integers(-len(shapes[0]), len(shapes[0]) - 1))
    layer = keras.layers.Concatenate(axis=axis)
    mine = ours(concat_shape, shapes, axis)
    assert mine == symbolic(layer, shapes)
    if mine is not None:
        assert mine == declared(keras.layers.Concatenate(axis=axis), shapes)


@given(branches())
def test_without_batch_is_as_with_one(shapes):
    bare = [shape[1:] for shape in shapes]
    if all(bare):
        fed = ours(add_shape, [(None, *shape) for shape in bare])
        assert ours(add_shape, bare, batch=False) == (fed if fed is None else fed[1:])


def test_keras_hides_a_clash_behind_an_unknown_size():
    shapes = [(None, 64), (None, None), (None, 32)]
    assert symbolic(keras.layers.Add(), shapes) == (None, None)
    assert ours(add_shape, shapes) is None


def test_keras_takes_different_ranks_on_an_axis_that_one_lacks():
    shapes = [(None, 5, None), (None, 5)]
    assert symbolic(keras.layers.Concatenate(axis=2), shapes) == (None, 5, None)
    assert ours(concat_shape, shapes, 2) is None


def test_the_layer_and_the_operator_read_ranks_differently():
    shapes = [(7, 10), (7, 5, 10)]
    assert add_shape(shapes) == (7, 5, 10)
    assert ours(add_shape, shapes, operator=True) is None
    assert add_shape([(5, 10), (5, 5, 10)], operator=True) == (5, 5, 10)  # mixes the examples, silently


def test_the_batch_is_never_broadcast_by_the_layer():
    assert ours(add_shape, [(1, 4), (8, 4)]) is None
    assert add_shape([(1, 4), (8, 4)], operator=True) == (8, 4)


@given(st.lists(st.none() | st.integers(1, 10**9), min_size=1, max_size=5).map(tuple))
def test_a_shape_is_read_as_it_is_written(shape):
    assert parse_shape(format_shape(shape)) == parse_shape(str(shape)) == parse_shape(str(list(shape))) == shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("64x128x128", (64, 128, 128)),
        ("64,128,128", (64, 128, 128)),
        ("?x16x16", (None, 16, 16)),
        ("(64, 128)", (64, 128)),
        ("[None, 8]", (None, 8)),
        ("(64,)", (64,)),
        (" 64 X 8 ", (64, 8)),
        ("64×8", (64, 8)),
        ("64", (64,)),
    ],
)
def test_forms_of_a_shape(text, shape):
    assert parse_shape(text) == shape


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("64xx8", ""), ("", ""), ("axb", "a"), ("-1x8", "-1"), ("0x8", "0"), ("1.5", "1.5"), ("9" * 5000, "9" * 5000)],
)
def test_what_is_not_a_shape(text, wrong):
    with pytest.raises(ShapeError) as caught:
        parse_shape(text)
    assert str(caught.value) == (
        f"{text!r} is not a shape: {wrong!r} is not a size. "
        "Write the sizes as 64x128x128, each from 1 up, and ? where one is unknown."
    )


def test_two_shapes_in_one():
    with pytest.raises(ShapeError) as caught:
        parse_shape("64x8,32x8")
    assert str(caught.value) == (
        "'64x8,32x8' mixes 'x' and ','. Write one shape as 64x128x128, and put spaces between shapes."
    )


def message(rule, *args, **options):
    with pytest.raises(ShapeError) as caught:
        rule(*args, **options)
    return str(caught.value)


def test_an_axis_out_of_range_is_said():
    with pytest.raises(IndexError):  # all that Keras has to say
        keras.layers.Concatenate(axis=3)([keras.KerasTensor((None, 4)), keras.KerasTensor((None, 4))])
    assert message(concat_shape, [(None, 4), (None, 6)], 3) == (
        "axis=3 is out of range for (None, 4) and (None, 6): 2 axes, and the batch is axis 0. Use -2 to 1."
    )
    assert message(normalise_axis, -4, [(4, 6)], batch=False) == (
        "axis=-4 is out of range for (4, 6): 2 axes, and these shapes are without batch. Use -2 to 1."
    )
    assert message(normalise_axis, 0, [()], batch=False) == (
        "axis=0 is out of range for (): 0 axes, and these shapes are without batch. "
        "A shape without axes has none to merge on."
    )


def test_no_inputs():
    assert message(add_shape, []) == "Add has no inputs. Give it a list of one tensor or more."
    assert message(concat_shape, [], site="up1/cat") == (
        "Concatenate 'up1/cat' has no inputs. Give it a list of one tensor or more."
    )


def test_channels_that_cannot_be_added():
    shapes = [(None, 16, 16, 64), (None, 16, 16, 64), (None, 16, 16, 32)]
    assert message(add_shape, shapes, site="block3/add", names=["conv_a", "conv_b", "shortcut"]) == (
        "Add 'block3/add' cannot merge its 3 inputs.\n"
        "  input 0  conv_a    (None, 16, 16, 64)\n"
        "  input 1  conv_b    (None, 16, 16, 64)\n"
        "  input 2  shortcut  (None, 16, 16, 32)  <- axis 3 is 32, expected 64\n"
        "Add needs the same size, or 1, on every axis.\n"
        "Project input 2 from 32 to 64 with a 1x1 convolution, zero-pad it, or use Concatenate on axis 3."
    )


def test_a_wide_channel_is_not_padded():
    assert message(add_shape, [(None, 32), (None, 32), (None, 64)]).splitlines()[-1] == (
        "Project input 2 from 64 to 32 with a 1x1 convolution, or use Concatenate on axis 1."
    )


def test_odd_sizes_and_channels_at_once():
    assert message(add_shape, [(None, 64, 88, 88), (None, 32, 89, 89)], channel_axis=1) == (
        "Add cannot merge its 2 inputs.\n"
        "  input 0  (None, 64, 88, 88)  <- axis 2 is 88, expected 89; axis 3 is 88, expected 89\n"
        "  input 1  (None, 32, 89, 89)  <- axis 1 is 32, expected 64\n"
        "Add needs the same size, or 1, on every axis.\n"
        "Axes 2 and 3 are 88 against 89: crop 1 off the 89, pad the 88 by 1, or resize one to the other.\n"
        "Project input 1 from 32 to 64 with a 1x1 convolution, or zero-pad it."
    )


def test_batches_that_differ():
    assert message(add_shape, [(1, 4), (8, 4)]) == (
        "Add cannot merge its 2 inputs.\n"
        "  input 0  (1, 4)  <- axis 0 is 1, expected 8\n"
        "  input 1  (8, 4)\n"
        "Add needs the same batch size, and the same size, or 1, on every other axis.\n"
        "Axis 0 is the batch, 1 against 8: feed every input in batches of one size."
    )
    assert message(concat_shape, [(1, 4), (8, 4)], 1).splitlines()[-1] == (
        "Axis 0 is the batch, 1 against 8: feed every input in batches of one size."
    )


def test_ranks_are_shown_as_the_layer_reads_them():
    assert message(add_shape, [(None, 9), (None, 5, 10)]) == (
        "Add cannot merge its 2 inputs.\n"
        "  input 0  (None, 9), read as (None, 1, 9)  <- axis 2 is 9, expected 10\n"
        "  input 1  (None, 5, 10)\n"
        "Add needs the same size, or 1, on every axis.\n"
        "Project input 0 from 9 to 10 with a 1x1 convolution, or zero-pad it."
    )


def test_concatenate_is_offered_only_where_it_can_be():
    assert message(add_shape, [(None, 8, 8, 64), (None, 1, 1, 32)]).splitlines()[-1] == (
        "Project input 1 from 32 to 64 with a 1x1 convolution, or zero-pad it."
    )


def test_sizes_that_cannot_be_concatenated():
    assert message(
        concat_shape, [(None, 16, 16, 64), (None, 8, 8, 64)], 3, site="up2/cat", names=["conv_a", "skip"]
    ) == (
        "Concatenate(axis=3) 'up2/cat' cannot merge its 2 inputs.\n"
        "  input 0  conv_a  (None, 16, 16, 64)\n"
        "  input 1  skip    (None, 8, 8, 64)  <- axis 1 is 8, expected 16; axis 2 is 8, expected 16\n"
        "Concatenate needs the same size on every axis but 3.\n"
        "Axes 1 and 2 are 8 against 16: resize the 8 by 2, crop 8 off the 16, or pad the 8 by 8."
    )


def test_another_axis_would_do():
    assert message(concat_shape, [(None, 64, 8), (None, 32, 8)], -1) == (
        "Concatenate(axis=-1) cannot merge its 2 inputs.\n"
        "  input 0  (None, 64, 8)\n"
        "  input 1  (None, 32, 8)  <- axis 1 is 32, expected 64\n"
        "Concatenate needs the same size on every axis but 2.\n"
        "Axis 1 is 32 against 64: resize the 32 by 2, crop 32 off the 64, or pad the 32 by 32.\n"
        "Or use Concatenate on axis 1, the only axis on which the sizes differ."
    )


def test_concatenate_never_broadcasts():
    assert message(concat_shape, [(None, 8, 16), (None, 1, 16)]).splitlines()[-2:] == [
        "Axis 1 is 1 against 8: repeat that input 8 times there; only Add broadcasts.",
        "Or use Concatenate on axis 1, the only axis on which the sizes differ.",
    ]
    assert message(concat_shape, [(None, 10), (None, 5, 10)]) == (
        "Concatenate(axis=-1) cannot merge its 2 inputs.\n"
        "  input 0  (None, 10)  <- rank 2, expected 3\n"
        "  input 1  (None, 5, 10)\n"
        "Concatenate needs inputs of one rank; it never broadcasts.\n"
        "Reshape the input to rank 3, and repeat it along the axes that this adds."
    )
