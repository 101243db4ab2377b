"""`addcat advise`: add or concat at each merge of a trained model."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
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
    LearningRate,
    Model,
    Shapes,
    Unpack,
    Unsafe,
    Weights,
    give,
    training_options,
)
from addcat.cli.subject import metrics_named, open_subject
from addcat.evidence.result import METHODS
from addcat.graph import Graph

DATA = "A .npz file (x or x0, x1, ...; y), digits, or module:function."
Text = str | None
Data = Annotated[str, typer.Option(help=f"What MODEL was trained on. {DATA}")]
Validation = Annotated[Text, typer.Option(help="To judge on; else part of DATA is put aside.")]
Loss = Annotated[Text, typer.Option(help="A Keras or torch.nn loss; else the model's, else inferred.")]
Site = Annotated[
    list[str] | None,
    typer.Option(metavar="SITE", help="This merge alone, or each; may be repeated. By families where left out."),
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC", help="Beside the loss: accuracy, auc, dice, mae, ... or module:function; may be repeated."
    ),
]
Effort = Annotated[str, typer.Option(help=f"One of auto, {', '.join(METHODS)}.")]
Budget = Annotated[
    Text, typer.Option(help="Trainings of MODEL (0.5x) or time (90s, 10min); a minute or a quarter of a training.")
]
Match = Annotated[str, typer.Option(help="What both arms have alike: widths, parameters, multiply_adds or both.")]
Regret = Annotated[float, typer.Option(help="Expected loss given away, as a share, that is small enough.")]
Margin = Annotated[float, typer.Option(help="Share of the loss below which a gain does not count.")]
Resample = Annotated[str, typer.Option(help="data: draw 90 % of the examples anew for each pair.")]
Seed = Annotated[int, typer.Option(help="Of everything drawn.")]
Plan = Annotated[
    bool, typer.Option("--plan", help="Say what would be run, what it costs and what it buys; train nothing.")
]


def advise(
    model: Model,
    data: Data,
    validation: Validation = None,
    loss: Loss = None,
    metric: Metric = None,
    site: Site = None,
    effort: Effort = "auto",
    budget: Budget = None,
    match: Match = "widths",
    regret: Regret = 0.005,
    margin: Margin = 0.02,
    resample: Resample = "",
    seed: Seed = 0,
    plan: Plan = False,
    html: Html = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    unpack: Unpack = None,
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

    kept = {"--data": data, "--validation": validation, "--weights": weights}
    require_targets(None if html is None else report_target(html), source=model, options=kept)
    how: dict[str, Any] = {"weights": weights, "shapes": input_shapes, "unpack": unpack, "unsafe": unsafe}
    opened = open_subject(model, data=data, loss=loss, custom=custom, **how)
    with _progress() as progress:
        advice = advise_model(
            opened.network,
            opened.read(data),
            validation=None if validation is None else opened.read(validation),
            loss=opened.loss,
            metric=metrics_named(metric or []),
            example_inputs=opened.example,
            **training_options(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, unpack=opened.unpack),
            sites=site,
            effort=effort,
            budget=budget,
            match=match,
            regret=regret,
            margin=margin,
            resample=resample,
            seed=seed,
            plan=plan,
            progress=progress,
        )
    give(advice, as_json=as_json)
    if html is not None:
        _write(advice, opened.graph, html)


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
