"""What the rungs refuse, and every word of it."""

import keras
import numpy as np
import pytest

from addcat.errors import AddcatError, DataError, OptionError, ShapeError
from addcat.layers import ChannelScaledAdd, ProjectedAdd, ScaledAdd
from addcat.layers.inputs import channels_on, common_shape, shapes_of, whole_number


@pytest.fixture(autouse=True)
def _words_as_raised(_seeded_and_tracebacks_as_they_were):
    """Keras adds its own report to an error of `call` where it filters tracebacks."""
    keras.config.disable_traceback_filtering()


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


def symbolic(*shape, dtype="float32"):
    return keras.KerasTensor(shape, dtype=dtype)


def words(error, function):
    with pytest.raises(error) as caught:
        function()
    assert isinstance(caught.value, AddcatError)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


NOT_A_LIST = {
    "one": (ones(2, 4), "needs a list of tensors. Got one of shape (2, 4). Call it on [x, y]."),
    "symbolic": (symbolic(None, 4), "needs a list of tensors. Got one of shape (None, 4). Call it on [x, y]."),
    "dictionary": (
        {"a": ones(2, 4), "b": ones(2, 4)},
        "needs a list of tensors. Got a dictionary of 'a', 'b'. Call it on a list of its values.",
    ),
    "nested": (
        [ones(2, 4), [ones(2, 4)]],
        "needs a flat list of tensors. Input 1 is itself a list or a dictionary.",
    ),
    "empty": ([], "has no inputs. Give it a list of one tensor or more."),
}


@pytest.mark.parametrize("case", NOT_A_LIST)
@pytest.mark.parametrize("built", [False, True])
def test_anything_but_a_list(case, built):
    inputs, expected = NOT_A_LIST[case]
    layer = ChannelScaledAdd(name="site")
    if built:  # a batch of two, taken for a list of two, would pass for the branches
        layer([ones(2, 4), ones(2, 4)])
    assert words(ShapeError, lambda: layer(inputs)) == f"ChannelScaledAdd 'site' {expected}"


def test_a_shape_where_a_list_of_shapes_is_due():
    expected = "ScaledAdd 'site' needs a list of tensors. Got one of shape (2, 3). Call it on [x, y]."
    assert words(ShapeError, lambda: ScaledAdd(name="site").compute_output_shape((2, 3))) == expected


@pytest.mark.parametrize(
    ("layer", "name"),
    [(ScaledAdd, "ScaledAdd"), (ChannelScaledAdd, "ChannelScaledAdd"), (ProjectedAdd, "ProjectedAdd")],
)
def test_nothing_is_broadcast(layer, name):
    rung = layer(2, name="site") if layer is ProjectedAdd else layer(name="site")
    inputs = [symbolic(None, 8, 8, 16), symbolic(None, 1, 1, 16), symbolic(None, 8, 8, 16)]
    assert words(ShapeError, lambda: rung(inputs)) == (
        f"{name} 'site' cannot merge its 3 inputs.\n"
        "  input 0  (None, 8, 8, 16)\n"
        "  input 1  (None, 1, 1, 16)  <- axis 1 is 1, expected 8; axis 2 is 1, expected 8\n"
        "  input 2  (None, 8, 8, 16)\n"
        f"{name} needs the same size on every axis; it never broadcasts.\n"
        "Axes 1 and 2 are 1 against 8: repeat that input 8 times there; only Add broadcasts."
    )


def test_channels_that_differ():
    inputs = [symbolic(None, 32, 9), symbolic(None, 64, 9)]
    assert words(ShapeError, lambda: ProjectedAdd(4, axis=1, name="site")(inputs)) == (
        "ProjectedAdd 'site' cannot merge its 2 inputs.\n"
        "  input 0  (None, 32, 9)  <- axis 1 is 32, expected 64\n"
        "  input 1  (None, 64, 9)\n"
        "ProjectedAdd needs the same size on every axis; it never broadcasts.\n"
        "Project input 0 from 32 to 64 with a 1x1 convolution, zero-pad it, or use Concatenate on axis 1."
    )


def test_batches_that_differ():
    assert words(ShapeError, lambda: ScaledAdd(name="site")([ones(2, 3), ones(3, 3)])) == (
        "ScaledAdd 'site' cannot merge its 2 inputs.\n"
        "  input 0  (2, 3)  <- axis 0 is 2, expected 3\n"
        "  input 1  (3, 3)\n"
        "ScaledAdd needs the same size on every axis; it never broadcasts.\n"
        "Axis 0 is the batch, 2 against 3: feed every input in batches of one size."
    )


def test_ranks_that_differ():
    inputs = [symbolic(None, 10), symbolic(None, 5, 10)]
    assert words(ShapeError, lambda: ScaledAdd(name="site")(inputs)) == (
        "ScaledAdd 'site' cannot merge its 2 inputs.\n"
        "  input 0  (None, 10)  <- rank 2, expected 3\n"
        "  input 1  (None, 5, 10)\n"
        "ScaledAdd needs inputs of one rank, and the same size on every axis; it never broadcasts.\n"
        "Reshape the input to rank 3, and repeat it along the axes that this adds."
    )


@pytest.mark.parametrize("verb", ["__call__", "predict_on_batch"])
def test_a_size_that_was_unknown_is_checked_when_the_model_runs(verb):
    x, y = keras.Input((None, 4)), keras.Input((None, 4))
    model = keras.Model([x, y], ScaledAdd(name="site")([x, y]))
    assert getattr(model, verb)([ones(2, 8, 4), ones(2, 8, 4)]).shape == (2, 8, 4)
    assert words(ShapeError, lambda: getattr(model, verb)([ones(2, 8, 4), ones(2, 1, 4)])) == (
        "ScaledAdd 'site' cannot merge its 2 inputs.\n"
        "  input 0  (2, 8, 4)\n"
        "  input 1  (2, 1, 4)  <- axis 1 is 1, expected 8\n"
        "ScaledAdd needs the same size on every axis; it never broadcasts.\n"
        "Axis 1 is 1 against 8: repeat that input 8 times there; only Add broadcasts."
    )


def test_an_unknown_number_of_channels():
    inputs = [symbolic(None, 8, None)] * 2
    assert words(ShapeError, lambda: ProjectedAdd(1, name="site")(inputs)) == (
        "ProjectedAdd 'site' has a weight for each channel, and axis 2 of (None, 8, None) has no known size. "
        "Give that axis a size in the Input."
    )
    assert ScaledAdd()(inputs).shape == (None, 8, None)


@pytest.mark.parametrize("axis", [0, -2])
def test_the_batch_is_no_channel(axis):
    expected = f"ChannelScaledAdd 'site' has axis={axis}, the batch of (None, 8). Give the axis that counts channels."
    layer = ChannelScaledAdd(axis=axis, name="site")
    assert words(OptionError, lambda: layer([symbolic(None, 8)] * 2)) == expected


def test_no_such_axis():
    expected = "axis=4 is out of range for (None, 8): 2 axes, and the batch is axis 0. Use -2 to 1."
    assert words(ShapeError, lambda: ChannelScaledAdd(axis=4)([symbolic(None, 8)] * 2)) == expected


@pytest.mark.parametrize("axis", [None, 1.0, [1], "1", True])
def test_an_axis_that_is_no_number(axis):
    for make in (lambda: ChannelScaledAdd(axis=axis), lambda: ProjectedAdd(1, axis=axis)):
        assert words(OptionError, make) == f"axis={axis!r} is not a whole number."


@pytest.mark.parametrize("rank", [0, -1, 2.0, "4", None, True])
def test_a_rank_below_one_or_no_number(rank):
    assert words(OptionError, lambda: ProjectedAdd(rank)) == f"rank={rank!r} is not a whole number from 1 up."


def test_a_shared_layer_at_a_place_that_it_was_not_built_for():
    layer = ChannelScaledAdd(name="site")
    layer([ones(2, 3, 1), ones(2, 3, 1)])
    assert words(ShapeError, lambda: layer([ones(2, 3, 1)] * 3)) == (
        "ChannelScaledAdd 'site' was built for a list of 2, with weights for each. "
        "Got a list of 3. Make a layer of its own for each length."
    )
    assert words(ShapeError, lambda: layer([ones(2, 3, 8)] * 2)) == (  # one scale would broadcast over eight channels
        "ChannelScaledAdd 'site' was built for size 1 on axis -1, with weights for each channel. "
        "Got size 8, in inputs of shape (2, 3, 8). Make a layer of its own for each size."
    )


@pytest.mark.parametrize("make", [ones, symbolic])
def test_complex_numbers(make):
    inputs = [make(2, 3), make(2, 3, dtype="complex64")]
    assert words(DataError, lambda: ScaledAdd(name="site")(inputs)) == (
        "ScaledAdd 'site' has real weights. Input 1 is complex64. Merge its real and imaginary parts one by one."
    )


@pytest.mark.parametrize("mask", [ones(2, 3), [None], [None] * 3])
def test_masks_that_are_not_one_for_each_input(mask):
    expected = "ScaledAdd 'site' needs a list of one mask, or None, for each of its 2 inputs."
    layer = ScaledAdd(name="site")
    assert words(ShapeError, lambda: layer.compute_mask([ones(2, 3)] * 2, mask)) == expected


def test_a_refused_call_leaves_the_layer_unbuilt():
    layer = ScaledAdd(name="site")
    words(ShapeError, lambda: layer([ones(2, 3), ones(2, 4)]))
    assert (layer.built, layer.weights, layer.arity) == (False, [], 0)
    assert layer([ones(2, 3)] * 3).shape == (2, 3)


def test_what_is_allowed_passes():
    assert shapes_of("Rung", ((2, 3), [2, 3])) == [(2, 3), (2, 3)]
    assert shapes_of("Rung", [()]) == [()]
    assert common_shape("Rung", [(None, 3), (2, None)]) == (2, 3)
    assert channels_on("Rung", (None, 5, 7), 1) == 5
    assert (whole_number("axis", np.int64(-1)), whole_number("rank", 1, least=1)) == (-1, 1)
