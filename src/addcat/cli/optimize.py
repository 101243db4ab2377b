"""`addcat optimize`: the same outputs in less time, less memory or fewer parameters."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from addcat.cli.common import AnyModel, Custom, Html, Json, Shapes, Unsafe, Weights, give, say_note
from addcat.data.files import load_arrays
from addcat.doors.base import framework_of
from addcat.doors.lookup import is_lookup, parse
from addcat.doors.open import load_subject
from addcat.doors.save import (
    MODEL_ENDINGS,
    WEIGHTS_ENDING,
    Target,
    files_read,
    report_target,
    require_targets,
    save_model,
    save_record,
    save_report,
)
from addcat.errors import ModelError, OptionError
from addcat.graph import Shape
from addcat.merges.shapes import parse_shape
from addcat.report.html import document
from addcat.verbs.inspect import parse_input_shapes
from addcat.verbs.optimize import optimize as optimize_model
from addcat.verbs.optimize.estimating import estimate as estimate_gain
from addcat.verbs.optimize.options import check_options
from addcat.verbs.optimize.result import Optimized

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Where to: a .onnx or .keras file, or .pt for a PyTorch module that stays one; never MODEL itself.",
        show_default=False,
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(
        help="Where it is measured: onnxruntime (the default) or openvino; for a .pt file torch or torch.compile.",
        show_default=False,
    ),
]
Precise = Annotated[
    str, typer.Option(help="What OpenVINO computes in where a model is timed: float32, or default for its choice.")
]
Arrays = Annotated[
    Path | None,
    typer.Option(
        help="A .npz file with an array for each input on which random ones will not do, by its name.",
        show_default=False,
    ),
]
OpenShapes = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=SHAPE", help="Shape of an input whose size is open: x=1x3x256x256. May be repeated."),
]
Measure = Annotated[bool, typer.Option("--measure/--no-measure", help="Measure, or trust the cost model alone.")]
Cache = Annotated[
    bool, typer.Option("--cache/--no-cache", help="Use what earlier runs measured on this machine, or do not.")
]

Thorough = Annotated[
    bool, typer.Option("--thorough", help="Search for less time even where no gain that can be measured is expected.")
]
Expect = Annotated[
    bool,
    typer.Option("--estimate", help="Say in seconds what gain to expect and where from; measure and write nothing."),
]


def optimize(
    model: AnyModel,
    output: Output = None,
    goal: Annotated[str, typer.Option(help="latency, memory, parameters or all.")] = "latency",
    runtime: Runtime = None,
    threads: Annotated[int, typer.Option(help="Threads of a run.")] = 1,
    precision: Precise = "float32",
    shape: OpenShapes = None,
    inputs: Arrays = None,
    tolerance: Annotated[float, typer.Option(help="Largest relative difference of outputs in float32.")] = 1e-5,
    time_limit: Annotated[float, typer.Option(help="Seconds for the search.")] = 120.0,
    measure: Measure = True,
    cache: Cache = True,
    thorough: Thorough = False,
    estimate: Expect = False,
    input_shapes: Shapes = None,
    weights: Weights = None,
    html: Html = None,
    unsafe: Unsafe = False,
    custom: Custom = None,
    as_json: Json = False,
) -> None:
    """Rewrite MODEL so that it computes the same with less, and verify it; only what improves the goal is kept.

    Example: addcat optimize unet.onnx -o fast.onnx --goal latency; or, to know beforehand, with --estimate
    """
    check_options(goal, threads, tolerance, time_limit)
    _require_one(output, goal, estimate=estimate)
    named, sizes = _both_shapes(shape or [], input_shapes or [])
    to_module = output is not None and output.suffix.lower() == WEIGHTS_ENDING
    runtime = _runtime(runtime, output, to_module=to_module)
    targets = (*_outputs(output, to_module=to_module), None if html is None else report_target(html))
    given = () if weights is None else (weights,)
    require_targets(*targets, source=model, reads=given)
    arrays = None if inputs is None else load_arrays(inputs)
    network, call = load_subject(model, weights=weights, shapes=sizes, unsafe=unsafe, custom=custom or [], say=say_note)
    reads = (*files_read(network), *given)
    require_targets(*targets, source=model, reads=reads)
    options: dict[str, Any] = {
        "runtime": runtime,
        "threads": threads,
        "shapes": named or sizes or None,
        "inputs": arrays,
        "example_inputs": call,
    }
    if output is None:
        result, title = estimate_gain(network, **options), f"{Path(model).name}: what to expect of optimize"
    else:
        source = _in_form(network, output, model, custom or [])
        options |= {"tolerance": tolerance, "time_limit": time_limit, "measure": measure}
        options |= {"cache": cache, "thorough": thorough, "precision": precision}
        result, title = _run(source, goal=goal, **options), f"{output.name}: optimised for {goal}"
        save_model(result.model, output, source=model, reads=reads)
        if to_module:
            save_record(result.record.to_dict(), output.with_suffix(".json"))
    give(result, as_json=as_json)
    if html is not None:
        save_report(document(result.page(), title), html)


def _require_one(output: Path | None, goal: str, *, estimate: bool) -> None:
    """Either a model is written or a gain is estimated, and that of time alone."""
    if output is None and not estimate:
        raise OptionError("optimize writes a model: name its file with --output, or ask for --estimate alone.")
    if output is not None and estimate:
        raise OptionError(f"--estimate writes no model, so --output {output} is not for it. Leave one of them out.")
    if estimate and goal != "latency":
        raise OptionError(
            f"--estimate foretells time alone; the goal {goal!r} is counted. Leave --goal out, or --estimate."
        )


def _outputs(output: Path | None, *, to_module: bool) -> tuple[Target | None, Target | None]:
    """The model, and the record that goes with the weights of a module; neither where a gain is estimated."""
    if output is None:
        return None, None
    record = Target(output.with_suffix(".json"), (".json",), "record") if to_module else None
    return Target(output, (*MODEL_ENDINGS.values(), WEIGHTS_ENDING)), record


def _in_form(network: Any, output: Path, model: str, modules: Sequence[str]) -> Any:
    """The model in the form in which it is to be saved: a Keras model is exported where an ONNX file is asked for."""
    keras, to_onnx = framework_of(network) == "keras", output.suffix.lower() == ".onnx"
    if output.suffix.lower() == WEIGHTS_ENDING:
        if framework_of(network) != "torch":
            kind = "A Keras" if keras else "An ONNX"
            raise OptionError(f"{kind} model cannot become weights of a PyTorch module. Name a .onnx file as output.")
        return network.eval()  # made for this command alone
    if not keras and not to_onnx:
        kind = "A PyTorch module" if framework_of(network) == "torch" else "An ONNX model"
        raise OptionError(f"{kind} cannot become a Keras model. Name a .onnx file as output.")
    if keras and to_onnx:
        from addcat.doors.keras.export import exported  # noqa: PLC0415  (loads Keras)

        code = [parse(model, error=ModelError).module] if is_lookup(model) else []
        return exported(network, custom=[*modules, *code])
    return network


def _runtime(given: str | None, output: Path | None, *, to_module: bool) -> str:
    """Where it is measured: in PyTorch itself exactly where a module is to come out."""
    own = ("torch", "torch.compile")
    if given is None:
        return own[0] if to_module else "onnxruntime"
    if output is not None and (given in own) != to_module:
        form = "a PyTorch module, whose runtimes are torch and torch.compile" if to_module else "no PyTorch module"
        raise OptionError(
            f"--runtime {given} does not go with {str(output)!r}: that file holds {form}. "
            f"Name {'another runtime' if to_module else 'a .pt file'}."
        )
    return given


def _run(source: Any, **options: Any) -> Optimized:
    """Optimise with a line that says what is being done, where somebody watches."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not (console.is_terminal and sys.stderr.isatty()):
        return optimize_model(source, **options)
    with console.status("reading") as status:
        return optimize_model(source, progress=status.update, **options)


def _both_shapes(named: list[str], ordered: list[str]) -> tuple[dict[str, Shape] | None, tuple[Shape, ...]]:
    """Shapes of inputs by name, or in order; not both."""
    if named and ordered:
        raise OptionError("--input gives the shape of every input in order, --shape of one by name. Give one of them.")
    return _shapes(named), parse_input_shapes(ordered)


def _shapes(texts: list[str]) -> dict[str, Shape] | None:
    found: dict[str, Shape] = {}
    for text in texts:
        name, equals, shape = text.rpartition("=")
        if not equals or not name:
            raise OptionError(f"--shape takes NAME=SHAPE, such as x=1x3x256x256. Got {text!r}.")
        if name in found:
            raise OptionError(f"--shape names {name!r} twice. Give each input one shape.")
        found[name] = parse_shape(shape)
    return found or None
