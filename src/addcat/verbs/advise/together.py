"""Merges interact, so switches that are each advised alone are tried once together."""

from collections.abc import Sequence
from dataclasses import replace

from addcat.errors import DataError
from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.evidence.retrain import compare_anew
from addcat.graph import Refusal
from addcat.report import rows
from addcat.switches.apply import Setting
from addcat.switches.fresh import fresh_site
from addcat.switches.ladder import Rung
from addcat.verbs.advise.result import Verdict


def together(problems: Sequence[Problem], verdicts: Sequence[Verdict], margin: float) -> Evidence | None:
    """Train the network as it is against the network with every advised switch made.

    Args:
        problems: One for each merge.
        verdicts: One for each problem, in the same order.
        margin: Share of the loss below which a gain does not count.

    Returns:
        Evidence whose estimate is what all switches gain together; None for fewer than two switches, or where the time
        is used up.
    """
    changes = [
        (problem, verdict)
        for problem, verdict in zip(problems, verdicts, strict=True)
        if verdict.choice not in ("undecided", verdict.now)
    ]
    if len(changes) < 2:
        return None
    last = problems[-1]
    graph = last.root
    for problem, verdict in changes:
        setting = Setting(problem.door, (), "project", problem.seed)
        outcome = fresh_site(graph, problem.merge.site, Rung(verdict.choice), setting)
        if isinstance(outcome, Refusal):
            return None
        graph = outcome.graph
    try:
        # the arms are named for the merge in `compare_anew`; here "add" stands for as it is, "concat" for all switched
        found = compare_anew(replace(last, deadline=last.deadline + 1.0), {"add": last.root, "concat": graph}, margin)
    except DataError:
        return None
    low, high = found.low or 0.0, found.high or 0.0
    words = (
        f"All {len(changes)} switches together, trained anew over {found.n} pairs, lower the loss by "
        f"{rows.signed(found.estimate)} {rows.interval_text(low, high)}."
    )
    return replace(found, method="together", words=words)
