"""The exact identities of linear algebra behind Add and Concatenate, on kernels laid out `(out, in, *taps)`.

A dense layer and a 1x1 convolution have one tap; an identity that holds per tap holds for convolutions too.

- `cut`: W [x_1; ...; x_k] = sum_i W_i x_i, read in both directions.
- `parallel`: A x + B x = (A + B) x, and [A x; B x] = [A; B] x.
- `serial`: W (E h) = (W E) h.
- `affine`: batch norm and other channelwise scales and shifts, folded into a linear map before or after them.

Sums and products are formed in float64 and rounded once, to the common type of the kernels that came in.
"""

from addcat.algebra.affine import Affine, affine_after, affine_before, batch_norm
from addcat.algebra.cut import equal_parts, identity_projection, split, split_groups, tie, twice, ungroup, widen
from addcat.algebra.linear import Kernel, Linear, constant_passes, rounded
from addcat.algebra.parallel import delta_kernel, fold, pad_taps, stack
from addcat.algebra.serial import SharedMap, absorb, absorb_rank, compose

__all__ = [
    "Affine",
    "Kernel",
    "Linear",
    "SharedMap",
    "absorb",
    "absorb_rank",
    "affine_after",
    "affine_before",
    "batch_norm",
    "compose",
    "constant_passes",
    "delta_kernel",
    "equal_parts",
    "fold",
    "identity_projection",
    "pad_taps",
    "rounded",
    "split",
    "split_groups",
    "stack",
    "tie",
    "twice",
    "ungroup",
    "widen",
]
