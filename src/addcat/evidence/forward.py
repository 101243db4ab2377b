"""What the activations say, without labels: how much Add forgets, and whether channels mean the same in each branch.

lost: the share of the branches' variance that no linear map can rebuild from their sum.
distortion: how far the best tied kernel is from what each consumer of a Concatenate computes.
alignment: mean absolute correlation of channel i of one branch with channel i of the other, as is, after the best
permutation, and after the best rotation; linear CKA (Kornblith et al. 2019), which does not see which channel is which.
"""

import time
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from addcat.algebra import widen
from addcat.covariance.alignment import alignment, linear_cka, scale_ratio
from addcat.covariance.forgetting import lost, tied_kernel
from addcat.covariance.moments import Moments, branch_slices
from addcat.errors import DataError
from addcat.evidence.problem import Problem, batches
from addcat.evidence.result import Evidence
from addcat.evidence.tensors import inputs_of, require_finite
from addcat.graph import Array
from addcat.merges.switchability import kernel_slice, widths
from addcat.report import rows
from addcat.statistics import Interval

MOST_ROWS = 200_000
"""Positions after which covariances of this many channels change no figure that is printed."""
MOST_CHANNELS = 2048
"""Wider merges would need a covariance of more than 32 MiB and minutes for its eigenvectors."""


def forward(problem: Problem) -> Evidence:
    """Measure what Add forgets, from inputs alone.

    Args:
        problem: The merge; `problem.data` are run through the network once, as a stream.

    Returns:
        Evidence whose estimate is `lost`, in [0, 1]; its interval spreads over halves of the data.

    Raises:
        DataError: if an activation is not finite, or the merge is too wide.
    """
    start = time.perf_counter()
    merge, sizes = problem.merge, widths(problem.merge)
    if sum(sizes) > MOST_CHANNELS:
        raise DataError(f"{merge.site!r} merges {sum(sizes)} channels; 'forward' takes at most {MOST_CHANNELS}.")
    halves = _moments(problem, sizes)
    total = halves[0] + halves[1]
    if total.count < 2:
        raise DataError(f"{merge.site!r}: 2 examples or more are needed to see variance, got {total.count}.")
    summed = _sum_of(sizes)
    share = lost(total.cov, summed)
    seen = [lost(half.cov, summed) for half in halves if half.count > 1]
    spread = max(seen) - min(seen) if len(seen) > 1 else 1.0
    facts = _facts(problem, total, sizes)
    words = f"Add forgets {rows.percent(share)} of the branches' variance"
    if facts.get("alignment_as_is") is not None:
        words += f"; channels correlate by {rows.decimal(facts['alignment_as_is'], digits=2)} as they are"
        words += f", {rows.decimal(facts['alignment_permuted'], digits=2)} after the best reordering"
    constant = int((np.diag(total.cov) <= 0).sum())
    if constant:
        facts["constant_channels"] = constant
        words += f"; {constant} of {sum(sizes)} channels are constant"
    figure = Interval(share, max(share - spread, 0.0), min(share + spread, 1.0), 0.95, total.count)
    unit, words = "share of variance", f"{words}."
    return Evidence.of(figure, start=start, unit=unit, method="forward", question="fact", words=words, facts=facts)


def _moments(problem: Problem, sizes: list[int]) -> tuple[Moments, Moments]:
    """Joint moments of the branches, over every second example each."""
    merge = problem.merge
    edges = inputs_of(problem.root, merge.site)
    run = problem.door.probe(problem.root, edges)
    halves = (Moments.empty(sum(sizes)), Moments.empty(sum(sizes)))
    for batch in batches(problem.data):
        tensors = run(batch)
        for edge, tensor in zip(edges, tensors, strict=True):
            require_finite(edge, tensor)
        for call in range(0, len(tensors), merge.arity):
            parts = [_channels_last(t, merge.channel_axis) for t in tensors[call : call + merge.arity]]
            even, odd = (Moments.from_batch(*(part[half::2] for part in parts)) for half in (0, 1))
            halves = (halves[0] + even, halves[1] + odd)
        if halves[0].count + halves[1].count > MOST_ROWS:
            break
    return halves


def _channels_last(tensor: Array, axis: int) -> Array:
    return np.moveaxis(np.asarray(tensor), axis, -1)


def _sum_of(sizes: list[int]) -> NDArray[np.float64]:
    """[I ... I], narrower branches filled up with zeros."""
    return np.concatenate([widen(np.eye(size), outputs=max(sizes)) for size in sizes], axis=1)


def _facts(problem: Problem, moments: Moments, sizes: list[int]) -> dict[str, float | int | None]:
    cov, places = moments.cov, branch_slices(sizes)
    facts: dict[str, float | int | None] = {"scale_ratio": scale_ratio(cov, sizes)}
    pairs = list(combinations(places, 2))
    ckas = [linear_cka(cov[a, a], cov[b, b], cov[a, b]) for a, b in pairs]
    facts["linear_cka"] = float(np.mean(ckas)) if ckas else None
    if len(set(sizes)) == 1 and pairs:
        found = [alignment(cov[a, a], cov[b, b], cov[a, b]) for a, b in pairs]
        facts["alignment_as_is"] = float(np.mean([one.as_is for one in found]))
        facts["alignment_permuted"] = float(np.mean([one.permuted for one in found]))
        facts["alignment_rotated"] = float(np.mean([one.rotated for one in found]))
    if problem.merge.op == "concat" and len(set(sizes)) == 1 and problem.merge.direct:
        for consumer in problem.merge.consumers:
            parts = _parts(problem, consumer.node, sizes)
            if parts is not None and not consumer.names:
                facts[f"distortion of {consumer.node}"] = tied_kernel(cov, parts).distortion
    return facts


def _parts(problem: Problem, name: str, sizes: list[int]) -> list[Array] | None:
    consumer = next(c for c in problem.merge.consumers if c.node == name)
    kernels = kernel_slice(problem.graph, consumer, sum(sizes))
    if len(kernels) > 1:
        return None
    return np.split(np.asarray(kernels[0], np.float64), len(sizes), axis=1)
