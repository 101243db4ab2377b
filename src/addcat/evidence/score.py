"""The untying score: would the loss fall if the parts of a tied kernel were free?

The network is opened by the exact switch. The step that untying would take first is found on one half of the held-out
examples and judged on the other, in the size that half of those choose for the other half; then the halves change
places. `untying` has the formulas and the test. Halves are split by distinct example: a repeat in both would let a step
be judged on what it was found on.

The control is the gain of a step of the tied kernel that is found and judged alike. Where it is as large, the network
would rather have more data or more training than an untied kernel.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from addcat.covariance.moments import Moments
from addcat.data.examples import Examples
from addcat.errors import DataError
from addcat.evidence.baseline import constant_losses
from addcat.evidence.problem import Problem, batches
from addcat.evidence.result import Evidence
from addcat.evidence.tensors import inputs_of, require_finite
from addcat.evidence.untying import Untying, joined_interval, natural_step, residuals, slope_test, tied_step
from addcat.graph import Array, Edge, Graph, Node
from addcat.graph.nested import subgraph, with_subgraph
from addcat.merges import describe_merge
from addcat.merges.switchability import blocker, widths
from addcat.report import rows
from addcat.switches.to_concat import to_concat
from addcat.trials.trial import cross_fitted

FEWEST = 40
"""Held-out examples below which two halves have too few for a direction and a t test."""
STEP = 1e-2
"""By how much of their size the kernels move to measure a derivative; central, so the error is of second order."""
SIZES = (3.0, 1.0, 0.33, 0.1, 0.0)
"""Steps that are tried: how the loss curves in the outputs, and how far a direction found on few examples serves
others, is not known before. The last is none, for a direction that serves nobody."""

COMPILED = 4
"""Passes as long as which the rest of the score takes at least: a gradient compiles like three, the inside like one."""
SAME, TINY = 0.02, 1e-6
"""By how much of its loss, and by how much at least, the opened network may differ: half precision rounds as much."""


class Part(NamedTuple):
    """Input channels of a kernel that come from a merge.

    Attributes:
        start: The first of them.
        total: How many, over all branches.
        arity: Of how many branches.
    """

    start: int
    total: int
    arity: int


@dataclass(frozen=True, slots=True)
class _Opened:
    """The network with its merge opened, as a model, and the kernels that may untie.

    Attributes:
        graph: The outermost graph.
        model: What it became.
        kernels: Path of each layer whose kernel may untie, and which of its input channels the branches are.
    """

    graph: Graph
    model: Any
    kernels: dict[str, Part]

    def node(self, path: str) -> Node:
        """The node at a path."""
        inside, name = subgraph(self.graph, path)
        return inside.nodes[name]


Direction = dict[str, Untying]
"""A step for each kernel, by its path."""
Run = Callable[[list[Array]], list[Array]]


def score(problem: Problem, *, most: int | None = None) -> Evidence:
    """Test whether untying would lower the loss of an Add network, and predict by how much.

    Args:
        problem: One Add, or a family of them that are untied together.
        most: Held-out examples to take at most; all where left out.

    Returns:
        Evidence whose estimate is the predicted gain on held-out examples, with its paired 95 % interval; fact "p" is
        the one-sided p value of the score test, "control" the gain of a step of the tied kernel, "loss" the network's.

    Raises:
        DataError: if the merge is no Add, nothing behind it has a kernel to untie, there are too few held-out examples,
            an activation is not finite, or the step leads nowhere.
    """
    start = time.perf_counter()
    held = problem.held if most is None else problem.held.first(most)
    if not problem.merge.adds:
        raise DataError(f"{problem.merge.site!r} is a Concatenate; 'score' asks whether an Add should be untied.")
    problem.require_singles("score")
    opened, halves = _open(problem), halves_of(held)
    fewest = min(half.count for half in halves)
    if 2 * fewest < FEWEST:
        raise DataError(
            f"'score' needs two halves of {FEWEST // 2} held-out examples or more without a repeat in both, "
            f"got halves of {halves[0].count} and {halves[1].count}."
        )
    base = _base(problem, opened, held)
    slopes: list[NDArray[np.float64]] = []
    gains: list[NDArray[np.float64]] = []
    controls: list[NDArray[np.float64]] = []
    steps = _directions(problem, opened, halves)  # all before any step moves the model
    for (direction, control), judged in zip(steps, halves[::-1], strict=True):
        slopes.append(_slope(problem, opened, direction, judged))
        gains.append(_gain(problem, opened, direction, judged))
        controls.append(_gain(problem, opened, control, judged))
    _require_sane(problem, base, gains, [float(slope.sum()) for slope in slopes])
    gain, p = joined_interval(gains[0], gains[1]), slope_test(slopes[0], slopes[1])
    tied = joined_interval(controls[0], controls[1]).estimate
    words = (
        f"Untying from here would gain {rows.signed(gain.estimate)} {rows.interval_text(gain.low, gain.high)} by the "
        f"score, an equal step without untying {rows.signed(tied)}; the test that untying would gain nothing has "
        f"p = {rows.decimal(p, digits=2)}."
    )
    facts = {"p": p, "control": tied, "loss": base}
    return Evidence.of(gain, start=start, method="score", question="from here", words=words, facts=facts)


PASSES = 18
"""Passes of the opened network over an example that the score makes, a gradient counted as three."""


def _base(problem: Problem, opened: _Opened, held: Examples) -> float:
    """Mean loss of the opened network.

    Raises:
        DataError: if it is not the original's, or the rest would take longer than there is time.
    """
    begun = time.monotonic()
    loss = float(problem.door.losses_of(opened.model, problem.losses, held).mean())
    if COMPILED * (time.monotonic() - begun) > problem.left:
        raise DataError(f"{problem.merge.site!r}: the time does not allow to score it.")
    own = float(problem.losses_on(held).mean())
    if abs(loss - own) > SAME * abs(loss) + TINY:
        raise DataError(
            f"{problem.merge.site!r}: opened for the score, the network has a loss of {rows.decimal(loss)} where it "
            f"had {rows.decimal(own)}, so nothing can be measured on it."
        )
    return loss


def _require_sane(problem: Problem, loss: float, gains: list[NDArray[np.float64]], slopes: list[float]) -> None:
    """Refuse a step that ruins the network on examples that did not find it.

    The step is Newton's for the examples of one half. Where features that hardly vary there vary on a few of the
    others, it leads nowhere: the loss that it ends at is far beyond that of a constant.
    """
    after = loss - float(np.mean([gain.mean() for gain in gains]))
    most = loss + abs(loss) + abs(float(constant_losses(problem).mean()))
    if not (np.isfinite([after, *slopes]).all() and after <= most):
        raise DataError(
            f"{problem.merge.site!r}: the first step of untying takes the loss of other examples from "
            f"{rows.decimal(loss)} to {rows.decimal(after)}, so the score does not apply here. Use 'refit' or "
            "'finetune'."
        )


def halves_of(held: Examples) -> list[Examples]:
    """Two halves of some examples without a repeat in both, each example in one of them."""
    turns = held.distinct() % 2
    return [held.rows(np.flatnonzero(turns == half)) for half in (0, 1)]


def _open(problem: Problem) -> _Opened:
    graph, kernels = problem.root, dict[str, Part]()
    for one in problem.merges:
        site = one.site
        inside, name = subgraph(graph, site)
        merge = describe_merge(inside, inside.nodes[name], site[: len(site) - len(name)])
        blocked = blocker(inside, merge)
        if blocked is not None:
            raise DataError(f"{site!r} cannot be opened: {blocked.reason}.")
        inside, form = to_concat(inside, merge)
        starts = {f"{merge.node}_project": 0}
        if form == "tie":
            starts = {consumer.node: consumer.offset for consumer in merge.consumers}
        prefix, total = site[: len(site) - len(name)], sum(widths(merge))
        for reader, at in starts.items():
            if inside.nodes[reader].op in ("dense", "conv"):
                kernels[prefix + reader] = Part(at, total, merge.arity)
        graph = with_subgraph(graph, site, inside)
    if not kernels:
        words = "has" if len(problem.merges) == 1 else "and its family have"
        raise DataError(
            f"{problem.merge.site!r} {words} no Dense or convolution behind it, so there is no kernel to untie."
        )
    return _Opened(graph, problem.door.write(graph), kernels)


def _directions(problem: Problem, opened: _Opened, parts: list[Examples]) -> list[tuple[Direction, Direction]]:
    """The step for every kernel, in canonical layout, untied and tied, as each part of the examples would have it."""
    edges = {path: inputs_of(opened.graph, path) for path in opened.kernels}
    run = problem.door.probe(opened.graph, [edge for group in edges.values() for edge in group])
    return [_direction(problem, opened, part, edges, run) for part in parts]


def _direction(
    problem: Problem, opened: _Opened, examples: Examples, edges: dict[str, list[Edge]], run: Run
) -> tuple[Direction, Direction]:
    gradients = problem.door.gradient(opened.model, problem.losses, examples, list(opened.kernels))
    untied, tied = Direction(), Direction()
    for path, moments in _moments(opened, examples, edges, run).items():
        (start, total, arity), whole = opened.kernels[path], gradients[path, "kernel"]
        own, bias = whole[:, start : start + total], gradients.get((path, "bias"))
        if not np.isfinite(own).all():
            raise DataError(
                f"{problem.merge.site!r}: the loss has no finite gradient here, so the score does not apply. "
                "Use 'refit' or 'finetune'."
            )
        steps = natural_step(own, bias, residuals(moments, arity)), tied_step(own, bias, moments, arity)
        for step, found in zip(steps, (untied, tied), strict=True):
            kernel = np.zeros_like(whole)
            kernel[:, start : start + total] = step.kernel
            found[path] = Untying(kernel, step.bias)
    return untied, tied


def _moments(opened: _Opened, examples: Examples, edges: dict[str, list[Edge]], run: Run) -> dict[str, Moments]:
    """Of the branches as each kernel reads them, behind whatever pooling or normalisation lies between."""
    found = {path: Moments.empty(part.total) for path, part in opened.kernels.items()}
    for batch in batches(examples):
        tensors = iter(run(batch))
        for path, group in edges.items():
            part, node = opened.kernels[path], opened.node(path)
            axis = -1 if node.op == "dense" else node.channel_axis or -1
            for edge, tensor in zip(group, tensors, strict=False):
                require_finite(edge, tensor)
                own = np.moveaxis(tensor, axis, -1)[..., part.start : part.start + part.total]
                found[path] += Moments.from_batch(own)
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


def _gain(problem: Problem, opened: _Opened, direction: Direction, on: Examples) -> NDArray[np.float64]:
    """What a step gains on examples that did not find it; one half of them chooses its size for the other.

    Chosen where it was found, a step would always look good and be too long: the fewer examples found it, the more of
    it is their noise.
    """
    losses = np.stack([_losses(problem, opened, direction, size, on) for size in SIZES])
    with np.errstate(invalid="ignore"):  # infinite losses are refused later
        return losses[-1] - cross_fitted(losses)
