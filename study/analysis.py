"""From the study's results to its numbers: how often, by how much and where each merge wins, and what foretells it.

A *share* is what the better merge takes off the loss of the worse one, positive where Concatenate is the better:

    share = (loss of Add - loss of Concatenate) / the larger of the two            between -1 and 1

A *regret* is the share of the loss that a choice gives away on average over what is believed of the gain of each task.

Means over tasks weigh each by how well it is known, 1 / (SPREAD² + error²): where both losses are next to nothing their
ratio is noise. Intervals are over tasks: each family is drawn anew from its own, 4,000 times by a fixed seed, and the
interval is widened for the number of tasks, which few draws of few tasks do not show (expanded percentiles, Hesterberg
2015: t instead of normal quantiles, and n - 1 instead of n).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from study.facts import Facts, facts_of, halves
from study.rules import RULES

BUDGETS = ("widths", "parameters")
NEAR = 0.1
"""Parameters this near count as equal: in small networks one channel more or less is several percent. Where they could
not be brought so near, a task is left out."""
DRAWS, SEED, LEVEL = 4000, 14, 0.95
SPREAD = 0.1
"""About how far shares differ from task to task; what a task's own error is held against."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One task under one budget.

    Attributes:
        task: Its name.
        family: Its family.
        half: "explore" or "confirm".
        budget: "widths" or "parameters".
        facts: What is known before training.
        share: What the better merge takes off the loss of the worse one; positive for Concatenate.
        low: Lower end of its 95 % interval over pairs and held-out examples.
        high: Upper end.
        error: About its standard error, a quarter of that interval's length.
        verdict: "add", "concat", "equal" or "undecided", as `addcat compare` gives it with a margin of 2 %.
        better: Probability that Concatenate is better.
        regret: Share of the loss that each choice gives away on average.
        mismatch: How far the parameters of the two are apart under this budget.
    """

    task: str
    family: str
    half: str
    budget: str
    facts: Facts
    share: float
    low: float
    high: float
    error: float
    verdict: str
    better: float
    regret: Mapping[str, float]
    mismatch: float

    @property
    def weight(self) -> float:
        """What the task counts in a mean over tasks: 1 where it is known exactly, less where it is not."""
        return SPREAD**2 / (SPREAD**2 + self.error**2)

    @property
    def sign(self) -> str:
        """The merge that did better, "" where its lead is within the noise: the interval holds zero."""
        return "" if self.low <= 0 <= self.high else "concat" if self.share > 0 else "add"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its interval over tasks.

    Attributes:
        value: The number.
        low: Lower end.
        high: Upper end.
        tasks: How many tasks it stands on.
    """

    value: float
    low: float
    high: float
    tasks: int


def outcomes(results: Json) -> tuple[Outcome, ...]:
    """Every task under every budget, where both merges were trained and their budgets match."""
    half_of = halves()
    found = [
        outcome
        for record in results["tasks"]
        for budget in BUDGETS
        if (outcome := _outcome(record, budget, half_of[record["name"]])) is not None
    ]
    return tuple(one for one in found if abs(one.mismatch) <= NEAR)


def left_out(results: Json) -> tuple[tuple[str, str], ...]:
    """Tasks and budgets that say nothing: a merge never gave a finite loss, or parameters could not be matched."""
    kept = {(one.task, one.budget) for one in outcomes(results)}
    asked = [(record["name"], budget) for record in results["tasks"] for budget in BUDGETS]
    return tuple(pair for pair in asked if pair not in kept)


def _outcome(record: Json, budget: str, half: str) -> Outcome | None:
    finding = record["budgets"].get(budget)
    if finding is None or finding["gain"] is None:
        return None
    other = "concat" if budget == "widths" else "concat, same parameters"
    losses = [record["arms"][arm]["loss"] for arm in ("add", other)]
    if None in losses or None in finding["gain"].values() or None in finding["regret"].values():
        return None
    gain, worse = finding["gain"], max(losses)
    share, low, high = (max(-1.0, min(1.0, gain[end] / worse)) for end in ("estimate", "low", "high"))
    return Outcome(
        task=record["name"],
        family=record["family"],
        half=half,
        budget=budget,
        facts=facts_of(record),
        share=share,
        low=low,
        high=high,
        error=(gain["high"] - gain["low"]) / (4 * worse),
        verdict=finding["verdict"],
        better=finding["probability"],
        regret={choice: value / worse for choice, value in finding["regret"].items()},
        mismatch=finding["mismatch"],
    )


def select(found: Iterable[Outcome], *, budget: str = "", half: str = "", family: str = "") -> tuple[Outcome, ...]:
    """Outcomes under a budget, of a half, of a family; "" takes all."""
    return tuple(
        one for one in found if budget in ("", one.budget) and half in ("", one.half) and family in ("", one.family)
    )


def over_tasks(found: Sequence[Outcome], value: Callable[[Outcome], float]) -> Figure:
    """The mean of a value over tasks, with a bootstrap interval over tasks within families.

    Args:
        found: One outcome a task.
        value: Of an outcome.
    """
    return over_values([value(one) for one in found], [one.family for one in found], [one.weight for one in found])


def over_values(values: Sequence[float], families: Sequence[str], weights: Sequence[float] | None = None) -> Figure:
    """A weighted mean with a bootstrap interval, drawn within families; infinite where each has one task only.

    Args:
        values: One a task.
        families: Of the tasks.
        weights: What each counts; all alike where left out.
    """
    if not values:
        return Figure(float("nan"), float("nan"), float("nan"), 0)
    numbers, strata = np.asarray(values, float), np.asarray(families)
    counted = np.ones(len(numbers)) if weights is None else np.asarray(weights, float)
    rng = np.random.default_rng(SEED)
    sums: NDArray[np.float64] = np.zeros((2, DRAWS))
    for family in sorted(set(families)):
        mine = np.flatnonzero(strata == family)
        drawn = mine[rng.integers(0, len(mine), (DRAWS, len(mine)))]
        sums += [(numbers * counted)[drawn].sum(axis=1), counted[drawn].sum(axis=1)]
    mean, (low, high) = (
        float(np.average(numbers, weights=counted)),
        np.quantile(sums[0] / sums[1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]),
    )
    wider = _wider(len(numbers), len(set(families)))
    ends = (
        mean + wider * (end - mean) if wider < np.inf else np.copysign(np.inf, side)
        for end, side in ((low, -1), (high, 1))
    )
    return Figure(mean, *map(float, ends), len(numbers))


def proportion(count: int, tasks: int) -> Figure:
    """A share of tasks with its exact interval (Clopper and Pearson 1934), which none of them does not shrink to 0.

    Examples:
        >>> none = proportion(0, 36)
        >>> round(none.low, 3), round(none.high, 3)
        (0.0, 0.097)
    """
    tail = (1 - LEVEL) / 2
    low = float(scipy.stats.beta.ppf(tail, count, tasks - count + 1)) if count else 0.0
    high = float(scipy.stats.beta.ppf(1 - tail, count + 1, tasks - count)) if count < tasks else 1.0
    return Figure(count / tasks if tasks else float("nan"), low, high, tasks)


def _wider(tasks: int, families: int) -> float:
    """By how much a percentile interval of so many tasks is too narrow."""
    free = tasks - families
    if free < 1:
        return float("inf")
    quantiles = scipy.stats.t.ppf((1 + LEVEL) / 2, free) / scipy.stats.norm.ppf((1 + LEVEL) / 2)
    return float(quantiles * (tasks / free) ** 0.5)


def counts(found: Iterable[Outcome]) -> dict[str, int]:
    """How many tasks ended in each verdict."""
    verdicts = [one.verdict for one in found]
    return {verdict: verdicts.count(verdict) for verdict in ("add", "concat", "equal", "undecided")}


def signs(found: Iterable[Outcome]) -> dict[str, int]:
    """How many tasks each merge won beyond the noise, whatever the margin; "" counts those where it is within."""
    won = [one.sign for one in found]
    return {sign: won.count(sign) for sign in ("add", "concat", "")}


@dataclass(frozen=True, slots=True)
class Scored:
    """How a rule did.

    Attributes:
        name: Of the rule.
        right: Share of the tasks with a winner beyond the noise where it chose that one.
        regret: Share of the loss that it gives away on average over tasks.
    """

    name: str
    right: Figure
    regret: Figure


def scored(name: str, choice: Callable[[Outcome], str], found: Sequence[Outcome]) -> Scored:
    """Score a way of choosing.

    Args:
        name: For the table.
        choice: "add" or "concat" for an outcome.
        found: One outcome a task.
    """
    decided = [one for one in found if one.sign]
    return Scored(
        name,
        over_values([float(choice(one) == one.sign) for one in decided], [one.family for one in decided]),
        over_tasks(found, lambda one: one.regret[choice(one)]),
    )


def rules_scored(found: Sequence[Outcome]) -> tuple[Scored, ...]:
    """Every rule of thumb, and the best that anybody could do who knows the results."""
    made = [scored(rule.name, lambda one, rule=rule: rule.choice(one.facts, one.budget), found) for rule in RULES]
    best = scored(
        "with the results known", lambda one: "concat" if one.regret["concat"] < one.regret["add"] else "add", found
    )
    return (*made, best)


PROXIES = {
    "parameters": "the larger network",
    "gradient norm": "higher gradient norm",
    "SNIP": "higher SNIP",
    "synflow": "higher synflow",
}


def foretold(results: Json, found: Sequence[Outcome]) -> tuple[Scored, ...]:
    """Ways to choose before pairs are trained, at equal widths, on the tasks for which they were asked.

    From a network that adds, trained once: what `advise` believed when it had spent a tenth of a training, and a whole
    one. From both networks as they are drawn: the one for which a zero-cost proxy is higher.
    """
    evidence = {record["name"]: record["evidence"] for record in results["tasks"] if "evidence" in record}
    known = [one for one in select(found, budget="widths") if one.task in evidence]
    if not known:
        return ()

    def advised(spent: float) -> Callable[[Outcome], str]:
        return lambda one: choice_after(evidence[one.task]["advise"]["looks"], spent)

    def higher(proxy: str) -> Callable[[Outcome], str]:
        def choice(one: Outcome) -> str:
            values = evidence[one.task]["proxies"][proxy]
            return "concat" if values["concat"] > values["add"] else "add"

        return choice

    ways = {"advise, a tenth of a training": advised(0.1), "advise, one training": advised(float("inf"))}
    ways |= {words: higher(proxy) for proxy, words in PROXIES.items()}
    return tuple(scored(name, choice, known) for name, choice in ways.items())


def choice_after(looks: Sequence[Json], spent: float) -> str:
    """What `advise` recommended at the last of its looks within so many trainings; its first look is free."""
    return [look["choice"] for place, look in enumerate(looks) if place == 0 or look["trainings"] <= spent][-1]
