"""The untying score: would the loss fall if the parts of a tied kernel were free?

An Add network is a Concatenate network under W_1 = ... = W_k. Opened by the exact switch, its loss has a gradient
G_i = E[delta x_i'] for each part of the kernel. What the tied kernel could do as well is no reason to untie, so each
branch is first regressed on the sum s and a constant, and only the residual r_i = x_i - B_i s - b_i counts:
E[delta r_i'] = G_i - (sum_j G_j) B_i' - g b_i', with g the gradient of the bias. The step taken is
D_i = -E[delta r_i'] R_i^-1 with R_i = E[r_i r_i'], the input side of a Kronecker-factored natural step (Martens and
Grosse 2015).

D is found on one half of the held-out examples and judged on the other, then the halves change places. Under
W_1 = ... = W_k the derivative of the loss along D has mean zero on examples that D has not seen: Rao's score test in
one direction, with the examples' own variance (White 1982), since networks are not at a maximum.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.errors import DataError
from addcat.evidence.nouns import Evidence
from addcat.evidence.problem import Problem, batches
from addcat.evidence.tensors import flat_edges
from addcat.forms import linear_consumers, widths
from addcat.graph import Array, Graph
from addcat.merges import subgraph, with_subgraph
from addcat.moments import Moments, branch_slices
from addcat.report import rows
from addcat.statistics import t_interval
from addcat.switching.to_concat import to_concat
from addcat.training import Examples

FEWEST = 40
"""Held-out examples below which a half has too few for a direction and a t test."""
STEP = 1e-2
"""Share of the step by which the derivative along it is measured; central, so the error is of second order."""
SIZES = (1.0, 0.5, 0.25, 0.1, 0.03)
"""Steps that are tried on the half that found the direction."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The network with its merge opened, as a model, and the kernels that may untie."""

    graph: Graph
    model: Any
    kernels: tuple[str, ...]


def score(problem: Problem) -> Evidence:
    """Test whether untying would lower the loss of an Add network, and predict by how much.

    Args:
        problem: An Add.

    Returns:
        Evidence whose estimate is the predicted gain on held-out examples, with its paired 95 % interval; fact "p" is
        the one-sided p value of the score test.

    Raises:
        DataError: if the merge is no Add, or there are too few held-out examples.
    """
    start = time.perf_counter()
    held = problem.held
    if not problem.merge.adds:
        raise DataError(f"{problem.merge.site!r} is a Concatenate; 'score' asks whether an Add should be untied.")
    if held.count < FEWEST:
        raise DataError(f"'score' needs {FEWEST} held-out examples or more, got {held.count}.")
    opened = _open(problem)
    halves = [held.rows(np.arange(half, held.count, 2)) for half in (0, 1)]
    slopes: list[NDArray[np.float64]] = []
    gains: list[NDArray[np.float64]] = []
    for found, judged in (halves, halves[::-1]):
        direction = _direction(problem, opened, found)
        size = _best_size(problem, opened, direction, found)
        slopes.append(_slope(problem, opened, direction, judged))
        gains.append(_gain(problem, opened, direction, size, judged))
    # each half's slopes are on the scale of its own step; a common scale lets one test read both
    scaled = np.concatenate([s / max(float(s.std()), 1e-30) for s in slopes])
    test, gain = t_interval(-scaled), t_interval(np.concatenate(gains))
    p = _one_sided(-scaled)
    words = (
        f"Untying from here would gain {rows.signed(gain.estimate)} {rows.interval_text(gain.low, gain.high)} by the "
        f"score; the test that it would gain nothing has p = {rows.decimal(p, digits=2)}."
    )
    return Evidence(
        method="score",
        question="from here",
        estimate=gain.estimate,
        low=gain.low,
        high=gain.high,
        level=gain.level,
        unit="loss",
        n=held.count,
        seconds=time.perf_counter() - start,
        words=words,
        facts={"p": p, "slope": test.estimate},
    )


def _one_sided(values: NDArray[np.float64]) -> float:
    from scipy import special  # noqa: PLC0415  (slow to load, and only wanted here)

    error = float(values.std(ddof=1)) / len(values) ** 0.5
    return 1.0 if error == 0 else float(special.stdtr(len(values) - 1, -float(values.mean()) / error))


def _open(problem: Problem) -> _Opened:
    inside, _ = to_concat(problem.graph, problem.merge)
    site = problem.merge.site
    prefix = site[: len(site) - len(problem.merge.node)]
    tied = problem.merge.op == "add" and linear_consumers(problem.merge)
    names = [c.node for c in problem.merge.consumers] if tied else [f"{problem.merge.node}_project"]
    names = [name for name in names if inside.nodes[name].op in ("dense", "conv")]
    if not names:
        raise DataError(f"{site!r} has no Dense or convolution behind it, so there is no kernel to untie.")
    graph = with_subgraph(problem.root, site, inside)
    return _Opened(graph, problem.door.write(graph), tuple(prefix + name for name in names))


def _direction(problem: Problem, opened: _Opened, examples: Examples) -> "Direction":
    """D for every kernel, and the change of its bias, in canonical layout."""
    moments = _moments(problem, examples)
    sizes = widths(problem.merge)
    residuals = _residuals(moments, sizes)
    gradients = problem.door.gradient(opened.model, problem.losses, examples, opened.kernels)
    found: dict[tuple[str, str], Array] = {}
    for name in opened.kernels:
        inside, node = subgraph(opened.graph, name)
        parts = _merged_parts(problem, node, gradients[name, "kernel"], sizes)
        bias = gradients.get((name, "bias"))
        of_sum = np.sum(parts, axis=0)
        change_sum, change_bias, steps = np.zeros_like(of_sum), np.zeros(len(of_sum)), list[Array]()
        for part, rest in zip(parts, residuals, strict=True):
            own = part - np.einsum("oc...,dc->od...", of_sum, rest.slope)
            if bias is not None:
                own = own - (bias[:, None] * rest.offset).reshape(*own.shape[:2], *(1,) * (own.ndim - 2))
            step = -np.einsum("oc...,cd->od...", own, rest.inverse)
            steps.append(step)
            change_sum -= np.einsum("od...,dc->oc...", step, rest.slope)
            change_bias -= np.einsum("od...,d->o", step, rest.offset)
        whole = np.zeros(inside.nodes[node].weights["kernel"].shape)
        _put_merged(problem, node, whole, [step + change_sum for step in steps])
        found[name, "kernel"] = whole
        if bias is not None:
            found[name, "bias"] = change_bias
    return found


def _moments(problem: Problem, examples: Examples) -> Moments:
    merge = problem.merge
    edges = [edge for call in flat_edges(problem, [b.edge for b in merge.branches]) for edge in call]
    run = problem.door.probe(problem.root, edges)
    total = Moments.empty(sum(widths(merge)))
    for batch in batches(examples):
        tensors = run(batch)
        for call in range(0, len(tensors), merge.arity):
            total += Moments.from_batch(
                *(np.moveaxis(t, merge.channel_axis, -1) for t in tensors[call : call + merge.arity])
            )
    return total


@dataclass(frozen=True, slots=True)
class _Residual:
    """What is left of one branch after its regression on the sum, x ~ slope s + offset, and its inverse covariance."""

    slope: NDArray[np.float64]
    offset: NDArray[np.float64]
    inverse: NDArray[np.float64]


RIDGE = 1e-3
"""Share of the mean residual variance that is added to each, so that directions without variance stay finite."""


def _residuals(moments: Moments, sizes: list[int]) -> list[_Residual]:
    places, cov = branch_slices(sizes), moments.cov
    with_sum = np.sum([cov[:, place] for place in places], axis=0)
    var = np.sum([with_sum[place] for place in places], axis=0)
    mean = np.sum([moments.mean[place] for place in places], axis=0)
    inverse = np.asarray(np.linalg.pinv(np.asarray(var, np.float64), rcond=1e-8, hermitian=True), np.float64)
    found: list[_Residual] = []
    for place in places:
        slope = with_sum[place] @ inverse
        rest = cov[place, place] - slope @ with_sum[place].T
        ridge = RIDGE * np.trace(rest) / len(rest) + 1e-12
        full = np.asarray(np.linalg.inv(rest + ridge * np.eye(len(rest))), np.float64)
        found.append(_Residual(slope, moments.mean[place] - slope @ mean, full))
    return found


def _merged_parts(problem: Problem, node: str, kernel: Array, sizes: list[int]) -> list[Array]:
    start = _offset(problem, node)
    return np.split(kernel[:, start : start + sum(sizes)], len(sizes), axis=1)


def _put_merged(problem: Problem, node: str, kernel: Array, parts: list[Array]) -> None:
    start = _offset(problem, node)
    kernel[:, start : start + sum(part.shape[1] for part in parts)] = np.concatenate(parts, axis=1)


def _offset(problem: Problem, node: str) -> int:
    return next((c.offset for c in problem.merge.consumers if c.node == node), 0)


Direction = dict[tuple[str, str], Array]


def _losses(problem: Problem, opened: _Opened, direction: Direction, size: float, on: Examples) -> NDArray[np.float64]:
    """Loss of each example, a step along D; the model is put back afterwards by the next step from the same start."""
    for name in opened.kernels:
        inside, node = subgraph(opened.graph, name)
        old = inside.nodes[node]
        weights = {
            weight: np.asarray(old.weight(weight), np.float64) + size * direction[name, weight]
            for weight in ("kernel", "bias")
            if (name, weight) in direction
        }
        problem.door.assign(opened.model, name, old.edit(weights=weights))
    return problem.door.losses_of(opened.model, problem.losses, on)


def _slope(problem: Problem, opened: _Opened, direction: Direction, on: Examples) -> NDArray[np.float64]:
    """Derivative of each example's loss along D, by central differences."""
    up, down = (_losses(problem, opened, direction, sign * STEP, on) for sign in (1, -1))
    return (up - down) / (2 * STEP)


def _best_size(problem: Problem, opened: _Opened, direction: Direction, on: Examples) -> float:
    means = [float(_losses(problem, opened, direction, size, on).mean()) for size in SIZES]
    return SIZES[int(np.argmin(means))]


def _gain(problem: Problem, opened: _Opened, direction: Direction, size: float, on: Examples) -> NDArray[np.float64]:
    return _losses(problem, opened, direction, 0.0, on) - _losses(problem, opened, direction, size, on)
