"""Branches that share weights, added: does their order tell anything of what the network gets wrong?

Such an Add gives the same for (x, y) and (y, x), whatever its weights. So whatever the target has of the order is left
in what the network gets wrong, e = target - output (of classes: minus their probabilities), and a linear function of
the branches' differences is often enough to find it there. With d_i = x_i - s / k, s the sum of k branches, and r what
is left of all d after a regression on s and a constant,

    e ~ D r,    D = E[e r'] (E[r r'] + ridge)^-1,

D is found on one half of the held-out examples and judged on the other; then the halves change places. Where the order
tells nothing, E[e' D r] = 0 on examples that D has not seen, as in `untying`. What is reported is the share of e that D
explains there, 1 - E|e - D r|^2 / E|e|^2. From a Concatenate, `swap` asks the same.

Sizes of differences, |d_i|, are asked beside: "are the two alike?" does not mind the order, and Add cannot answer it.
They may also tell of what an Add has not learnt yet, so they keep silence from counting, and speak for nothing.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Examples
from addcat.data.scores import residual
from addcat.doors.base import Run
from addcat.errors import DataError
from addcat.evidence.problem import Problem, batches
from addcat.evidence.result import Evidence
from addcat.evidence.score import FEWEST, halves_of
from addcat.evidence.structure import shares_weights
from addcat.evidence.tensors import inputs_of, require_finite
from addcat.evidence.untying import joined_interval, slope_test
from addcat.graph import Array, Edge
from addcat.merges import Merge
from addcat.report import rows

Float64 = NDArray[np.float64]
RIDGE = 1e-2
"""Share of the mean variance of r that is added to each of its directions."""
PASSES = 2
"""Over each example: one to the branches, one to the output."""


class Parts(NamedTuple):
    """What a linear function of branches has of some examples.

    Attributes:
        sums: A one and the mean of the branches, of shape (examples, 1 + c).
        apart: What each branch but the last has beyond the mean, of shape (examples, (k - 1) c).
    """

    sums: Float64
    apart: Float64

    @property
    def sizes(self) -> "Parts":
        """The same, with the sizes of the differences for the differences."""
        return Parts(self.sums, np.abs(self.apart))


def order(problem: Problem, *, most: int | None = None) -> Evidence:
    """Ask whether the order of branches that share their weights tells what an Add of them gets wrong.

    Args:
        problem: An Add whose branches share their weights.
        most: Held-out examples to take at most; all where left out.

    Returns:
        Evidence whose estimate is the share of the residual that the order explains on examples that did not find it,
        with its 95 % interval; fact "p" is the one-sided p value of "it tells nothing", "p_sizes" that of
        "the sizes of the differences tell nothing".

    Raises:
        DataError: if the merge is no Add of branches that share their weights, there are too few held-out examples, or
            an activation is not finite.
    """
    start = time.perf_counter()
    site, held = problem.merge.site, problem.held if most is None else problem.held.first(most)
    if problem.now == "concat":
        raise DataError(f"{site!r} is a Concatenate, which sees the order of its branches; 'order' asks Adds.")
    problem.require_singles("order")
    if not shares_weights(problem.graph, problem.merge):
        raise DataError(f"{site!r} has branches with layers of their own; 'order' asks branches that share weights.")
    halves = halves_of(held)
    if 2 * min(half.count for half in halves) < FEWEST:
        raise DataError(
            f"'order' needs two halves of {FEWEST // 2} held-out examples or more without a repeat in both, "
            f"got halves of {halves[0].count} and {halves[1].count}."
        )
    edges = [inputs_of(problem.root, one.site)[: one.arity] for one in problem.merges]
    run = problem.door.probe(problem.root, [edge for group in edges for edge in group])
    wrong = _residuals(problem, problem.door.write(problem.root), halves)
    parts = [_parts(problem, run, edges, half) for half in halves]
    told, along = _judged(parts, wrong)
    _, sized = _judged([one.sizes for one in parts], wrong)
    whole = float(np.mean([np.square(left).sum(axis=1).mean() for left in wrong])) or 1.0
    less = [(2 * one - np.square(step).sum(axis=1)) / whole for one, step in zip(along, told, strict=True)]
    share, p = joined_interval(*less), slope_test(-along[0], -along[1])
    words = (
        f"The order of the branches tells {rows.percent(share.estimate)} of what the network gets wrong; the test that "
        f"it tells nothing has p = {rows.decimal(p, digits=2)}."
    )
    return Evidence.of(
        share,
        start=start,
        unit="share of the residual",
        method="order",
        question="fact",
        words=words,
        facts={"p": p, "p_sizes": slope_test(-sized[0], -sized[1])},
    )


def _judged(parts: Sequence[Parts], wrong: Sequence[Float64]) -> tuple[list[Float64], list[Float64]]:
    """For each half what the other's step tells of it, and how that lies along its residuals."""
    told = [_told(parts[found], wrong[found], parts[judged]) for found, judged in ((1, 0), (0, 1))]
    return told, [(left * step).sum(axis=1) for left, step in zip(wrong, told, strict=True)]


def _told(found: Parts, wrong: Float64, judged: Parts) -> Float64:
    """What the order tells of one half's residuals, as the other half has it.

    Args:
        found: Of the half that finds it.
        wrong: Residuals of the same, of shape (examples, o).
        judged: Of the half that is judged.

    Returns:
        Of shape (examples, o).
    """
    slope = np.linalg.lstsq(found.sums, found.apart, rcond=None)[0]
    rest, unseen = found.apart - found.sums @ slope, judged.apart - judged.sums @ slope
    second = rest.T @ rest / len(rest)
    ridge = RIDGE * float(np.trace(second)) / len(second) + 1e-12
    step = np.linalg.solve(second + ridge * np.eye(len(second)), rest.T @ wrong / len(rest))
    return np.asarray(unseen @ step, np.float64)


def _parts(problem: Problem, run: Run, edges: Sequence[Sequence[Edge]], examples: Examples) -> Parts:
    """Of every merge, positions averaged: Add is blind to the order at each of them."""
    sums, apart = list[Float64](), list[Float64]()
    for batch in batches(examples):
        tensors = iter(run(batch))
        for group, merge in zip(edges, problem.merges, strict=True):
            branches = np.stack([_flat(edge, next(tensors), merge) for edge in group])
            mean = branches.mean(axis=0)
            sums.append(mean)
            apart.append(np.concatenate(list(branches[:-1] - mean), axis=1))
    many = len(problem.merges)
    whole, rest = (
        np.concatenate([np.concatenate(one[at::many]) for at in range(many)], axis=1) for one in (sums, apart)
    )
    return Parts(np.column_stack([np.ones(len(whole)), whole]), rest)


def _flat(edge: Edge, tensor: Array, merge: Merge) -> Float64:
    """Channels of each example."""
    require_finite(edge, tensor)
    moved = np.moveaxis(np.asarray(tensor, np.float64), merge.channel_axis, -1)
    return moved.reshape(len(moved), -1, moved.shape[-1]).mean(axis=1)


def _residuals(problem: Problem, model: Any, halves: Sequence[Examples]) -> list[Float64]:
    """What the outputs miss, each in units of its root mean square over both halves."""
    forms, found = problem.door.forms(problem.losses), list[list[Float64]]()
    for half in halves:
        outputs = problem.door.predictions(model, half)
        found.append([residual(*one) for one in zip(half.targets, outputs, forms, strict=True)])
    sizes = [float(np.square(np.concatenate(one)).mean()) ** 0.5 or 1.0 for one in zip(*found, strict=True)]
    return [np.concatenate([one / size for one, size in zip(half, sizes, strict=True)], axis=1) for half in found]
