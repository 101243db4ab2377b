"""Parallel linear maps of one input: A x + B x = (A + B) x, and [A x; B x] = [A; B] x.

A sum of parallel branches folds into one (RepVGG, Ding et al. 2021); sibling branches stack into one that is wider
(Inception, Szegedy et al. 2015). An identity link is a kernel with a single one at its centre. Kernels of different
taps are centred and zero-padded to the largest, which is exact for equal strides, where the padding around the input
grows with the kernel ("same" stays "same").
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from addcat.algebra.linear import Kernel, Linear, check_kernel, rounded, wide
from addcat.errors import OptionError, ShapeError


def pad_taps(kernel: Kernel, taps: Sequence[int]) -> Kernel:
    """Centre a kernel among zeros.

    Args:
        kernel: Of shape (out, in, *taps).
        taps: Spatial sizes to reach: on each axis the present one plus an even number, so that there is a centre.

    Returns:
        The same map, of shape (out, in, *taps), for an input padded by (taps - old) / 2 more on each side.

    Raises:
        ShapeError: if there are fewer taps than now, or the centre would fall between two taps.

    Examples:
        >>> pad_taps(np.array([[[5.0]]]), [3]).tolist()
        [[[0.0, 5.0, 0.0]]]
    """
    check_kernel(kernel)
    now = kernel.shape[2:]
    if len(now) != len(taps) or any(new < old or (new - old) % 2 for old, new in zip(now, taps, strict=True)):
        raise ShapeError(
            f"A kernel with taps {now} cannot be centred in taps {tuple(taps)}: every axis must grow by an even number."
        )
    sides = [((new - old) // 2,) * 2 for old, new in zip(now, taps, strict=True)]
    return np.pad(kernel, [(0, 0), (0, 0), *sides])


def delta_kernel(channels: int, taps: Sequence[int] = (), groups: int = 1, dtype: DTypeLike = np.float32) -> Kernel:
    """The kernel of an identity link: one at the centre, zero elsewhere.

    Args:
        channels: Channels that pass through.
        taps: Spatial sizes, all odd; empty for a dense layer.
        groups: Groups of the convolution that the link is to be folded into; `channels` for a depthwise one.
        dtype: Type of the kernel.

    Returns:
        A kernel of shape (channels, channels / groups, *taps) that returns its input.

    Raises:
        ShapeError: if a size is even and so has no centre.
        OptionError: if the channels do not divide into the groups.

    Examples:
        >>> delta_kernel(2, [3]).tolist()
        [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    if groups < 1 or channels % groups:
        raise OptionError(f"{channels} channels do not divide into {groups} groups.")
    width = channels // groups
    pointwise: Kernel = np.zeros((channels, width), dtype=dtype)
    pointwise[np.arange(channels), np.arange(channels) % width] = 1.0
    return pad_taps(pointwise.reshape(channels, width, *(1,) * len(taps)), taps)


def fold(*branches: Linear) -> Linear:
    """Write a sum of parallel linear maps as one: A x + B x = (A + B) x.

    Args:
        *branches: One or more maps of equal outputs, inputs (of a group) and strides; a map without taps counts as one
            with a single tap.

    Returns:
        The folded map, with the largest taps on each axis. Its bias is the sum of theirs, None where none has one.

    Raises:
        ShapeError: if their kernels cannot be added.

    Examples:
        A 1x1 branch and an identity link disappear into a 3-tap convolution:

        >>> three, one = Linear(np.array([[[1.0, 2.0, 3.0]]])), Linear(np.array([[[10.0]]]), np.array([0.5]))
        >>> folded = fold(three, one, Linear(delta_kernel(1, [3])))
        >>> folded.kernel.tolist(), folded.bias.tolist()
        ([[[1.0, 13.0, 3.0]]], [0.5])
    """
    if len({(branch.outputs, branch.inputs) for branch in branches}) != 1:
        raise ShapeError(
            "Parallel branches fold only where all have the same outputs and the same inputs. "
            f"Got kernels of shapes {_shapes(branches)}."
        )
    kernels = [branch.kernel for branch in branches]
    total = np.sum([wide(kernel) for kernel in _same_taps(kernels)], axis=0)
    biases = [wide(branch.bias) for branch in branches if branch.bias is not None]
    return Linear(rounded(total, *kernels), rounded(np.sum(biases, axis=0), *kernels) if biases else None)


def stack(*siblings: Linear) -> Linear:
    """Write concatenated siblings of one input as one wider linear map: [A x; B x] = [A; B] x.

    Args:
        *siblings: One or more maps of equal inputs and strides; a map without taps counts as one with a single tap.

    Returns:
        The wider map: outputs in the given order, the largest taps on each axis, zero bias where a sibling has none.

    Raises:
        ShapeError: if they do not read the same number of channels.

    Examples:
        >>> stack(Linear(np.array([[1.0, 2.0]])), Linear(np.array([[3.0, 4.0]]))).kernel.tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    if len({sibling.inputs for sibling in siblings}) != 1:
        raise ShapeError(
            f"Siblings stack only where all read the same channels. Got kernels of shapes {_shapes(siblings)}."
        )
    kernels = _same_taps([sibling.kernel for sibling in siblings])
    bias = None
    if any(sibling.bias is not None for sibling in siblings):
        parts = [np.zeros(s.outputs, s.kernel.dtype) if s.bias is None else s.bias for s in siblings]
        bias = rounded(wide(np.concatenate(parts)), *kernels)
    return Linear(np.concatenate(kernels, axis=0), bias)


def _same_taps(kernels: Sequence[Kernel]) -> list[Kernel]:
    spatial = max(kernel.ndim for kernel in kernels) - 2
    shaped = [k.reshape(*k.shape, *(1,) * spatial) if k.ndim == 2 else k for k in kernels]
    if len({kernel.ndim for kernel in shaped}) != 1:
        shapes = ", ".join(str(kernel.shape) for kernel in kernels)
        raise ShapeError(f"Kernels must have equally many spatial axes, or none. Got shapes {shapes}.")
    taps = [max(sizes) for sizes in zip(*(kernel.shape[2:] for kernel in shaped), strict=True)]
    return [pad_taps(kernel, taps) for kernel in shaped]


def _shapes(branches: Sequence[Linear]) -> str:
    return ", ".join(str(branch.kernel.shape) for branch in branches) or "none"
