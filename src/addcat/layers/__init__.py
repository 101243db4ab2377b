"""The ladder of merges between Add and Concatenate, as Keras layers where Keras has none.

Each is the sum of one linear map per branch, y = f_1(x_1) + ... + f_k(x_k), contains the one above it, and starts as
exactly Add:

| layer | f_i(x) | weights |
| --- | --- | --- |
| `keras.layers.Add` | x | |
| `ScaledAdd` | s_i x | scale (arity,) |
| `ChannelScaledAdd` | diag(s_i) x | scale (arity, channels) |
| `ProjectedAdd` | (I + U_i D_i) x | down (arity, rank, channels), up (arity, channels, rank) |
| `keras.layers.Concatenate`, then a linear layer | W_i x | kernel |

ProjectedAdd contains ChannelScaledAdd only where its rank is the number of channels.

Importing this package imports Keras, and registers the layers with it under "addcat". So a saved model that has one of
them is loaded after it:

    import addcat.layers
    import keras

    model = keras.saving.load_model("model.keras")
"""

from addcat.layers.channel_scaled_add import ChannelScaledAdd
from addcat.layers.projected_add import ProjectedAdd
from addcat.layers.scaled_add import ScaledAdd

__all__ = ["ChannelScaledAdd", "ProjectedAdd", "ScaledAdd"]
