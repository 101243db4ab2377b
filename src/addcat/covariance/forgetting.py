"""What Add forgets: it keeps s = x + y and loses d = x - y.

Two questions, both answered by the joint covariance of the branches, so one streaming pass
(`addcat.covariance.moments`)
serves every consumer of a merge:

- Without a consumer: which share of the branches' variance can no linear map rebuild from the merge? (`lost`)
- For one consumer W = [W_1 ... W_k] of a Concatenate, with O = sum_i W_i x_i and S = sum_i x_i: which kernel on S does
  best, W* = E[O S'] E[S S']^+, and how far does it miss, E|O - W* S|^2 / E|O|^2? (`tied_kernel`, `tie_distortion`)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from addcat.algebra.linear import Float64, Kernel, check_kernel, rounded, wide
from addcat.errors import OptionError, ShapeError

TOLERANCE = 1e-10
"""Directions whose variance is below this share of the largest count as constant: float32 activations carry a relative
error near 1e-7, so near 1e-14 of variance, and this keeps four decades away from it."""


@dataclass(frozen=True, slots=True, eq=False)
class TiedKernel:
    """The best consumer of an Add, in the place of a given consumer of a Concatenate.

    Attributes:
        kernel: W*, of shape (out, c, *taps).
        bias: What to add to the consumer's bias so that the mean output stays, of shape (out,); None where no means
            were given.
        distortion: Share of the output's energy that is lost on the same data, in [0, 1]; 0 is exact.
        per_tap: Whether taps were fitted one by one, as if they were uncorrelated (the covariance was that of single
            positions, not of patches).
    """

    kernel: Kernel
    bias: Kernel | None
    distortion: float
    per_tap: bool


def lost(cov: Float64, weights: Kernel) -> float:
    """Share of the branches' variance that a linear merge forgets.

    A merge maps the n stacked channels x to z = A x. No linear map of z rebuilds x with a smaller mean squared error
    than D = tr Σ − tr(Σ A' (A Σ A')⁺ A Σ); the share is D / tr Σ. Concatenate is A = I and forgets nothing; Add is
    A = [I … I] (`addcat.algebra.identity_projection`). From n observations of independent channels it is read too low,
    by a factor of 1 - m / n or so: have many more observations than merged channels.

    Args:
        cov: Σ, symmetric and positive semidefinite, of shape (n, n).
        weights: A, of shape (m, n).

    Returns:
        A share in [0, 1]: 0 where z still determines x (or x is constant), 1 where z says nothing about x.

    Raises:
        ShapeError: if `cov` is not square, or `weights` has not one column per row of `cov`.

    Examples:
        Adding two channels of variance 1 forgets nothing when they are equal, half when they are independent,
        everything when they are opposite:

        >>> add = np.array([[1.0, 1.0]])
        >>> for r in (1.0, 0.0, -1.0):
        ...     print(f"correlation {r:+.0f}: {lost(np.array([[1.0, r], [r, 1.0]]), add):.2f}")
        correlation +1: 0.00
        correlation +0: 0.50
        correlation -1: 1.00
    """
    n = _check_square(cov)
    if weights.ndim != 2 or weights.shape[1] != n:
        raise ShapeError(f"weights must have shape (m, {n}), one column per channel of cov. Got shape {weights.shape}.")
    total = float(np.trace(cov))
    if total <= 0.0:
        return 0.0
    cross = cov @ wide(weights).T
    kept = float(np.sum((cross @ _inverse_root(wide(weights) @ cross, _largest(cov, wide(weights)))) ** 2))
    return float(np.clip(1.0 - kept / total, 0.0, 1.0))


def tied_kernel(
    cov: Float64,
    parts: Sequence[Kernel],
    *,
    mean: Float64 | None = None,
    ridge: float = 0.0,
    fisher: Float64 | None = None,
) -> TiedKernel:
    """Regress a consumer of a Concatenate on the sum of its branches.

    Where the sum determines every output, the tie is exact. Directions of S whose variance is below `TOLERANCE` times
    the largest that the branches allow are left out (W* is zero there), so a covariance that is not of full rank is
    welcome. Few examples for many channels make the distortion look better than it is: judge the kernel on another
    half of the data with `tie_distortion`.

    Args:
        cov: Covariance of the stacked branches [x_1; ...; x_k], of shape (k c, k c); or of their patches, of shape
            (k c t, k c t) in the order (branch, channel, *taps), where the kernel has t taps.
        parts: W_1 ... W_k, each of shape (out, c, *taps).
        mean: Mean of the same k c or k c t values; None to leave the bias alone.
        ridge: Added to the variance of every channel of S, as a share of their mean variance; 0 or more.
        fisher: Weight of errors in the outputs, positive semidefinite, of shape (out, out); None for the identity. It
            changes the distortion, not W*: least squares fits every output by itself.

    Returns:
        W*, its bias correction sum_i W_i E[x_i] - W* E[S] (away from padded borders), and its distortion.

    Raises:
        ShapeError: if the parts differ in shape (project or pad the narrower branch first), or the others do not fit.
        OptionError: if `ridge` is negative.

    Examples:
        Add keeps all that W = [1 1] wants, half of what W = [1 0] wants, nothing of what W = [1 -1] wants:

        >>> for second in (1.0, 0.0, -1.0):
        ...     tied = tied_kernel(np.eye(2), [np.array([[1.0]]), np.array([[second]])])
        ...     print(f"[1 {second:.0f}]: {tied.kernel.item():.1f}, distortion {tied.distortion:.1f}")
        [1 1]: 1.0, distortion 0.0
        [1 0]: 0.5, distortion 0.5
        [1 -1]: 0.0, distortion 1.0
    """
    rows, per_tap = _rows(cov, parts)
    if ridge < 0.0:
        raise OptionError(f"ridge is a share of the mean variance, 0 or more. Got {ridge}.")
    arity, features = len(parts), rows.shape[2] // len(parts)
    cross = cov.reshape(arity * features, arity, features).sum(axis=1)  # E[x S'] for all stacked branches x
    gram = cross.reshape(arity, features, features).sum(axis=0)  # E[S S']
    largest = _largest(cov, np.tile(np.eye(features), arity))
    gram = gram + ridge * float(np.trace(gram)) / features * np.eye(features)
    root = _inverse_root(gram, largest)
    tied = _kernel(rows @ cross @ (root @ root.T), parts[0].shape)
    bias = None
    if mean is not None:
        if mean.shape != (arity * features,):
            raise ShapeError(f"mean must have shape ({arity * features},), as cov has. Got shape {mean.shape}.")
        bias = rounded((_difference(rows, tied, parts) @ mean).sum(axis=0), *parts)
    kernel = rounded(tied, *parts)
    distortion = tie_distortion(cov, parts, wide(kernel), fisher=fisher)
    return TiedKernel(kernel, bias, distortion, per_tap)


def tie_distortion(cov: Float64, parts: Sequence[Kernel], kernel: Kernel, *, fisher: Float64 | None = None) -> float:
    """Share of a consumer's output that is lost when one kernel reads the sum of its branches.

    With R = [W_1 - W, ..., W_k - W] it is tr(F R Σ R') / tr(F [W_1 ... W_k] Σ [W_1 ... W_k]'), in which O and W S are
    centred. Covariances from data that did not fit W give an honest figure.

    Args:
        cov: Σ, of the stacked branches or of their patches, as in `tied_kernel`.
        parts: W_1 ... W_k, each of shape (out, c, *taps).
        kernel: W, of the same shape as each part.
        fisher: F, the weight of errors in the outputs, of shape (out, out); None for the identity.

    Returns:
        A ratio, 0 where nothing is lost; 1 is what W = 0 would lose. Also 0 where the consumer's output is constant
        and stays so, infinite where it was constant and does not.

    Raises:
        ShapeError: if shapes do not fit.

    Examples:
        >>> one = np.array([[1.0]])
        >>> tie_distortion(np.eye(2), [one, -one], one)
        2.0
    """
    rows, _ = _rows(cov, parts)
    if kernel.shape != parts[0].shape:
        raise ShapeError(f"kernel must have the shape of each part, {parts[0].shape}. Got shape {kernel.shape}.")
    outputs = parts[0].shape[0]
    if fisher is not None and fisher.shape != (outputs, outputs):
        raise ShapeError(f"fisher must have shape ({outputs}, {outputs}). Got shape {fisher.shape}.")
    error = _energy(_difference(rows, wide(kernel), parts), cov, fisher)
    energy = _energy(rows, cov, fisher)
    if energy <= 0.0:
        return float("inf") if error > 0.0 else 0.0
    return error / energy


def _rows(cov: Float64, parts: Sequence[Kernel]) -> tuple[Float64, bool]:
    """The parts side by side, of shape (taps, out, k c) or (1, out, k c t), and whether taps stand apart."""
    if not parts or any(part.shape != parts[0].shape for part in parts):
        shapes = ", ".join(str(part.shape) for part in parts) or "none"
        raise ShapeError(
            f"Add needs branches of equal width: all parts must have one shape. Got {shapes}. "
            "Project or zero-pad the narrower branch first."
        )
    for part in parts:
        check_kernel(part)
    stacked, (outputs, width, *_) = _check_square(cov), parts[0].shape
    flat = [wide(part).reshape(outputs, width, -1) for part in parts]
    spread = flat[0].shape[2]
    if stacked == len(parts) * width:
        return np.moveaxis(np.concatenate(flat, axis=1), 2, 0), spread > 1
    if stacked == len(parts) * width * spread:
        return np.concatenate([part.reshape(outputs, -1) for part in flat], axis=1)[None], False
    sizes = sorted({len(parts) * width, len(parts) * width * spread})
    raise ShapeError(
        f"cov must have one row per stacked channel, {' or per value of a patch, '.join(map(str, sizes))} rows for "
        f"{len(parts)} parts of shape {parts[0].shape}. Got shape {cov.shape}."
    )


def _kernel(rows: Float64, shape: tuple[int, ...]) -> Float64:
    """Undo `_rows` for one kernel: (taps, out, c) or (1, out, c t) -> (out, c, *taps)."""
    return np.moveaxis(rows, 0, 2).reshape(shape) if rows.shape[0] > 1 else rows[0].reshape(shape)


def _difference(rows: Float64, kernel: Float64, parts: Sequence[Kernel]) -> Float64:
    """[W_1 - W, ..., W_k - W], laid out like `rows`."""
    outputs, width, *_ = kernel.shape
    flat = kernel.reshape(outputs, width, -1)
    one = np.moveaxis(flat, 2, 0) if rows.shape[0] > 1 else kernel.reshape(1, outputs, -1)
    return rows - np.concatenate([one] * len(parts), axis=2)


def _energy(rows: Float64, cov: Float64, fisher: Float64 | None) -> float:
    """tr(F R Σ R'), summed over taps; never negative, whatever rounding says."""
    weighted = rows if fisher is None else np.einsum("op,tpn->ton", fisher, rows)
    return max(0.0, float(np.sum(weighted * (rows @ cov))))


def _largest(cov: Float64, weights: Float64) -> float:
    """Largest variance that the merge could have, had all channels been in step: an Add of opposites is 0, not tiny."""
    deviation = np.sqrt(np.maximum(np.diag(cov), 0.0))
    return float(np.max(np.abs(weights) @ deviation, initial=0.0)) ** 2


def _inverse_root(gram: Float64, largest: float) -> Float64:
    """B with B B' = gram⁺, without the directions whose variance is a rounding error beside `largest`."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > TOLERANCE * max(largest, float(np.max(values, initial=0.0)))
    return vectors[:, kept] / np.sqrt(values[kept])


def _check_square(cov: Float64) -> int:
    if cov.ndim != 2 or cov.shape[0] != cov.shape[1]:
        raise ShapeError(f"cov must be square, of shape (n, n). Got shape {cov.shape}.")
    return cov.shape[0]
