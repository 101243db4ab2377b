"""The odds of a verdict as one bar, and the ladder of evidence as steps: what each method added for what it cost."""

from dataclasses import dataclass

from addcat.graph.operations import OPS
from addcat.report import rows
from addcat.verbs.advise.page import right_words
from addcat.verbs.advise.result import Choice, Verdict

LEAST = 0.06
"""A part of the bar that is narrower than this has no room for its figure."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bar of odds.

    Attributes:
        kind: "add", "either" or "concat".
        label: What it means.
        start: Left end, in percent of the width.
        width: In percent.
        figure: The probability as text; "" where there is no room for it.
        text: The probability as text.
    """

    kind: str
    label: str
    start: float
    width: float
    figure: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One method on the ladder.

    Attributes:
        method: What was run.
        choice: What would have been recommended.
        right: Probability that it is right, as text.
        height: The same, in percent, from an even chance (0) to certainty (100).
        regret: Expected, as text.
        trainings: Spent by then, as text.
        time: Spent by then, as text.
    """

    method: str
    choice: Choice
    right: str
    height: float
    regret: str
    trainings: str
    time: str


def odds_bar(verdict: Verdict) -> tuple[Part, ...]:
    """The three probabilities that sum to one, side by side."""
    margin = rows.percent(verdict.margin / abs(verdict.loss)) if verdict.loss else "the margin"
    labels = {
        "add": f"{OPS['add'].label} better by more than {margin}",
        "either": f"within {margin} of each other",
        "concat": f"{OPS['concat'].label} better by more than {margin}",
    }
    values = {"add": verdict.odds.add, "either": verdict.odds.either, "concat": verdict.odds.concat}
    parts, start = list[Part](), 0.0
    for kind, value in values.items():
        text, width = rows.percent(value), round(100 * value, 2)
        parts.append(Part(kind, labels[kind], round(start, 2), width, text if value >= LEAST else "", text))
        start += 100 * value
    return tuple(parts)


def ladder(verdict: Verdict) -> tuple[Step, ...]:
    """One step a method, in the order in which they were run."""
    return tuple(
        Step(
            look.method,
            look.choice,
            right_words(look),
            100.0 if look.certain or look.either else round(max(0.0, 200 * (look.probability - 0.5)), 1),
            rows.percent(look.regret),
            rows.decimal(look.trainings),
            rows.seconds_text(look.seconds),
        )
        for look in verdict.looks
    )
