"""What the networks of several families share: the end of a network, how it starts, and how it is compiled."""

from typing import Any

import numpy as np

from addcat.frameworks import keras
from study.data import Data

RATE = 4e-3


def classified(inputs: Any, features: Any, data: Data, *, name: str, rate: float = RATE) -> Any:
    """A network that ends in classes or, for a regression, in numbers; compiled with Adam and the loss that fits.

    Args:
        inputs: One Keras input or several.
        features: A tensor of shape (batch, channels).
        data: Says what is to be predicted.
        name: Of the network.
        rate: Of learning.
    """
    layers = keras().layers
    if data.classes:
        outputs = layers.Dense(data.classes, activation="softmax", name="head")(features)
        return compiled(keras().Model(inputs, outputs, name=name), "sparse_categorical_crossentropy", rate)
    outputs = layers.Flatten(name="number")(layers.Dense(1, name="head", **at_the_mean(data))(features))
    return compiled(keras().Model(inputs, outputs, name=name), "mean_squared_error", rate)


def at_the_mean(data: Data) -> dict[str, Any]:
    """How the head of a regression starts: at the mean of the targets, whatever it reads.

    The bias of an output starts at what is to be expected of it (Karpathy 2019, "A Recipe for Training Neural
    Networks"), and its weights so small that the bias alone decides (Goodfellow et al. 2016, section 8.4); at zero, as
    last layers do in Fixup (Zhang et al. 2019). Weights that are drawn can all be below zero where the features, behind
    a ReLU, are above it and the targets too: then every step pushes the features down, until none passes anything on
    and the network gives one number for ever.

    Args:
        data: The examples to train on.

    Returns:
        Arguments of the layer.
    """
    return {"kernel_initializer": "zeros", "bias_initializer": keras().initializers.Constant(mean_of_targets(data))}


def mean_of_targets(data: Data) -> float:
    """One mean for all outputs, to four digits, which do not depend on the processor."""
    return round(float(data.targets.mean(dtype=np.float64)), 4) + 0.0  # no negative zero


def compiled(model: Any, loss: str, rate: float = RATE) -> Any:
    """The network with Adam at one learning rate; the comparison tunes it for each arm."""
    model.compile(keras().optimizers.Adam(rate), loss)
    return model


def inputs_like(data: Data) -> list[Any]:
    """A Keras input for every array, named as `input0`, `input1`."""
    return [keras().Input(values.shape[1:], name=f"input{place}") for place, values in enumerate(data.inputs)]
