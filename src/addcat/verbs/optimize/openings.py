"""Where a graph could gain, from the graph alone: what tidying saves, and the candidates that the cost model likes.

Nothing is run. Each proposal is followed up as in the search; of the candidates that want the same nodes the one that
is expected to save most counts, and only one, so that no time is saved twice. Expected seconds are wrong by a factor,
shares of them by less: all that is given here is a share of what the whole is expected to take.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from addcat.graph import Graph
from addcat.rules.base import Role, Rule
from addcat.verbs.optimize import predict
from addcat.verbs.optimize.candidates import Candidate, Kept, Missing, expand, find, tidy

TIDYING, NAMING = "tidying", "naming"
NAMES = ("named",)
"""Rules that write as one operation what is spelled out; runtimes see through some of that by themselves."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One place where a graph could gain.

    Attributes:
        site: The node where it begins.
        rules: The rules that it applies, in order.
        role: What the first of them is for.
        saves: Expected saving as a share of the time of the whole; below zero where it costs.
        touches: The share of the time of the whole that is spent in what it changes.
    """

    site: str
    rules: tuple[str, ...]
    role: str
    saves: float
    touches: float


@dataclass(frozen=True, slots=True)
class Openings:
    """All places where a graph could gain.

    Attributes:
        tidied: Share of the time that is expected to go by what leaves less to do wherever it applies.
        named: The part of it that goes by giving operations their names.
        steps: How many such rewrites there are, by rule.
        places: The rest, best first; no two of them change the same nodes.
        left: Proposals that were not followed up, for want of time.
        sized: Whether the time of the whole could be expected at all: False where a size is unknown.
    """

    tidied: float
    named: float
    steps: Mapping[str, int]
    places: tuple[Opening, ...]
    left: int
    sized: bool = True

    @property
    def features(self) -> dict[str, float]:
        """What the gain is foretold by: the tidied share, and of each role what it is expected to save and touches."""
        found = {TIDYING: self.tidied - self.named, NAMING: self.named}
        for role in Role:
            mine = [place for place in self.places if place.role == role.name]
            found[f"{role.name.lower()} saves"] = sum(max(place.saves, 0.0) for place in mine)
            found[f"{role.name.lower()} touches"] = sum(place.touches for place in mine)
        return found


def openings(graph: Graph, rules: Sequence[Rule], missing: Missing, *, seconds: float = 2.5) -> Openings:
    """Look for places where a graph could gain.

    Args:
        graph: With the sizes at which it is run.
        rules: Those that may be used.
        missing: What the framework has no form for.
        seconds: After which no more proposals are followed up.

    Returns:
        The places; none where a size is unknown, so that nothing can be expected.
    """
    until = time.perf_counter() + seconds
    kept = tidy(graph, rules, missing)
    tidied = kept[-1].graph if kept else graph
    steps: dict[str, int] = {}
    for step in (step for one in kept for step in one.steps):
        steps[step.rule] = steps.get(step.rule, 0) + 1
    before, after = predict.seconds(graph), predict.seconds(tidied)
    if not before or after is None:
        return Openings(0.0, 0.0, steps, (), 0, sized=False)
    by_name = {rule.name: rule for rule in rules}
    proposals, _ = find(tidied, [rule for rule in rules if rule.role is not Role.TIDY])
    ordered = sorted(proposals, key=lambda proposal: -_seconds(tidied, proposal.nodes))
    candidates: list[Candidate] = []
    left = 0
    for proposal in ordered:
        if time.perf_counter() > until:
            left += 1
        else:
            candidates += expand(tidied, proposal, by_name, missing=missing)
    chosen = _apart(tidied, candidates)
    places = [_opening(tidied, one, changed, by_name, before) for one, changed in chosen]
    return Openings(
        1 - after / before, _named(graph, kept) / before, steps, tuple(sorted(places, key=lambda one: -one.saves)), left
    )


def _named(graph: Graph, kept: Sequence[Kept]) -> float:
    """Expected seconds that go by giving operations their names."""
    saved = 0.0
    for one in kept:
        if one.steps[0].rule in NAMES:
            saved -= predict.change(graph, one.graph) or 0.0
        graph = one.graph
    return saved


def _apart(graph: Graph, candidates: Sequence[Candidate]) -> list[tuple[Candidate, list[str]]]:
    """The candidates that are expected to save most, with the nodes that they change: no two the same one."""
    taken: set[str] = set()
    chosen: list[tuple[Candidate, list[str]]] = []
    for one in sorted(candidates, key=lambda one: 0.0 if one.predicted is None else one.predicted):
        changed = [name for name, node in graph.nodes.items() if one.graph.nodes.get(name) is not node]
        if taken.isdisjoint(changed):
            taken.update(changed)
            chosen.append((one, changed))
    return chosen


def _opening(graph: Graph, one: Candidate, changed: Sequence[str], rules: Mapping[str, Rule], whole: float) -> Opening:
    saves = -(one.predicted or 0.0) / whole
    role = rules[one.steps[0].rule].role.name
    return Opening(one.site, one.rules, role, saves, _seconds(graph, changed) / whole)


def _seconds(graph: Graph, names: Sequence[str]) -> float:
    return predict.seconds(graph, [name for name in names if name in graph.nodes]) or 0.0
