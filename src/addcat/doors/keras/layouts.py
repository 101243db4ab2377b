"""Keras kernels to canonical layout `(out, in, *taps)`, and back.

| layer | Keras | canonical |
| --- | --- | --- |
| Dense | (in, out) | (out, in) |
| Conv | (*taps, in / groups, out) | (out, in / groups, *taps) |
| ConvTranspose | (*taps, out, in) | (out, in, *taps) |
| DepthwiseConv | (*taps, in, multiplier) | (in * multiplier, 1, *taps) |
"""

from addcat.graph import Array


def linear_to_canonical(kernel: Array) -> Array:
    """Keras Dense or Conv kernel, `(*taps, in, out)`, to `(out, in, *taps)`.

    Examples:
        >>> import numpy as np
        >>> linear_to_canonical(np.zeros((3, 5, 8, 16))).shape
        (16, 8, 3, 5)
    """
    taps = range(kernel.ndim - 2)
    return kernel.transpose(kernel.ndim - 1, kernel.ndim - 2, *taps)


def linear_to_keras(kernel: Array) -> Array:
    """`(out, in, *taps)` to Keras' `(*taps, in, out)`.

    Examples:
        >>> import numpy as np
        >>> linear_to_keras(np.zeros((16, 8, 3, 5))).shape
        (3, 5, 8, 16)
    """
    return kernel.transpose(*range(2, kernel.ndim), 1, 0)


def transposed_to_canonical(kernel: Array) -> Array:
    """Keras ConvTranspose kernel, `(*taps, out, in)`, to `(out, in, *taps)`.

    Examples:
        >>> import numpy as np
        >>> transposed_to_canonical(np.zeros((3, 5, 16, 8))).shape
        (16, 8, 3, 5)
    """
    return kernel.transpose(kernel.ndim - 2, kernel.ndim - 1, *range(kernel.ndim - 2))


def transposed_to_keras(kernel: Array) -> Array:
    """`(out, in, *taps)` to Keras' `(*taps, out, in)` of ConvTranspose.

    Examples:
        >>> import numpy as np
        >>> transposed_to_keras(np.zeros((16, 8, 3, 5))).shape
        (3, 5, 16, 8)
    """
    return kernel.transpose(*range(2, kernel.ndim), 0, 1)


def depthwise_to_canonical(kernel: Array) -> Array:
    """Keras DepthwiseConv kernel, `(*taps, in, multiplier)`, to `(in * multiplier, 1, *taps)`.

    Output channel i * multiplier + m comes from input channel i.

    Examples:
        >>> import numpy as np
        >>> depthwise_to_canonical(np.zeros((3, 3, 8, 2))).shape
        (16, 1, 3, 3)
    """
    taps = kernel.shape[:-2]
    flat = kernel.reshape(*taps, -1)
    return flat.transpose(flat.ndim - 1, *range(flat.ndim - 1))[:, None]


def depthwise_to_keras(kernel: Array, multiplier: int) -> Array:
    """`(in * multiplier, 1, *taps)` to Keras' `(*taps, in, multiplier)`.

    Examples:
        >>> import numpy as np
        >>> depthwise_to_keras(np.zeros((16, 1, 3, 3)), 2).shape
        (3, 3, 8, 2)
    """
    flat = kernel[:, 0].transpose(*range(1, kernel.ndim - 1), 0)
    return flat.reshape(*flat.shape[:-1], -1, multiplier)
