"""Which of the three ways in is asked for, and everything that it needs before the first trial."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from addcat.data.held import fit_and_held, to_judge_on
from addcat.data.metrics import metrics_of
from addcat.doors.base import door_for, framework_of, laboratory_for, recipe_for
from addcat.errors import ModelError, OptionError
from addcat.graph import Graph
from addcat.trials.arms import arm_graph
from addcat.trials.functions import FunctionTrial, Judge
from addcat.trials.store import Store
from addcat.trials.workers import Place, Workers
from addcat.verbs.compare.from_build import from_build
from addcat.verbs.compare.from_functions import built, from_command, from_functions, prepared_functions
from addcat.verbs.compare.from_model import Subject, from_model
from addcat.verbs.compare.options import Options
from addcat.verbs.compare.planning import Planned, planned
from addcat.verbs.compare.prepared import Prepared, digest_of_graph, digest_of_settings
from addcat.verbs.compare.questions import questions_of
from addcat.verbs.compare.result import Comparison
from addcat.verbs.compare.running import Progress, run

NO_OPTIONS: Mapping[str, Any] = {}


def comparison(
    model: Any,
    data: Any,
    *,
    store: str | Path | None,
    workers: int,
    on: Place,
    address: str,
    gpus: int,
    progress: Progress | None,
    plan: bool,
    trial_time_limit: float | None,
    folders: str | Path | None,
    validation: Any,
    train: Callable[[Any, int], Any] | None,
    command: str | None,
    loss: Any,
    metric: Any,
    sites: Sequence[str] | str | None,
    example_inputs: Any,
    training: Mapping[str, Any],
    **options: Any,
) -> Comparison | Planned:
    """Check everything, prepare it and run it; see `addcat.compare`."""
    chosen, places = Options.of(**options), Workers(workers, on, address, gpus)
    kept = None if store is None or plan else Store(store)
    prepared = prepare(
        model,
        data,
        chosen,
        validation=validation,
        train=train,
        command=command,
        loss=loss,
        metric=metric,
        sites=sites,
        limit=trial_time_limit,
        folders="" if folders is None else str(folders),
        example_inputs=example_inputs,
        training=training,
    )
    if plan:
        return planned(prepared, places)
    return run(prepared, places, kept, progress, chosen.rates)


def prepare(
    model: Any,
    data: Any,
    options: Options,
    *,
    validation: Any = None,
    train: Callable[[Any, int], Any] | None = None,
    command: str | None = None,
    loss: Any = None,
    metric: Any = None,
    sites: Sequence[str] | str | None = None,
    limit: float | None = None,
    folders: str = "",
    example_inputs: Any = None,
    training: Mapping[str, Any] = NO_OPTIONS,
) -> Prepared:
    """Everything of `compare` but the training.

    Returns:
        What is to run.
    """
    if command is not None:
        if model is not None or data is not None or train is not None:
            raise OptionError("A command is compared alone: leave model, data and train out.")
        _refuse_training(training, "a command")
        return from_command(command, _deciding(options, metric, "its output"), limit=limit, folders=folders)
    if limit is not None or folders:
        raise OptionError("trial_time_limit and folders are for a command, which runs in a process of its own.")
    if train is not None:
        _refuse_training(training, "train")
        return _by_train(model, data, train, options, validation, loss, metric, sites, example_inputs)
    if model is None or data is None:
        raise OptionError("Nothing to train. Pass a model and data, a build function with train, or a command.")
    if callable(model) and not framework_of(model):
        _refuse_sites(sites)
        models = {arm: built(model, arm) for arm in options.arms}
        subject = _subject(models[options.arms[0]], data, validation, loss, metric, options, example_inputs, training)
        return from_build(model, models, subject, options)
    subject = _subject(model, data, validation, loss, metric, options, example_inputs, training)
    return from_model(subject, questions_of(subject.graph, sites), options)


def _by_train(
    model: Any,
    data: Any,
    train: Callable[[Any, int], Any],
    options: Options,
    validation: Any,
    loss: Any,
    metric: Any,
    sites: Sequence[str] | str | None,
    example_inputs: Any,
) -> Prepared:
    """The second way in."""
    if data is not None:
        raise OptionError("train reads its data itself. Leave data out, or leave train out.")
    given = _is_model(model, example_inputs)
    if not given and not callable(model):
        raise OptionError("train needs what builds a model: pass a function build(arm), or a model.")
    if not given:
        _refuse_sites(sites)
    judge = None
    if validation is None:
        options = _deciding(options, metric, "the dict that train gives")
        if loss is not None:
            raise OptionError("train has a loss of its own. Leave loss out, or pass validation and metric with it.")
    else:
        net = model if given else built(model, options.arms[0])
        judge = _judge(net, validation, loss, metric, example_inputs)
    if given:
        return _model_and_train(model, train, sites, options, example_inputs, judge)
    return from_functions(model, train, options, judge)


def _refuse_sites(sites: Sequence[str] | str | None) -> None:
    """Where a function makes the arms, nobody would read them."""
    if sites is not None:
        raise OptionError("sites are of a model, and build makes the arms. Leave sites out.")


def _refuse_training(training: Mapping[str, Any], whose: str) -> None:
    """What does the training itself decides how: an option would be read by nobody."""
    given = [name for name, value in training.items() if value is not None]
    if given:
        raise OptionError(f"{given[0]}= is for a model and data; {whose} trains as it likes. Leave it out.")


def _deciding(options: Options, metric: Any, where: str) -> Options:
    """The options with the one entry that decides.

    Raises:
        OptionError: if it is no single name.
    """
    if isinstance(metric, list | tuple) and len(several := cast("Sequence[Any]", metric)) == 1:
        metric = several[0]
    if not isinstance(metric, str | None):
        raise OptionError(
            f"metric={metric!r} needs examples to be computed on. Pass validation with train; else name the one entry "
            f"of {where} that decides: the other entries are reported beside it."
        )
    return replace(options, metric=metric or "")


def _judge(net: Any, validation: Any, loss: Any, metric: Any, example_inputs: Any) -> Judge:
    """What measures a model that the user's code has trained."""
    door, _, validation = laboratory_for(net, validation, validation, example_inputs=example_inputs, options={})
    graph, outputs = door.read(net), door.outputs_of(net)
    inputs = [(name, graph.nodes[name].shape) for name in graph.inputs]
    metrics = metrics_of(metric, outputs=outputs, named=door.metric_named)
    if not metrics:
        raise OptionError("train judges by itself, so validation is for metrics alone. Pass metric, or leave it out.")
    held = to_judge_on(validation, inputs=inputs, outputs=outputs)
    judge = Judge(door, metrics, held, loss)
    judge.check(net)
    return judge


def _is_model(model: Any, example_inputs: Any) -> bool:
    if framework_of(model) == "torch":
        return True
    try:
        door_for(model, needs="write", example_inputs=example_inputs)
    except ModelError:
        return False
    return True


class _Fresh:
    """Builds arms of a model for the user's own training, all weights drawn anew from the seed."""

    def __init__(self, model: Any, door: Any, sites: tuple[str, ...]) -> None:
        self._model, self._door, self._sites = model, door, sites

    def __call__(self, arm: str, seed: int) -> Any:
        return self._door.write(self.graph(arm), weights=False, seed=seed)

    def graph(self, arm: str) -> Graph:
        """The architecture of an arm."""
        return arm_graph(self._door, self._door.read(self._model), dict.fromkeys(self._sites, arm))


def _model_and_train(
    model: Any, train: Any, sites: Any, options: Options, example_inputs: Any, judge: Judge | None
) -> Prepared:
    door = door_for(model, needs="write", example_inputs=example_inputs)
    graph = door.read(model)
    questions = questions_of(graph, sites)
    (first, *others) = questions
    if others:
        known = ", ".join(question.name for question in questions)
        raise OptionError(f"train compares one question at a time. Name one of {known} (sites).")
    build = _Fresh(model, door, first.sites)
    execute = FunctionTrial(build, train, options.metric, options.lower, judge)
    spec = {
        "model": f"{graph.name} {digest_of_graph(graph)}",
        "settings of layers": digest_of_settings(graph),
        "questions": ", ".join(first.sites),
    }
    return prepared_functions(f"{graph.name}, {first.name}", options, execute, spec, train, build.graph)


def _subject(
    model: Any,
    data: Any,
    validation: Any,
    loss: Any,
    metric: Any,
    options: Options,
    example_inputs: Any,
    training: Mapping[str, Any],
) -> Subject:
    door, data, validation = laboratory_for(
        model, data, validation, example_inputs=example_inputs, options=dict(training)
    )
    graph = door.read(model)
    outputs, was_split = door.outputs_of(model), validation is None
    inputs = [(name, graph.nodes[name].shape) for name in graph.inputs]
    fit, held = fit_and_held(data, validation, inputs=inputs, outputs=outputs, seed=options.seed)
    _, words = door.resolve_loss(model, loss, fit.targets)
    door.resolve_loss(model, loss, held.targets)
    recipe = recipe_for(door, model, data, fit.count, training)
    metrics = metrics_of(metric, outputs=outputs, named=door.metric_named)
    if metrics:
        Judge(door, metrics, held, loss).check(model)
    return Subject(door, model, graph, fit, held, loss, words, recipe, was_split, metrics)
