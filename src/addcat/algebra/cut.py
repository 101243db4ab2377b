"""Split and tie: W [x_1; ...; x_k] = sum_i W_i x_i, with W = [W_1 ... W_k] cut along its input axis.

Read from the left, a consumer of a Concatenate becomes a sum of smaller consumers, one for each branch. Read from the
right with W_1 = ... = W_k, Add is Concatenate under a constraint. A bias is added once, never once per part.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from addcat.algebra.linear import Kernel, check_kernel, rounded, wide
from addcat.errors import OptionError, ShapeError


def split(kernel: Kernel, sizes: Sequence[int]) -> tuple[Kernel, ...]:
    """Cut a kernel at the borders of the branches that its input concatenates.

    Exact wherever all parts keep the consumer's stride, padding and dilation, and it has one group (else see
    `split_groups`).

    Args:
        kernel: W, of shape (out, in, *taps).
        sizes: Channels of each branch, in the order of the Concatenate.

    Returns:
        W_1 ... W_k, of shapes (out, sizes[i], *taps): copies.

    Raises:
        ShapeError: if the sizes are not positive numbers whose sum is `in`.

    Examples:
        >>> first, second = split(np.array([[1.0, 2.0, 3.0]]), [2, 1])
        >>> first.tolist(), second.tolist()
        ([[1.0, 2.0]], [[3.0]])
    """
    check_kernel(kernel)
    _check_sizes(sizes, kernel.shape[1], kernel.shape)
    return tuple(part.copy() for part in np.split(kernel, list(accumulate(sizes))[:-1], axis=1))


def split_groups(kernel: Kernel, groups: int, sizes: Sequence[int]) -> tuple[Kernel, ...]:
    """Cut a grouped convolution at group borders: its parts' outputs are concatenated, not added.

    Args:
        kernel: Of shape (out, in / groups, *taps); the outputs of a group are neighbours.
        groups: Number of groups.
        sizes: Channels of each branch, in the order of the Concatenate.

    Returns:
        One kernel for each branch, of shape (outputs of its groups, in / groups, *taps), with
        sizes[i] / (in / groups) groups.

    Raises:
        ShapeError: if the sizes do not add up, or a cut falls inside a group.

    Examples:
        A depthwise convolution can be cut anywhere:

        >>> [part.shape for part in split_groups(np.ones((6, 1, 3, 3)), 6, [4, 2])]
        [(4, 1, 3, 3), (2, 1, 3, 3)]
    """
    _check_groups(kernel, groups)
    width = kernel.shape[1]
    _check_sizes(sizes, width * groups, kernel.shape)
    inside = [size for size in sizes if size % width]
    if inside:
        raise ShapeError(
            f"A grouped convolution can be cut at group borders only. Its {groups} groups have {width} channels each; "
            f"got branches of {_listed(sizes)}. Use ungroup() first, or leave it whole."
        )
    per_group = kernel.shape[0] // groups
    cuts = [cut // width * per_group for cut in list(accumulate(sizes))[:-1]]
    return tuple(part.copy() for part in np.split(kernel, cuts, axis=0))


def ungroup(kernel: Kernel, groups: int) -> Kernel:
    """Write a grouped convolution as one of a single group, with zeros between the groups.

    Args:
        kernel: Of shape (out, in / groups, *taps); the outputs of a group are neighbours.
        groups: Number of groups.

    Returns:
        The same map, of shape (out, in, *taps).

    Raises:
        ShapeError: if the outputs do not divide into that many groups.

    Examples:
        >>> ungroup(np.array([[1.0], [2.0]]), 2).tolist()
        [[1.0, 0.0], [0.0, 2.0]]
    """
    _check_groups(kernel, groups)
    outputs, width, *taps = kernel.shape
    full = np.zeros((groups, outputs // groups, groups, width, *taps), dtype=kernel.dtype)
    each = np.arange(groups)
    full[each, :, each] = kernel.reshape(groups, outputs // groups, width, *taps)
    return full.reshape(outputs, groups * width, *taps)


def tie(kernel: Kernel, arity: int) -> Kernel:
    """Give a consumer of Add the kernel that does the same after Concatenate: W (x + y) = [W W] [x; y].

    Args:
        kernel: W, of shape (out, in, *taps).
        arity: Number of branches, 1 or more.

    Returns:
        [W ... W], of shape (out, arity * in, *taps).

    Raises:
        OptionError: if `arity` is below 1.

    Examples:
        >>> tie(np.array([[1.0, 2.0]]), 2).tolist()
        [[1.0, 2.0, 1.0, 2.0]]
    """
    check_kernel(kernel)
    _check_arity(arity)
    return np.concatenate([kernel] * arity, axis=1)


def identity_projection(channels: int, arity: int, spatial: int = 0, dtype: DTypeLike = np.float32) -> Kernel:
    """The 1x1 kernel, without bias, that turns Concatenate into Add: x + y = [I I] [x; y].

    Args:
        channels: Channels of each branch.
        arity: Number of branches, 1 or more.
        spatial: Number of spatial axes; 0 for a dense layer.
        dtype: Type of the kernel.

    Returns:
        [I ... I], of shape (channels, arity * channels, 1, ..., 1).

    Raises:
        OptionError: if `arity` is below 1.

    Examples:
        >>> identity_projection(2, 2).tolist()
        [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
        >>> identity_projection(64, 2, spatial=2).shape
        (64, 128, 1, 1)
    """
    eye: Kernel = np.eye(channels, dtype=dtype)
    return tie(eye, arity).reshape(channels, arity * channels, *(1,) * spatial)


def equal_parts(kernel: Kernel, sizes: Sequence[int], tolerance: float = 0.0) -> bool:
    """Whether a consumer of a Concatenate treats all branches alike, so that the Concatenate is an Add.

    Args:
        kernel: W = [W_1 ... W_k], of shape (out, in, *taps).
        sizes: Channels of each branch.
        tolerance: Largest difference |W_i - W_1| that still counts as equal, as a share of the largest |W|.

    Returns:
        True where all parts agree; False where they do not, or the branches differ in width.

    Raises:
        ShapeError: if the sizes are not positive numbers whose sum is `in`.

    Examples:
        >>> equal_parts(np.array([[1.0, 2.0, 1.0, 2.0]]), [2, 2])
        True
        >>> equal_parts(np.array([[1.0, 2.0, 2.0, 1.0]]), [2, 2])
        False
    """
    check_kernel(kernel)
    _check_sizes(sizes, kernel.shape[1], kernel.shape)
    if len(set(sizes)) > 1:
        return False
    allowed = tolerance * float(np.max(np.abs(kernel), initial=0.0))
    for rows in (kernel[:1], kernel):  # a look at one row settles most
        first, *others = np.split(wide(rows), len(sizes), axis=1)
        if not all(np.all(np.abs(other - first) <= allowed) for other in others):  # NaN is not equal
            return False
    return True


def twice(kernel: Kernel, arity: int = 2) -> Kernel:
    """The kernel for a tensor that was concatenated with itself: W [x; x] = (W_1 + W_2) x.

    Args:
        kernel: W = [W_1 ... W_k], of shape (out, in, *taps).
        arity: How many times the same tensor comes.

    Returns:
        W_1 + ... + W_k, of shape (out, in / arity, *taps).

    Raises:
        OptionError: if `arity` is below 1.
        ShapeError: if `in` is not a multiple of `arity`.

    Examples:
        >>> twice(np.array([[1.0, 2.0, 10.0, 20.0]])).tolist()
        [[11.0, 22.0]]
    """
    check_kernel(kernel)
    _check_arity(arity)
    outputs, inputs, *taps = kernel.shape
    if inputs % arity:
        raise ShapeError(
            f"{inputs} inputs are not {arity} times the same tensor. Got a kernel of shape {kernel.shape}."
        )
    return rounded(wide(kernel).reshape(outputs, arity, inputs // arity, *taps).sum(axis=1), kernel)


def widen(kernel: Kernel, *, outputs: int | None = None, inputs: int | None = None) -> Kernel:
    """Pad a kernel with zeros, for a branch that is narrower than the others of an Add.

    Wider outputs: the producer's new channels are zero. Wider inputs: the consumer ignores the new channels.

    Args:
        kernel: Of shape (out, in, *taps).
        outputs: Number of outputs to reach; None to keep it.
        inputs: Number of inputs to reach; None to keep it.

    Returns:
        The padded kernel, of shape (outputs, inputs, *taps): old channels first.

    Raises:
        ShapeError: if the kernel is wider already.

    Examples:
        >>> widen(np.array([[1.0, 2.0]]), outputs=2, inputs=3).tolist()
        [[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]
    """
    check_kernel(kernel)
    before = kernel.shape[:2]
    after = (before[0] if outputs is None else outputs, before[1] if inputs is None else inputs)
    if after[0] < before[0] or after[1] < before[1]:
        raise ShapeError(
            f"Widening keeps every channel: a kernel with {before[0]} outputs and {before[1]} inputs cannot become "
            f"one with {after[0]} outputs and {after[1]} inputs."
        )
    more: list[Any] = [(0, new - old) for old, new in zip(before, after, strict=True)]
    return np.pad(kernel, more + [(0, 0)] * (kernel.ndim - 2))


def _check_sizes(sizes: Sequence[int], inputs: int, shape: tuple[int, ...]) -> None:
    if not sizes or min(sizes) < 1 or sum(sizes) != inputs:
        raise ShapeError(
            f"The parts must be positive and take all {inputs} inputs of a kernel of shape {shape}. Got parts of "
            f"{_listed(sizes)}, {sum(sizes)} in all. Give the branches' channels in the order of the Concatenate."
        )


def _check_groups(kernel: Kernel, groups: int) -> None:
    check_kernel(kernel)
    if groups < 1 or kernel.shape[0] % groups:
        raise ShapeError(
            f"The {kernel.shape[0]} outputs of a kernel of shape {kernel.shape} do not divide into {groups} groups."
        )


def _check_arity(arity: int) -> None:
    if arity < 1:
        raise OptionError(f"arity is the number of branches, 1 or more. Got {arity}.")


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes)) or "none"
