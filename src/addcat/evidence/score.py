"""The untying score: would the loss fall if the parts of a tied kernel were free?

The network is opened by the exact switch. The step that untying would take first is found on one half of the held-out
examples and judged on the other, then the halves change places; `untying` has the formulas and the test.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.covariance.moments import Moments
from addcat.data.examples import Examples
from addcat.errors import DataError
from addcat.evidence.baseline import constant_losses
from addcat.evidence.problem import Problem, batches
from addcat.evidence.result import Evidence
from addcat.evidence.tensors import inputs_of, require_finite
from addcat.evidence.untying import Untying, joined_interval, natural_step, residuals, slope_test
from addcat.graph import Array, Edge, Graph, Node
from addcat.graph.nested import subgraph, with_subgraph
from addcat.merges.switchability import blocker, widths
from addcat.report import rows
from addcat.switches.to_concat import to_concat

FEWEST = 40
"""Held-out examples below which a half has too few for a direction and a t test."""
STEP = 1e-2
"""By how much of their size the kernels move to measure a derivative; central, so the error is of second order."""
SIZES = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.03)
"""Steps that are tried on the half that found the direction: how the loss curves in the outputs is not known before."""

SAME, TINY = 0.02, 1e-6
"""By how much of its loss, and by how much at least, the opened network may differ: half precision rounds as much."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The network with its merge opened, as a model, and the kernels that may untie.

    Attributes:
        graph: The outermost graph.
        model: What it became.
        kernels: Path of each layer whose kernel may untie, and at which of its input channels the branches start.
    """

    graph: Graph
    model: Any
    kernels: dict[str, int]

    def node(self, path: str) -> Node:
        """The node at a path."""
        inside, name = subgraph(self.graph, path)
        return inside.nodes[name]


Direction = dict[str, Untying]
"""A step for each kernel, by its path."""
Run = Callable[[list[Array]], list[Array]]


def score(problem: Problem) -> Evidence:
    """Test whether untying would lower the loss of an Add network, and predict by how much.

    Args:
        problem: An Add.

    Returns:
        Evidence whose estimate is the predicted gain on held-out examples, with its paired 95 % interval; fact "p" is
        the one-sided p value of the score test.

    Raises:
        DataError: if the merge is no Add, nothing behind it has a kernel to untie, there are too few held-out examples,
            an activation is not finite, or the step leads nowhere.
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
    directions = _directions(problem, opened, halves)  # both before any step moves the model
    for direction, found, judged in zip(directions, halves, halves[::-1], strict=True):
        size = _best_size(problem, opened, direction, found)
        slopes.append(_slope(problem, opened, direction, judged))
        gains.append(_gain(problem, opened, direction, size, judged))
    _require_sane(problem, opened, directions[-1], gains, [float(slope.sum()) for slope in slopes])
    gain, p = joined_interval(gains[0], gains[1]), slope_test(slopes[0], slopes[1])
    words = (
        f"Untying from here would gain {rows.signed(gain.estimate)} {rows.interval_text(gain.low, gain.high)} by the "
        f"score; the test that it would gain nothing has p = {rows.decimal(p, digits=2)}."
    )
    return Evidence.of(gain, start=start, method="score", question="from here", words=words, facts={"p": p})


def _require_sane(
    problem: Problem, opened: _Opened, direction: Direction, gains: list[NDArray[np.float64]], slopes: list[float]
) -> None:
    """Refuse an opened network that is not the original, and a step that ruins it on examples that did not find it.

    The step is Newton's for the examples of one half. Where features that hardly vary there vary on the others, or the
    loss curves steeply, it leads nowhere: the loss that it ends at is far beyond that of a constant.
    """
    own = problem.door.losses_of(problem.door.write(problem.root), problem.losses, problem.held)
    loss = float(_losses(problem, opened, direction, 0.0, problem.held).mean())
    if abs(loss - float(own.mean())) > SAME * abs(loss) + TINY:
        raise DataError(
            f"{problem.merge.site!r}: opened for the score, the network has a loss of {rows.decimal(loss)} where it "
            f"had {rows.decimal(float(own.mean()))}, so nothing can be measured on it."
        )
    after = loss - float(np.mean([gain.mean() for gain in gains]))
    most = loss + abs(loss) + abs(float(constant_losses(problem).mean()))
    if not (np.isfinite([after, *slopes]).all() and after <= most):
        raise DataError(
            f"{problem.merge.site!r}: the first step of untying takes the loss of other examples from "
            f"{rows.decimal(loss)} to {rows.decimal(after)}, so the score does not apply here. Use 'refit' or "
            "'finetune'."
        )


def _open(problem: Problem) -> _Opened:
    merge, site = problem.merge, problem.merge.site
    blocked = blocker(problem.graph, merge)
    if blocked is not None:
        raise DataError(f"{site!r} cannot be opened: {blocked.reason}.")
    inside, form = to_concat(problem.graph, merge)
    starts = {f"{merge.node}_project": 0}
    if form == "tie":
        starts = {consumer.node: consumer.offset for consumer in merge.consumers}
    prefix = site[: len(site) - len(merge.node)]
    kernels = {prefix + name: at for name, at in starts.items() if inside.nodes[name].op in ("dense", "conv")}
    if not kernels:
        raise DataError(f"{site!r} has no Dense or convolution behind it, so there is no kernel to untie.")
    graph = with_subgraph(problem.root, site, inside)
    return _Opened(graph, problem.door.write(graph), kernels)


def _directions(problem: Problem, opened: _Opened, parts: list[Examples]) -> list[Direction]:
    """The step for every kernel, in canonical layout, as each part of the examples would have it."""
    edges = {path: inputs_of(opened.graph, path) for path in opened.kernels}
    run = problem.door.probe(opened.graph, [edge for group in edges.values() for edge in group])
    return [_direction(problem, opened, part, edges, run) for part in parts]


def _direction(
    problem: Problem, opened: _Opened, examples: Examples, edges: dict[str, list[Edge]], run: Run
) -> Direction:
    gradients = problem.door.gradient(opened.model, problem.losses, examples, list(opened.kernels))
    total, found = sum(widths(problem.merge)), Direction()
    for path, moments in _moments(opened, examples, total, edges, run).items():
        start, whole = opened.kernels[path], gradients[path, "kernel"]
        own = whole[:, start : start + total]
        if not np.isfinite(own).all():
            raise DataError(
                f"{problem.merge.site!r}: the loss has no finite gradient here, so the score does not apply. "
                "Use 'refit' or 'finetune'."
            )
        step = natural_step(own, gradients.get((path, "bias")), residuals(moments, problem.merge.arity))
        kernel = np.zeros_like(whole)
        kernel[:, start : start + total] = step.kernel
        found[path] = Untying(kernel, step.bias)
    return found


def _moments(
    opened: _Opened, examples: Examples, total: int, edges: dict[str, list[Edge]], run: Run
) -> dict[str, Moments]:
    """Of the branches as each kernel reads them, behind whatever pooling or normalisation lies between."""
    found = {path: Moments.empty(total) for path in opened.kernels}
    for batch in batches(examples):
        tensors = iter(run(batch))
        for path, group in edges.items():
            start, node = opened.kernels[path], opened.node(path)
            axis = -1 if node.op == "dense" else node.channel_axis or -1
            for edge, tensor in zip(group, tensors, strict=False):
                require_finite(edge, tensor)
                found[path] += Moments.from_batch(np.moveaxis(tensor, axis, -1)[..., start : start + total])
    return found


def _losses(problem: Problem, opened: _Opened, direction: Direction, size: float, on: Examples) -> NDArray[np.float64]:
    """Loss of each example, a step along the direction from the opened network."""
    for path, step in direction.items():
        node = opened.node(path)
        weights: dict[str, Array] = {"kernel": np.asarray(node.weight("kernel"), np.float64) + size * step.kernel}
        if "bias" in node.weights:
            weights["bias"] = np.asarray(node.weight("bias"), np.float64) + size * step.bias
        problem.door.assign(opened.model, path, node.edit(weights=weights))
    return problem.door.losses_of(opened.model, problem.losses, on)


def _slope(problem: Problem, opened: _Opened, direction: Direction, on: Examples) -> NDArray[np.float64]:
    """Derivative of each example's loss along the direction, by central differences.

    Its scale is chosen so that float32 neither hides the change nor the curvature shows.
    """
    length = sum(float(np.sum(step.kernel**2)) for step in direction.values()) ** 0.5
    if length == 0:
        return np.zeros(on.count)
    weights = [np.asarray(opened.node(path).weight("kernel"), np.float64) for path in direction]
    norm = sum(float(np.sum(kernel**2)) for kernel in weights) ** 0.5 or 1.0  # of a kernel of zeros any scale will do
    size = STEP * norm / length
    up, down = (_losses(problem, opened, direction, sign * size, on) for sign in (1, -1))
    with np.errstate(invalid="ignore"):  # infinite losses are refused later
        return (up - down) / (2 * size)


def _best_size(problem: Problem, opened: _Opened, direction: Direction, on: Examples) -> float:
    means = [float(_losses(problem, opened, direction, size, on).mean()) for size in SIZES]
    return SIZES[int(np.argmin(means))]


def _gain(problem: Problem, opened: _Opened, direction: Direction, size: float, on: Examples) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return _losses(problem, opened, direction, 0.0, on) - _losses(problem, opened, direction, size, on)
