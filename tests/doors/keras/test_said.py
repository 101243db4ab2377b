"""What Keras says in an exception, in one sentence, and which layer said it."""

import keras
import numpy as np
import pytest

from addcat.doors.keras.run import predictor
from addcat.doors.keras.said import first_sentence
from addcat.errors import ModelError
from addcat.verbs.switch import switch

layers = keras.layers


def refusing(inner):
    """A model with a Lambda layer that raises once the model is built."""
    built = []

    def function(x):
        if built:
            raise RuntimeError("the table is missing. Ask for it\nin the office")
        return 2 * x

    x = keras.Input((4,), name="x")
    layer = layers.Lambda(function, output_shape=(4,), name="look_up")
    if inner:
        layer = keras.Sequential([keras.Input((4,)), layer], name="inner")
    merged = layers.Add(name="merge")([x, layers.Dense(4)(x)])
    model = keras.Model(x, layers.Dense(2)(layer(merged)))
    built.append(True)
    return model


@pytest.mark.parametrize("inner", [False, True])
def test_the_layer_that_raised_is_named(inner):
    model, said = refusing(inner), "Lambda 'look_up' raised RuntimeError: the table is missing."
    with pytest.raises(RuntimeError) as raised:
        model(np.zeros((2, 4), "float32"))
    assert first_sentence(raised.value) == said
    with pytest.raises(ModelError) as caught:
        predictor(model)([np.zeros((2, 4), "float32")])
    assert str(caught.value) == f"The model does not run: {said}"


def test_switch_says_what_raised():
    with pytest.raises(ModelError) as caught:
        switch(refusing(False), {"merge": "concat"})
    assert str(caught.value) == (
        "Nothing can be compared on random inputs of shape (4, 4). The model does not run: "
        "Lambda 'look_up' raised RuntimeError: the table is missing. Give data that it takes."
    )


def test_a_shape_that_a_model_does_not_take():
    with pytest.raises(ValueError, match="incompatible") as raised:
        refusing(False)(np.zeros((2, 5), "float32"))
    assert first_sentence(raised.value).startswith("Input 0 with name 'x' of layer ")


def test_what_stands_behind_keras_own_words():
    text = (
        "Exception encountered when calling A.call().\n\n\x1b[1mNo shape. See\nError encountered:\n\nno disk\x1b[0m\n\n"
    )
    assert first_sentence(OSError(text + "Arguments received by A.call():")) == "A.call() raised OSError: no disk."
