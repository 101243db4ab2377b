"""The line of the guide that fits some shapes: which of a few cases they are, and what is said of it.

What is said is data (`tables/guide.toml`), so that evidence can be written there without touching code.
"""

import tomllib
from collections.abc import Sequence
from importlib.resources import files

from addcat.graph import Shape
from addcat.merges.mismatch import differing_axes
from addcat.verbs.explain.result import Consumers, GuideLine, Outcome


def line_for(shapes: Sequence[Shape], axis: int, add: Outcome, consumers: Consumers | None) -> GuideLine:
    """The line of the guide that fits.

    Args:
        shapes: The inputs, of one rank (as Add aligns them), without batch.
        axis: The merge axis, from 0.
        add: What Add makes of them.
        consumers: The layer behind them, if one was asked for.
    """
    return guide()[case_of(shapes, axis, adds=add.possible, contracts=consumers.contracts if consumers else axis)]


def guide() -> dict[str, GuideLine]:
    """Every line of the guide, by case."""
    table = files("addcat.verbs.explain") / "tables" / "guide.toml"
    return {case: GuideLine(case, **said) for case, said in tomllib.loads(table.read_text(encoding="utf-8")).items()}


def case_of(shapes: Sequence[Shape], axis: int, *, adds: bool, contracts: int) -> str:
    """Which case of the guide some shapes are.

    Args:
        shapes: The inputs, of one rank, without batch.
        axis: The merge axis, from 0.
        adds: Whether Add can merge them.
        contracts: The axis that the next layer sums over.

    Examples:
        >>> case_of([(8, 8, 64), (8, 8, 64)], 2, adds=True, contracts=2)
        'maps'
        >>> case_of([(8, 8, 64), (1, 1, 64)], 2, adds=True, contracts=2)
        'repeated'
        >>> case_of([(8, 8, 64), (4, 4, 64)], 2, adds=False, contracts=2)
        'grid'
    """
    rank, differing = len(shapes[0]), differing_axes(shapes)
    elsewhere = [n for n in differing if n != axis]
    if elsewhere and not adds:
        return "grid"
    if contracts != axis or (rank > 2 and axis not in (0, rank - 1)):
        return "other_axis"
    if axis in differing:
        return "widths"
    if elsewhere:
        return "repeated"
    return {1: "vectors", 2: "sequences"}.get(rank, "maps")
