"""What a rung of the ladder may be called on: a list of tensors of one shape.

Add broadcasts; the rungs above it do not, because a branch that is repeated has no channel, or no place, of its own to
weigh. A size that is unknown when the layer is built is checked when the layer runs. No framework is needed here.
"""

from collections.abc import Sequence
from typing import Any, cast

from addcat.errors import OptionError, ShapeError
from addcat.graph import Shape
from addcat.merges.mismatch import add_advice, listing, marks_of
from addcat.merges.shapes import concat_clashes, normalise_axis


def shapes_of(title: str, value: object) -> list[Shape]:
    """Read what Keras hands to `build`: one shape for each tensor of a list.

    Args:
        title: The layer, for an error.
        value: Shapes in a list or tuple. Keras' saved files have lists for shapes.

    Returns:
        The shapes, one or more.

    Raises:
        ShapeError: if it is the shape of one tensor, of a dictionary or of a nested list.

    Examples:
        >>> shapes_of("ScaledAdd", [(None, 4), [None, 4]])
        [(None, 4), (None, 4)]
    """
    if isinstance(value, dict):
        names = ", ".join(map(repr, cast("dict[Any, Any]", value)))
        raise ShapeError(
            f"{title} needs a list of tensors. Got a dictionary of {names}. Call it on a list of its values."
        )
    items = cast("Sequence[Any]", value)
    if not items:
        raise ShapeError(f"{title} has no inputs. Give it a list of one tensor or more.")
    if _is_shape(items):
        raise ShapeError(f"{title} needs a list of tensors. Got one of shape {tuple(items)}. Call it on [x, y].")
    for position, item in enumerate(items):
        if not _is_shape(item):
            raise ShapeError(
                f"{title} needs a flat list of tensors. Input {position} is itself a list or a dictionary."
            )
    return [tuple(item) for item in items]


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and not any(
        isinstance(size, list | tuple | dict) for size in cast("Sequence[object]", value)
    )


def common_shape(title: str, shapes: Sequence[Shape], channel_axis: int = -1) -> Shape:
    """The one shape that all inputs have.

    Args:
        title: The layer, for an error.
        shapes: One or more.
        channel_axis: The axis that counts channels, for the advice in an error.

    Returns:
        That shape; a size is unknown only where every input leaves it unknown.

    Raises:
        ShapeError: if they differ; it lists every input and marks the guilty ones.

    Examples:
        >>> common_shape("ScaledAdd", [(None, None, 4), (None, 8, 4)])
        (None, 8, 4)
    """
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    kind = title.split(" ", maxsplit=1)[0]
    rank = max(map(len, shapes))
    if any(len(shape) < rank for shape in shapes):
        marks = {n: f"rank {len(shape)}, expected {rank}" for n, shape in enumerate(shapes) if len(shape) < rank}
        rule = f"{kind} needs inputs of one rank, and the same size on every axis; it never broadcasts."
        advice = f"Reshape the input to rank {rank}, and repeat it along the axes that this adds."
        raise ShapeError(listing(title, shapes, marks=marks, closing=[rule, advice]))
    clashes = concat_clashes(shapes, rank)  # what Concatenate asks of every axis but its own, and here none is its own
    if clashes:
        axis = normalise_axis(channel_axis, shapes)
        rule = f"{kind} needs the same size on every axis; it never broadcasts."
        possible = not concat_clashes(shapes, axis)
        closing = [rule, *add_advice(clashes, axis, concat_possible=possible)]
        raise ShapeError(listing(title, shapes, marks=marks_of(clashes), closing=closing))
    return tuple(next((size for size in sizes if size is not None), None) for sizes in zip(*shapes, strict=True))


def channels_on(title: str, shape: Shape, axis: int) -> int:
    """How many channels there are.

    Args:
        title: The layer, for an error.
        shape: The common shape of its inputs.
        axis: The axis that counts channels; negative ones count from the end.

    Returns:
        The size of that axis.

    Raises:
        OptionError: if the axis is the batch.
        ShapeError: if there is no such axis, or its size is unknown.

    Examples:
        >>> channels_on("ChannelScaledAdd", (None, 8, 8, 16), -1)
        16
    """
    from_0 = normalise_axis(axis, [shape])
    if from_0 == 0:
        raise OptionError(f"{title} has axis={axis}, the batch of {shape}. Give the axis that counts channels.")
    channels = shape[from_0]
    if channels is None:
        raise ShapeError(
            f"{title} has a weight for each channel, and axis {from_0} of {shape} has no known size. "
            "Give that axis a size in the Input."
        )
    return channels


def whole_number(option: str, value: object, *, least: int | None = None) -> int:
    """Check an option that is a whole number.

    Args:
        option: Its name, for an error.
        value: What was passed.
        least: The smallest that is allowed; any where None.

    Returns:
        The value as a Python integer.

    Raises:
        OptionError: if it is not one, or too small.

    Examples:
        >>> whole_number("rank", 4, least=1)
        4
    """
    wanted = "a whole number" if least is None else f"a whole number from {least} up"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise OptionError(f"{option}={value!r} is not {wanted}.")
    number = int(cast("Any", value))
    if least is not None and number < least:
        raise OptionError(f"{option}={value!r} is not {wanted}.")
    return number
