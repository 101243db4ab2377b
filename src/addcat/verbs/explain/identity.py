"""What the choice means for given shapes: W [x; y] = W1 x + W2 y, in plain sentences.

Add is Concatenate with the kernels tied (W1 = W2). Where the widths differ it needs a map P first, and then it is
Concatenate with the second kernel limited to W P. A width of 1 that is broadcast ties the second kernel to the sum of
the first one's columns. A Dense layer on another axis than the merge's is neither cut nor tied.
"""

from collections.abc import Sequence

from addcat.graph import Shape
from addcat.merges.mismatch import join_words
from addcat.report.rows import counted, integer, ratio, size_text
from addcat.verbs.explain.result import Consumers, Outcome

LINEAR = "In front of a linear layer, with nothing nonlinear between,"


def identity(
    shapes: Sequence[Shape], axis: int, add: Outcome, concat: Outcome, consumers: Consumers | None
) -> tuple[str, ...]:
    """Say what the choice between Add and Concatenate means.

    Args:
        shapes: The inputs, of one rank (as Add aligns them), without batch.
        axis: The merge axis, from 0.
        add: What Add makes of them.
        concat: What Concatenate makes of them.
        consumers: The layer behind them, if one was asked for.

    Returns:
        Two or three sentences.
    """
    if not add.possible and not concat.possible:
        return _neither(len(shapes))
    if consumers and consumers.contracts != axis:
        return _other_axis(len(shapes), axis, add, consumers)
    widths = [shape[axis] for shape in shapes]
    if not add.possible:
        return _unequal(widths, consumers)
    if _broadcasts(shapes):
        return _broadcast(widths, concat)
    return _equal(widths, consumers)


def branch_names(count: int) -> list[str]:
    """How branches are called in a formula.

    Examples:
        >>> branch_names(2), branch_names(4)
        (['x', 'y'], ['x1', 'x2', 'x3', 'x4'])
    """
    return ["x", "y", "z"][:count] if count <= 3 else [f"x{n}" for n in range(1, count + 1)]


def _short(parts: Sequence[str], joint: str) -> str:
    """Join the parts of a formula; long ones lose their middle."""
    return joint.join(parts if len(parts) <= 3 else [parts[0], parts[1], "...", parts[-1]])


def _formulas(count: int) -> tuple[str, str, str, str]:
    names = branch_names(count)
    stacked = f"[{_short(names, '; ')}]"
    split = _short([f"W{n} {name}" for n, name in enumerate(names, 1)], " + ")
    tied = _short([f"W{n}" for n in range(1, count + 1)], " = ")
    return stacked, split, f"({_short(names, ' + ')})", tied


def _neither(count: int) -> tuple[str, ...]:
    stacked, split, summed, tied = _formulas(count)
    return (
        "Neither merge takes these shapes, so no switch between them helps: make the inputs fit first.",
        f"Then, in front of a linear layer, Concatenate is `W {stacked} = {split}`, and Add is `W {summed}`, "
        f"which is the same with the kernels tied, `{tied}`.",
    )


def _other_axis(count: int, axis: int, add: Outcome, consumers: Consumers) -> tuple[str, ...]:
    names = branch_names(count)
    each = [f"W {name}" for name in names]
    stacked, _, summed, _ = _formulas(count)
    once = "" if add.possible else ", once it is possible"
    return (
        f"The Dense layer reads axis {consumers.contracts} and not the merge axis {axis}, so its kernel is neither cut "
        f"nor tied: `W {stacked} = [{_short(each, '; ')}]` with Concatenate, "
        f"`W {summed} = {_short(each, ' + ')}` with Add{once}.",
        f"Its weights are the same behind both; Concatenate gives it more positions on axis {axis}, Add sums them.",
        f"What Add sums is forgotten; what Concatenate keeps apart meets only in a later layer that mixes axis {axis}.",
    )


def _equal(widths: Sequence[int | None], consumers: Consumers | None) -> tuple[str, ...]:
    stacked, split, summed, tied = _formulas(len(widths))
    known = None not in widths
    each = "" if not known or widths[0] is None else f" ({counted(widths[0], 'channel')} each)"
    cost = f"{ratio(len(widths))} the weights of that layer" if known else "more weights in that layer"
    if consumers and consumers.add and consumers.concat and consumers.add.consumer.weights is not None:
        more, less = consumers.concat.consumer.weights, consumers.add.consumer.weights
        cost = f"{cost} ({integer(more)} against {integer(less)}; the bias is there once)"
    return (
        f"{LINEAR} Concatenate is `W {stacked} = {split}`, a kernel for each branch{each}; "
        f"Add is `W {summed}`, the same layer with the kernels tied, `{tied}`.",
        f"Untied, Concatenate computes all that Add can and more, for {cost}.",
        _forgets(widths),
    )


def _forgets(widths: Sequence[int | None]) -> str:
    width, names = widths[0], branch_names(len(widths))
    kept = (
        "the sums" if width is None or None in widths else f"{counted(width, 'sum')} for {width * len(widths)} numbers"
    )
    lost = "the difference `x - y`" if len(widths) == 2 else "all differences between the branches"
    return (
        f"At each position Add keeps {kept} and forgets {lost}: right where channel i means the same in every branch, "
        f"as in a residual block, and a loss where the next layer has to tell {_listed(names)} apart."
    )


def _listed(names: Sequence[str]) -> str:
    return join_words(names) if len(names) <= 3 else f"{names[0]} ... {names[-1]}"


def _unequal(widths: Sequence[int | None], consumers: Consumers | None) -> tuple[str, ...]:
    stacked, split, _, _ = _formulas(len(widths))
    names = branch_names(len(widths))
    total = "" if None in widths else f" {sum(width for width in widths if width is not None)}"
    columns = join_words([f"{size_text(width)} are for {name}" for name, width in zip(names, widths, strict=True)])
    return (
        f"{LINEAR} Concatenate is `W {stacked} = {split}`: of the{total} columns of W, {columns}, all of them free "
        "(untied).",
        f"Add cannot tie kernels of different widths. {_mapped(widths)} Zero-padding is such a P too, and ties that "
        "kernel to the first columns of a wide one.",
        f"Add then forgets what Concatenate keeps: {_left(widths, consumers)}",
    )


def _mapped(widths: Sequence[int | None]) -> str:
    if len(widths) > 2:
        return (
            "It needs a map P in front of each branch of another width, and as `W (P x) = (W P) x`, that is "
            "Concatenate with the kernel of such a branch limited to `W P`."
        )
    narrow_is_first = (widths[0] or 0) < (widths[1] or 0)
    formula = "W (P x + y) = (W P) x + W y" if narrow_is_first else "W (x + P y) = W x + (W P) y"
    which = "first" if narrow_is_first else "second"
    return f"It needs a map P, and then `{formula}`: that is Concatenate with its {which} kernel limited to `W P`."


def _left(widths: Sequence[int | None], consumers: Consumers | None) -> str:
    """How much a projected Add leaves; for a small consumer it is all that is wanted.

    W1 P = W2 has a solution P for every W2 where the rows of W1, outputs times taps, are independent: no more than
    the channels that are summed.
    """
    known = [width for width in widths if width is not None]
    if len(known) < len(widths):
        return "the branches cannot be told apart again."
    left = f"{max(known)} of {sum(known)} numbers are left at each position"
    arm = consumers.projected_add if consumers else None
    if arm and len(widths) == 2 and arm.consumer.weights is not None and arm.channels:
        rows = arm.consumer.weights // arm.channels
        if rows <= arm.channels:
            return (
                f"{left}. For this consumer that is enough: it takes {rows} sums, no more than the {arm.channels} "
                "channels, so that a learnt P can give it any second kernel."
            )
    return f"{left}, and the branches cannot be told apart again."


def _broadcasts(shapes: Sequence[Shape]) -> bool:
    return any(1 in sizes and len({*sizes} - {None}) > 1 for sizes in zip(*shapes, strict=True))


def _broadcast(widths: Sequence[int | None], concat: Outcome) -> tuple[str, ...]:
    stacked, split, summed, tied = _formulas(len(widths))
    if concat.possible:
        return (
            f"{LINEAR} Concatenate is `W {stacked} = {split}`; a branch of one channel brings one column, free "
            "(untied).",
            "Add repeats that channel under every other one, so that its column is tied: it is the sum of the columns "
            "of the wide branch.",
            "Add then forgets the narrow branch as such: it cannot be told from a shift of all channels.",
        )
    return (
        "Add repeats the smaller input without a word; Concatenate never does, so a switch needs an explicit repeat.",
        f"After the repeat, in front of a linear layer, Concatenate is `W {stacked} = {split}`, and Add is "
        f"`W {summed}`, the same with the kernels tied, `{tied}`.",
        _forgets(widths) if len({*widths}) == 1 else "What Add sums is forgotten; Concatenate keeps it apart.",
    )
