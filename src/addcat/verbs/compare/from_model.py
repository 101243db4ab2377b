"""The first way in: a model and data. Arms are its own architecture with merges switched and all weights drawn anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from addcat.data.examples import Examples
from addcat.data.metrics import Metric
from addcat.doors.base import Laboratory
from addcat.doors.recipe import REDRAWN, Plan, Recipe, plan
from addcat.errors import OptionError
from addcat.graph import Graph
from addcat.report import rows
from addcat.statistics import balanced_design
from addcat.switches.ladder import parse_rung
from addcat.trials.arms import arm_graph
from addcat.trials.budgets import NEAR, matched, total
from addcat.trials.model import ArmSpec, ModelTrial
from addcat.verbs.compare.from_functions import arm_of, question_words
from addcat.verbs.compare.options import Options
from addcat.verbs.compare.prepared import (
    AGAIN,
    APART,
    Prepared,
    digest_of_examples,
    digest_of_graph,
    digest_of_recipe,
    digest_of_settings,
    spec_of_metrics,
    words_of_metrics,
)
from addcat.verbs.compare.questions import Question
from addcat.verbs.compare.settings import Arm, Contrast, Factorial, Settings


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, its data and how it is trained.

    Attributes:
        door: Of its framework.
        model: The user's; it is only read.
        graph: As the door reads it.
        data: To train on.
        held: To judge on.
        loss: As the user gave it.
        loss_words: What it is and where it comes from.
        recipe: How arms are trained.
        was_split: Whether the held-out examples were put aside from the data.
        metrics: Reported beside the loss.
    """

    door: Laboratory
    model: Any
    graph: Graph
    data: Examples
    held: Examples
    loss: Any
    loss_words: str
    recipe: Recipe
    was_split: bool
    metrics: tuple[Metric, ...] = ()

    def run(self, options: Options) -> Plan:
        """The run that each trial makes."""
        drawn = self.data.count if not options.resample else max(1, round(REDRAWN * self.data.count))
        made = plan(self.recipe, drawn, options.steps or self.recipe.steps)
        return replace(made, share=REDRAWN) if options.resample else made


@dataclass(frozen=True, slots=True)
class Arms:
    """The arms of a comparison and what is asked of them.

    Attributes:
        specs: By name.
        words: What each is.
        contrasts: Questions to pairs of arms.
        factorial: Or a design.
        notes: What the user should know of them.
    """

    specs: Mapping[str, ArmSpec]
    words: Mapping[str, str]
    contrasts: tuple[Contrast, ...] = ()
    factorial: Factorial | None = None
    notes: tuple[str, ...] = ()


def from_model(subject: Subject, questions: Sequence[Question], options: Options) -> Prepared:
    """Compare merges of a model.

    Args:
        subject: The model, its data and its recipe.
        questions: What is to switch together.
        options: Of the comparison.

    Returns:
        What is to run.

    Raises:
        OptionError: if options contradict one another.
        RefusedError: if an arm cannot be built.
    """
    for rung in options.arms:
        parse_rung(rung)
    if len(questions) == 1:
        arms = _self_check(options, questions[0]) if options.self_check else _plain(subject, questions[0], options)
    else:
        _one_question_only(options)
        arms = _factorial(questions, options) if options.design == "factorial" else _one_at_a_time(questions, options)
    if arms.factorial is not None:
        options = replace(options, pairs=_enough(options.pairs, len(questions)))
    title, spec = subject.graph.name, spec_of(subject, questions, options)
    return ready(subject, arms, options, title=title, question=_question(questions, options), spec=spec)


def ready(
    subject: Subject, arms: Arms, options: Options, *, title: str, question: str, spec: Mapping[str, str]
) -> Prepared:
    """A comparison of arms that our training trains, however they are made.

    Args:
        subject: The data, and how arms are trained.
        arms: What is compared.
        options: Of the comparison.
        title: What is compared, in a word.
        question: The same in a sentence.
        spec: What must be the same for stored trials to belong to it.

    Returns:
        What is to run.
    """
    run = subject.run(options)
    execute = ModelTrial(
        subject.door,
        subject.model,
        arms.specs,
        subject.loss,
        subject.recipe,
        run,
        subject.data,
        subject.held,
        subject.metrics,
    )
    settings = Settings(
        title=title,
        way="model",
        question=question,
        arms=_priced(execute, arms),
        contrasts=arms.contrasts,
        factorial=arms.factorial,
        seeds=options.seeds,
        margin=options.margin,
        stop=options.stop,
        redrawn=REDRAWN if options.resample else 0.0,
        notes=(*_notes(subject, run), *arms.notes),
        command=options.command,
        self_check=options.self_check,
    )
    return Prepared(settings, execute, spec)


def _plain(subject: Subject, question: Question, options: Options) -> Arms:
    """Every arm of one question; under several budgets the arms that are the same are shared."""
    base = options.arms[0]
    specs = {name: ArmSpec(dict.fromkeys(question.sites, name)) for name in options.arms}
    words = {name: f"{name} at {question.words}" for name in options.arms}
    contrasts: list[Contrast] = []
    notes: list[str] = []
    for budget in options.budgets:
        for other in options.arms[1:]:
            if budget == "widths":
                contrasts.append(Contrast(f"{other} over {base}", base, other, (base, other)))
                continue
            contrast, spec, note = _matched(subject, question, specs[base], specs[other], base, other, budget)
            specs[contrast.other], words[contrast.other] = spec, f"{words[other]}, as many {_spoken(budget)} as {base}"
            contrasts.append(contrast)
            notes += note
    used = {name for contrast in contrasts for name in (contrast.base, contrast.other)}
    kept = {name: spec for name, spec in specs.items() if name in used}
    return Arms(kept, words, tuple(contrasts), notes=tuple(notes))


def _matched(
    subject: Subject, question: Question, first: ArmSpec, second: ArmSpec, base: str, other: str, budget: str
) -> tuple[Contrast, ArmSpec, list[str]]:
    """The other arm brought to the base's total, where it is the larger one."""
    small, large = (arm_graph(subject.door, subject.graph, spec.rungs) for spec in (first, second))
    target = total(small, budget)
    if target is None:
        raise OptionError(f"The arms cannot be matched by {budget}: a size is unknown. Give fixed input sizes.")
    found = matched(large, question.sites, target, budget)
    name = f"{other}, same {_spoken(budget)}"
    note: list[str] = []
    if abs(found.mismatch) > NEAR:
        why = "no width brings it nearer" if found.widths else "no reader of these merges can be made narrower"
        note.append(f"{name} has {rows.percent(found.mismatch)} more {_spoken(budget)} than {base}: {why}.")
    contrast = Contrast(f"{name}, over {base}", base, name, (base, other), budget, found.mismatch)
    return contrast, replace(second, widths=dict(found.widths)), note


def _spoken(budget: str) -> str:
    return budget.replace("_", "-")


def _self_check(options: Options, question: Question) -> Arms:
    """The first arm against itself, from other starts."""
    name = options.arms[0]
    again, rungs = f"{name} {AGAIN}", dict.fromkeys(question.sites, name)
    specs = {name: ArmSpec(rungs), again: ArmSpec(rungs, seeds_from=APART)}
    words = {name: f"{name} at {question.words}", again: f"{name} at {question.words}, from other starts"}
    return Arms(specs, words, (Contrast(f"{again} over {name}", name, again, (name, again)),))


def _factorial(questions: Sequence[Question], options: Options) -> Arms:
    """A balanced design, each row with its mirror."""
    if len(options.arms) != 2:
        raise OptionError(
            f"A factorial design has two arms, and {len(options.arms)} were given. Ask one question at a time (sites)."
        )
    if options.stop != "fixed":
        raise OptionError("A factorial design runs all its pairs: stop='sequential' is for one question.")
    signs = balanced_design(len(questions))
    design = Factorial(
        tuple(question.name for question in questions),
        tuple(tuple(int(sign) for sign in row) for row in signs),
        (options.arms[0], options.arms[1]),
    )
    specs: dict[str, ArmSpec] = {}
    for row in design.rows:
        for signed in (row, tuple(-sign for sign in row)):
            rungs = {
                site: options.arms[sign > 0]
                for question, sign in zip(questions, signed, strict=True)
                for site in question.sites
            }
            specs[design.arm(signed)] = ArmSpec(rungs)
    return Arms(specs, {name: name for name in specs}, factorial=design)


def _enough(pairs: int, questions: int) -> int:
    """Whole runs through the design, with four degrees of freedom at least for the noise."""
    size = len(balanced_design(questions))
    least = max(pairs, questions + 4)
    return -(-least // size) * size


def _one_at_a_time(questions: Sequence[Question], options: Options) -> Arms:
    """The model as it is against the model with one question switched, each in turn."""
    if len(options.arms) != 2:
        raise OptionError("One at a time takes two arms. Ask one question alone (sites) to compare more.")
    first, second = options.arms
    base = "as it is"
    specs, words = {base: ArmSpec({})}, {base: "the model as it is"}
    contrasts: list[Contrast] = []
    for question in questions:
        if question.now not in options.arms:
            raise OptionError(
                f"{question.name!r} is {question.now} in the model, which is none of the arms {first} and {second}. "
                "One at a time compares with the model as it is."
            )
        other = second if question.now == first else first
        name = f"{question.name}={other}"
        specs[name] = ArmSpec(dict.fromkeys(question.sites, other))
        words[name] = f"{other} at {question.words}, all else as it is"
        low, high = (base, name) if other == second else (name, base)
        contrasts.append(Contrast(question.name, low, high, (first, second)))
    return Arms(specs, words, tuple(contrasts))


def _one_question_only(options: Options) -> None:
    """Refuse what is defined for one question alone.

    Raises:
        OptionError: if it was asked for.
    """
    for name, given in (
        ("budgets", options.budgets != ("widths",)),
        ("self_check", options.self_check),
        ("learning_rates", bool(options.rates)),
    ):
        if given:
            raise OptionError(f"{name} is for one question. Name one site or one family (sites).")


def _priced(execute: ModelTrial, arms: Arms) -> tuple[Arm, ...]:
    """Every arm with its costs; of a design the steps of one pair are timed, which has every merge either way once."""
    found: list[Arm] = []
    timed = set(arms.specs) if arms.factorial is None else set(arms.factorial.pair(0))
    for name in arms.specs:
        seconds = execute.race(name).trainers[name].step_seconds() if name in timed else None
        found.append(arm_of(name, arms.words[name], execute.graph(name), seconds))
    return tuple(found)


def _rates(options: Options) -> str:
    tried = ", ".join(f"x{rate:g}" for rate in options.rates)
    return f"{tried}, tuned on a part of the training data" if tried else "as they are"


def _question(questions: Sequence[Question], options: Options) -> str:
    where = questions[0].words if len(questions) == 1 else f"{len(questions)} questions at once"
    if options.self_check:
        return f"A self-check: {options.arms[0]} against itself at {where}, trained anew on {over(options)}."
    return question_words(options.arms, f"at {where}, trained anew on {over(options)}")


def over(options: Options) -> str:
    """What the answer is about."""
    return "new draws of 90 % of these data" if options.resample else "these data"


def _notes(subject: Subject, run: Plan) -> list[str]:
    notes = [
        f"Loss: {subject.loss_words}.",
        f"Training recipe: {subject.recipe.source}; {rows.counted(run.steps, 'step')} of {run.batch} a trial, "
        f"{rows.count(subject.data.count)} examples to train on, {rows.count(subject.held.count)} to judge on. "
        f"{subject.recipe.assumed}".rstrip(),
    ]
    if subject.metrics:
        notes.append(words_of_metrics(subject.metrics, "at the evaluation that judges the loss"))
    if subject.was_split:
        notes.append("No validation data were given: part of the data was put aside to judge on.")
    return notes


def spec_of(subject: Subject, questions: Sequence[Question], options: Options) -> dict[str, str]:
    """What must be the same for stored trials to belong together."""
    run = subject.run(options)
    return {
        "model": f"{subject.graph.name} {digest_of_graph(subject.graph)}",
        "settings of layers": digest_of_settings(subject.graph),
        "data": f"{subject.data.count} examples {digest_of_examples(subject.data)}",
        "validation": f"{subject.held.count} examples {digest_of_examples(subject.held)}",
        "loss": subject.loss_words,
        "recipe": f"{subject.recipe.source} {digest_of_recipe(subject.recipe)}",
        "run": f"{run.steps} steps of {run.batch}, {run.evaluations} evaluations",
        "questions": "; ".join(f"{question.name}: {', '.join(question.sites)}" for question in questions),
        "arms": ", ".join(options.arms) + (" (self-check)" if options.self_check else ""),
        "design": options.design if len(questions) > 1 else "pairs",
        "budgets": ", ".join(options.budgets),
        "resample": options.resample or "no",
        "learning rates": _rates(options),
        "margin": str(options.margin),
        **spec_of_metrics(subject.metrics),
    }
