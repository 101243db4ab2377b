"""`addcat compare`: train both, in pairs, and say which is better."""

from pathlib import Path
from typing import Annotated, Any

import typer

from addcat.cli.advise import DATA
from addcat.cli.common import (
    BatchSize,
    Custom,
    Epochs,
    Json,
    LearningRate,
    Shapes,
    Unpack,
    Unsafe,
    Weights,
    command_line,
    give,
    training_options,
)
from addcat.cli.live import live
from addcat.cli.subject import Opened, first_of, metrics_named, of_network, open_subject
from addcat.errors import OptionError

Word = str | None
Model = Annotated[
    Word,
    typer.Argument(
        metavar="[MODEL]",
        help="A .keras or .pt2 file, or package.module:function; with --train, the function that builds an arm.",
        show_default=False,
    ),
]
Data = Annotated[Word, typer.Option(help=f"What MODEL was trained on. {DATA}")]
Validation = Annotated[Word, typer.Option(help="To judge on; else part of DATA is put aside.")]
Train = Annotated[Word, typer.Option(help="package.module:function: train(model, seed).", show_default=False)]
Command = Annotated[Word, typer.Option(help="Run once a trial, {arm}, {seed}, {folder} in it.", show_default=False)]
Loss = Annotated[Word, typer.Option(help="A Keras or torch.nn loss; else the model's, else inferred.")]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC",
        help="Beside the loss: accuracy, auc, dice, mae, ... or module:function; may be repeated. Of --train or "
        "--command: the entry that decides.",
    ),
]
Lower = Annotated[bool, typer.Option("--lower-is-better/--higher-is-better", help="The good direction of the metric.")]
Sites = Annotated[
    list[str] | None,
    typer.Option("--site", metavar="SITE", help="A merge or a family, one question each; else every family."),
]
Arms = Annotated[str, typer.Option(help="What is compared; the first is kept if in doubt.")]
Pairs = Annotated[int, typer.Option(help="How many; at most so many with --stop sequential.")]
Margin = Annotated[float, typer.Option(help="Share of the loss below which a gain does not count.")]
Stop = Annotated[str, typer.Option(help="fixed, or sequential: as soon as it is decided.")]
Budgets = Annotated[str, typer.Option(help="Of widths, parameters, multiply_adds, comma-separated.")]
Resample = Annotated[str, typer.Option(help="data: draw 90 % of the examples anew for each pair.")]
Design = Annotated[str, typer.Option(help="factorial or one-at-a-time, for several questions.")]
Rates = Annotated[str, typer.Option(help="Factors among which every arm is tuned, comma-separated.")]
Steps = Annotated[int | None, typer.Option(help="Of a training; else as MODEL was trained.")]
Seed = Annotated[int, typer.Option(help="Of everything drawn.")]
SelfCheck = Annotated[bool, typer.Option("--self-check", help="Compare the first arm with itself.")]
StoreFile = Annotated[
    Path | None, typer.Option("--store", help="Keep every trial here, and go on where it was.", show_default=False)
]
Show = Annotated[Path | None, typer.Option(help="Print what a store holds, while it runs too.", show_default=False)]
Count = Annotated[int, typer.Option(help="Trials at a time.")]
On = Annotated[str, typer.Option(help="processes, ray or dask.")]
Address = Annotated[str, typer.Option(help="Of a running cluster.")]
Gpus = Annotated[int, typer.Option(help="GPUs to hand out, one a worker.")]
Limit = Annotated[float | None, typer.Option(help="Seconds after which a command is ended.")]
Folders = Annotated[Path | None, typer.Option(help="Keep a folder for each trial of a command.", show_default=False)]
Html = Annotated[Path | None, typer.Option(help="Write the report to this file as well.", show_default=False)]
Mlflow = Annotated[Word, typer.Option(help="Log a run a trial to this MLflow tracking URI.", show_default=False)]
Plan = Annotated[bool, typer.Option("--plan", help="Say what would be run and what it would cost; train nothing.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write the trials to this file.", show_default=False)]


def compare(
    model: Model = None,
    data: Data = None,
    validation: Validation = None,
    train: Train = None,
    command: Command = None,
    loss: Loss = None,
    metric: Metric = None,
    lower_is_better: Lower = True,
    sites: Sites = None,
    arms: Arms = "add,concat",
    pairs: Pairs = 8,
    margin: Margin = 0.02,
    stop: Stop = "fixed",
    budgets: Budgets = "widths",
    resample: Resample = "",
    design: Design = "factorial",
    learning_rates: Rates = "",
    steps: Steps = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    seed: Seed = 0,
    self_check: SelfCheck = False,
    store: StoreFile = None,
    show: Show = None,
    workers: Count = 1,
    on: On = "processes",
    address: Address = "",
    gpus: Gpus = 0,
    trial_time_limit: Limit = None,
    folders: Folders = None,
    csv: Csv = None,
    html: Html = None,
    mlflow: Mlflow = None,
    plan: Plan = False,
    unpack: Unpack = None,
    input_shapes: Shapes = None,
    weights: Weights = None,
    unsafe: Unsafe = False,
    custom: Custom = None,
    as_json: Json = False,
) -> None:
    """Train both arms in pairs of one seed, and say which is better, how surely, and what to choose meanwhile.

    Example: addcat compare model.keras --data train.npz --validation held.npz --store trials.db

    Your own training: addcat compare mine:build --train mine:train

    Any script: addcat compare --command 'python train.py --merge {arm} --seed {seed}' --metric val_loss
    """
    _compare(**locals())


def _compare(
    *,
    show: Path | None,
    csv: Path | None,
    html: Path | None,
    mlflow: str | None,
    plan: bool,
    as_json: bool,
    **options: Any,
) -> None:
    from addcat.doors.save import report_target, require_targets, save_report, save_trials, trials_target  # noqa: PLC0415
    from addcat.report.mlflow import log_trials, require_mlflow  # noqa: PLC0415
    from addcat.report.trials import csv_text  # noqa: PLC0415  (loads what --help does not need)
    from addcat.verbs.compare import compare as compare_arms  # noqa: PLC0415
    from addcat.verbs.compare import plan as plan_arms  # noqa: PLC0415
    from addcat.verbs.compare.html.document import document  # noqa: PLC0415
    from addcat.verbs.compare.running import stored  # noqa: PLC0415

    targets = None if csv is None else trials_target(csv), None if html is None else report_target(html)
    kept = {f"--{name}": options[name] for name in ("data", "validation", "store", "weights")}
    require_targets(*targets, source=options["model"] or "", options={**kept, "--show": show})
    if mlflow is not None:
        require_mlflow()
    if plan:
        give(plan_arms(**_read(options)), as_json=as_json)
        return
    if show is not None:
        found = stored(str(show))
    else:
        given = _read(options)
        with live() as progress:
            found = compare_arms(**given, command_line=command_line(), progress=progress)
    give(found, as_json=as_json)  # before what may fail
    if csv is not None:
        save_trials(csv_text(found.to_dict()["trials"]), csv)
    if html is not None:
        save_report(document(found), html)
    if mlflow is not None:
        log_trials(found.to_dict()["trials"], mlflow, f"addcat compare {found.settings.title}")


def _read(options: dict[str, Any]) -> dict[str, Any]:
    """The options as `addcat.compare` takes them: models and functions loaded, lists taken apart."""
    from addcat.doors.lookup import function_at, is_lookup  # noqa: PLC0415

    given: dict[str, Any] = {**options, "arms": _words(options["arms"]), "budgets": _words(options["budgets"])}
    given["metric"] = metrics_named(options["metric"] or [])
    given["learning_rates"] = _numbers(options["learning_rates"])
    how = {name: given.pop(name) for name in ("weights", "input_shapes", "unpack", "unsafe", "custom")}
    how["shapes"] = how.pop("input_shapes")
    model, train = given["model"], given["train"]
    if train is not None:
        given["train"] = function_at(train, error=OptionError)
    if model is None:
        return given
    if train is None or not is_lookup(model):
        opened = open_subject(model, data=given["data"] or given["validation"], loss=given["loss"], **how)
        given |= {"model": opened.network, "loss": opened.loss, "example_inputs": opened.example}
        given |= training_options(unpack=opened.unpack)
    else:
        given["model"] = function_at(model, error=OptionError)
        if given["validation"] is None:
            return given
        opened = _of_build(given["model"], given["arms"], given["validation"])
        given["example_inputs"] = opened.example
    for name in ("data", "validation"):
        if given[name] is not None:
            given[name] = opened.read(given[name])
    return given


def _of_build(build: Any, arms: tuple[str, ...], validation: str) -> Opened:
    """The first arm of the user's own, which says how validation data are to be read."""
    from addcat.doors.base import framework_of  # noqa: PLC0415
    from addcat.verbs.compare.from_functions import built  # noqa: PLC0415

    if not arms:
        raise OptionError("--arms names no arm. Give two or more, comma-separated.")
    network = built(build, arms[0])
    return of_network(network, first_of(validation, network) if framework_of(network) == "torch" else None)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(text))
    except ValueError:
        raise OptionError(f"--learning-rates takes factors, such as 0.5,1,2. Got {text!r}.") from None
