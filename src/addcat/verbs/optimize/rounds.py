"""Rounds: hold candidates against the objective, keep the best of those that want the same nodes, until none is kept.

In a round all rules are asked where they apply; candidates are judged in the order of what they are expected to save,
each against the current best together with its alternatives (other candidates that begin at the same nodes); what is
kept is applied at once, and the next round asks again. A candidate that was refused is not judged again unless what is
around it has changed.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from addcat.errors import RefusedError
from addcat.graph import Graph, Node, Refusal
from addcat.rules.base import Proposal, Role, Rule
from addcat.verbs.optimize import predict
from addcat.verbs.optimize.candidates import (
    Candidate,
    Kept,
    Missing,
    Slack,
    everything,
    expand,
    find,
    formless,
    replay,
    time_slack,
)
from addcat.verbs.optimize.objectives import ByTime, Judgement, Objective
from addcat.verbs.optimize.result import KEPT, REFUSED, SKIPPED, Attempt

Progress = Callable[[str], None]
Judged = tuple[Judgement, Candidate, Graph]
COSTS = 0.05
"""Share of a part's time; what is expected to add more is not tried where a rival of it is faster."""
RIVALS = 2
"""How many of the candidates that promise most are held directly against the simplest."""


@dataclass
class Rounds:
    """Rounds of one search.

    Attributes:
        rules: The rules to use.
        objective: Says what is better.
        until: When to stop, on `time.perf_counter`.
        progress: Told what is being tried.
        slack: How much longer rewrites that follow up others may take.
        local: Whether a judgement depends on what a candidate changes alone, so that it holds until that changes.
        focus: Names the nodes of a graph around which it is worth searching; None for all.
        missing: What the framework has no form for.
        attempts: What was tried, in order.
        kept: What was kept, in order.
        refusals: Proposals that the framework has no form for.
    """

    rules: Sequence[Rule]
    objective: Objective
    until: float
    progress: Progress = lambda _: None
    slack: Slack = time_slack
    local: bool = True
    focus: Callable[[Graph], Collection[str] | None] = lambda _: None
    missing: Missing = everything
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict[tuple[str, str], Refusal])
    kept: list[Kept] = field(default_factory=list[Kept])
    _expanded: dict[object, tuple[tuple[Node, ...], list[Candidate]]] = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]
    _refused: set[object] = field(default_factory=set[object])
    _doubtful: list[Candidate] = field(default_factory=list[Candidate])

    def run(self, graph: Graph) -> Graph:
        """Search from a graph.

        Returns:
            The best graph found; `kept` and `attempts` say how.
        """
        early = [rule for rule in self.rules if rule.role is not Role.FINISHING]
        for rules in (early, self.rules):
            graph = self._settle(graph, rules)
        return self._together(graph)

    def _settle(self, graph: Graph, openers: Sequence[Rule]) -> Graph:
        """Rounds until no candidate that some rules open improves."""
        moved = True
        while moved and not self._late():
            if not self.local:
                self._refused.clear()
            candidates = self._candidates(graph, openers)
            moved, done = False, set[int]()
            for candidate in candidates:
                if id(candidate) in done:
                    continue
                rivals = [c for c in candidates if id(c) not in done and c.nodes & candidate.nodes]
                done.update(id(rival) for rival in rivals)
                if self._late():
                    self._skip(rivals)
                    continue
                best = self._best(graph, rivals)
                if best is not None:
                    graph, moved = best, True
        return graph

    def _together(self, graph: Graph) -> Graph:
        """Sites that each seemed to gain, by less than the noise: all that are alike at once, where it can be seen."""
        if not isinstance(self.objective, ByTime):
            return graph
        by_name = {rule.name: rule for rule in self.rules}
        for rules in dict.fromkeys(candidate.rules for candidate in self._doubtful):
            steps: list[Proposal] = []
            result = graph
            for candidate in self._doubtful:
                with contextlib.suppress(RefusedError):  # another of them, or what was kept later, is in the way
                    if candidate.rules == rules:
                        result = replay(result, candidate.steps, by_name)
                        steps += candidate.steps
            sites = {step.site for step in steps if step.rule == rules[0]}
            if len(sites) < 2 or self._late():
                continue
            self.progress(f"{' + '.join(rules)} at {len(sites)} sites")
            judgement = self.objective.together(graph, result)
            words = tuple(step.words for step in steps)
            outcome = KEPT if judgement.better else REFUSED
            attempt = Attempt(f"{len(sites)} sites", rules, words, outcome, judgement.ratio, judgement.reason)
            self.attempts.append(attempt)
            if judgement.better:
                self.kept.append(Kept(tuple(steps), result, judgement.gain, attempt))
                graph = result
        return graph

    def _late(self) -> bool:
        return time.perf_counter() > self.until

    def _candidates(self, graph: Graph, openers: Sequence[Rule]) -> list[Candidate]:
        by_name = {rule.name: rule for rule in self.rules}
        proposals, _ = find(graph, openers)
        found: list[Candidate] = []
        focus = self.focus(graph)
        for proposal in proposals:
            if focus is not None and not any(name in focus for name in proposal.nodes):
                continue
            if found and self._late():
                break
            nodes = tuple(graph.nodes[name] for name in proposal.nodes if name in graph.nodes)
            key = (proposal.rule, proposal.site, tuple(map(id, nodes)))
            if key in self._refused:
                continue
            if key not in self._expanded:
                self._expanded[key] = (nodes, self._expand(graph, proposal, by_name))
            found += self._expanded[key][1]
        return sorted(found, key=lambda c: 0.0 if c.predicted is None else c.predicted)

    def _expand(self, graph: Graph, proposal: Proposal, rules: Mapping[str, Rule]) -> list[Candidate]:
        found = expand(graph, proposal, rules, self.slack, self.missing)
        key = proposal.rule, proposal.site
        if not found and key not in self.refusals:
            with contextlib.suppress(RefusedError):  # it does not hold any more
                refusal = formless(graph, proposal, rules, self.missing)
                if refusal.reason:
                    self.refusals[key] = refusal
        return found

    def _best(self, graph: Graph, rivals: list[Candidate]) -> Graph | None:
        """Objective candidates for the same nodes; apply the best, or None."""
        judged: list[Judged] = []
        for rival, result in self._replayed(graph, rivals):
            if judged and self._late():
                self._skip([rival])
                continue
            timed = isinstance(self.objective, ByTime)
            if timed and any(entry[0].better for entry in judged) and _costs(graph, rival):
                hopeless = Judgement(False, 0.0, None, "expected to cost, and another is faster", measured=False)
                self.attempts.append(_attempt(rival, SKIPPED, hopeless))
                continue
            self.progress(f"{' + '.join(rival.rules)} at {rival.site}")
            judged.append((self.objective(graph, result), rival, result))
        winner = self._winner([entry for entry in judged if entry[0].better])
        for entry in judged:
            judgement, rival, result = entry
            if entry is winner:
                attempt = _attempt(rival, KEPT, judgement)
                self.attempts.append(attempt)
                self.kept.append(Kept(rival.steps, result, judgement.gain, attempt))
            else:
                outcome = REFUSED if judgement.measured else SKIPPED
                if winner is not None and judgement.better:  # it may still apply beside the winner; the next round asks
                    judgement = replace(judgement, reason=f"{' + '.join(winner[1].rules)} is preferred")
                else:
                    self._refuse(graph, rival)
                if winner is None and judgement.ratio is not None and judgement.ratio.estimate < 1:
                    self._doubtful.append(rival)
                self.attempts.append(_attempt(rival, outcome, judgement))
        return None if winner is None else winner[2]

    def _winner(self, better: list[Judged]) -> Judged | None:
        """The best of those that improve.

        Of what is measured, the simplest stands until another, among those that promise most, beats it directly: a
        difference of a few percent between two measurements tells little.
        """
        ranked = sorted(better, key=lambda entry: -entry[0].gain)
        if not isinstance(self.objective, ByTime) or len(ranked) < 2 or self._late():
            return ranked[0] if ranked else None
        champion = simplest = min(ranked, key=lambda entry: len(entry[2].nodes))
        for rival in ranked[:RIVALS]:
            if rival is not simplest and self.objective.prefers(champion[2], rival[2]):
                champion = rival
        return champion

    def _replayed(self, graph: Graph, rivals: list[Candidate]) -> Iterator[tuple[Candidate, Graph]]:
        """Candidates and what comes of them; those that no longer hold as they are expanded anew."""
        by_name = {rule.name: rule for rule in self.rules}
        stale: dict[Proposal, None] = {}
        for rival in rivals:
            try:
                yield rival, replay(graph, rival.steps, by_name)
            except RefusedError:  # what was kept before has changed what is around it
                stale[rival.steps[0]] = None
        for proposal in stale:
            yield from ((fresh, fresh.graph) for fresh in self._expand(graph, proposal, by_name))

    def _refuse(self, graph: Graph, candidate: Candidate) -> None:
        first = candidate.steps[0]
        nodes = tuple(graph.nodes[name] for name in first.nodes if name in graph.nodes)
        self._refused.add((first.rule, first.site, tuple(map(id, nodes))))

    def _skip(self, rivals: list[Candidate]) -> None:
        late = Judgement(False, 0.0, None, "the time was up", measured=False)
        self.attempts.extend(_attempt(rival, SKIPPED, late) for rival in rivals)


def _costs(graph: Graph, rival: Candidate) -> bool:
    """Whether a candidate is expected to make the part that it changes slower, by more than the model may be wrong."""
    changed = [name for name, node in graph.nodes.items() if rival.graph.nodes.get(name) is not node]
    before = predict.seconds(graph, changed)
    return before is not None and rival.predicted is not None and rival.predicted > COSTS * before


def _attempt(candidate: Candidate, outcome: str, judgement: Judgement) -> Attempt:
    words = tuple(step.words for step in candidate.steps)
    return Attempt(candidate.site, candidate.rules, words, outcome, judgement.ratio, judgement.reason)
