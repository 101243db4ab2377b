"""Does channel i of one branch mean the same as channel i of the other? Add needs it, Concatenate does not.

Read from the covariance of two branches, x and y. Each level allows y more freedom before the Add: none, a new order of
its channels, a rotation (a 1x1 convolution). Centred kernel alignment (CKA) ignores rotations, so it
cannot tell the first two levels from the third: it is the ceiling that says whether aligning is worth trying.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.algebra.linear import Float64
from addcat.errors import ShapeError

CONSTANT = 1e-20
"""A channel whose variance is below this share of the largest is constant: what it shows is rounding, near 1e-32."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How well the channels of two branches agree; all in [0, 1], and as_is <= permuted <= rotated.

    Attributes:
        as_is: Mean over channels of |correlation of x_i and y_i|.
        permuted: The same for the order of y's channels that makes it largest.
        rotated: The larger of two Procrustes similarities, max over orthogonal Q of the mean covariance of x and Q y:
            with every channel at variance 1, and with each branch at mean variance 1. The second is 1 where y = a Q x.
        permutation: Channel permutation[i] of y goes with channel i of x.
    """

    as_is: float
    permuted: float
    rotated: float
    permutation: NDArray[np.intp]


def alignment(cov_x: Float64, cov_y: Float64, cov_xy: Float64) -> Alignment:
    """Compare two branches of equal width, channel by channel.

    With C the matrix of correlations between channels of x and of y, c channels each: as_is = mean |C_ii|; permuted by
    linear sum assignment on |C|; rotated = |C|_* / c, or |Σ_xy|_* / sqrt(tr Σ_x tr Σ_y) where that is larger, by the
    orthogonal Procrustes problem (Schönemann 1966; |.|_* is the sum of singular values). A channel that never changes
    correlates with nothing. The sign is ignored throughout: a 1x1, or a scale of -1, turns it.

    The more freedom, the more agreement arises by chance: branches that have nothing to do with each other reach
    rotated = 8 / (3 pi) sqrt(c / n) or so from n observations (mean of the quarter-circle law), so 0.27 from ten for
    each channel.

    Args:
        cov_x: Covariance of x, of shape (c, c).
        cov_y: Covariance of y, of shape (c, c).
        cov_xy: Covariance between x (rows) and y (columns), of shape (c, c).

    Returns:
        The three levels and the best order.

    Raises:
        ShapeError: if the three are not all of shape (c, c).

    Examples:
        The same two channels in another order:

        >>> swap = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> found = alignment(np.eye(2), np.eye(2), swap)
        >>> found.as_is, found.permuted, found.permutation.tolist()
        (0.0, 1.0, [1, 0])
    """
    channels = cov_xy.shape[0]
    if not cov_x.shape == cov_y.shape == cov_xy.shape == (channels, channels):
        raise ShapeError(
            "Channels can be compared one by one only in branches of equal width, with three covariances of shape "
            f"(c, c). Got shapes {cov_x.shape}, {cov_y.shape} and {cov_xy.shape}."
        )
    correlation = _inverse_deviation(cov_x)[:, None] * cov_xy * _inverse_deviation(cov_y)
    size = np.abs(correlation)
    order = _assigned(size)
    per_channel = _nuclear_norm(correlation) / channels
    both = float(np.sqrt(max(0.0, np.trace(cov_x) * np.trace(cov_y))))
    per_branch = _nuclear_norm(cov_xy) / both if both else 0.0
    as_is = min(1.0, float(np.mean(np.diag(size))))
    permuted = min(1.0, max(as_is, float(np.mean(size[np.arange(channels), order]))))
    return Alignment(as_is, permuted, min(1.0, max(permuted, per_channel, per_branch)), order)


def linear_cka(cov_x: Float64, cov_y: Float64, cov_xy: Float64) -> float:
    """Linear centred kernel alignment of two branches (Kornblith et al. 2019): |Σ_xy|² / (|Σ_x| |Σ_y|), Frobenius.

    Args:
        cov_x: Covariance of x, of shape (c, c).
        cov_y: Covariance of y, of shape (d, d).
        cov_xy: Covariance between x (rows) and y (columns), of shape (c, d).

    Returns:
        A similarity in [0, 1]; 0 where nothing correlates or a branch is constant, 1 where y = a Q x for a rotation Q.

    Raises:
        ShapeError: if the shapes do not fit.

    Examples:
        >>> turn = np.array([[0.6, -0.8], [0.8, 0.6]])
        >>> f"{linear_cka(np.eye(2), np.eye(2), turn):.3f}"
        '1.000'
    """
    c, d = cov_xy.shape
    if cov_x.shape != (c, c) or cov_y.shape != (d, d):
        raise ShapeError(
            f"For cov_xy of shape {cov_xy.shape}, cov_x and cov_y must have shapes ({c}, {c}) and ({d}, {d}). "
            f"Got {cov_x.shape} and {cov_y.shape}."
        )
    both = float(np.linalg.norm(cov_x) * np.linalg.norm(cov_y))
    return min(1.0, float(np.linalg.norm(cov_xy)) ** 2 / both) if both else 0.0


def scale_ratio(cov: Float64, sizes: Sequence[int]) -> float:
    """How much louder the loudest branch is than the quietest.

    Args:
        cov: Covariance of the stacked branches, of shape (n, n).
        sizes: Channels of each branch.

    Returns:
        Ratio of the root mean square standard deviations of the channels, 1 or more; infinite where only some branch
        is constant.

    Raises:
        ShapeError: if the sizes do not add up to n.

    Examples:
        >>> scale_ratio(np.diag([9.0, 9.0, 1.0]), [2, 1])
        3.0
    """
    if not sizes or min(sizes) < 1 or cov.shape != (sum(sizes), sum(sizes)):
        raise ShapeError(
            f"cov must have one row and one column for each of the {sum(sizes)} channels of {len(sizes)} branches. "
            f"Got shape {cov.shape}."
        )
    cuts = list(accumulate(sizes))[:-1]
    spread = [float(np.sqrt(np.mean(part))) for part in np.split(np.diag(cov), cuts)]
    quiet, loud = min(spread), max(spread)
    if quiet == 0.0:
        return 1.0 if loud == 0.0 else float("inf")
    return loud / quiet


def _assigned(size: Float64) -> NDArray[Any]:
    """For each channel of the first branch the one of the second that it goes with, so that the sum is largest."""
    import scipy.optimize  # noqa: PLC0415  (a tenth of a second, which `addcat --help` would wait for)

    optimize: Any = scipy.optimize  # its types are partial
    return optimize.linear_sum_assignment(size, maximize=True)[1]


def _nuclear_norm(matrix: Float64) -> float:
    return float(np.sum(np.linalg.svd(matrix, compute_uv=False)))


def _inverse_deviation(cov: Float64) -> Float64:
    """1 / standard deviation of each channel, and 0 for one that is constant."""
    variance = np.diag(cov)
    alive = variance > CONSTANT * float(np.max(variance, initial=0.0))
    return np.where(alive, 1.0 / np.sqrt(np.where(alive, variance, 1.0)), 0.0)
