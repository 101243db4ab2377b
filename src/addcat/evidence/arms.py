"""The two arms of a comparison: the network with Add at the merge, and with Concatenate."""

from addcat.evidence.problem import Problem
from addcat.graph import Graph, Refusal
from addcat.switches.apply import Setting
from addcat.switches.fresh import fresh_site
from addcat.switches.ladder import Rung


def untrained_arms(problem: Problem) -> dict[str, Graph] | Refusal:
    """Both architectures, weights aside: branches as wide as they are, consumers as wide as they must be.

    Args:
        problem: The merge.

    Returns:
        Graphs by "add" and "concat"; the network's own architecture is one of them.
    """
    other = "concat" if problem.now == "add" else "add"
    setting = Setting(problem.door, (), "project", problem.seed)
    outcome = fresh_site(problem.root, problem.merge.site, Rung(other), setting)
    if isinstance(outcome, Refusal):
        return outcome
    return {problem.now: problem.root, other: outcome.graph}
