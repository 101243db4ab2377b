"""Findings: claims that one half of the tasks suggested, written down before the other half was looked at.

Each is a number with a bound that has to be passed. `confirmed` reckons it on both halves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from study.analysis import Figure, Outcome, over_tasks, proportion, select, signs
from study.cases import shrinks
from study.rules import RULES
from study.sayings import mean_share


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim.

    Attributes:
        claim: In words.
        measure: Its number, with an interval over tasks.
        above: The whole interval has to lie above this; None where it has to lie below `below`.
        below: The whole interval has to lie below this.
    """

    claim: str
    measure: Callable[[Sequence[Outcome]], Figure]
    above: float | None = None
    below: float | None = None

    def holds(self, figure: Figure) -> str:
        """What a figure says of the claim: "yes", "no" (the other side of the bound) or "open"."""
        bound = self.above if self.above is not None else self.below or 0.0
        over, under = figure.low > bound, figure.high < bound
        if self.above is None:
            over, under = under, over
        return "yes" if over else "no" if under else "open"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A claim on both halves.

    Attributes:
        claim: In words.
        explored: Where it was found.
        confirmed: Where it was put to the test.
        holds: What the second says of it.
    """

    claim: str
    explored: Figure
    confirmed: Figure
    holds: str


def confirmed(found: Sequence[Outcome]) -> tuple[Confirmed, ...]:
    """Every finding on both halves."""
    rows = []
    for finding in FINDINGS:
        explored, tested = (finding.measure(select(found, half=half)) for half in ("explore", "confirm"))
        rows.append(Confirmed(finding.claim, explored, tested, finding.holds(tested) if tested.tasks else "open"))
    return tuple(rows)


def _mean(budget: str, which: Callable[[Outcome], bool] = lambda _: True) -> Callable[[Sequence[Outcome]], Figure]:
    """The mean share over the tasks of a kind."""
    return lambda found: mean_share([one for one in select(found, budget=budget) if which(one)])


def _clearly(sign: str, budget: str) -> Callable[[Sequence[Outcome]], Figure]:
    """The share of the tasks that a merge won beyond the noise."""

    def measure(found: Sequence[Outcome]) -> Figure:
        mine = select(found, budget=budget)
        return proportion(signs(mine)[sign], len(mine))

    return measure


def _given_away(budget: str, rule: str, instead: str = "") -> Callable[[Sequence[Outcome]], Figure]:
    """What a rule gives away; more than another where that is named."""
    choices = {one.name: one.choice for one in RULES}

    def value(one: Outcome) -> float:
        spent = one.regret[choices[rule](one.facts, budget)]
        return spent - one.regret[choices[instead](one.facts, budget)] if instead else spent

    return lambda found: over_tasks(select(found, budget=budget), value)


def _told_apart(one: Outcome) -> bool:
    return one.facts.shared and one.facts.ordered


FINDINGS: tuple[Finding, ...] = (
    Finding("At equal widths Concatenate's loss is lower by more than 3 % on average.", _mean("widths"), above=0.03),
    Finding(
        "At equal widths Add is clearly better in less than a tenth of the tasks.", _clearly("add", "widths"), below=0.1
    ),
    Finding("Concatenate's lead shrinks by more than 3 % when parameters are made equal.", shrinks, above=0.03),
    Finding("At equal parameters its lead is below 5 % on average.", _mean("parameters"), below=0.05),
    Finding(
        "At equal parameters Add is better, unless one layer makes both branches and their order matters.",
        _mean("parameters", lambda one: not _told_apart(one)),
        below=0.0,
    ),
    Finding(
        "Where one layer makes both and their order matters, Concatenate is better at equal parameters too.",
        _mean("parameters", _told_apart),
        above=0.0,
    ),
    Finding(
        "Always adding gives away more than 5 % of the loss at equal widths.",
        _given_away("widths", "always add"),
        above=0.05,
    ),
    Finding(
        "Always concatenating gives away less than 3 % at equal widths.",
        _given_away("widths", "always concatenate"),
        below=0.03,
    ),
    Finding(
        "At equal parameters, to concatenate only what has an order gives away less than to add always.",
        _given_away("parameters", "concatenate what has an order", "always add"),
        below=0.0,
    ),
    Finding(
        "At equal parameters, to concatenate only what has an order gives away less than to concatenate always.",
        _given_away("parameters", "concatenate what has an order", "always concatenate"),
        below=0.0,
    ),
)
