"""Findings: claims that one half of the tasks suggested, written down before the other half was looked at.

Each is a number with a bound that has to be passed. `confirmed` reckons it on both halves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from study.analysis import Figure, Outcome, select
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


def _mean(budget: str, *, family: str = "") -> Callable[[Sequence[Outcome]], Figure]:
    return lambda found: mean_share(select(found, budget=budget, family=family))


FINDINGS: tuple[Finding, ...] = (
    Finding("At equal widths Concatenate is better on average.", _mean("widths"), above=0.0),
    Finding("At equal parameters its lead is less than 2 % on average.", _mean("parameters"), below=0.02),
)
