"""Add of 1x1 projections, each the identity plus rank r: y = (I + U_1 D_1) x_1 + ... + (I + U_k D_k) x_k.

The low-rank update of LoRA (Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen, 2021, https://arxiv.org/abs/2106.09685,
section 4.1), with the identity in place of its frozen kernel. As there, U starts at zero and D at random: the update is
zero, and its gradient with respect to U is not. Were both zero, neither would ever learn.
"""

from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

from addcat.frameworks import keras
from addcat.layers.branchwise import BranchwiseAdd
from addcat.layers.inputs import whole_number

_keras: Any = keras()
_ops: Any = _keras.ops


@_keras.saving.register_keras_serializable(package="addcat")
class ProjectedAdd(BranchwiseAdd):
    """Add of branches that each pass through the identity plus a map of rank r.

        y = Σ_i (I + U_i D_i) x_i, along the channel axis

    `up` starts at zero, so that a new layer computes exactly Add wherever D_i x_i is finite, and `down` at random, so
    that it learns. (In float16, inputs in the tens of thousands can overflow there, and give nan.)

    Weights: `down` (the D_i), of shape (arity, rank, channels), and `up` (the U_i), of shape (arity, channels, rank).
    Multiply-adds: 2 arity rank channels at each place.

    Input: a list of one or more tensors of one shape; nothing is broadcast. Integers are cast to the compute dtype.
    Output: a tensor of that shape. Masks: as `keras.layers.Add`.

    Args:
        rank: r, from 1 up; from the number of channels up, every linear map can be expressed.
        axis: The axis that counts channels; a positive one counts the batch, so 1 is channels first.
        down_initializer: Of `down`. It is asked for a matrix of shape (channels, arity * rank), as the kernel of a
            Dense is, so that its fan-in is the number of channels. "lecun_normal": D x has the variance of x.
        up_initializer: Of `up`, asked for a matrix of shape (rank, arity * channels); anything but zeros does not start
            as Add.
        down_regularizer: Of `down`.
        up_regularizer: Of `up`; the usual ones pull it to 0, which is Add.
        down_constraint: Of `down`.
        up_constraint: Of `up`.
        **kwargs: What every Keras layer takes: `name`, `dtype`, `trainable`, ...

    Raises:
        OptionError: if the rank is not a whole number from 1 up, or the axis is not one or is the batch.
        ShapeError: when it is called on one tensor and not a list, on shapes that differ, or on an unknown number of
            channels.

    Examples:
        Of two channels, the second branch's first is moved onto the second:

        >>> import keras, numpy as np
        >>> x, y = np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])
        >>> add = ProjectedAdd(1)
        >>> keras.ops.convert_to_numpy(add([x, y])).tolist()
        [[11.0, 22.0]]
        >>> down, up = [[[0.0, 0.0]], [[1.0, 0.0]]], [[[0.0], [0.0]], [[-1.0], [1.0]]]
        >>> add.set_weights([np.array(down), np.array(up)])
        >>> keras.ops.convert_to_numpy(add([x, y])).tolist()
        [[1.0, 32.0]]
    """

    def __init__(
        self,
        rank: int,
        *,
        axis: int = -1,
        down_initializer: Any = "lecun_normal",
        up_initializer: Any = "zeros",
        down_regularizer: Any = None,
        up_regularizer: Any = None,
        down_constraint: Any = None,
        up_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        options = {
            "down_initializer": down_initializer,
            "up_initializer": up_initializer,
            "down_regularizer": down_regularizer,
            "up_regularizer": up_regularizer,
            "down_constraint": down_constraint,
            "up_constraint": up_constraint,
        }
        super().__init__(whole_number("axis", axis), options, **kwargs)
        self.rank: int = whole_number("rank", rank, least=1)

    def add_weights(self) -> None:
        """Make `down`, of shape (arity, rank, channels), and `up`, of shape (arity, channels, rank)."""
        down, up = (self.arity, self.rank, self.channels), (self.arity, self.channels, self.rank)
        self.down: Any = self.add_weight_of("down", down, _as_kernels(self.down_initializer))
        self.up: Any = self.add_weight_of("up", up, _as_kernels(self.up_initializer))

    def branch(self, position: int, x: Any) -> Any:
        """(I + U_i D_i) x, along the channel axis."""
        down, up = (_ops.cast(weight[position], x.dtype) for weight in (self.down, self.up))
        axes = list(ascii_lowercase[: len(x.shape)])
        axes[self.channel_axis] = "C"
        outside = "".join(axes)
        inside = outside.replace("C", "R")
        # not matmul: on torch, Keras 3.15 computes that of float64 in float32
        narrow = _ops.einsum(f"{outside},RC->{inside}", x, down)
        return _ops.add(x, _ops.einsum(f"{inside},CR->{outside}", narrow, up))

    def get_config(self) -> dict[str, Any]:
        """Everything that `from_config` needs."""
        return {"rank": self.rank, **super().get_config()}


def _as_kernels(initializer: Callable[..., Any]) -> Callable[..., Any]:
    """Let an initializer of Dense kernels, (in, out), fill (arity, out, in), so that it sees the true fan-in."""

    def initialize(shape: tuple[int, int, int], dtype: Any = None) -> Any:
        arity, rows, columns = shape
        matrix = initializer((columns, arity * rows), dtype=dtype)
        return _ops.reshape(_ops.transpose(matrix), shape)

    return initialize
