"""Candidates: one rewrite at one site, with those that it makes possible and that cost nothing more.

A split gains little by itself; what counts is the exchange and the composition behind it. So every proposal of a rule
is followed up: as long as some rule applies to what was just changed and is not expected to cost time, it is applied
too. What comes of it is one candidate, to be kept or refused as a whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from addcat.errors import RefusedError
from addcat.graph import Blocked, Edge, Graph, Node, Refusal
from addcat.rules.base import Proposal, Role, Rule
from addcat.verbs.optimize import predict
from addcat.verbs.optimize.result import Attempt

Slack = Callable[[Rule], float | None]
"""How much longer than what it replaces a rule may be expected to take as a follow-up, as a share."""


def time_slack(rule: Rule) -> float | None:
    """The slack where time or parameters count."""
    return rule.slack


def memory_slack(rule: Rule) -> float | None:
    """The slack where memory is what counts."""
    return rule.memory_slack


MOST_STEPS = 60


Missing = Callable[[Node], str]
"""Why a framework has no form for a node; "" where it has one."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A candidate that was kept, and the graph with it.

    Attributes:
        steps: Its rewrites.
        graph: The graph after it.
        gain: What the objective said that it gains.
        attempt: The record of it, which several may share.
        tidies: Whether it leaves less to do wherever it applies, so that it was kept unmeasured.
    """

    steps: tuple[Proposal, ...]
    graph: Graph
    gain: float
    attempt: Attempt | None = None
    tidies: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Rewrites that are kept or refused together.

    Attributes:
        steps: In the order in which they are applied; the first is the one that opened the way.
        graph: The graph with all of them applied.
        predicted: Expected change in seconds, below zero where it saves; None where a size is unknown.
        nodes: What the first step would change or remove.
    """

    steps: tuple[Proposal, ...]
    graph: Graph
    predicted: float | None
    nodes: frozenset[str]

    @property
    def site(self) -> str:
        """Where it begins."""
        return self.steps[0].site

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules, each once, in order."""
        return tuple(dict.fromkeys(step.rule for step in self.steps))


def find(graph: Graph, rules: Sequence[Rule]) -> tuple[list[Proposal], list[Refusal]]:
    """Every proposal and every refusal of some rules."""
    proposals: list[Proposal] = []
    refusals: list[Refusal] = []
    for rule in rules:
        for found in rule.find(graph):
            if isinstance(found, Proposal):
                proposals.append(found)
            else:
                refusals.append(found)
    return proposals, refusals


def lacking(old: Graph, new: Graph, missing: Missing) -> str:
    """Why a framework has no form for something that a rewritten graph holds; "" where it has one for all."""
    made = (node for name, node in new.nodes.items() if old.nodes.get(name) is not node)
    return next((reason for node in made if (reason := missing(node))), "")


def formless(graph: Graph, proposal: Proposal, rules: Mapping[str, Rule], missing: Missing) -> Refusal:
    """The refusal of a proposal of which, whatever follows it, something is left that a framework has no form for."""
    reason = lacking(graph, rules[proposal.rule].apply(graph, proposal), missing)
    return Refusal(rules[proposal.rule].code, proposal.site, reason)


def everything(_: Node) -> str:
    """That every node has a form, as in ONNX."""
    return ""


def expand(
    graph: Graph,
    proposal: Proposal,
    rules: Mapping[str, Rule],
    slack: Slack = time_slack,
    missing: Missing = everything,
) -> list[Candidate]:
    """A proposal with what follows it: without and with the rules that open the way further.

    Args:
        graph: The graph that it was found in.
        proposal: Where to begin.
        rules: All rules that may be used, by name.
        slack: How much longer a follow-up may take.
        missing: What the framework has no form for.

    Returns:
        One candidate, or different ones; none where the proposal does not hold, or where none could be written.
    """
    try:
        first = rules[proposal.rule].apply(graph, proposal)
    except RefusedError:
        return []
    found: list[Candidate] = []
    for variant in _variants(list(rules.values())):
        steps, result = follow_up(graph, first, variant, slack)
        if all((proposal, *steps) != other.steps for other in found) and not lacking(graph, result, missing):
            nodes = frozenset(proposal.nodes)
            found.append(Candidate((proposal, *steps), result, predict.change(graph, result), nodes))
    return found


def _variants(rules: Sequence[Rule]) -> list[tuple[Rule, ...]]:
    """Sets of rules that follow up a candidate, each of which gives another one."""
    always = tuple(rule for rule in rules if rule.role.follows)
    more = [tuple(rule for rule in rules if rule.role is role) for role in (Role.OPENING, Role.FINISHING)]
    alternatives = [(rule,) for rule in rules if rule.role is Role.ALTERNATIVE]
    return list(dict.fromkeys((*always, *some) for some in ((), *more, *alternatives)))


def follow_up(old: Graph, new: Graph, rules: Sequence[Rule], slack: Slack = time_slack) -> tuple[list[Proposal], Graph]:
    """Apply rules to what differs between two graphs, as long as one applies and is not expected to cost time."""
    steps: list[Proposal] = []
    while len(steps) < MOST_STEPS:
        step = next(_steps(old, new, rules, slack), None)
        if step is None:
            break
        steps.append(step[0])
        new = step[1]
    return steps, new


def _steps(old: Graph, new: Graph, rules: Sequence[Rule], slack: Slack) -> Iterator[tuple[Proposal, Graph]]:
    for node in _touched(old, new):
        for rule in rules:
            try:
                plan = rule.plan(new, node)
            except Blocked:
                continue
            if plan is None:
                continue
            try:
                result = plan.change()
            except RefusedError:  # a weight would be too large for its type
                continue
            cost = predict.change(new, result)
            share = slack(rule)
            most = (share or 0.0) * (_seconds(new, plan.nodes) or 0.0)
            if rule.role is Role.TIDY or (share is not None if cost is None else cost <= most):
                yield Proposal(rule.name, node.name, plan.nodes, plan.words), result


def _seconds(graph: Graph, names: Sequence[str]) -> float | None:
    return predict.seconds(graph, [name for name in names if name in graph.nodes])


def _touched(old: Graph, new: Graph) -> list[Node]:
    """Nodes that one of the graphs has and the other has not, and those that read them."""
    changed = {name for name, node in new.nodes.items() if old.nodes.get(name) is not node}
    readers = {
        reader
        for name in changed
        for i in range(len(new.nodes[name].outputs))
        for reader, _ in new.readers(Edge(name, i))
    }
    return [node for name, node in new.nodes.items() if name in changed or name in readers]


def replay(graph: Graph, steps: Sequence[Proposal], rules: Mapping[str, Rule]) -> Graph:
    """Apply the steps of a candidate to another graph, one after the other.

    Raises:
        RefusedError: if one does not hold there.
    """
    for step in steps:
        graph = rules[step.rule].apply(graph, step)
    return graph


def again(graph: Graph, kept: Sequence[Kept], rules: Mapping[str, Rule]) -> list[Kept]:
    """Apply candidates to another graph, leaving out those that do not hold there."""
    found: list[Kept] = []
    for one in kept:
        try:
            graph = replay(graph, one.steps, rules)
        except RefusedError:
            continue
        found.append(replace(one, graph=graph))
    return found


def tidy(graph: Graph, rules: Sequence[Rule], missing: Missing = everything) -> list[Kept]:
    """Apply the rules that leave less to do, wherever they apply, until none does.

    What a rule makes that the framework has no form for must go by what follows, or the rule is not applied there.

    Returns:
        What was done, one after the other.
    """
    listed = [rule for rule in rules if rule.role is Role.TIDY]
    kept: list[Kept] = []
    moved = True
    while moved:
        moved = False
        for rule in listed:
            for found in rule.find(graph):
                if isinstance(found, Proposal):
                    try:
                        result = rule.apply(graph, found)
                    except RefusedError:  # an earlier step of this round changed what is around it
                        continue
                    more: list[Proposal] = []
                    if lacking(graph, result, missing):
                        more, result = follow_up(graph, result, listed)
                    if lacking(graph, result, missing):
                        continue
                    graph = result
                    kept.append(Kept((found, *more), graph, 0.0, tidies=True))
                    moved = True
    return kept
