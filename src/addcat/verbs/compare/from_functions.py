"""The second and the third way in: the user's own training code, and a command."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from addcat.doors.base import door_for
from addcat.errors import AddcatError, ModelError, OptionError
from addcat.graph import Graph
from addcat.graph.cost import live_peak, parameters, total_multiply_adds
from addcat.report import rows
from addcat.trials.budgets import weight_bytes
from addcat.trials.command import CommandTrial, check_command
from addcat.trials.execute import Execute, SelfCheck, seed_everything
from addcat.trials.functions import FunctionTrial, Judge, source_of
from addcat.verbs.compare.options import Options
from addcat.verbs.compare.prepared import (
    AGAIN,
    APART,
    Prepared,
    digest,
    digest_of_examples,
    spec_of_metrics,
    words_of_metrics,
)
from addcat.verbs.compare.settings import Arm, Contrast, Settings


def from_functions(
    build: Callable[[str], Any], train: Callable[[Any, int], Any], options: Options, judge: Judge | None = None
) -> Prepared:
    """Compare arms that the user's code builds and trains.

    Args:
        build: Makes the untrained model of an arm.
        train: Trains a model from a seed, and gives what decides.
        options: Of the comparison.
        judge: Measures the trained model.

    Returns:
        What is to run.

    Raises:
        ModelError: if an arm cannot be built.
    """
    name = name_of(build)
    execute = FunctionTrial(_Build(build), train, options.metric, options.lower, judge)
    spec = {"build": f"{name} {digest(source_of(build))}"}
    return prepared_functions(name, options, execute, spec, train, lambda arm: _graph(build, arm))


def name_of(build: Callable[[str], Any]) -> str:
    """A function as it could be typed."""
    return f"{getattr(build, '__module__', '')}:{getattr(build, '__qualname__', type(build).__qualname__)}"


def prepared_functions(
    title: str,
    options: Options,
    execute: FunctionTrial,
    spec: Mapping[str, str],
    train: Callable[[Any, int], Any],
    costs: Callable[[str], Graph | None],
) -> Prepared:
    """A comparison by the user's own training, however its arms are built.

    Args:
        title: What is compared.
        options: Of the comparison.
        execute: Builds and trains.
        spec: What tells the arms' source from another.
        train: The user's training.
        costs: The architecture of an arm, where it is known.

    Returns:
        What is to run.
    """
    _widths_only(options, "your own training")
    whole = {**spec, "train": digest(source_of(train)), "decides": _decides(options), "margin": str(options.margin)}
    notes: list[str] = []
    if execute.judge is not None:
        whole |= spec_of_metrics(execute.judge.metrics)
        whole["validation"] = digest_of_examples(execute.judge.held)
        where = f"of the trained model, on {rows.counted(execute.judge.held.count, 'example')}"
        notes.append(words_of_metrics(execute.judge.metrics, where))
    return _prepared(title, "functions", options, execute, whole, costs=costs, notes=tuple(notes))


def from_command(command: str, options: Options, *, limit: float | None, folders: str) -> Prepared:
    """Compare arms that a command trains.

    Args:
        command: With {arm}, {seed} and, where wanted, {folder} in it.
        options: Of the comparison.
        limit: Seconds after which a trial is ended; None for none.
        folders: Where each trial has its own folder; "" for temporary ones.

    Returns:
        What is to run.

    Raises:
        OptionError: if the command has no place for the arm or the seed, or the limit is out of range.
    """
    check_command(command)
    _widths_only(options, "a command")
    if limit is not None and not limit > 0:
        raise OptionError(f"trial_time_limit={limit} is out of range. Expected seconds, above 0.")
    execute = CommandTrial(command, options.metric, options.lower, limit, folders)
    spec = {"command": command, "decides": _decides(options), "margin": str(options.margin)}
    return _prepared(command, "command", options, execute, spec, costs=lambda _: None)


class _Build:
    """The user's function as trials call it; every generator is seeded before."""

    def __init__(self, build: Callable[[str], Any]) -> None:
        self._build = build

    def __call__(self, arm: str, seed: int) -> Any:
        return self._build(arm)


def _prepared(
    title: str,
    way: str,
    options: Options,
    execute: Execute,
    spec: Mapping[str, str],
    *,
    costs: Callable[[str], Graph | None],
    notes: tuple[str, ...] = (),
) -> Prepared:
    names = options.arms
    if options.self_check:
        again = f"{names[0]} {AGAIN}"
        execute, names = SelfCheck(execute, {again: names[0]}, APART), (names[0], again)
    arms = tuple(arm_of(name, name, costs(options.arms[0] if options.self_check else name)) for name in names)
    settings = Settings(
        title=title,
        way=way,
        question=_asked(options, way),
        arms=arms,
        contrasts=tuple(
            Contrast(f"{other} over {names[0]}", names[0], other, (names[0], other)) for other in names[1:]
        ),
        factorial=None,
        seeds=options.seeds,
        margin=options.margin,
        stop=options.stop,
        unit=options.metric or "loss",
        lower=options.lower,
        notes=notes,
        command=options.command,
        self_check=options.self_check,
    )
    return Prepared(settings, execute, {"arms": ", ".join(options.arms), **spec})


def arm_of(name: str, words: str, graph: Graph | None, step_seconds: float | None = None) -> Arm:
    """An arm with what its architecture costs, where that is known."""
    if graph is None:
        return Arm(name, words)
    return Arm(
        name,
        words,
        parameters=parameters(graph),
        multiply_adds=total_multiply_adds(graph)[0],
        bytes=weight_bytes(graph),
        peak=live_peak(graph)[0],
        step_seconds=step_seconds,
    )


def _asked(options: Options, way: str) -> str:
    where = "trained by a command" if way == "command" else "in your own training"
    if options.self_check:
        return f"A self-check: {options.arms[0]} against itself, {where}."
    return question_words(options.arms, f"{where}, over new starts")


def contrast_of(base: str, other: str) -> Contrast:
    """The question what one arm gains over the first."""
    return Contrast(f"{other} over {base}", base, other, (base, other))


def question_words(names: Sequence[str], where: str) -> str:
    """The question in one sentence.

    Examples:
        >>> question_words(("add", "scale", "concat"), "at the merge up1")
        'Add, scale or concat at the merge up1?'
    """
    listed = f"{', '.join(names[:-1])} or {names[-1]}"
    return f"{listed[:1].upper()}{listed[1:]} {where}?"


def _graph(build: Callable[[str], Any], arm: str) -> Graph | None:
    """The architecture that an arm has, where a door can read it."""
    model = built(build, arm)
    try:
        return door_for(model).read(model)
    except AddcatError:
        return None


def built(build: Callable[[str], Any], arm: str) -> Any:
    """The model of an arm, as the user's function makes it.

    Raises:
        ModelError: if it fails.
    """
    seed_everything(0)
    try:
        return build(arm)
    except AddcatError:
        raise
    except Exception as error:
        raise ModelError(f"build({arm!r}) raised {type(error).__name__}: {error}. Correct the function.") from error


def _decides(options: Options) -> str:
    return f"{options.metric or 'loss'}, {'lower' if options.lower else 'higher'} is better"


def _widths_only(options: Options, what: str) -> None:
    """Refuse what only a model and its data can offer.

    Raises:
        OptionError: if it was asked for.
    """
    asked = [
        name
        for name, given in (
            ("budgets", options.budgets != ("widths",)),
            ("resample", options.resample),
            ("learning_rates", options.rates),
            ("steps", options.steps),
        )
        if given
    ]
    if asked:
        raise OptionError(f"{' and '.join(asked)} cannot be set for {what}: it decides that itself. Leave it out.")
