"""What an infinitely wide head makes of the branches as they are, with either merge, in closed form.

A hidden layer of ReLUs with random weights, infinitely wide, whose outputs alone are fitted by least squares, is kernel
regression with the arc-cosine kernel (Cho and Saul 2009, "Kernel Methods for Deep Learning"; as the limit of wide
networks Lee et al. 2018):

    K(u, v) = |u| |v| (sin t + (pi - t) cos t) / pi,    t the angle between u and v,
    f(u) = K(u, U) (K(U, U) + ridge)^-1 Y.

Add gives the layer u = x + y, Concatenate u = [x; y]. Both are fitted to the same training examples, and judged on the
same held-out ones: log(squared error of Add / squared error of Concatenate) is the gain that their shapes alone make.
Nothing is trained, so it costs a pass over some hundred examples. `Heads` trains what really follows.
"""

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Examples
from addcat.data.scores import residual
from addcat.errors import DataError
from addcat.evidence.baseline import constant_losses, mean_of
from addcat.evidence.contrast import contrast
from addcat.evidence.problem import Problem, batches
from addcat.evidence.result import Evidence
from addcat.evidence.suffix import suffix_of
from addcat.evidence.tensors import inputs_of, require_finite
from addcat.report import rows
from addcat.statistics.interval import Interval, t_quantile

Float64 = NDArray[np.float64]
FITTED, JUDGED = 500, 1000
"""Training examples that fit, and held-out ones that judge, at most: as many as the reading was fitted with."""
FEWEST = 150
"""Examples of both kinds together without which nothing is fitted."""
FITS = 1 / 3
"""Share of few examples that fits."""
MOST_NUMBERS = 10_000
"""Numbers in the targets of an example, at most."""
RIDGES = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""As shares of the kernel's mean diagonal; the one with the least error on examples left out is taken."""


def kernel(problem: Problem, *, most: int | None = None) -> Evidence:
    """Fit an infinitely wide head to the branches of a merge, with Add and with Concatenate.

    Args:
        problem: A merge of vectors, through which alone the outputs depend on the inputs.
        most: Examples to take at most, a third of which fit.

    Returns:
        Evidence whose estimate is log(squared error of Add / squared error of Concatenate) on held-out examples, with
        its 95 % interval; fact "left" is the share of the targets' variance that the better of the two leaves,
        "constant" the loss of the best constant output.

    Raises:
        DataError: if the question is another one, there are too few examples, or an activation is not finite.
    """
    start = time.perf_counter()
    if (reason := unfit(problem)) is not None:
        raise DataError(reason)
    fitted, judged = shares(problem, most)
    if fitted + judged < FEWEST:
        raise DataError(f"'kernel' needs {FEWEST} examples or more, got {fitted + judged}.")
    fit, held = (_drawn(some, count, problem.seed) for some, count in ((problem.data, fitted), (problem.held, judged)))
    targets, truth = _targets(problem, (fit, held))
    branches, unseen = (_branches(problem, some) for some in (fit, held))
    centre, scale = branches.mean(axis=(0, 1)), float(branches.var(axis=(0, 1)).mean()) ** 0.5 or 1.0
    errors = [
        _errors(_merged((branches - centre) / scale, arm), targets, _merged((unseen - centre) / scale, arm), truth)
        for arm in ("add", "concat")
    ]
    found = contrast(errors[0][None], errors[1][None], held.distinct(), crossed=held.crossed())
    half = t_quantile(0.975, len(truth) - 1) * found.examples**0.5
    whole = float(np.square(truth).sum(axis=1).mean()) or 1.0
    left = [float(one.mean()) / whole for one in errors]
    words = (
        f"An infinitely wide layer on these branches leaves {rows.percent(left[0])} of the squared error with Add and "
        f"{rows.percent(left[1])} with Concatenate."
    )
    return Evidence.of(
        Interval(found.gain, found.gain - half, found.gain + half, 0.95, len(truth)),
        start=start,
        unit="log of the squared error",
        method="kernel",
        question="fact",
        words=words,
        facts={"left": min(left), "constant": mean_of(constant_losses(problem))},
    )


def unfit(problem: Problem) -> str | None:
    """Why a question is none for an infinitely wide head, in a sentence; None where it is one."""
    site, arity = problem.merge.site, problem.merge.arity
    if len(problem.merges) > 1:
        return f"{site!r} and others switch together; 'kernel' asks one merge."
    if "/" in site:
        return f"{site!r} lies in a nested model; 'kernel' asks merges of the outermost."
    edges = problem.graph.nodes[problem.merge.node].inputs[:arity]
    shapes = [problem.graph.tensor(edge).shape for edge in edges]
    if any(len(shape) != 2 or shape[1] is None or shape != shapes[0] for shape in shapes):
        return f"{site!r} joins {', '.join(map(str, shapes))}; 'kernel' asks vectors of one width."
    suffix = suffix_of(problem.root, problem.merge.node)
    if len(suffix.outputs) < len(problem.root.outputs) or set(suffix.crossing) != set(edges):
        return f"Not all that the outputs know comes through {site!r}; 'kernel' asks merges that all of it passes."
    if len(inputs_of(problem.root, site)) != arity:
        return f"{site!r} is called several times; 'kernel' asks merges that are called once."
    return None


def shares(problem: Problem, most: int | None) -> tuple[int, int]:
    """How many examples fit and how many judge, where at most so many may be taken."""
    fitted, judged = min(FITTED, problem.data.count), min(JUDGED, problem.held.count)
    if most is None or most >= fitted + judged:
        return fitted, judged
    fits = min(fitted, max(int(FITS * most), most - judged))
    return fits, min(judged, most - fits)


def _drawn(examples: Examples, count: int, seed: int) -> Examples:
    """Some examples, whatever the order in which they were given."""
    places = np.random.default_rng([seed, 5]).permutation(examples.count)[:count]
    return examples.rows(np.sort(places))


def _targets(problem: Problem, parts: Sequence[Examples]) -> list[Float64]:
    """Numbers of each example, or ones and zeros of its classes, less their mean over the first part.

    What every output misses where it says nothing is its target, less a constant.
    """
    some = problem.held.first(2)
    outputs = problem.door.predictions(problem.door.write(problem.root), some)
    forms, found = problem.door.forms(problem.losses), list[list[Float64]]()
    if sum(int(output[0].size) for output in outputs) > MOST_NUMBERS:
        raise DataError(f"Targets of more than {MOST_NUMBERS} numbers an example are too many for 'kernel'.")
    for target, output, form in zip(zip(*(part.targets for part in parts), strict=True), outputs, forms, strict=True):
        silent = [np.zeros((len(one), *output.shape[1:]), np.float64) for one in target]
        missed = [residual(one, nothing, form) for one, nothing in zip(target, silent, strict=True)]
        mean, size = missed[0].mean(axis=0), float(missed[0].std()) or 1.0
        found.append([(one - mean) / size for one in missed])
    return [np.concatenate(one, axis=1) for one in zip(*found, strict=True)]


def _branches(problem: Problem, examples: Examples) -> Float64:
    """Of shape (branches, examples, channels)."""
    edges = inputs_of(problem.root, problem.merge.site)
    run, parts = problem.door.probe(problem.root, edges), list[Float64]()
    for batch in batches(examples):
        tensors = run(batch)
        for edge, tensor in zip(edges, tensors, strict=True):
            require_finite(edge, tensor)
        parts.append(np.stack([np.asarray(tensor, np.float64) for tensor in tensors]))
    return np.concatenate(parts, axis=1)


def _merged(branches: Float64, arm: str) -> Float64:
    """What the layer reads: the merge, and a one for its bias, in units of a branch's size."""
    merged = branches.sum(axis=0) if arm == "add" else np.concatenate(list(branches), axis=1)
    return np.column_stack([merged / branches.shape[2] ** 0.5, np.ones(len(merged))])


def arc_cosine(first: Float64, second: Float64) -> Float64:
    """Arc-cosine kernel of the first order, of shape (rows of the first, rows of the second).

    Examples:
        >>> arc_cosine(np.array([[2.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])).round(3).tolist()
        [[6.0, 0.637, 0.0]]
    """
    sizes = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)[None]
    cosine = np.clip(first @ second.T / np.maximum(sizes, 1e-12), -1.0, 1.0)
    angle = np.arccos(cosine)
    return np.asarray(sizes * (np.sin(angle) + (math.pi - angle) * cosine) / math.pi, np.float64)


def _errors(read: Float64, targets: Float64, unseen: Float64, truth: Float64) -> Float64:
    """Squared errors on unseen examples, of the ridge that errs least on examples left out of the fit one by one."""
    inner = arc_cosine(read, read)
    size = float(np.trace(inner)) / len(inner) or 1.0
    values, vectors = np.linalg.eigh(inner / size)
    values = np.maximum(values, 0.0)
    turned, outer = vectors.T @ targets, (arc_cosine(unseen, read) / size) @ vectors

    def left_out(ridge: float) -> float:
        """Squared error of each example where it is left out: its residual over 1 - its leverage."""
        kept = values / (values + ridge)
        leverage = (vectors**2 * kept).sum(axis=1)
        return float(np.square((targets - vectors @ (kept[:, None] * turned)) / (1 - leverage)[:, None]).sum())

    ridge = min(RIDGES, key=left_out)
    return np.square(truth - outer @ (turned / (values + ridge)[:, None])).sum(axis=1)
