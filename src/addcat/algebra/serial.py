"""Linear after linear: W (E h) = (W E) h, and what it says about merges.

A linear consumer of a Concatenate folds into linear producers, W [E_1 h_1; ...; E_k h_k] = sum_i (W_i E_i) h_i, so
where every branch ends in its own linear map, nothing nonlinear after it, a Concatenate with its consumer *is* an Add.
If the Add must pass through c channels and one shared consumer, the joint map [W_1 E_1 ... W_k E_k] is replaced by its
best approximation of rank c (Eckart and Young 1936); c not below the consumer's outputs loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from addcat.algebra.cut import split
from addcat.algebra.linear import Float64, Linear, constant_passes, rounded, wide
from addcat.errors import OptionError, RefusedError, ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class SharedMap:
    """An Add in the place of a Concatenate: sum_i V_i h_i, then one shared consumer U.

    Attributes:
        producers: V_1 ... V_k, one for each branch, with c outputs each and no bias.
        consumer: U, with c inputs, and the whole bias.
        error: Share of the joint map that is lost, a ratio of Frobenius norms in [0, 1]; weighted by the covariance of
            the inputs where one was given.
    """

    producers: tuple[Linear, ...]
    consumer: Linear
    error: float


def compose(outer: Linear, inner: Linear, *, padded: bool) -> Linear:
    """Write two linear maps in a row as one: W (E h + e) + b = (W E) h + (W e + b).

    Args:
        outer: W and b. A map without taps counts as one with a single tap.
        inner: E and e. At most one of the two has more than one tap.
        padded: Whether some output of `outer` reads fewer than all its taps.

    Returns:
        W E, with the taps of the one that has them, and the bias W e + b; None where both had none.

    Raises:
        ShapeError: if the channels do not fit.
        RefusedError: if both have several taps, or the inner bias would have to pass zero-padded taps.

    Examples:
        >>> outer, inner = Linear(np.array([[1.0, 2.0]])), Linear(np.array([[3.0], [4.0]]), np.array([1.0, 1.0]))
        >>> both = compose(outer, inner, padded=False)
        >>> both.kernel.tolist(), both.bias.tolist()
        ([[11.0]], [3.0])
    """
    if outer.inputs != inner.outputs:
        raise ShapeError(
            f"The outer map reads {outer.inputs} channels, the inner one gives {inner.outputs}. "
            f"Got kernels of shapes {outer.kernel.shape} and {inner.kernel.shape}."
        )
    if not outer.pointwise and not inner.pointwise:
        raise RefusedError(f"Two maps compose where one has a single tap. Got taps {outer.taps} and {inner.taps}.")
    if outer.taps and inner.taps and len(outer.taps) != len(inner.taps):
        raise ShapeError(
            f"Kernels must have equally many spatial axes, or none. Got taps {outer.taps} and {inner.taps}."
        )
    if not constant_passes(inner.bias, padded=padded):
        raise RefusedError(
            f"The inner bias cannot pass through taps {outer.taps} that are zero-padded: at the border it would not be "
            "constant."
        )
    flat_outer = wide(outer.kernel).reshape(outer.outputs, outer.inputs, -1)
    flat_inner = wide(inner.kernel).reshape(inner.outputs, inner.inputs, -1)
    taps = inner.taps if outer.pointwise and inner.taps else outer.taps
    # one of the two last axes has size 1, so the product is the taps of the other
    product = np.einsum("oms,mit->oist", flat_outer, flat_inner, optimize=True)
    kernel = rounded(product.reshape(outer.outputs, inner.inputs, *taps), outer.kernel, inner.kernel)
    if inner.bias is None and outer.bias is None:
        return Linear(kernel)
    bias = np.zeros(outer.outputs) if outer.bias is None else wide(outer.bias)
    if inner.bias is not None:
        bias = bias + flat_outer.sum(axis=2) @ wide(inner.bias)
    return Linear(kernel, rounded(bias, outer.kernel, inner.kernel))


def absorb(consumer: Linear, producers: Sequence[Linear], *, padded: bool) -> tuple[Linear, ...]:
    """Fold the linear consumer of a Concatenate into the linear maps that end its branches.

    Args:
        consumer: W = [W_1 ... W_k] and its bias.
        producers: E_1 ... E_k with their biases, in the order of the Concatenate; nothing nonlinear and no other reader
            between them and the consumer.
        padded: Whether some output of the consumer reads fewer than all its taps.

    Returns:
        W_1 E_1 ... W_k E_k, to be added. The first carries the whole bias, the others have none.

    Raises:
        ShapeError: if the channels do not fit.
        RefusedError: if a pair does not compose (see `compose`).

    Examples:
        >>> consumer = Linear(np.array([[1.0, 2.0]]), np.array([7.0]))
        >>> left, right = absorb(consumer, [Linear(np.array([[3.0]])), Linear(np.array([[4.0]]))], padded=False)
        >>> left.kernel.tolist(), left.bias.tolist(), right.kernel.tolist(), right.bias
        ([[3.0]], [7.0], [[8.0]], None)
    """
    parts = split(consumer.kernel, [producer.outputs for producer in producers])
    composed = [compose(Linear(part), producer, padded=padded) for part, producer in zip(parts, producers, strict=True)]
    biases = [wide(one.bias) for one in (consumer, *composed) if one.bias is not None]
    bias = rounded(np.sum(biases, axis=0), consumer.kernel, composed[0].kernel) if biases else None
    return (replace(composed[0], bias=bias), *(replace(one, bias=None) for one in composed[1:]))


def absorb_rank(
    consumer: Linear, producers: Sequence[Linear], channels: int, *, padded: bool, cov: Float64 | None = None
) -> SharedMap:
    """Turn a Concatenate between linear maps into an Add of `channels` channels with one shared consumer.

    The joint map J = [W_1 E_1 ... W_k E_k] is written as U [V_1 ... V_k], of rank `channels`, by singular value
    decomposition: no other choice has a smaller |J - U V|, or E|(J - U V) h|^2 where the covariance of the inputs is
    given (reduced-rank regression, Izenman 1975). Singular values are shared evenly between U and V, so that both train
    at the same pace.

    Args:
        consumer: W = [W_1 ... W_k] and its bias.
        producers: E_1 ... E_k with their biases; either they or the consumer have a single tap.
        channels: c, the width of the Add, 1 or more.
        padded: Whether some output of the consumer reads fewer than all its taps.
        cov: Covariance of the stacked inputs [h_1; ...; h_k], of shape (n, n). Where producers have taps, of their
            patches, flattened in the order (channel, *taps).

    Returns:
        V, U and the relative error: 0 up to rounding where `channels` reaches the rank of J. Channels beyond that rank
        repeat rows of V and are ignored by U, so that training can still put them to use.

    Raises:
        OptionError: if `channels` is below 1.
        ShapeError: if channels or `cov` do not fit.
        RefusedError: if a pair does not compose (see `compose`).

    Examples:
        Two branches of two channels, a consumer with one output: an Add of one channel is enough.

        >>> consumer = Linear(np.array([[1.0, 2.0, 3.0, 4.0]]))
        >>> shared = absorb_rank(consumer, [Linear(np.eye(2)), Linear(np.eye(2))], 1, padded=False)
        >>> [v.kernel.shape for v in shared.producers], shared.consumer.kernel.shape, f"{shared.error:.6f}"
        ([(1, 2), (1, 2)], (1, 1), '0.000000')
    """
    if channels < 1:
        raise OptionError(f"channels is the width of the Add, 1 or more. Got {channels}.")
    composed = absorb(consumer, producers, padded=padded)
    outputs, spread = consumer.outputs, prod(consumer.taps)
    if spread == 1:
        blocks = [wide(one.kernel).reshape(outputs, -1) for one in composed]
    else:  # the taps stay with the consumer, so they count as more outputs
        blocks = [np.moveaxis(wide(one.kernel), 1, -1).reshape(outputs * spread, -1) for one in composed]
    joint = np.concatenate(blocks, axis=1)
    down, up, error = _factor(joint, channels, cov)
    kernels = np.split(down, np.cumsum([block.shape[1] for block in blocks])[:-1], axis=1)
    shapes = [(channels, one.inputs, *one.taps) for one in producers]
    like = [consumer.kernel, *(one.kernel for one in producers)]
    return SharedMap(
        tuple(Linear(rounded(v.reshape(shape), *like)) for v, shape in zip(kernels, shapes, strict=True)),
        Linear(rounded(np.moveaxis(up.reshape(outputs, *consumer.taps, channels), -1, 1), *like), composed[0].bias),
        error,
    )


def _factor(joint: Float64, channels: int, cov: Float64 | None) -> tuple[Float64, Float64, float]:
    """Best J = U V of the given rank: V (channels, n), U (m, channels), and the share of |J| that is lost."""
    weighted = joint if cov is None else joint @ _root(cov, joint.shape[1])
    basis, values = _left_vectors(weighted, np.finfo(np.float64).eps * max(joint.shape))
    total = float(np.sum(values**2))
    error = float(np.sqrt(np.sum(values[channels:] ** 2) / total)) if total else 0.0
    basis = basis[:, :channels]
    if cov is not None:
        # channels that the data left over serve the directions that the data never showed
        more, _ = _left_vectors(joint - basis @ (basis.T @ joint), 1e-12)
        basis = np.concatenate([basis, more], axis=1)[:, :channels]
    rows = basis.T @ joint
    size = np.sqrt(np.linalg.norm(rows, axis=1))
    up, down = np.zeros((joint.shape[0], channels)), np.zeros((channels, joint.shape[1]))
    up[:, : size.size] = basis * size
    if size.size:
        down[:] = np.resize(rows / size[:, None], down.shape)
    return down, up, error


def _left_vectors(matrix: Float64, tolerance: float) -> tuple[Float64, Float64]:
    """Left singular vectors (as columns) and values above a share of the largest."""
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    kept = values > tolerance * values.max(initial=0.0)
    return left[:, kept], values[kept]


def _root(cov: Float64, n: int) -> Float64:
    if cov.shape != (n, n):
        raise ShapeError(f"cov must have shape ({n}, {n}), one row per stacked input. Got shape {cov.shape}.")
    values, vectors = np.linalg.eigh(cov)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
