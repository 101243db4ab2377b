"""Candidates: one rewrite at one site, with those that it makes possible and that cost nothing more.

A split gains little by itself; what counts is the exchange and the composition behind it. So every proposal of a rule
is followed up: as long as some rule applies to what was just changed and is not expected to cost time, it is applied
too. What comes of it is one candidate, to be kept or refused as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from addcat.errors import RefusedError
from addcat.graph import Blocked, Edge, Graph, Node, Refusal
from addcat.rules.base import Proposal, Rule
from addcat.verbs.optimize import predict

TIDY = ("passing", "cancel", "flatten", "twice", "affine-after", "affine-before", "affine-chain", "fold", "pad-into")
"""Rules that leave less to do wherever they apply."""
FOLLOWING = (*TIDY, "before-resize", "exchange-resize", "exchange-pool", "compose", "gather", "linear-last")
"""Rules that may follow up another where they are expected to pay."""
SAVING = ("exchange-pool", "exchange-resize", "before-resize", "compose", "gather")
"""Rules that leave less arithmetic to do."""
OPENING = ("over-concat", "split-resized", "split")
"""Rules that gain little alone and open the way; a variant of each candidate follows these up as well."""
FINISHING = ("resize-product", "sum-product")
"""Rules that write an operation in another way, which no other rule sees through: they come last."""
PHASES = ("phases-each", "phases-one")
"""Two other ways to write a transposed convolution; which of the three is quickest depends on the runtime."""
VARIANTS = (
    FOLLOWING,
    (*FOLLOWING, *OPENING),
    (*FOLLOWING, *FINISHING),
    *((*FOLLOWING, phase) for phase in PHASES),
    (*FOLLOWING, "recompute"),
)
Slack = Mapping[str, float]
SLACK: Slack = {**dict.fromkeys(OPENING, 0.1), **dict.fromkeys(PHASES, 1.0)}
"""How much longer than what it replaces a follow-up may be expected to take, as a share."""
MEMORY_SLACK: Slack = {**dict.fromkeys((*OPENING, "recompute"), 2.0), **dict.fromkeys(PHASES, 1.0)}
"""The same where memory is what counts."""
MOST_STEPS = 60


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


def expand(graph: Graph, proposal: Proposal, rules: Mapping[str, Rule], slack: Slack = SLACK) -> list[Candidate]:
    """A proposal with what follows it: without and with the rules that open the way further.

    Args:
        graph: The graph that it was found in.
        proposal: Where to begin.
        rules: All rules that may be used, by name.
        slack: How much longer a follow-up may take.

    Returns:
        One candidate, or different ones; none where the proposal does not hold.
    """
    try:
        first = rules[proposal.rule].apply(graph, proposal)
    except RefusedError:
        return []
    found: list[Candidate] = []
    variants = dict.fromkeys(tuple(name for name in names if name in rules) for names in VARIANTS)
    for names in variants:
        steps, result = follow_up(graph, first, [rules[name] for name in names], slack)
        if all((proposal, *steps) != other.steps for other in found):
            nodes = frozenset(proposal.nodes)
            found.append(Candidate((proposal, *steps), result, predict.change(graph, result), nodes))
    return found


def follow_up(old: Graph, new: Graph, rules: Sequence[Rule], slack: Slack = SLACK) -> tuple[list[Proposal], Graph]:
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
            result = plan.change()
            cost = predict.change(new, result)
            most = slack.get(rule.name, 0.0) * (_seconds(new, plan.nodes) or 0.0)
            if rule.name in TIDY or (cost is None and rule.name in slack) or (cost is not None and cost <= most):
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


def tidy(graph: Graph, rules: Sequence[Rule]) -> tuple[tuple[Proposal, ...], Graph]:
    """Apply the rules that leave less to do, wherever they apply, until none does.

    Returns:
        What was done, and the new graph.
    """
    listed = [rule for rule in rules if rule.name in TIDY]
    steps: list[Proposal] = []
    moved = True
    while moved:
        moved = False
        for rule in listed:
            for found in rule.find(graph):
                if isinstance(found, Proposal):
                    try:
                        graph = rule.apply(graph, found)
                    except RefusedError:  # an earlier step of this round changed what is around it
                        continue
                    steps.append(found)
                    moved = True
    return tuple(steps), graph
