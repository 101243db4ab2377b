"""Where no exact switch exists: the closest Add, by regression on data.

A consumer of the old merge computes O = W f([x; y]). Behind the new merge it reads F = f'(x + y), and the kernel that
comes closest is W* = E[O F'] E[F F']^+ (least squares), with the bias that corrects the mean. F and O are gathered at
positions of the output drawn at random, each F with all the taps that the kernel reaches, so convolutions are fitted
exactly as they compute. Some examples are kept apart and judge: distortion = E|O - W* F|^2 / E|O - E O|^2.

Where a reader cannot be cut, the merged tensor itself is rebuilt from the sum by a 1x1 layer, fitted the same way.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from addcat.covariance.moments import Moments
from addcat.errors import DataError
from addcat.graph import Array, Graph, Node, windows
from addcat.report.rows import counted

Probe = Callable[[list[Array]], tuple[Array, Array]]
"""Takes one batch of model inputs; gives what the consumer read before, and what it reads now."""

ROWS_PER_BATCH = 4096
HELD_OUT = 5
"""Every fifth example judges and does not fit."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A kernel fitted to data.

    Attributes:
        node: The consumer.
        kernel: The fitted kernel, in canonical layout.
        bias: What is to be added to its bias, of shape (out,).
        distortion: Share of the variance of the consumer's output that is lost, on rows that did not fit.
        rows: How many rows fitted.
    """

    node: str
    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]
    distortion: float
    rows: int


def fit_kernel(old: Node, new: Node, probe: Probe, batches: Iterable[list[Array]], *, seed: int) -> Fit:
    """Fit one consumer's kernel to what it computed before the switch.

    Args:
        old: The consumer before, with its kernel.
        new: The consumer behind the new merge, with a kernel of the new shape.
        probe: Gives the tensors that both read.
        batches: Batches of the model's inputs.
        seed: For the positions that are drawn.

    Returns:
        The fit.

    Raises:
        DataError: if there are fewer rows than the kernel has inputs, or too few examples to keep one apart.
    """
    rng = np.random.default_rng(seed)
    inputs = int(np.prod(new.weights["kernel"].shape[1:]))
    outputs = new.weights["kernel"].shape[0]
    fitted, judged = Moments.empty(inputs + outputs), Moments.empty(inputs + outputs)
    weight = np.asarray(old.weight("kernel"), np.float64).reshape(outputs, -1)
    seen = 0
    for batch in batches:
        before, now = probe(batch)
        rows = _places(old, before.shape, rng)
        target = patches(old, before, rows) @ weight.T
        joint = np.concatenate([patches(new, now, rows), target], axis=1)
        example = seen + rows[:, 0] % len(batch[0])  # several calls of a nested model follow one another
        held = example % HELD_OUT == HELD_OUT - 1
        fitted += Moments.from_batch(joint[~held])
        judged += Moments.from_batch(joint[held])
        seen += len(batch[0])
    if not judged.count:
        raise DataError(
            f"Got data of {seen} example{'' if seen == 1 else 's'}; every fifth judges the fit of {new.name!r}. "
            "Give 5 or more."
        )
    if fitted.count <= inputs:
        raise DataError(
            f"{counted(fitted.count, 'row')} cannot fit the kernel of {new.name!r}, which has "
            f"{counted(inputs, 'input')}. "
            f"Give data of more than {counted(inputs, 'position')}."
        )
    kernel = _least_squares(fitted, inputs)
    bias = fitted.mean[inputs:] - kernel @ fitted.mean[:inputs]
    shape = new.weights["kernel"].shape
    return Fit(new.name, kernel.reshape(shape), bias, _distortion(judged, kernel, bias), fitted.count)


def _least_squares(moments: Moments, inputs: int) -> NDArray[np.float64]:
    source, target = slice(0, inputs), slice(inputs, None)
    cov = moments.cov
    return cov[target, source] @ np.linalg.pinv(cov[source, source], rcond=1e-10, hermitian=True)


def _distortion(judged: Moments, kernel: NDArray[np.float64], bias: NDArray[np.float64]) -> float:
    inputs = kernel.shape[1]
    cov, mean = judged.cov, judged.mean
    residual = np.concatenate([-kernel, np.eye(len(kernel))], axis=1)  # O - W F
    offset = residual @ mean - bias
    lost = float(np.trace(residual @ cov @ residual.T) + offset @ offset)
    total = float(np.trace(cov[inputs:, inputs:]))
    return max(lost, 0.0) / total if total > 0 else 0.0


def _places(node: Node, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int64]:
    """Output positions, one row each: example, then an index on every spatial axis."""
    spatial = [size for axis, size in enumerate(shape) if axis not in (0, node.channel_axis)]
    sizes = [shape[0], *(spatial if node.op == "dense" else windows.positions(node, spatial))]
    total = int(np.prod(sizes))
    drawn = np.arange(total) if total <= ROWS_PER_BATCH else rng.choice(total, ROWS_PER_BATCH, replace=False)
    return np.stack(np.unravel_index(drawn, sizes), axis=1)


def patches(node: Node, tensor: Array, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a Dense or convolution reads at some positions of its output.

    Args:
        node: The consumer, with strides, padding and dilation.
        tensor: Its input, batch first.
        rows: Positions, as `_places` gives them.

    Returns:
        Array (rows, channels * taps), channels outermost, as a kernel `(out, in, *taps)` flattens.
    """
    if node.op == "dense":
        return np.asarray(tensor[tuple(rows.T)], np.float64)
    last = np.moveaxis(tensor, node.channel_axis or 0, -1)
    sizes = last.shape[1:-1]
    strides, dilation = windows.settings(node, "strides"), windows.settings(node, "dilation")
    first = rows[:, 1:] * strides - [before for before, _ in windows.pads_of(node, sizes)]
    columns: list[NDArray[np.float64]] = []
    for tap in np.ndindex(*windows.taps(node)):
        index = first + np.multiply(tap, dilation)
        inside = np.all((index >= 0) & (index < sizes), axis=1)
        values = np.asarray(last[(rows[:, 0], *np.where(inside[:, None], index, 0).T)], np.float64)
        columns.append(values * inside[:, None])
    return np.stack(columns, axis=2).reshape(len(rows), -1)


def apply_fit(graph: Graph, fit: Fit) -> Graph:
    """Put a fitted kernel, and the bias that corrects the mean, into the graph; a bias is made where there is none."""
    node = graph.nodes[fit.node]
    old = np.asarray(node.weight("bias"), np.float64) if "bias" in node.weights else 0.0
    return graph.edit(put=[node.edit(weights={"kernel": fit.kernel, "bias": old + fit.bias})])
