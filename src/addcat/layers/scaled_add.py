"""One learnt scale per branch: y = s_1 x_1 + ... + s_k x_k.

The weighted fusion of EfficientDet's BiFPN, in its unbounded form with a scalar for each input (Tan, Pang and Le, 2020,
https://arxiv.org/abs/1911.09070, section 3.3). SkipInit is the same on the residual branch alone, started small (De and
Smith, 2020, https://arxiv.org/abs/2002.10444).
"""

from typing import Any

from addcat.frameworks import keras
from addcat.layers.branchwise import BranchwiseAdd

_keras: Any = keras()


@_keras.saving.register_keras_serializable(package="addcat")
class ScaledAdd(BranchwiseAdd):
    """Add with one learnt scale per branch.

        y = Σ_i s_i x_i

    The scales start at 1, so that a new layer computes exactly Add. Weight: `scale`, of shape (arity,).

    Input: a list of one or more tensors of one shape; nothing is broadcast. Integers are cast to the compute dtype.
    Output: a tensor of that shape. Masks: as `keras.layers.Add`.

    Args:
        scale_initializer: Of the scales; anything but ones does not start as Add.
        scale_regularizer: Of the scales; the usual ones pull them to 0, not to Add.
        scale_constraint: Of the scales; "non_neg" is the ReLU of BiFPN.
        **kwargs: What every Keras layer takes: `name`, `dtype`, `trainable`, ...

    Raises:
        ShapeError: when it is called on one tensor and not a list, or on shapes that differ.

    Examples:
        >>> import keras, numpy as np
        >>> x, y = np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])
        >>> add = ScaledAdd()
        >>> keras.ops.convert_to_numpy(add([x, y])).tolist()
        [[11.0, 22.0]]
        >>> add.set_weights([np.array([1.0, 0.5])])
        >>> keras.ops.convert_to_numpy(add([x, y])).tolist()
        [[6.0, 12.0]]
    """

    def __init__(
        self,
        *,
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
        super().__init__(None, options, **kwargs)

    def add_weights(self) -> None:
        """Make `scale`, of shape (arity,)."""
        self.scale: Any = self.add_weight_of("scale", (self.arity,))

    def branch(self, position: int, x: Any) -> Any:
        """s_i x."""
        return _keras.ops.multiply(x, _keras.ops.cast(self.scale[position], x.dtype))
