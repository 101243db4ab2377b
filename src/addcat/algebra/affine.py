"""Channelwise scale and shift, s x + t, folded into a linear map on either side.

After it:   s (W x + b) + t = (s W) x + (s b + t)
Before it:  W (s x + t) + b = (W s) x + (W t + b)

Batch norm at inference is such a map, with s = gamma / sqrt(variance + epsilon) and t = beta - s mean (Ioffe and
Szegedy 2015). The shift passes through taps only where every output reads all of them (see `constant_passes`).
"""

from dataclasses import dataclass

import numpy as np

from addcat.algebra.linear import Float64, Kernel, Linear, constant_passes, rounded, wide
from addcat.errors import OptionError, RefusedError, ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """A scale and a shift for each channel: x -> scale * x + shift.

    Attributes:
        scale: s, of shape (channels,), in float64.
        shift: t, of shape (channels,), in float64.

    Raises:
        ShapeError: if the two are not one value per channel each.
    """

    scale: Float64
    shift: Float64

    def __post_init__(self) -> None:
        if self.scale.ndim != 1 or self.scale.shape != self.shift.shape:
            raise ShapeError(
                "scale and shift must both have shape (channels,). "
                f"Got shapes {self.scale.shape} and {self.shift.shape}."
            )

    def part(self, channels: slice) -> "Affine":
        """What it does to some of the channels, as to one branch of a Concatenate."""
        return Affine(self.scale[channels], self.shift[channels])


def batch_norm(
    mean: Kernel, variance: Kernel, *, epsilon: float, scale: Kernel | None = None, offset: Kernel | None = None
) -> Affine:
    """Write batch norm, at inference, as a scale and a shift for each channel.

    Args:
        mean: Moving mean, of shape (channels,).
        variance: Moving variance, of shape (channels,).
        epsilon: What the layer adds to the variance.
        scale: gamma, of shape (channels,); None for ones.
        offset: beta, of shape (channels,); None for zeros.

    Returns:
        s = gamma / sqrt(variance + epsilon) and t = beta - s mean.

    Raises:
        OptionError: if variance + epsilon is not positive everywhere.
        ShapeError: if the four do not have the same size.

    Examples:
        >>> norm = batch_norm(np.array([1.0]), np.array([3.0]), epsilon=1.0, offset=np.array([5.0]))
        >>> norm.scale.tolist(), norm.shift.tolist()
        ([0.5], [4.5])
    """
    sizes = {value.shape for value in (mean, variance, scale, offset) if value is not None}
    if len(sizes) != 1 or len(mean.shape) != 1:
        raise ShapeError(
            "mean, variance, scale and offset of a batch norm must all have shape (channels,). "
            f"Got shapes {', '.join(map(str, sorted(sizes)))}."
        )
    spread = wide(variance) + epsilon
    if not np.all(spread > 0.0):
        raise OptionError(
            f"Batch norm divides by sqrt(variance + epsilon). The smallest variance is {np.min(variance):.3g} and "
            f"epsilon is {epsilon:.3g}: their sum must be positive."
        )
    gain = (1.0 if scale is None else wide(scale)) / np.sqrt(spread)
    return Affine(gain, (0.0 if offset is None else wide(offset)) - gain * wide(mean))


def affine_after(linear: Linear, affine: Affine) -> Linear:
    """Fold a scale and a shift into the linear map that comes before them.

    Args:
        linear: W and b; any number of groups.
        affine: One scale and shift for each output.

    Returns:
        s W and s b + t: exact at every stride and padding. No bias where there was none and nothing is shifted.

    Raises:
        ShapeError: if `affine` has not one channel for each output.

    Examples:
        >>> after = affine_after(Linear(np.array([[1.0, 2.0]])), Affine(np.array([10.0]), np.array([3.0])))
        >>> after.kernel.tolist(), after.bias.tolist()
        ([[10.0, 20.0]], [3.0])
    """
    kernel = linear.kernel
    _check_channels(affine, linear.outputs, "output", kernel)
    scaled = wide(kernel) * affine.scale.reshape(-1, *(1,) * (kernel.ndim - 1))
    if linear.bias is None and not affine.shift.any():
        return Linear(rounded(scaled, kernel))
    shift = affine.shift if linear.bias is None else affine.scale * wide(linear.bias) + affine.shift
    return Linear(rounded(scaled, kernel), rounded(shift, kernel))


def affine_before(affine: Affine, linear: Linear, *, padded: bool, groups: int = 1) -> Linear:
    """Fold a scale and a shift into the linear map that comes after them.

    Args:
        affine: One scale and shift for each input.
        linear: W and b.
        padded: Whether some output reads fewer than all taps (zero padding, transposed convolution).
        groups: Groups of the convolution; the outputs of a group are neighbours.

    Returns:
        W s and W t + b. The bias stays None where it was None and t is zero.

    Raises:
        RefusedError: if a shift would have to pass through zero-padded taps.
        ShapeError: if `affine` has not one channel for each input.

    Examples:
        >>> before = affine_before(Affine(np.array([10.0]), np.array([3.0])), Linear(np.array([[2.0]])), padded=False)
        >>> before.kernel.tolist(), before.bias.tolist()
        ([[20.0]], [6.0])
    """
    kernel, width = linear.kernel, linear.inputs
    _check_channels(affine, width * groups, "input", kernel)
    if not constant_passes(affine.shift, padded=padded):
        raise RefusedError(
            f"A shift cannot pass through taps {linear.taps} that are zero-padded: at the border it would not be "
            "constant. Fold the scale alone, or pad with the value that the shift makes of zero."
        )
    per_output = linear.outputs // groups
    scale, shift = (
        value.reshape(groups, width)
        .repeat(per_output, axis=0)
        .reshape(linear.outputs, width, *(1,) * (kernel.ndim - 2))
        for value in (affine.scale, affine.shift)
    )
    constant = (wide(kernel) * shift).reshape(linear.outputs, -1).sum(axis=1)
    if linear.bias is not None:
        constant = constant + wide(linear.bias)
    keep = linear.bias is not None or bool(np.any(affine.shift))
    return Linear(rounded(wide(kernel) * scale, kernel), rounded(constant, kernel) if keep else None)


def _check_channels(affine: Affine, channels: int, side: str, kernel: Kernel) -> None:
    if affine.scale.size != channels:
        raise ShapeError(
            f"scale and shift must have one value for each of the {channels} {side}s of a kernel of shape "
            f"{kernel.shape}. Got {affine.scale.size}."
        )
