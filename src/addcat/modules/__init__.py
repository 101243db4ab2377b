"""The ladder of merges between Add and Concatenate, as PyTorch modules: what `addcat.layers` has for Keras.

Each is the sum of one linear map per branch, y = f_1(x_1) + ... + f_k(x_k), contains the one above it, and starts as
exactly Add:

| module | f_i(x) | parameters |
| --- | --- | --- |
| `Add` | x | |
| `ScaledAdd` | s_i x | scale (arity,) |
| `ChannelScaledAdd` | diag(s_i) x | scale (arity, channels) |
| `ProjectedAdd` | (I + U_i D_i) x | down (arity, rank, channels), up (arity, channels, rank) |
| `Concatenate`, then a linear module | W_i x | weight |

They are called with one tensor for each branch: `add(x, y)`. Importing this package imports torch.
"""

from addcat.modules.merging import Add, ChannelScaledAdd, Concatenate, ProjectedAdd, ScaledAdd

__all__ = ["Add", "ChannelScaledAdd", "Concatenate", "ProjectedAdd", "ScaledAdd"]
