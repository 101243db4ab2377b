"""Streaming mean and covariance: one pass, memory that does not grow with the examples, shards that combine.

Two sets of n_a and n_b observations, with means m_a, m_b and scatters S_a, S_b (sums of squared deviations from their
own mean), combine exactly (Chan, Golub and LeVeque 1979):

    m = m_a + d n_b / n        S = S_a + S_b + d d' n_a n_b / n        with d = m_b - m_a, n = n_a + n_b
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from addcat.algebra.linear import Float64, Kernel
from addcat.errors import DataError, ShapeError

CHUNK = 1 << 22
"""Values held in float64 at a time, 32 MiB, however large the batch is."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Count, mean and scatter of observations of n channels, in float64.

    Attributes:
        count: Number of observations; in a feature map each position of each example is one.
        mean: Of shape (n,).
        scatter: Sum of (x - mean) (x - mean)', of shape (n, n).

    Examples:
        A hundred examples in two shards say the same as all at once:

        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> shards = Moments.from_batch(x[:40]) + Moments.from_batch(x[40:])
        >>> shards.count, bool(np.allclose(shards.cov, np.cov(x.T), rtol=1e-12))
        (100, True)
    """

    count: int
    mean: Float64
    scatter: Float64

    @staticmethod
    def empty(channels: int) -> "Moments":
        """Moments of no observations: what a sum begins with."""
        return Moments(0, np.zeros(channels), np.zeros((channels, channels)))

    @staticmethod
    def from_batch(*branches: Kernel, names: Sequence[str] = ()) -> "Moments":
        """Moments of the stacked channels of one or more branches.

        Args:
            *branches: Arrays of shape (examples, ..., channels): equal but for the last axis.
            names: What to call the branches in an error; "branch 0", "branch 1", ... where none are given.

        Returns:
            Moments of sum(channels) channels over examples times positions observations.

        Raises:
            ShapeError: if the branches differ in more than channels.
            DataError: if a value is not finite; the error names the branch, the example and the channel.
        """
        labels = list(names) if names else [f"branch {i}" for i in range(len(branches))]
        _check_shapes(branches, labels)
        flat = [branch.reshape(-1, branch.shape[-1]) for branch in branches]
        rows, channels = flat[0].shape[0], sum(branch.shape[1] for branch in flat)
        step = max(1, CHUNK // max(1, channels))
        total = Moments.empty(channels)
        for start in range(0, rows, step):
            chunk = np.concatenate([np.asarray(branch[start : start + step], np.float64) for branch in flat], axis=1)
            if not np.isfinite(chunk).all():
                raise _not_finite(branches, labels)
            mean = chunk.mean(axis=0)
            chunk -= mean
            total = total + Moments(chunk.shape[0], mean, chunk.T @ chunk)
        return total

    def __add__(self, other: "Moments") -> "Moments":
        if self.mean.shape != other.mean.shape:
            raise ShapeError(
                f"Moments of {self.mean.size} and of {other.mean.size} channels cannot be combined: "
                "shards must see the same branches in the same order."
            )
        count = self.count + other.count
        if not self.count or not other.count:
            return other if other.count else self
        apart = other.mean - self.mean
        between = np.outer(apart, apart) * (self.count * (other.count / count))
        return Moments(count, self.mean + apart * (other.count / count), self.scatter + other.scatter + between)

    @property
    def cov(self) -> Float64:
        """Unbiased covariance, scatter / (count - 1), of shape (n, n).

        Raises:
            DataError: if there are fewer than two observations.
        """
        return self.block(slice(None), slice(None))

    def block(self, rows: slice, columns: slice) -> Float64:
        """Covariance between some channels and others, of shape (rows, columns).

        Raises:
            DataError: if there are fewer than two observations.
        """
        if self.count < 2:
            raise DataError(f"A covariance needs two observations or more. Got {self.count}.")
        return self.scatter[rows, columns] / (self.count - 1)


def branch_slices(sizes: Sequence[int]) -> tuple[slice, ...]:
    """Where each branch lies among the stacked channels.

    Args:
        sizes: Channels of each branch.

    Returns:
        One slice per branch.

    Examples:
        >>> branch_slices([2, 3])
        (slice(0, 2, None), slice(2, 5, None))
    """
    ends = list(accumulate(sizes))
    return tuple(slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True))


def _check_shapes(branches: Sequence[Kernel], labels: Sequence[str]) -> None:
    if not branches or len(labels) != len(branches):
        raise ShapeError(
            f"Give one or more branches, and a name for each. Got {len(branches)} and {len(labels)} names."
        )
    first = branches[0].shape[:-1]
    guilty = [branch.ndim < 2 or branch.shape[:-1] != first for branch in branches]
    if any(guilty):
        lines = ["Branches must be arrays (examples, ..., channels) that differ in channels only."]
        for label, branch, wrong in zip(labels, branches, guilty, strict=True):
            why = "  <- needs two axes or more" if branch.ndim < 2 else "  <- unlike the first"
            lines.append(f"  {label}  {branch.shape}" + (why if wrong else ""))
        raise ShapeError("\n".join(lines))


def _not_finite(branches: Sequence[Kernel], labels: Sequence[str]) -> DataError:
    for label, branch in zip(labels, branches, strict=True):
        bad = ~np.isfinite(np.asarray(branch, np.float64))
        if bad.any():
            where = np.unravel_index(int(np.argmax(bad)), bad.shape)
            return DataError(
                f"{label} has {int(bad.sum())} of {bad.size} values that are not finite; the first is "
                f"{float(branch[where])} in example {where[0]}, channel {where[-1]}. "
                "Look for overflow in the model, or missing values in the data, and leave such examples out."
            )
    raise AssertionError("every value is finite")
