"""Why a merge is not possible, and the ways out with their prices.

Widths that differ are brought together by a 1x1 projection (weights c_in * c_out, and as many multiply-adds at each
position), by zero channels, or by Concatenate, which needs no equal widths. Any other axis is cropped, padded or
resized; no choice of merge helps there.
"""

from collections.abc import Iterator, Sequence
from math import prod

from addcat.graph import Shape
from addcat.merges.mismatch import Clash, differing_axes, fits, join_words
from addcat.report.rows import count, integer, shape_text
from addcat.verbs.explain.result import LayerCost, Way


def reason_of(shapes: Sequence[Shape], clashes: Sequence[Clash], rule: str) -> str:
    """Say which sizes clash, and the rule that they break.

    Examples:
        >>> reason_of([(64, 8), (32, 8)], [Clash(1, 0, 32, 64)], "Add needs the same size, or 1, on every axis")
        'axis 0 is 64 in input 0 and 32 in input 1; Add needs the same size, or 1, on every axis'
    """
    alike: dict[tuple[int | None, ...], list[int]] = {}
    for axis in sorted({clash.axis for clash in clashes}):
        alike.setdefault(tuple(shape[axis] for shape in shapes), []).append(axis)
    return "; ".join([*(_sizes(axes, sizes) for sizes, axes in alike.items()), rule])


def _sizes(axes: Sequence[int], sizes: Sequence[int | None]) -> str:
    where = f"axis {axes[0]} is" if len(axes) == 1 else f"axes {join_words(axes)} are"
    holders: dict[int, list[int]] = {}
    for position, size in enumerate(sizes):
        if size is not None:
            holders.setdefault(size, []).append(position)
    parts = [
        f"{size} in {'input' if len(inputs) == 1 else 'inputs'} {join_words(inputs)}"
        for size, inputs in holders.items()
    ]
    return f"{where} {join_words(parts)}"


def projection(shapes: Sequence[Shape], axis: int, clashes: Sequence[Clash]) -> LayerCost | None:
    """The price of 1x1 projections, bias included, that bring every input to one width on `axis`.

    Args:
        shapes: The inputs, of one rank.
        axis: The axis to project.
        clashes: What stands in the way of Add.

    Returns:
        The price of all of them; None where widths are not what stands in the way.

    Examples:
        >>> projection([(64, 8, 8), (32, 8, 8)], 0, [Clash(1, 0, 32, 64)])
        LayerCost(weights=2048, bias=64, multiply_adds=131072)
    """
    total: LayerCost | None = None
    elsewhere = any(clash.axis != axis for clash in clashes)
    for clash in clashes:
        if clash.axis == axis:
            positions = [size for n, size in enumerate(shapes[clash.input]) if n != axis]
            known = [size for size in positions if size is not None]
            weights = clash.size * clash.expected
            macs = None if elsewhere or len(known) < len(positions) else weights * prod(known)
            price = LayerCost(weights, clash.expected, macs)
            total = price if total is None else total + price
    return total


def ways_to_add(shapes: Sequence[Shape], axis: int, clashes: Sequence[Clash], concat: Shape | None) -> Iterator[Way]:
    """What to do where Add is not possible.

    Args:
        shapes: The inputs, of one rank.
        axis: The merge axis.
        clashes: What stands in the way of Add.
        concat: The shape that Concatenate gives; None where it is not possible either.
    """
    for text in fits([clash for clash in clashes if clash.axis != axis], batch=False):
        yield Way("fit", text)
    widths = [clash for clash in clashes if clash.axis == axis]
    price = projection(shapes, axis, clashes)
    if price is not None:
        what = join_words([f"input {clash.input} from {clash.size} to {clash.expected}" for clash in widths])
        means = "a Dense layer" if len(shapes[0]) == 1 else "a 1x1 convolution"
        macs = "" if price.multiply_adds is None else f", {count(price.multiply_adds)} multiply-adds"
        cost = f"{integer(price.parameters)} parameters (bias included){macs}"
        yield Way("project", f"Project {what} with {means}: {cost}.", price)
        if all(clash.size < clash.expected for clash in widths):
            only = "that input meets" if len(widths) == 1 else "those inputs meet"
            text = f"Zero-pad {what}: no parameters; {only} only the first channels of the rest."
            yield Way("pad", text, LayerCost(0, 0, 0))
    if concat is not None:
        text = f"Use Concatenate on axis {axis}, which takes them as they are: {shape_text(concat, batch=False)}."
        yield Way("concat", text, LayerCost(0, 0, 0))
    yield from _other_axis(shapes, axis)


def ways_to_concat(shapes: Sequence[Shape], axis: int, clashes: Sequence[Clash]) -> Iterator[Way]:
    """What to do where inputs of one rank cannot be concatenated on `axis`."""
    for text in fits(clashes, batch=False):
        yield Way("fit", text)
    yield from _other_axis(shapes, axis)


def _other_axis(shapes: Sequence[Shape], axis: int) -> Iterator[Way]:
    differing = differing_axes(shapes)
    if len(differing) == 1 and differing != [axis]:
        yield Way("axis", f"Merge on axis {differing[0]}, the only one on which the sizes differ.")
    elif axis not in differing and len({tuple(shape[n] for shape in shapes) for n in differing}) > 1:
        yield Way("axis", f"The sizes differ on axes {join_words(differing)}: if one of them counts channels, name it.")
