"""`explain`: what Add and Concatenate make of some shapes, from the shapes alone; and what a printed code means.

No model and no framework: the shape rules, the price of the layer behind the merge, and the identity
W [x; y] = W1 x + W2 y in the words of these shapes.
"""

from collections.abc import Sequence
from math import prod
from operator import index
from typing import overload

from addcat.errors import OptionError, ShapeError
from addcat.graph import Shape
from addcat.merges.mismatch import ADD_RULE, differing_axes
from addcat.merges.shapes import (
    add_clashes,
    add_shape,
    align,
    concat_clashes,
    concat_shape,
    normalise_axis,
    parse_shape,
)
from addcat.verbs.explain.codes import Code, find_code, looks_like_code
from addcat.verbs.explain.consumer import Consumer, check_rank, note_on, parse_consumer, read
from addcat.verbs.explain.guide import line_for
from addcat.verbs.explain.identity import identity
from addcat.verbs.explain.result import AxisReason, Consumers, Explanation, LayerCost, Outcome, Way
from addcat.verbs.explain.ways import projection, reason_of, ways_to_add, ways_to_concat

FLOAT32_BYTES = 4

__all__ = ["Code", "Explanation", "explain"]


@overload
def explain(shapes: str) -> Code: ...  # pyright: ignore[reportOverlappingOverload]  (a str is a sequence of str)


@overload
def explain(
    shapes: Sequence[str | Sequence[int | None]], *, axis: int | None = None, consumer: str | None = None
) -> Explanation: ...


def explain(
    shapes: str | Sequence[str | Sequence[int | None]], *, axis: int | None = None, consumer: str | None = None
) -> Explanation | Code:
    """Say what Add and Concatenate make of some shapes, and what the choice means; or what a printed code means.

    In front of a linear layer W, Concatenate is W [x; y] = W1 x + W2 y and Add is W (x + y): the same layer with
    W1 = W2. The answer says whether each merge is possible, what it gives, what the layer behind it costs, and what
    to do where it is not possible.

    Args:
        shapes: Two shapes or more, without batch: sizes, None where unknown, or text such as "64x128x128" and "?x16".
            Or one code as text, such as "AC104", that a refusal or a finding carries.
        axis: The axis that Concatenate joins, counted on these shapes. Left out, it is the only axis on which the
            sizes differ, or else the last, which is Keras' default.
        consumer: The layer behind the merge: "dense:N", or "convKxK:N" with an optional "/stride"; with bias.

    Returns:
        The explanation. Memory in bytes, for one example in float32; multiply-adds for one example. For a code, its
        entry.

    Raises:
        ShapeError: if there are fewer than two shapes, one is not a shape, or the axis is out of range.
        OptionError: if the consumer cannot be read or has another number of taps than the shapes have axes; if there
            is no such code.

    Examples:
        >>> explained = explain(["64x128x128", "32x128x128"])
        >>> explained.add.possible, explained.concat.shape, explained.axis
        (False, (96, 128, 128), 0)
        >>> explained.add.ways_out[0].text
        'Project input 1 from 32 to 64 with a 1x1 convolution: 2,112 parameters (bias included), 33.6 M multiply-adds.'

        Two equal branches: the layer behind Concatenate has twice the weights.

        >>> explain([(8, 8, 64), (8, 8, 64)], consumer="conv3x3:64").consumer.ratio()["weights"]
        2.0

        What a code says that `inspect`, `switch` or `optimize` printed:

        >>> explain("AC206").title
        'a Concatenate joins the batch'
    """
    if isinstance(shapes, str) and looks_like_code(shapes):
        return _explain_code(shapes, axis, consumer)
    read_shapes = _read_shapes(shapes)
    layer = None if consumer is None else parse_consumer(consumer)
    chosen, why = _choose_axis(read_shapes, axis)
    aligned = align(read_shapes, batch=False)
    if layer is not None:
        check_rank(layer, len(aligned[0]), chosen)
    concat = _concat(read_shapes, aligned, chosen)
    add = _add(read_shapes, aligned, chosen, concat)
    consumers = None if layer is None else _consumers(layer, aligned, chosen, add, concat)
    said = identity(aligned, chosen, add, concat, consumers)
    line = line_for(aligned, chosen, add, consumers)
    return Explanation(read_shapes, chosen, why, add, concat, consumers, said, line)


def _explain_code(text: str, axis: int | None, consumer: str | None) -> Code:
    found = find_code(text)
    if axis is not None or consumer is not None:
        raise OptionError(f"{found.code} is a code, which has no axis and no consumer. Leave them out.")
    return found


def _read_shapes(shapes: Sequence[str | Sequence[int | None]]) -> tuple[Shape, ...]:
    named = [shape for shape in shapes if isinstance(shape, str) and looks_like_code(shape)]
    if named and not isinstance(shapes, str):
        given = ", ".join(map(repr, shapes))
        raise OptionError(f"explain takes shapes, or one code in one word, such as AC104, and got {given}.")
    if isinstance(shapes, str) or len(shapes) < 2:
        given = repr(shapes) if isinstance(shapes, str) else f"{len(shapes)}: {list(shapes)}"
        raise ShapeError(
            f"explain takes two shapes or more, and got {given}. "
            "Give it a list, one shape for each branch, such as 64x128x128 and 32x128x128; or one code, such as AC104."
        )
    return tuple(parse_shape(shape) if isinstance(shape, str) else _read_sizes(shape) for shape in shapes)


def _read_sizes(sizes: Sequence[int | None]) -> Shape:
    try:
        shape = tuple(None if size is None else index(size) for size in sizes)
    except TypeError:
        shape = ()
    if not shape or any(size is not None and size < 1 for size in shape):
        raise ShapeError(
            f"{sizes!r} is not a shape. Give the sizes without batch, each from 1 up or None where one is unknown, "
            "such as (64, 128, 128)."
        )
    return shape


def _choose_axis(shapes: tuple[Shape, ...], axis: int | None) -> tuple[int, AxisReason]:
    if axis is not None:
        return normalise_axis(axis, shapes, batch=False), "given"
    if len(set(map(len, shapes))) == 1:
        differing = differing_axes(shapes)
        if len(differing) == 1:
            return differing[0], "differs"
    return max(map(len, shapes)) - 1, "last"


def _bytes(shape: Shape) -> int | None:
    known = [size for size in shape if size is not None]
    return FLOAT32_BYTES * prod(known) if len(known) == len(shape) else None


def _concat(shapes: Sequence[Shape], aligned: Sequence[Shape], axis: int) -> Outcome:
    ranks = [len(shape) for shape in shapes]
    if len(set(ranks)) > 1:
        said = ", ".join(f"input {n} has {rank}" for n, rank in enumerate(ranks))
        reason = f"the numbers of axes differ: {said}; Concatenate never broadcasts"
        text = f"Reshape the inputs to {max(ranks)} axes, and repeat them along those that this adds."
        return Outcome(False, None, reason, None, ways_out=(Way("reshape", text),))
    clashes = concat_clashes(aligned, axis)
    if clashes:
        rule = f"Concatenate needs the same size on every axis but {axis}, and never broadcasts"
        ways = tuple(ways_to_concat(aligned, axis, clashes))
        return Outcome(False, None, reason_of(aligned, clashes, rule), None, ways_out=ways)
    shape = concat_shape(shapes, axis, batch=False)
    note = None
    if shape[axis] is None:
        note = f"the size of axis {axis} is not known, so a Dense layer or a convolution over it cannot be built"
    return Outcome(True, shape, None, _bytes(shape), note)


def _add(shapes: Sequence[Shape], aligned: Sequence[Shape], axis: int, concat: Outcome) -> Outcome:
    clashes = add_clashes(shapes, batch=False)
    if clashes:
        ways = tuple(ways_to_add(aligned, axis, clashes, concat.shape))
        return Outcome(False, None, reason_of(aligned, clashes, ADD_RULE), None, ways_out=ways)
    shape = add_shape(shapes, batch=False)
    return Outcome(True, shape, None, _bytes(shape), _add_note(shapes, aligned))


def _add_note(shapes: Sequence[Shape], aligned: Sequence[Shape]) -> str | None:
    if len(set(map(len, shapes))) > 1:
        return (
            "the ranks differ; the Add layer inserts axes of size 1 after the batch and broadcasts, where the `+` "
            "operator inserts them before the batch and mixes the examples or fails"
        )
    columns = list(enumerate(zip(*aligned, strict=True)))
    repeated = [axis for axis, sizes in columns if 1 in sizes and len({*sizes} - {None}) > 1]
    unknown = [axis for axis, sizes in columns if None in sizes]
    if repeated:
        return f"it broadcasts silently, repeating an input along {_axes(repeated)}"
    if unknown:
        return f"{_axes(unknown)} is not known, so that at run time a size of 1 is broadcast silently"
    return None


def _axes(axes: Sequence[int]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes[:-1]))} and {axes[-1]}"


def _consumers(layer: Consumer, aligned: Sequence[Shape], axis: int, add: Outcome, concat: Outcome) -> Consumers:
    projected, price = _projected(aligned, axis, add)
    return Consumers(
        layer.text,
        layer.stride,
        layer.contracts(len(aligned[0]), axis),
        None if add.shape is None else read(layer, add.shape, axis),
        None if projected is None else read(layer, projected, axis, price),
        None if concat.shape is None else read(layer, concat.shape, axis),
        note_on(layer, len(aligned[0]), axis),
    )


def _projected(aligned: Sequence[Shape], axis: int, add: Outcome) -> tuple[Shape | None, LayerCost | None]:
    """The shape of an Add after its inputs were projected to one width; None where that is not what it takes."""
    clashes = add_clashes(aligned, batch=False)
    if add.possible or any(clash.axis != axis for clash in clashes):
        return None, None
    widths = {clash.input: clash.expected for clash in clashes}
    mended = [(*shape[:axis], widths.get(n, shape[axis]), *shape[axis + 1 :]) for n, shape in enumerate(aligned)]
    return add_shape(mended, batch=False), projection(aligned, axis, clashes)
