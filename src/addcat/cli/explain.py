"""`addcat explain`: what Add and Concatenate make of some shapes, or what a printed code means."""

from typing import Annotated

import typer

from addcat.cli.common import Json, give
from addcat.verbs.explain import explain as explain_shapes
from addcat.verbs.explain.codes import looks_like_code

Shapes = Annotated[
    list[str],
    typer.Argument(
        metavar="SHAPE...",
        help="Two or more, without batch: 64x128x128 or 64,128,128; ? is unknown. Or one code, such as AC104.",
    ),
]
Axis = Annotated[
    int | None,
    typer.Option(metavar="N", help="Axis to merge on, counted on these shapes. [default: the one that differs, or -1]"),
]
Behind = Annotated[
    str | None,
    typer.Option(metavar="LAYER", help="The layer behind the merge: dense:N, convKxK:N or convKxK:N/STRIDE."),
]


def explain(shapes: Shapes, axis: Axis = None, consumer: Behind = None, as_json: Json = False) -> None:
    """Say what Add and Concatenate make of shapes, or what a code means.

    Possible or not, what it gives, what it costs, what it means, and the ways out. No model is needed. With a code
    that addcat printed, such as AC104: what it means, why, and what to do.

    Example: addcat explain 64x128x128 32x128x128 --consumer conv3x3:64
    """
    asked = shapes[0] if len(shapes) == 1 and looks_like_code(shapes[0]) else shapes
    give(explain_shapes(asked, axis=axis, consumer=consumer), as_json=as_json)
