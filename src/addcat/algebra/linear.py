"""A linear map with its bias: y = W x + b, the noun of the identities that touch a bias."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.errors import RefusedError, ShapeError

Kernel = NDArray[Any]
"""A kernel `(out, in, *taps)` of any real floating type; `(out, in)` for a dense layer."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A dense layer or a convolution, as far as algebra sees it.

    Attributes:
        kernel: W, of shape (out, in, *taps). In a convolution of several groups, `in` counts the inputs of one group.
        bias: b, of shape (out,); None where there is none.

    Raises:
        ShapeError: if the kernel is not a floating array of two or more axes, or the bias has another size.

    Examples:
        >>> Linear(np.zeros((8, 3, 5, 5)), np.zeros(8)).taps
        (5, 5)
    """

    kernel: Kernel
    bias: Kernel | None = None

    def __post_init__(self) -> None:
        check_kernel(self.kernel)
        if self.bias is not None and self.bias.shape != (self.outputs,):
            raise ShapeError(
                f"bias must have shape ({self.outputs},), one value for each output of a kernel of shape "
                f"{self.kernel.shape}. Got shape {self.bias.shape}."
            )

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return self.kernel.shape[0]

    @property
    def inputs(self) -> int:
        """Number of input channels; of one group, where there are several."""
        return self.kernel.shape[1]

    @property
    def taps(self) -> tuple[int, ...]:
        """Spatial sizes of the kernel; empty for a dense layer."""
        return self.kernel.shape[2:]

    @property
    def pointwise(self) -> bool:
        """Whether there is a single tap, so that each position is mapped alone."""
        return prod(self.taps) == 1


def check_kernel(kernel: Kernel) -> None:
    """Refuse an array that cannot be a kernel.

    Raises:
        ShapeError: if it has fewer than two axes, or holds no real floating numbers.
    """
    if kernel.ndim < 2:
        raise ShapeError(f"kernel must have shape (out, in, *taps). Got shape {kernel.shape}.")
    if kernel.dtype.kind not in "fV":  # V: bfloat16 and the float8 types, which numpy does not know by name
        raise ShapeError(
            f"kernel must hold floating-point numbers. Got {kernel.dtype}. Dequantise or cast the weights first."
        )


def wide(array: Kernel) -> Float64:
    """The same numbers in float64, in which all sums and products are formed."""
    return np.asarray(array, dtype=np.float64)


def rounded(array: Float64, *like: Kernel) -> Kernel:
    """Round once, to the common type of the kernels that came in.

    Raises:
        RefusedError: if a number is too large for that type.
    """
    with np.errstate(over="ignore"):
        result = array.astype(np.result_type(*like))
    if not np.isfinite(result).all() and np.any(np.isfinite(array) & ~np.isfinite(result)):
        raise RefusedError(f"A weight would be {np.abs(array).max():.3g}, which {result.dtype} cannot hold.")
    return result


def constant_passes(constant: Kernel | None, *, padded: bool) -> bool:
    """Whether a constant added to the input of a linear map is a constant at its output.

    At a zero-padded border fewer taps see the constant, so it is not the same everywhere; a single tap that lies on the
    padding sees none of it. The same holds inside a transposed convolution, where outputs read different taps.

    Args:
        constant: One value per input channel; None for none.
        padded: Whether some output reads fewer than all taps (`addcat.graph.windows.misses_taps`).

    Returns:
        True where there is no constant, or every output reads all taps.

    Examples:
        >>> ones = np.ones(4)
        >>> constant_passes(ones, padded=True), constant_passes(ones, padded=False), constant_passes(None, padded=True)
        (False, True, True)
    """
    return not padded or constant is None or not np.any(constant)
