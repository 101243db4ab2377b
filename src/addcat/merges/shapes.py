"""The shape rules of Add and Concatenate, as Keras 3 has them.

| | same size | 1 beside n | m beside n | unknown beside n | ranks differ |
| --- | --- | --- | --- | --- | --- |
| Add, the layer | kept | n (not on the batch) | impossible | unknown | axes of size 1 inserted after the batch |
| `+`, the operator | kept | n | impossible | n; unknown beside 1 | axes of size 1 inserted in front |
| Concatenate, off its axis | kept | impossible | impossible | that of the first input | impossible |
| Concatenate, on its axis | sum | sum | sum | unknown | impossible |

Keras accepts a few shapes that can never work, and is not followed there: Add of 64, unknown and 32, where the unknown
size hides the clash, and Concatenate of different ranks. An axis out of range is a bare IndexError in Keras.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from addcat.errors import ShapeError
from addcat.graph import Shape
from addcat.merges.mismatch import ADD_RULE, Clash, add_advice, concat_advice, listing, marks_of


def parse_shape(text: str) -> Shape:
    """Read a shape as people write it.

    Args:
        text: Sizes joined by `x` or `,`, in brackets or not; `?` or `None` for an unknown size.

    Returns:
        The sizes, None where unknown.

    Raises:
        ShapeError: if the text is not a shape.

    Examples:
        >>> parse_shape("64x128x128"), parse_shape("(64, 128)"), parse_shape("?,16")
        ((64, 128, 128), (64, 128), (None, 16))
    """
    bare = re.sub(r"^\s*[(\[](.*)[)\]]\s*$", r"\1", text).strip().replace("×", "x").replace("X", "x")
    if "x" in bare and "," in bare:
        raise ShapeError(f"{text!r} mixes 'x' and ','. Write one shape as 64x128x128, and put spaces between shapes.")
    sizes = [size.strip() for size in re.split("[x,]", bare.removesuffix(","))]
    wrong = [size for size in sizes if not re.fullmatch(r"[0-9]{1,18}|\?|None", size) or re.fullmatch("0+", size)]
    if wrong:
        raise ShapeError(
            f"{text!r} is not a shape: {wrong[0]!r} is not a size. "
            "Write the sizes as 64x128x128, each from 1 up, and ? where one is unknown."
        )
    return tuple(None if size in ("?", "None") else int(size) for size in sizes)


def example_shape(shape: Shape, *, channels_first: bool = True) -> tuple[int, ...]:
    """A shape to show where some sizes are not known: one example, images of 224 x 224 in three channels, else 128.

    Examples:
        >>> example_shape((None, 3, None, None)), example_shape((None, None))
        ((1, 3, 224, 224), (1, 128))
    """
    likely = [1, *[224 if len(shape) >= 4 else 128] * (len(shape) - 1)]
    if len(shape) >= 4:
        likely[1 if channels_first else -1] = 3
    return tuple(guess if size is None else size for size, guess in zip(shape, likely, strict=True))


def format_shape(shape: Shape) -> str:
    """Write a shape as `parse_shape` reads it.

    Examples:
        >>> format_shape((None, 16, 16))
        '?x16x16'
    """
    return "x".join("?" if size is None else str(size) for size in shape)


def normalise_axis(axis: int, shapes: Sequence[Shape], *, batch: bool = True) -> int:
    """Count an axis from 0.

    Args:
        axis: An axis; negative ones count from the end.
        shapes: The inputs of the merge. The axis is one of the shape with the most axes.
        batch: Whether the first axis of the shapes is the batch.

    Returns:
        The same axis, from 0.

    Raises:
        ShapeError: if there is no such axis.

    Examples:
        >>> normalise_axis(-1, [(None, 8, 8, 16)])
        3
    """
    rank = max(map(len, shapes))
    if -rank <= axis < rank:
        return axis % rank
    counted = "the batch is axis 0" if batch else "these shapes are without batch"
    allowed = f"Use {-rank} to {rank - 1}" if rank else "A shape without axes has none to merge on"
    raise ShapeError(
        f"axis={axis} is out of range for {' and '.join(map(str, shapes))}: "
        f"{rank} {'axis' if rank == 1 else 'axes'}, and {counted}. {allowed}."
    )


def align(shapes: Sequence[Shape], *, batch: bool = True, operator: bool = False) -> list[Shape]:
    """Bring the inputs of an Add to one rank, as the Add layer or the `+` operator does.

    Args:
        shapes: The inputs.
        batch: Whether the first axis of the shapes is the batch.
        operator: Insert axes in front, as `+` does, and not after the batch, as the layer does.

    Returns:
        Shapes of one rank.

    Examples:
        >>> align([(None, 10), (None, 5, 10)])
        [(None, 1, 10), (None, 5, 10)]
        >>> align([(None, 10), (None, 5, 10)], operator=True)
        [(1, None, 10), (None, 5, 10)]
    """
    rank = max(map(len, shapes))
    front = 1 if batch and not operator else 0
    return [shape[:front] + (1,) * (rank - len(shape)) + shape[front:] for shape in shapes]


def add_clashes(shapes: Sequence[Shape], *, batch: bool = True, operator: bool = False) -> list[Clash]:
    """Every size that keeps Add from merging the inputs; none where it can."""
    strict_batch = batch and not operator
    return [
        clash
        for axis, sizes in enumerate(zip(*align(shapes, batch=batch, operator=operator), strict=True))
        for clash in _clashes(axis, sizes, broadcast=not (strict_batch and axis == 0))
    ]


def concat_clashes(shapes: Sequence[Shape], axis: int) -> list[Clash]:
    """Every size that keeps Concatenate from joining inputs of one rank on `axis` (from 0); none where it can."""
    return [
        clash
        for other, sizes in enumerate(zip(*shapes, strict=True))
        if other != axis
        for clash in _clashes(other, sizes, broadcast=False)
    ]


def _clashes(axis: int, sizes: Sequence[int | None], *, broadcast: bool) -> Iterator[Clash]:
    counts = Counter(size for size in sizes if size is not None and not (broadcast and size == 1))
    if len(counts) > 1:
        expected = max(counts, key=lambda size: (counts[size], size))
        for position, size in enumerate(sizes):
            if size is not None and size in counts and size != expected:
                yield Clash(position, axis, size, expected)


def add_shape(
    shapes: Sequence[Shape],
    *,
    batch: bool = True,
    operator: bool = False,
    channel_axis: int = -1,
    site: str = "",
    names: Sequence[str] = (),
) -> Shape:
    """The shape of a sum.

    Args:
        shapes: The inputs, one or more.
        batch: Whether the first axis of the shapes is the batch.
        operator: Follow the `+` operator and not the Add layer; they differ in rank and in what they know of sizes.
        channel_axis: The axis that counts channels, for the advice in an error.
        site: Name of the merge, for an error.
        names: Names of the inputs, for an error.

    Returns:
        The shape of the result.

    Raises:
        ShapeError: if the shapes cannot be added; it lists every input and marks the guilty ones.

    Examples:
        >>> add_shape([(None, 8, 8, 16), (None, 1, 1, 16)])
        (None, 8, 8, 16)
        >>> add_shape([(None, 4), (None, 1)]), add_shape([(None, None), (None, 1)])
        ((None, 4), (None, None))
    """
    _some("Add", shapes, site)
    aligned = align(shapes, batch=batch, operator=operator)
    clashes = add_clashes(shapes, batch=batch, operator=operator)
    if clashes:
        channel = normalise_axis(channel_axis, aligned, batch=batch)
        rule = f"{ADD_RULE}."
        if batch and any(clash.axis == 0 for clash in clashes):
            rule = "Add needs the same batch size, and the same size, or 1, on every other axis."
        concat_possible = len(set(map(len, shapes))) == 1 and not concat_clashes(shapes, channel)
        closing = [rule, *add_advice(clashes, channel, batch=batch, concat_possible=concat_possible)]
        title = f"Add {site!r}" if site else "Add"
        raise ShapeError(listing(title, shapes, names=names, marks=marks_of(clashes), read_as=aligned, closing=closing))
    return tuple(
        _known_batch(sizes) if batch and not operator and axis == 0 else _sum_size(sizes, operator=operator)
        for axis, sizes in enumerate(zip(*aligned, strict=True))
    )


def _known_batch(sizes: Sequence[int | None]) -> int | None:
    return next((size for size in sizes if size is not None), None)


def _sum_size(sizes: Sequence[int | None], *, operator: bool) -> int | None:
    wide = next((size for size in sizes if size not in (None, 1)), None)
    if None in sizes:
        return wide if operator else None
    return 1 if wide is None else wide


def concat_shape(
    shapes: Sequence[Shape], axis: int = -1, *, batch: bool = True, site: str = "", names: Sequence[str] = ()
) -> Shape:
    """The shape of a concatenation.

    Args:
        shapes: The inputs, one or more, of one rank.
        axis: The axis to join on; a positive one counts the batch where the shapes have it.
        batch: Whether the first axis of the shapes is the batch; for the words of an error only.
        site: Name of the merge, for an error.
        names: Names of the inputs, for an error.

    Returns:
        The shape of the result.

    Raises:
        ShapeError: if the axis is out of range or the shapes do not fit; it lists every input and marks the guilty.

    Examples:
        >>> concat_shape([(None, 8, 8, 64), (None, 8, 8, 32)])
        (None, 8, 8, 96)
    """
    _some("Concatenate", shapes, site)
    axis_from_0 = normalise_axis(axis, shapes, batch=batch)
    title = f"Concatenate(axis={axis}) {site!r}" if site else f"Concatenate(axis={axis})"
    if len(set(map(len, shapes))) > 1:
        raise ShapeError(_unlike_ranks(title, shapes, names))
    clashes = concat_clashes(shapes, axis_from_0)
    if clashes:
        rule = f"Concatenate needs the same size on every axis but {axis_from_0}."
        closing = [rule, *concat_advice(shapes, clashes, batch=batch)]
        raise ShapeError(listing(title, shapes, names=names, marks=marks_of(clashes), closing=closing))
    joined = [shape[axis_from_0] for shape in shapes]
    total = None if None in joined else sum(size for size in joined if size is not None)
    return (*shapes[0][:axis_from_0], total, *shapes[0][axis_from_0 + 1 :])


def _some(title: str, shapes: Sequence[Shape], site: str) -> None:
    if not shapes:
        raise ShapeError(f"{title}{f' {site!r}' if site else ''} has no inputs. Give it a list of one tensor or more.")


def _unlike_ranks(title: str, shapes: Sequence[Shape], names: Sequence[str]) -> str:
    rank = max(map(len, shapes))
    marks = {n: f"rank {len(shape)}, expected {rank}" for n, shape in enumerate(shapes) if len(shape) < rank}
    closing = [
        "Concatenate needs inputs of one rank; it never broadcasts.",
        f"Reshape the input to rank {rank}, and repeat it along the axes that this adds.",
    ]
    return listing(title, shapes, names=names, marks=marks, closing=closing)
