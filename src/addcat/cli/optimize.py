"""`addcat optimize`: the same outputs in less time, less memory or fewer parameters."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from addcat.cli.common import Json, give
from addcat.doors.save import check_output, exported, write_html, write_model
from addcat.errors import OptionError
from addcat.graph import Shape
from addcat.merges.shapes import parse_shape
from addcat.verbs.optimize import optimize as optimize_model
from addcat.verbs.optimize.result import Optimized


def optimize(
    model: Annotated[Path, typer.Argument(help="A .onnx or .keras file.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to: a .onnx or .keras file.", show_default=False)
    ],
    goal: Annotated[str, typer.Option(help="latency, memory, parameters or all.")] = "latency",
    runtime: Annotated[
        str, typer.Option(help="Where an ONNX model is measured: onnxruntime or openvino.")
    ] = "onnxruntime",
    threads: Annotated[int, typer.Option(help="Threads of a run.")] = 1,
    shape: Annotated[
        list[str] | None, typer.Option(help="Shape of an input whose size is open: x=1x3x256x256. May be repeated.")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Largest relative difference of outputs in float32.")] = 1e-5,
    time_limit: Annotated[float, typer.Option(help="Seconds for the search.")] = 120.0,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure, or trust the cost model alone.")
    ] = True,
    html: Annotated[
        Path | None, typer.Option(help="Write the report to this file as well.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Rewrite MODEL so that it computes the same with less, and verify it; only what improves the goal is kept.

    Example: addcat optimize unet.onnx -o fast.onnx --goal latency
    """
    check_output(model, output)
    source: Any = exported(model) if model.suffix == ".keras" and output.suffix == ".onnx" else model
    result = _run(
        source,
        goal=goal,
        runtime=runtime,
        threads=threads,
        shapes=_shapes(shape or []),
        tolerance=tolerance,
        time_limit=time_limit,
        measure=measure,
    )
    write_model(result.model, output)
    if html is not None:
        write_html(result.page(), html)
    give(result, as_json=as_json)


def _run(source: Any, **options: Any) -> Optimized:
    """Optimise with a line that says what is being done, where somebody watches."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not (console.is_terminal and sys.stderr.isatty()):
        return optimize_model(source, **options)
    with console.status("reading") as status:
        return optimize_model(source, progress=status.update, **options)


def _shapes(texts: list[str]) -> dict[str, Shape] | None:
    found: dict[str, Shape] = {}
    for text in texts:
        name, equals, shape = text.rpartition("=")
        if not equals or not name:
            raise OptionError(f"--shape takes NAME=SHAPE, such as x=1x3x256x256. Got {text!r}.")
        found[name] = parse_shape(shape)
    return found or None
