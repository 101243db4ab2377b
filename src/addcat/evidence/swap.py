"""Branches that share weights: exchange them, and see whether the loss minds.

If it stays, the target does not care for order, and Add, which cannot see order, is a right prior. If it rises, Add
cannot express what the Concatenate network has learnt.
"""

import time

import numpy as np

from addcat.errors import DataError, ModelError
from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.evidence.structure import shares_weights
from addcat.graph.nested import with_subgraph
from addcat.report import rows
from addcat.statistics import t_interval


def swap(problem: Problem, *, most: int | None = None) -> Evidence:
    """Exchange the branches of a Concatenate and measure the rise of the held-out loss.

    Args:
        problem: A Concatenate whose branches share their weights.
        most: Held-out examples to take at most; all where left out.

    Returns:
        Evidence whose estimate is the rise of the loss, with its paired 95 % interval. Of three branches or more, each
        takes the place of the one before it.

    Raises:
        DataError: if the merge is no Concatenate, or its branches do not share their weights, or the door
            cannot exchange them.
    """
    start = time.perf_counter()
    site = problem.merge.site
    if problem.now == "add":
        raise DataError(f"{site!r} is an Add, which no exchange of branches can change; 'swap' asks Concatenates.")
    if not shares_weights(problem.graph, problem.merge):
        raise DataError(f"{site!r} has branches with layers of their own; 'swap' asks branches that share weights.")
    node = problem.graph.nodes[problem.merge.node]
    turned = node.edit(inputs=(*node.inputs[1:], node.inputs[0]))
    changed = with_subgraph(problem.root, problem.merge.site, problem.graph.edit(put=[turned]))
    door, held = problem.door, problem.held if most is None else problem.held.first(most)
    before = problem.losses_on(held)
    try:
        exchanged = door.write(changed)
    except ModelError as error:
        raise DataError(f"The branches of {site!r} cannot be exchanged: {error}") from error
    after = door.losses_of(exchanged, problem.losses, held)
    rise = t_interval(after - before)
    words = (
        f"Exchanging the branches changes the loss by {rows.signed(rise.estimate)} "
        f"{rows.interval_text(rise.low, rise.high)}, from {rows.decimal(float(np.mean(before)))}."
    )
    facts = {"loss": float(np.mean(before))}
    return Evidence.of(rise, start=start, method="swap", question="fact", words=words, facts=facts)
