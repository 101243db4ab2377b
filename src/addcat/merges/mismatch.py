"""Sizes that do not fit: which they are, how an error lists them, and what to do about each.

Every input is listed and the guilty ones are marked, so that one message is enough. A clash on the channel axis is
mended with a projection; on any other axis by cropping, padding or resizing, and by how much is said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from addcat.graph import Shape

ADD_RULE = "Add needs the same size, or 1, on every axis"


@dataclass(frozen=True, slots=True)
class Clash:
    """A size that cannot be merged.

    Attributes:
        input: Which input has it, from 0.
        axis: On which axis of the result.
        size: The size.
        expected: The size that most other inputs have there; the larger one where that is a tie.
    """

    input: int
    axis: int
    size: int
    expected: int

    def __str__(self) -> str:
        return f"axis {self.axis} is {self.size}, expected {self.expected}"


def add_advice(
    clashes: Sequence[Clash], channel_axis: int, *, batch: bool = True, concat_possible: bool = False
) -> list[str]:
    """What to do about an Add that cannot be, one sentence each.

    Args:
        clashes: What stands in its way.
        channel_axis: The axis that counts channels, from 0.
        batch: Whether axis 0 is the batch.
        concat_possible: Whether Concatenate takes the same inputs on the channel axis.

    Examples:
        >>> add_advice([Clash(1, 3, 32, 64)], 3, concat_possible=True)
        ['Project input 1 from 32 to 64 with a 1x1 convolution, zero-pad it, or use Concatenate on axis 3.']
        >>> add_advice([Clash(0, 1, 88, 89)], 3)
        ['Axis 1 is 88 against 89: crop 1 off the 89, pad the 88 by 1, or resize one to the other.']
    """
    others = fits([clash for clash in clashes if clash.axis != channel_axis], batch=batch)
    channels = [clash for clash in clashes if clash.axis == channel_axis and not (batch and clash.axis == 0)]
    if not channels:
        return others or fits(clashes, batch=batch)
    project = join_words([f"input {clash.input} from {clash.size} to {clash.expected}" for clash in channels])
    them = "it" if len(channels) == 1 else "them"
    ways = [f"Project {project} with a 1x1 convolution"]
    if all(clash.size < clash.expected for clash in channels):
        ways.append(f"zero-pad {them}")
    if concat_possible:
        ways.append(f"use Concatenate on axis {channel_axis}")
    return [*others, f"{join_ways(ways)}."]


def concat_advice(shapes: Sequence[Shape], clashes: Sequence[Clash], *, batch: bool = True) -> list[str]:
    """What to do about a Concatenate that cannot be, one sentence each."""
    advice, differing = fits(clashes, batch=batch), differing_axes(shapes)
    if len(differing) == 1 and not (batch and differing == [0]):
        advice.append(f"Or use Concatenate on axis {differing[0]}, the only axis on which the sizes differ.")
    return advice


def fits(clashes: Sequence[Clash], *, batch: bool = True) -> list[str]:
    """How sizes that are not channels can be made to fit, and by how much; one sentence for axes that are alike.

    Examples:
        >>> fits([Clash(1, 1, 8, 16), Clash(1, 2, 8, 16)])
        ['Axes 1 and 2 are 8 against 16: resize the 8 by 2, crop 8 off the 16, or pad the 8 by 8.']
    """
    pairs: dict[tuple[int, int], list[int]] = {}
    for clash in clashes:
        small, large = sorted((clash.size, clash.expected))
        axes = pairs.setdefault((small, large), [])
        if clash.axis not in axes:
            axes.append(clash.axis)
    return [_fit(axes, small, large, batch=batch) for (small, large), axes in pairs.items()]


def _fit(axes: Sequence[int], small: int, large: int, *, batch: bool) -> str:
    where = f"Axis {axes[0]} is" if len(axes) == 1 else f"Axes {join_words(axes)} are"
    if batch and axes[0] == 0:
        return f"Axis 0 is the batch, {small} against {large}: feed every input in batches of one size."
    if small == 1:
        return f"{where} 1 against {large}: repeat that input {large} times there; only Add broadcasts."
    crop, pad = f"crop {large - small} off the {large}", f"pad the {small} by {large - small}"
    if large % small == 0:
        return f"{where} {small} against {large}: resize the {small} by {large // small}, {crop}, or {pad}."
    return f"{where} {small} against {large}: {crop}, {pad}, or resize one to the other."


def differing_axes(shapes: Sequence[Shape]) -> list[int]:
    """The axes on which two inputs of one rank are known to differ in size.

    Examples:
        >>> differing_axes([(64, 128, None), (32, 128, 128)])
        [0]
    """
    return [axis for axis, sizes in enumerate(zip(*shapes, strict=True)) if len({*sizes} - {None}) > 1]


def listing(
    title: str,
    shapes: Sequence[Shape],
    *,
    names: Sequence[str] = (),
    marks: dict[int, str],
    read_as: Sequence[Shape] = (),
    closing: Sequence[str],
) -> str:
    """The message of a shape error.

    Args:
        title: The merge, as the user would write it.
        shapes: Its inputs.
        names: Their names, where they have any.
        marks: What is wrong with an input, by its position.
        read_as: The inputs as the merge aligns them, where that differs.
        closing: The rule, and the ways out.

    Returns:
        A line that says what failed, one for each input, and the closing ones.

    Examples:
        >>> print(listing("Add", [(2,), (3,)], marks={0: "axis 0 is 2, expected 3"}, closing=["Pad it."]))
        Add cannot merge its 2 inputs.
          input 0  (2,)  <- axis 0 is 2, expected 3
          input 1  (3,)
        Pad it.
    """
    return "\n".join(
        [f"{title} cannot merge its {len(shapes)} inputs.", *_inputs(shapes, names, marks, read_as), *closing]
    )


def _inputs(
    shapes: Sequence[Shape], names: Sequence[str], marks: dict[int, str], read_as: Sequence[Shape]
) -> Iterator[str]:
    wide = max(map(len, names), default=0)
    for position, (shape, whole) in enumerate(zip(shapes, read_as or shapes, strict=True)):
        name = f"{names[position]:<{wide}}  " if names else ""
        text = str(shape) if shape == whole else f"{shape}, read as {whole}"
        mark = f"  <- {marks[position]}" if position in marks else ""
        yield f"  input {position}  {name}{text}{mark}"


def marks_of(clashes: Sequence[Clash]) -> dict[int, str]:
    """What is wrong with each guilty input, by its position.

    Examples:
        >>> marks_of([Clash(1, 1, 8, 16), Clash(1, 2, 8, 16)])
        {1: 'axis 1 is 8, expected 16; axis 2 is 8, expected 16'}
    """
    guilty = sorted({clash.input for clash in clashes})
    return {n: "; ".join(str(clash) for clash in clashes if clash.input == n) for n in guilty}


def join_words(words: Sequence[object], *, last: str = "and") -> str:
    """Join words as a sentence does.

    Examples:
        >>> join_words([0, 1, 2])
        '0, 1 and 2'
    """
    *most, final = map(str, words)
    return f"{', '.join(most)} {last} {final}" if most else final


def join_ways(ways: Sequence[str]) -> str:
    """Join ways out, which may hold an "and" of their own.

    Examples:
        >>> join_ways(["Crop", "pad", "resize"])
        'Crop, pad, or resize'
    """
    *most, final = ways
    return f"{', '.join(most)}, or {final}" if most else final
