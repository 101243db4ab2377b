"""`addcat advise`: add or concat at each merge of a trained model."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from addcat.cli.common import (
    BatchSize,
    Custom,
    Epochs,
    Html,
    Json,
    Model,
    Shapes,
    Unsafe,
    Weights,
    give,
    say_note,
    training_options,
)
from addcat.doors.lookup import is_lookup, look_up
from addcat.errors import DataError, OptionError
from addcat.evidence.result import METHODS
from addcat.graph import Graph

DATA = "A .npz file (x or x0, x1, ...; y), digits, or module:function."
Text = str | None
Data = Annotated[str, typer.Option(help=f"What MODEL was trained on. {DATA}")]
Validation = Annotated[Text, typer.Option(help="To judge on; else part of DATA is put aside.")]
Loss = Annotated[Text, typer.Option(help="A Keras or torch.nn loss; else the model's, else inferred.")]
Site = Annotated[
    list[str] | None,
    typer.Option(metavar="SITE", help="This merge alone; may be repeated. By families where left out."),
]
Effort = Annotated[str, typer.Option(help=f"One of auto, {', '.join(METHODS)}.")]
Budget = Annotated[
    Text, typer.Option(help="Trainings of MODEL (0.5x) or time (90s, 10min); a minute or a quarter of a training.")
]
Match = Annotated[str, typer.Option(help="What both arms have alike: widths, parameters, multiply_adds or both.")]
Regret = Annotated[float, typer.Option(help="Expected loss given away, as a share, that is small enough.")]
Margin = Annotated[float, typer.Option(help="Share of the loss below which a gain does not count.")]
Seed = Annotated[int, typer.Option(help="Of everything drawn.")]
Plan = Annotated[
    bool, typer.Option("--plan", help="Say what would be run, what it costs and what it buys; train nothing.")
]


def advise(
    model: Model,
    data: Data,
    validation: Validation = None,
    loss: Loss = None,
    site: Site = None,
    effort: Effort = "auto",
    budget: Budget = None,
    match: Match = "widths",
    regret: Regret = 0.005,
    margin: Margin = 0.02,
    seed: Seed = 0,
    plan: Plan = False,
    html: Html = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    input_shapes: Shapes = None,
    weights: Weights = None,
    unsafe: Unsafe = False,
    custom: Custom = None,
    as_json: Json = False,
) -> None:
    """Say whether to add or to concatenate in MODEL, with odds, a price and a reason.

    Example: addcat advise model.keras --data train.npz --validation held.npz --html report.html
    """
    from addcat.doors.save import report_target, require_targets  # noqa: PLC0415
    from addcat.verbs.advise import advise as advise_model  # noqa: PLC0415  (loads scipy, which --help does not need)

    require_targets(None if html is None else report_target(html), source=model)
    # how it was trained is part of the question, unless the user says what it is to be judged by
    how: dict[str, Any] = {"unsafe": unsafe, "custom": custom or [], "compiled": loss is None, "say": say_note}
    how["example_of"] = partial(_first_of, data)
    network, example = _opened(model, weights, input_shapes or [], how)
    graph, read, measure = _given(network, example, loss)
    with _progress() as progress:
        advice = advise_model(
            network,
            read(data),
            validation=None if validation is None else read(validation),
            loss=measure,
            example_inputs=example,
            **training_options(epochs=epochs, batch_size=batch_size),
            sites=site,
            effort=effort,
            budget=budget,
            match=match,
            regret=regret,
            margin=margin,
            seed=seed,
            plan=plan,
            progress=progress,
        )
    give(advice, as_json=as_json)
    if html is not None:
        _write(advice, graph, html)


def _write(found: Any, graph: Graph, path: Path) -> None:
    """The report of an advice, or the page of a plan."""
    from addcat.doors.save import save_report  # noqa: PLC0415
    from addcat.report.html import document  # noqa: PLC0415
    from addcat.verbs.advise import Planned  # noqa: PLC0415  (loads scipy, which --help does not need)
    from addcat.verbs.advise.html.document import write_report  # noqa: PLC0415  (loads jinja2)

    if isinstance(found, Planned):
        save_report(document(found.page(), f"Plan: {graph.name}"), path)
    else:
        write_report(found, graph, path)


def _opened(model: str, weights: Path | None, shapes: list[str], how: dict[str, Any]) -> tuple[Any, Any]:
    from addcat.doors.open import load_subject  # noqa: PLC0415
    from addcat.verbs.inspect import parse_input_shapes  # noqa: PLC0415

    return load_subject(model, weights=weights, shapes=parse_input_shapes(shapes), **how)


def _first_of(data: str, network: Any) -> Any:
    """What a PyTorch module is called with, of the data where they are code; arrays are read by its shapes."""
    if not is_lookup(data):
        return None
    from addcat.doors.torch.data import first_call  # noqa: PLC0415  (loads torch)

    call = first_call(network, look_up(data, error=DataError), None)
    return call.args or call.kwargs


def _given(network: Any, example: Any, loss: str | None) -> tuple[Graph, Callable[[str], Any], Any]:
    """The graph of a model, what reads its data, and its loss; of a PyTorch module both may be code."""
    from addcat.data import load_data  # noqa: PLC0415
    from addcat.doors.base import door_for, framework_of  # noqa: PLC0415

    door = door_for(network, needs="train", example_inputs=example)
    graph = door.read(network)
    inputs = [(name, graph.nodes[name].shape) for name in graph.inputs]
    outputs = door.outputs_of(network)
    torch = framework_of(network) == "torch"

    def read(reference: str) -> Any:
        if torch and is_lookup(reference):  # a loader is iterated as it is
            return look_up(reference, error=DataError)
        return load_data(reference, inputs=inputs, outputs=outputs)

    is_code = torch and loss is not None and is_lookup(loss)
    return graph, read, look_up(str(loss), error=OptionError) if is_code else loss


@contextmanager
def _progress() -> Generator[Callable[[str, float, float], None] | None]:
    """A bar with the time left, on a terminal only; it is gone when the work is done."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading the model", total=None)

        def show(words: str, spent: float, allowed: float) -> None:
            total = None if allowed == float("inf") else allowed
            bar.update(task, description=words, completed=min(spent, allowed), total=total)

        yield show
