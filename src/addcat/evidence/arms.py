"""The two arms of a comparison: the network with Add at the merges in question, and with Concatenate."""

import math
import time
from collections.abc import Callable

from addcat.evidence.problem import Problem, batches
from addcat.graph import Graph, Refusal
from addcat.graph.nested import subgraph
from addcat.merges import Merge
from addcat.switches.apply import Changed, Setting, switch_site
from addcat.switches.fitted import OutOfTime
from addcat.switches.fresh import fresh_site
from addcat.switches.ladder import Rung
from addcat.trials.budgets import matched, total

Switch = Callable[[Graph, str, Rung, Setting], Changed | Refusal]


def untrained_arms(problem: Problem) -> dict[str, Graph] | Refusal:
    """Both architectures, weights aside: branches as wide as they are, consumers as wide as they must be.

    Args:
        problem: The merges, which switch together.

    Returns:
        Graphs by "add" and "concat"; the network's own architecture is one of them, unless the arms are matched by
        something else than widths, for which the readers of a Concatenate are made narrower.
    """
    other = "concat" if problem.now == "add" else "add"
    found = _switched(problem, problem.root, other, fresh_site, Setting(problem.door, (), "project", problem.seed))
    if isinstance(found, Refusal):
        return found
    arms = {problem.now: problem.root, other: found[0]}
    if problem.match != "widths":
        sites = tuple(merge.site for merge in problem.merges)
        target = total(arms["add"], problem.match) or 0
        arms["concat"] = matched(arms["concat"], sites, target, problem.match).graph
    return arms


def opened_anew(problem: Problem, graph: Graph) -> Graph | Refusal:
    """An Add network with its merges opened as `untrained_arms` opens them: each consumer's kernel, repeated."""
    setting = Setting(problem.door, (), "project", problem.seed)
    found = _switched(problem, graph, "concat", fresh_site, setting)
    return found if isinstance(found, Refusal) else found[0]


def switched_arms(
    problem: Problem, examples: int, *, until: float = math.inf
) -> tuple[dict[str, Graph], str, int] | Refusal | None:
    """The network as it is, and with its merges switched: exactly where that can be, else fitted to some examples.

    Args:
        problem: The merges, which switch together.
        examples: How many to fit on, where kernels are fitted.
        until: When to stop, in seconds of `time.monotonic`: a merge that would take longer, going by those before it
            and by its own readers, stays as it is. The first is begun in any case.

    Returns:
        Graphs by "add" and "concat", the rule by which the last merge was switched, and how many were; None where the
        time did not do for the first.
    """
    other, given = "concat" if problem.now == "add" else "add", tuple(batches(problem.data.first(examples)))
    setting = Setting(problem.door, given, "project", problem.seed, until)
    found = _switched(problem, problem.root, other, switch_site, setting)
    if isinstance(found, Refusal):
        return found
    return ({problem.now: problem.root, other: found[0]}, *found[1:]) if found[2] else None


def _switched(
    problem: Problem, graph: Graph, rung: str, switch: Switch, setting: Setting
) -> tuple[Graph, str, int] | Refusal:
    rule, done, pace = "", 0, 0.0
    for merge in problem.merges:
        begun, depth = time.monotonic(), _depth(problem.root, merge)
        if done and begun + pace * depth > setting.until:
            break
        try:
            outcome = switch(graph, merge.site, Rung(rung), setting)
        except OutOfTime:
            break
        if isinstance(outcome, Refusal):
            return outcome
        graph, rule, done = outcome.graph, outcome.rule, done + 1
        pace = max(pace, (time.monotonic() - begun) / depth)
    return graph, rule, done


def _depth(root: Graph, merge: Merge) -> int:
    """How many operations the last reader of a merge depends on: what is compiled, and run, to fit its kernel."""
    graph, _ = subgraph(root, merge.site)
    readers = [consumer.node for consumer in merge.consumers if consumer.node in graph.nodes]
    return 1 + max((len(graph.ancestors(name)) for name in readers), default=len(graph.nodes))
