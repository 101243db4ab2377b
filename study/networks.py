"""What the networks of several families share: the end of a network, and how it is compiled."""

from typing import Any

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
    outputs = layers.Flatten(name="number")(layers.Dense(1, name="head")(features))
    return compiled(keras().Model(inputs, outputs, name=name), "mean_squared_error", rate)


def compiled(model: Any, loss: str, rate: float = RATE) -> Any:
    """The network with Adam at one learning rate; the comparison tunes it for each arm."""
    model.compile(keras().optimizers.Adam(rate), loss)
    return model


def inputs_like(data: Data) -> list[Any]:
    """A Keras input for every array, named as `input0`, `input1`."""
    return [keras().Input(values.shape[1:], name=f"input{place}") for place, values in enumerate(data.inputs)]
