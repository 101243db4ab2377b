"""The sum of one map per branch, y = f_1(x_1) + ... + f_k(x_k): what every rung of the ladder has in common.

A rung says what its weights are and what f_i is. The order of the sum, what becomes of masks and the dtype of the
result are those of `keras.layers.Add`, so that an Add can be exchanged for a rung and nothing else changes. Two things
differ: nothing is broadcast, and integers are cast to the compute dtype, which Add declares for them and does not do.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, cast

from addcat.errors import DataError, ShapeError
from addcat.frameworks import keras
from addcat.graph import Shape
from addcat.layers.inputs import channels_on, common_shape, shapes_of

_keras: Any = keras()
_ops: Any = _keras.ops
_Layer: Any = _keras.layers.Layer
_KINDS: dict[str, Any] = {
    "initializer": _keras.initializers,
    "regularizer": _keras.regularizers,
    "constraint": _keras.constraints,
}


class BranchwiseAdd(_Layer):
    """Base of the rungs; abstract.

    Args:
        axis: The axis that counts channels, or None where the weights do not depend on channels.
        options: The initializer, regularizer and constraint of each weight, as `<weight>_<kind>`.
        **kwargs: What every Keras layer takes: `name`, `dtype`, `trainable`, ...

    Attributes:
        arity: How many inputs the layer was built for; 0 before.
        channels: How many channels it was built for; 0 before, and where the weights do not depend on channels.
    """

    def __init__(self, axis: int | None, options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)  # pyright: ignore[reportUnknownMemberType]
        self.supports_masking = True
        self.axis = axis
        self.arity, self.channels = 0, 0
        self._options = tuple(options)
        for option, value in options.items():
            setattr(self, option, _kind(option).get(value))

    def add_weights(self) -> None:
        """Make the weights for `arity` inputs of `channels` channels."""
        raise NotImplementedError

    def branch(self, position: int, x: Any) -> Any:
        """f_i(x): a tensor of the shape and dtype of x.

        Args:
            position: Which input, from 0.
            x: That input, in the compute dtype.
        """
        raise NotImplementedError

    @property
    def channel_axis(self) -> int:
        """The axis that counts channels; the last where the weights do not depend on channels."""
        return -1 if self.axis is None else self.axis

    def build(self, input_shape: Any) -> None:
        """Make the weights.

        Args:
            input_shape: One shape for each input, all equal; None for an unknown size.

        Raises:
            ShapeError: if there is one tensor and no list, shapes differ, or the number of channels is unknown.
            OptionError: if the channel axis is the batch.
        """
        shapes = shapes_of(self._title, input_shape)
        shape = common_shape(self._title, shapes, self.channel_axis)
        self.channels = 0 if self.axis is None else channels_on(self._title, shape, self.axis)
        self.arity = len(shapes)
        self.add_weights()

    def call(self, inputs: Any) -> Any:
        """Map each branch, and add.

        Args:
            inputs: A list of tensors of one shape.

        Returns:
            A tensor of that shape, in the compute dtype.

        Raises:
            ShapeError: if it is not a list, shapes differ, or they are not those that the layer was built for.
            DataError: if an input is complex.
        """
        self._shape_of(inputs)
        branches = (self.branch(n, _ops.cast(x, self.compute_dtype)) for n, x in enumerate(inputs))
        total = next(branches)
        for branch in branches:
            total = _ops.add(total, branch)
        return total

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The one shape of all inputs; a size is unknown only where every input leaves it unknown."""
        return self._shape(shapes_of(self._title, input_shape))

    def compute_output_spec(self, inputs: Any) -> Any:
        """A symbolic tensor of the common shape, in the compute dtype."""
        return _keras.KerasTensor(self._shape_of(inputs), dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """As `keras.layers.Add` does: a step counts where any branch has it, and no mask where a branch has none.

        Args:
            inputs: A list of tensors.
            mask: One mask, or None, for each of them.

        Returns:
            The masks joined by "or"; None if any is missing.

        Raises:
            ShapeError: if there is not one for each input.
        """
        if mask is None:
            return None
        masks = list(cast("Sequence[Any]", mask)) if isinstance(mask, list | tuple) else []
        if len(masks) != len(inputs):
            raise ShapeError(f"{self._title} needs a list of one mask, or None, for each of its {len(inputs)} inputs.")
        return None if any(one is None for one in masks) else reduce(_ops.logical_or, masks)

    def get_config(self) -> dict[str, Any]:
        """Everything that `from_config` needs."""
        config: dict[str, Any] = {**super().get_config()}  # pyright: ignore[reportUnknownMemberType]
        if self.axis is not None:
            config["axis"] = self.axis
        return {**config, **{option: _kind(option).serialize(getattr(self, option)) for option in self._options}}

    def add_weight_of(self, name: str, shape: tuple[int, ...], initializer: Any = None) -> Any:
        """Make one weight with the options of its name.

        Args:
            name: Of the weight and of its options.
            shape: Its shape.
            initializer: In place of its own, where the numbers are laid out in another order.
        """
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer or getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer"),
            constraint=getattr(self, f"{name}_constraint"),
        )

    @property
    def _title(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def _shape_of(self, inputs: Any) -> Shape:
        shape = self._shape(shapes_of(self._title, _keras.tree.map_structure(_sizes, inputs)))
        for position, x in enumerate(inputs):
            dtype = _keras.backend.standardize_dtype(x.dtype)
            if dtype.startswith("complex"):
                raise DataError(
                    f"{self._title} has real weights. Input {position} is {dtype}. "
                    "Merge its real and imaginary parts one by one."
                )
        return shape

    def _shape(self, shapes: Sequence[Shape]) -> Shape:
        """The common shape, which a layer that is built must have been built for."""
        shape = common_shape(self._title, shapes, self.channel_axis)
        if self.arity and len(shapes) != self.arity:
            raise ShapeError(
                f"{self._title} was built for a list of {self.arity}, with weights for each. "
                f"Got a list of {len(shapes)}. Make a layer of its own for each length."
            )
        if self.axis is not None and self.channels:
            channels = channels_on(self._title, shape, self.axis)
            if channels != self.channels:
                raise ShapeError(
                    f"{self._title} was built for size {self.channels} on axis {self.axis}, with weights for each "
                    f"channel. Got size {channels}, in inputs of shape {shape}. Make a layer of its own for each size."
                )
        return shape


def _sizes(x: Any) -> Shape:
    return tuple(x.shape)


def _kind(option: str) -> Any:
    return _KINDS[option.rsplit("_", maxsplit=1)[1]]
