"""What is commonly said of the choice, each as a claim that the study's outcomes can hold or refute."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from study.analysis import Figure, Outcome, over_tasks, over_values, proportion, select, signs
from study.drawing import percent

SMALL, LARGE = 0.02, 0.1
"""A difference that does not count, as a share of the loss: the margin of the comparisons; and one that does."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a saying.

    Attributes:
        saying: As people say it.
        source: Where.
        held: "held", "did not hold", "half held" or "not decided".
        words: What was seen.
    """

    saying: str
    source: str
    held: str
    words: str


def figure_words(figure: Figure) -> str:
    """A mean share with its interval over tasks.

    Examples:
        >>> figure_words(Figure(0.081, 0.02, 0.15, 9))
        '+8.1 % [+2.0, +15]'
    """
    if not figure.tasks:
        return "unknown (no task)"
    value = percent(figure.value, signed=True)
    if not math.isfinite(figure.low):
        return f"{value} (one task)"
    ends = (percent(end, signed=True).removesuffix(" %") for end in (figure.low, figure.high))
    return f"{value} [{', '.join(ends)}]"


def mean_share(found: Sequence[Outcome]) -> Figure:
    """The mean of what the better merge takes off the loss; positive for Concatenate."""
    mean = over_tasks(found, lambda one: one.share)
    if not math.isfinite(mean.low):
        return mean
    return replace(mean, low=max(mean.low, -1.0), high=min(mean.high, 1.0))  # no share lies beyond


def told(found: Sequence[Outcome]) -> tuple[Told, ...]:
    """Every saying, held against all tasks."""
    return tuple(judge(found) for judge in JUDGES)


def _correction(found: Sequence[Outcome]) -> Told:
    wide, matched = (mean_share(select(found, budget=b, family="residual")) for b in ("widths", "parameters"))
    held = "not decided"
    if wide.high < 0:
        held = "held"
    elif wide.low > 0:
        held = "did not hold" if matched.high >= 0 else "half held"
    elif matched.high < 0:
        held = "half held"
    return Told(
        "A residual is a correction: add it.",
        "stats.stackexchange.com/q/361018",
        held,
        f"Concatenating the residual changed the loss in Concatenate's favour by {figure_words(wide)} at equal widths "
        f"and {figure_words(matched)} at equal parameters, on average over {wide.tasks} tasks.",
    )


def _unrelated(found: Sequence[Outcome]) -> Told:
    wide = select(found, budget="widths")
    groups = [[one for one in wide if one.facts.related is related] for related in (False, True)]
    apart, close = (mean_share(group) for group in groups)
    between = difference(groups[0], groups[1])
    held = "held" if between.low > 0 else "did not hold" if between.high < SMALL else "not decided"
    return Told(
        "Concatenate what is not closely related; add what is.",
        "stats.stackexchange.com/q/361018",
        held,
        f"Concatenate's lead was {figure_words(apart)} over {apart.tasks} tasks with unrelated inputs and "
        f"{figure_words(close)} over {close.tasks} with related ones: a difference of {figure_words(between)}.",
    )


def difference(one: Sequence[Outcome], other: Sequence[Outcome]) -> Figure:
    """The mean share of some tasks less that of others, with an interval over the tasks of both."""
    if not one or not other:
        return Figure(float("nan"), float("nan"), float("nan"), 0)
    values = [mine.share for mine in one] + [-theirs.share for theirs in other]
    # a mean over both, in which each group counts one half, is half the difference
    sums = [sum(task.weight for task in group) for group in (one, other)]
    weights = [task.weight / total for group, total in zip((one, other), sums, strict=True) for task in group]
    strata = [f"{side} {task.family}" for side, group in enumerate((one, other)) for task in group]
    half = over_values(values, strata, weights)
    return Figure(2 * half.value, 2 * half.low, 2 * half.high, half.tasks)


def _special_case(found: Sequence[Outcome]) -> Told:
    wide = select(found, budget="widths")
    clear = sorted(abs(one.share) for one in wide if one.sign)
    share, middle = proportion(len(clear), len(wide)), clear[len(clear) // 2] if clear else 0.0
    held = "not decided"
    if share.high < 0.5:
        held = "held" if middle <= LARGE else "half held"
    elif share.low > 0.5:
        held = "did not hold"
    return Told(
        "Add is Concatenate with equal kernels, so the difference is small.",
        "stats.stackexchange.com/q/361018",
        held,
        f"The identity is exact. The loss differed beyond the noise in {len(clear)} of {len(wide)} tasks, and then by "
        f"{percent(middle)} in the middle of them.",
    )


def _parameters(found: Sequence[Outcome]) -> Told:
    wide, matched = (select(found, budget=budget) for budget in ("widths", "parameters"))
    both = {one.task for one in wide} & {one.task for one in matched}
    first, second = (mean_share([one for one in group if one.task in both]) for group in (wide, matched))
    more = sorted(one.facts.more for one in wide)
    median = more[len(more) // 2] if more else float("nan")
    held = "held" if first.low > 0 and second.low <= 0 else "did not hold" if second.low > 0 else "not decided"
    return Told(
        "Concatenate needs twice the parameters, and that is why it is better.",
        "pyg-team/pytorch_geometric#37",
        held,
        f"Its reader needs twice the kernel; the whole network had {percent(median)} more parameters in the middle of "
        f"the tasks and {percent(more[-1])} at most. Its lead of {figure_words(first)} at equal widths was "
        f"{figure_words(second)} at equal parameters.",
    )


def _distorts(found: Sequence[Outcome]) -> Told:
    won = {budget: signs(select(found, budget=budget)) for budget in ("widths", "parameters")}
    total = len(select(found, budget="widths"))
    wide, matched = won["widths"], won["parameters"]
    held = (
        "held" if wide["concat"] > 2 * wide["add"] else "did not hold" if wide["add"] >= wide["concat"] else "half held"
    )
    return Told(
        "Adding distorts: it loses information that concatenating keeps.",
        "stats.stackexchange.com/q/361018",
        held,
        f"At equal widths Concatenate was better beyond the noise in {wide['concat']} of {total} tasks and Add in "
        f"{wide['add']}; at equal parameters {matched['concat']} and {matched['add']}.",
    )


def _order(found: Sequence[Outcome]) -> Told:
    shared = [one for one in select(found, budget="widths", family="views") if one.facts.shared]
    order, none = ([one for one in shared if one.facts.ordered is ordered] for ordered in (True, False))
    first, second = mean_share(order), mean_share(none)
    held = "held" if first.low > 0 and second.high <= SMALL else "half held" if first.low > 0 else "not decided"
    return Told(
        "A sum cannot tell its inputs apart.",
        "facebookresearch/detr#278",
        held,
        f"Where one tower made both inputs and their order mattered, Concatenate led by {figure_words(first)} over "
        f"{first.tasks} tasks; where it did not matter, by {figure_words(second)} over {second.tasks}.",
    )


JUDGES: tuple[Callable[[Sequence[Outcome]], Told], ...] = (
    _correction,
    _unrelated,
    _special_case,
    _parameters,
    _distorts,
    _order,
)
