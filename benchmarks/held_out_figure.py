"""The figure of `held_out.csv` and `advise.txt`: what advice costs and gives away, and how its probabilities hold.

Run: python benchmarks/held_out_figure.py, which writes docs/figures/advise.svg.
"""

import csv
import itertools
import math
import statistics
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from study.drawing import ADD, CONCAT, INK, Axis, Picture  # noqa: E402

ANSWERS, BANK, FIGURE = HERE / "held_out.csv", HERE / "advise.txt", HERE.parent / "docs/figures/advise.svg"
DRAWN = ("34", "55", "21", "89", "144", "233", "377")
"""Seeds of the tasks that judge."""
BUDGETS = ("0.05x", "1x", "default")
FREE = {"always Add": ADD, "always Concatenate": CONCAT}
"""Rules that cost nothing and are held out as well, in their colours; every other one is grey."""
WORDS = {"always add": "always Add", "always concat": "always Concatenate"}
"""Names that the bank's table has for them."""
WIDE, HIGH, TOP, BOTTOM = 800, 372, 74, 318
REGRETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
COSTS = (0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
CLOSE = 1.1
"""Rules on one set of tasks whose regrets differ by no more than this factor share a label."""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Point:
    """One rule on one set of tasks.

    Attributes:
        name: Of the rule; of `advise` its budget.
        cost: Trainings of the given network that an answer costs, in the median; 0 where it needs none.
        regret: Mean loss given away, as a share of Add's.
        held_out: Whether the tasks were drawn for judging; else they are the development bank.
    """

    name: str
    cost: float
    regret: float
    held_out: bool


def held_out(rows: Iterable[Row]) -> list[Row]:
    """Answers about tasks that the rule was not made with, at equal widths."""
    return [row for row in rows if row["kind"].endswith(DRAWN)]


def regret(gains: Iterable[float], choices: Iterable[str]) -> float:
    """Mean loss given away by these choices."""
    return statistics.fmean(
        max(0.0, gain if choice == "add" else -gain) for gain, choice in zip(gains, choices, strict=True)
    )


def points(rows: list[Row], bank: str) -> list[Point]:
    """Every rule on both sets of tasks."""
    found = []
    for budget in BUDGETS:
        mine = [row for row in rows if row["budget"] == budget]
        cost = statistics.median(float(row["trainings"]) for row in mine)
        given = regret((float(row["gain"]) for row in mine), (row["said"] for row in mine))
        found.append(Point(budget, cost, given, held_out=True))
    all_gains = [float(row["gain"]) for row in rows if row["budget"] == BUDGETS[0]]
    for short, name in WORDS.items():
        found.append(Point(name, 0.0, regret(all_gains, [short.split()[1]] * len(all_gains)), held_out=True))
    head, *lines = bank[bank.index("\nmethod") :].strip().splitlines()
    for line in lines:
        name, cells = line[: head.index("regret") - 1].strip(), line.split()
        budget = name.removeprefix("advise").strip(", ") or "default" if name.startswith("advise") else name
        found.append(Point(WORDS.get(budget, budget), float(cells[-2]), float(cells[-5]), held_out=False))
    return found


def bins(rows: Iterable[Row]) -> list[tuple[float, float, int]]:
    """Of each tenth of what is said: the mean said, the share that is right, and how many answers."""
    found: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for row in rows:
        said, right = float(row["probability"]), (row["said"] == "concat") == (float(row["gain"]) > 0)
        found[min(int(10 * said), 9)].append((said, right))
    return [
        (statistics.fmean(said for said, _ in one), statistics.fmean(right for _, right in one), len(one))
        for _, one in sorted(found.items())
    ]


def figure(rows: list[Row], bank: str) -> str:
    """Regret against cost on the left, probabilities against what was right on the right."""
    judged = held_out(rows)
    picture = Picture(WIDE, HIGH, "What advise costs and gives away, and how its probabilities hold")
    _costs(picture, points(judged, bank), tasks=len({(row["kind"], row["task"]) for row in judged}))
    _calibration(picture, bins(judged), len(judged))
    return picture.svg()


def _costs(picture: Picture, found: list[Point], tasks: int) -> None:
    x = Axis(math.log(COSTS[0]), math.log(COSTS[-1]), 236, 440)
    y = Axis(math.log(REGRETS[0]), math.log(0.4), BOTTOM, TOP)
    picture.text(20, 20, "Loss given away, as a share of Add's", size=13, bold=True)
    for number, (words, hollow) in enumerate(((f"held out, {tasks} tasks", False), ("development bank, 10", True))):
        picture.dot(24 + 150 * number, 36, 4, INK, hollow=hollow)
        picture.text(34 + 150 * number, 40, words, size=11)
    for value in REGRETS:
        picture.line(62, y(math.log(value)), x.end, y(math.log(value)), dash="2 4")
        picture.text(56, y(math.log(value)) + 4, f"{100 * value:g} %", at="end", size=11)
    for value in COSTS:
        picture.text(x(math.log(value)), BOTTOM + 20, f"{value:g}", at="middle", size=11)
    picture.text(84, BOTTOM + 20, "free", at="middle", size=11)
    picture.text((84 + x.end) / 2, BOTTOM + 40, "trainings of the given network", at="middle", size=11)
    for known in (True, False):
        line = sorted((p for p in found if p.held_out == known and p.cost), key=lambda p: p.cost)
        for one, other in itertools.pairwise(line):
            ends = (x(math.log(one.cost)), y(math.log(one.regret)), x(math.log(other.cost)), y(math.log(other.regret)))
            picture.line(*ends, CONCAT, dash="" if known else "4 3")
        for point in line:
            picture.dot(x(math.log(point.cost)), y(math.log(point.regret)), 4.5, CONCAT, hollow=not known)
            if known:
                picture.text(x(math.log(point.cost)), y(math.log(point.regret)) - 10, point.name, at="middle", size=11)
    for group in _together(found):
        first, place = group[0], y(math.log(group[0].regret))
        colour = FREE.get(first.name, INK) if len(group) == 1 else INK
        picture.dot(84, place, 4.5, colour, hollow=not first.held_out)
        for number, words in enumerate(_wrapped(", ".join(one.name for one in group))):
            picture.text(96, place + 4 + 13 * number, words, size=11)


def _together(found: list[Point]) -> list[list[Point]]:
    """Rules that cost nothing, those of nearly one regret together, the largest first."""
    groups: list[list[Point]] = []
    for point in sorted((one for one in found if not one.cost), key=lambda one: (one.held_out, -one.regret)):
        last = groups[-1] if groups else []
        if last and last[0].held_out == point.held_out and last[0].regret <= CLOSE * point.regret:
            last.append(point)
        else:
            groups.append([point])
    return groups


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, 26)


def _calibration(picture: Picture, found: list[tuple[float, float, int]], answers: int) -> None:
    x, y = Axis(0, 1, 536, 770), Axis(0, 1, BOTTOM, TOP)
    picture.text(500, 20, "How often the recommendation is right", size=13, bold=True)
    picture.text(500, 40, f"{answers} held-out answers, by the probability they gave", size=11)
    for value in (0, 0.25, 0.5, 0.75, 1):
        picture.line(x(0), y(value), x(1), y(value), dash="2 4")
        picture.text(x(0) - 6, y(value) + 4, f"{100 * value:.0f} %", at="end", size=11)
        picture.text(x(value), BOTTOM + 20, f"{100 * value:.0f} %", at="middle", size=11)
    picture.line(x(0), y(0), x(1), y(1), INK)
    picture.text(653, BOTTOM + 40, "said; larger dots stand for more answers", at="middle", size=11)
    most = max(count for *_, count in found)
    for said, right, count in found:
        picture.dot(x(said), y(right), 12 * math.sqrt(count / most) + 1.5, CONCAT, faint=True)


if __name__ == "__main__":
    with ANSWERS.open(encoding="utf-8") as file:
        FIGURE.write_text(figure(list(csv.DictReader(file)), BANK.read_text(encoding="utf-8")), encoding="utf-8")
