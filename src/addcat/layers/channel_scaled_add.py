"""One learnt scale per branch and channel: y = diag(s_1) x_1 + ... + diag(s_k) x_k.

LayerScale of CaiT is the same on the residual branch alone, started small (Touvron, Cord, Sablayrolles, Synnaeve and
Jégou, 2021, https://arxiv.org/abs/2103.17239, section 2).
"""

from typing import Any

from addcat.frameworks import keras
from addcat.layers.branchwise import BranchwiseAdd
from addcat.layers.inputs import whole_number

_keras: Any = keras()


@_keras.saving.register_keras_serializable(package="addcat")
class ChannelScaledAdd(BranchwiseAdd):
    """Add with one learnt scale per branch and channel.

        y[..., c] = Σ_i s_i[c] x_i[..., c]

    The scales start at 1, so that a new layer computes exactly Add. Weight: `scale`, of shape (arity, channels).

    Input: a list of one or more tensors of one shape; nothing is broadcast. Integers are cast to the compute dtype.
    Output: a tensor of that shape. Masks: as `keras.layers.Add`.

    Args:
        axis: The axis that counts channels; a positive one counts the batch, so 1 is channels first.
        scale_initializer: Of the scales; anything but ones does not start as Add.
        scale_regularizer: Of the scales; the usual ones pull them to 0, not to Add.
        scale_constraint: Of the scales.
        **kwargs: What every Keras layer takes: `name`, `dtype`, `trainable`, ...

    Raises:
        OptionError: if the axis is not a whole number, or is the batch.
        ShapeError: when it is called on one tensor and not a list, on shapes that differ, or on an unknown number of
            channels.

    Examples:
        >>> import keras, numpy as np
        >>> x, y = np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])
        >>> add = ChannelScaledAdd()
        >>> keras.ops.convert_to_numpy(add([x, y])).tolist()
        [[11.0, 22.0]]
        >>> add.set_weights([np.array([[1.0, 1.0], [0.5, 0.0]])])
        >>> keras.ops.convert_to_numpy(add([x, y])).tolist()
        [[6.0, 2.0]]
    """

    def __init__(
        self,
        *,
        axis: int = -1,
        scale_initializer: Any = "ones",
        scale_regularizer: Any = None,
        scale_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        options = {
            "scale_initializer": scale_initializer,
            "scale_regularizer": scale_regularizer,
            "scale_constraint": scale_constraint,
        }
        super().__init__(whole_number("axis", axis), options, **kwargs)

    def add_weights(self) -> None:
        """Make `scale`, of shape (arity, channels)."""
        self.scale: Any = self.add_weight_of("scale", (self.arity, self.channels))

    def branch(self, position: int, x: Any) -> Any:
        """diag(s_i) x, along the channel axis."""
        sizes = [1] * len(x.shape)
        sizes[self.channel_axis] = self.channels
        scale = _keras.ops.cast(self.scale[position], x.dtype)
        return _keras.ops.multiply(x, _keras.ops.reshape(scale, sizes))
