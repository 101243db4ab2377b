"""The figures of the guide, drawn from the numbers of `study.analysis`.

| figure | what it shows |
| --- | --- |
| study | where each merge wins, family by family: every task a dot, the mean over tasks with its interval |
| tasks | every task with its interval, at both budgets |
| rules | what each rule of thumb gives away |
| cost | what Concatenate costs more against what it gains |
"""

from collections.abc import Mapping, Sequence

from study.analysis import BUDGETS, Outcome, Scored, over_tasks, rules_scored, select
from study.drawing import ADD, CONCAT, INK, Axis, Picture, interval, percent
from study.facts import WORDS

SPOKEN = {"widths": "equal widths", "parameters": "equal parameters"}
WIDE, MOST = 760, 0.4
"""Pixels; and the share up to which an axis of regrets may go."""


def figures(found: Sequence[Outcome], foretold: Sequence[Scored] = ()) -> Mapping[str, str]:
    """Every figure as SVG, by its name.

    Args:
        found: Outcomes of all tasks.
        foretold: Further ways to choose, at equal widths, to be drawn under the rules.
    """
    return {"study": _families(found), "tasks": _tasks(found), "rules": _rules(found, foretold), "cost": _cost(found)}


def colour_of(share: float) -> str:
    """Orange where Add is the better, blue where Concatenate is."""
    return CONCAT if share > 0 else ADD


def _families(found: Sequence[Outcome]) -> str:
    present = [family for family in WORDS if select(found, family=family)]
    picture = Picture(WIDE, 88 + 50 * (len(present) + 1), "What the better merge takes off the loss, by kind of merge")
    axis = Axis(-0.5, 0.5, 290, WIDE - 60)
    bottom = picture.height - 26
    _scale(picture, axis, 46, bottom, (-0.4, -0.2, 0, 0.2, 0.4))
    _headings(picture, axis, 20, "what the better one takes off the loss · ring: within the noise · rim: further out")
    for place, family in enumerate([*present, ""]):
        y = 68 + 50 * place
        if not family:
            picture.line(12, y - 17, WIDE - 12, y - 17)
        picture.text(12, y + 4, WORDS.get(family, "All tasks"), bold=True)
        for row, budget in enumerate(BUDGETS):
            _family_row(picture, axis, y + 18 * row, select(found, budget=budget, family=family), budget)
    return picture.svg()


def _family_row(picture: Picture, axis: Axis, y: float, mine: Sequence[Outcome], budget: str) -> None:
    picture.text(axis.start - 14, y + 4, SPOKEN[budget], at="end", size=11)
    if not mine:
        picture.text(axis.start + 4, y + 4, "parameters cannot be matched", size=11)
        return
    for one in mine:
        picture.dot(axis(one.share), y, 3, colour_of(one.share), faint=True, hollow=not one.sign)
    mean = over_tasks(mine, lambda one: one.share)
    interval(picture, axis, y, (mean.low, mean.high), colour_of(mean.value), wide=3)
    picture.dot(axis(mean.value), y, 5, colour_of(mean.value))
    picture.text(WIDE - 8, y + 4, percent(mean.value, signed=True), colour_of(mean.value), at="end", size=11)


def _tasks(found: Sequence[Outcome]) -> str:
    names = list(dict.fromkeys(one.task for one in found))
    families = list(dict.fromkeys(one.family for one in found))
    picture = Picture(WIDE, 78 + 22 * len(names) + 30 * len(families), "Every task, at equal widths and parameters")
    axis = Axis(-0.6, 0.6, 290, WIDE - 60)
    _scale(picture, axis, 46, picture.height - 26, (-0.5, -0.25, 0, 0.25, 0.5))
    _headings(picture, axis, 20, "filled: equal widths · ring: equal parameters")
    y = 52.0
    for family in families:
        y += 20
        picture.text(12, y, WORDS[family], bold=True, size=13)
        y += 10
        for name in dict.fromkeys(one.task for one in select(found, family=family)):
            y += 11
            picture.text(24, y + 4, name.split("/")[1].replace("-", " "), size=11)
            for one in (one for one in found if one.task == name):
                row = y - 3.5 if one.budget == "widths" else y + 3.5
                interval(picture, axis, row, (one.low, one.high), colour_of(one.share), wide=1.2)
                picture.dot(axis(one.share), row, 3, colour_of(one.share), hollow=one.budget != "widths")
            y += 11
    return picture.svg()


def _rules(found: Sequence[Outcome], foretold: Sequence[Scored]) -> str:
    by_budget = {budget: rules_scored(select(found, budget=budget)) for budget in BUDGETS}
    names = [one.name for one in by_budget["widths"]]
    rows = [*names[:-1], *(one.name for one in foretold), names[-1]]
    picture = Picture(WIDE, 84 + 40 * len(rows), "Share of the loss that each rule gives away")
    highs = [one.regret.high for scores in by_budget.values() for one in scores]
    highest = max(min(high, MOST) for high in highs)
    axis = Axis(0, 0.02 + highest, 290, WIDE - 60)
    ticks = [tick / 100 for tick in range(0, 100, 4) if tick / 100 <= axis.high]
    _scale(picture, axis, 46, picture.height - 26, ticks)
    picture.text(axis.start, 20, "given away on average, as a share of the loss", size=12)
    picture.text(axis.start, 36, "filled: equal widths · ring: equal parameters", size=11)
    for place, name in enumerate(rows):
        y = 68 + 40 * place
        picture.text(12, y + 8, name, size=12, bold=name == names[-1])
        for row, scores in enumerate((*by_budget.values(), foretold)):
            score = next((one for one in scores if one.name == name), None)
            if score is not None:
                at = y + 12 * (row % 2)
                interval(picture, axis, at, (score.regret.low, score.regret.high), INK, wide=2)
                picture.dot(axis(score.regret.value), at, 4.5, INK, hollow=row == 1)
                picture.text(WIDE - 8, at + 4, percent(score.regret.value), at="end", size=11)
    return picture.svg()


def _cost(found: Sequence[Outcome]) -> str:
    mine = select(found, budget="widths")
    picture = Picture(WIDE, 420, "What Concatenate costs more in parameters against what it gains, at equal widths")
    across, up = Axis(0, 1, 80, WIDE - 30), Axis(-0.6, 0.6, 360, 40)
    for share in (-0.5, -0.25, 0, 0.25, 0.5):
        picture.line(across.start, up(share), across.end, up(share), wide=1.4 if share == 0 else 0.4)
        picture.text(across.start - 8, up(share) + 4, percent(share, signed=True), at="end", size=11)
    for more in (0, 0.25, 0.5, 0.75, 1):
        picture.text(across(more), 380, percent(more, signed=True), at="middle", size=11)
    picture.text(
        (across.start + across.end) / 2, 402, "parameters of the whole network that Concatenate needs more", at="middle"
    )
    picture.text(across.start, 22, "what the better merge takes off the loss · ring: within the noise", size=12)
    picture.text(across.end, 56, "Concatenate better", CONCAT, at="end", bold=True)
    picture.text(across.end, 352, "Add better", ADD, at="end", bold=True)
    for one in mine:
        picture.dot(across(one.facts.more), up(one.share), 4.5, colour_of(one.share), hollow=not one.sign)
    return picture.svg()


def _scale(picture: Picture, axis: Axis, top: float, bottom: float, ticks: Sequence[float]) -> None:
    for tick in ticks:
        picture.line(axis(tick), top, axis(tick), bottom, wide=1.4 if tick == 0 else 0.4)
        picture.text(axis(tick), bottom + 16, percent(tick, signed=axis.low < 0), at="middle", size=11)


def _headings(picture: Picture, axis: Axis, y: float, legend: str) -> None:
    middle = axis(0)
    picture.text(middle - 12, y, "← Add better", ADD, at="end", bold=True)
    picture.text(middle + 12, y, "Concatenate better →", CONCAT, bold=True)
    picture.text(middle, y + 17, legend, at="middle", size=11)
