"""Small networks and data to compare on: an ordered target, which Concatenate learns and Add behind one encoder not."""

from networks import Input, keras, layers
from problems import encoded_pair, two_inputs
from small import model


def ordered(x, y):
    return x[:, 0] - y[:, 0]


def compiled(merge="add"):
    net = keras.models.clone_model(encoded_pair(merge))
    net.compile(keras.optimizers.Adam(0.05), "mean_squared_error")
    return net


def arrays(examples):
    return list(examples.inputs), examples.targets[0]


DATA, HELD = (arrays(two_inputs(n, ordered, noise=0.1, seed=seed)) for n, seed in ((200, 1), (100, 2)))


def two_merges():
    x, y = Input((4,), name="x"), Input((4,), name="y")
    first = layers.Add(name="first")([layers.Dense(3, name="a")(x), layers.Dense(3, name="b")(y)])
    hidden = layers.Dense(4, activation="relu", name="hidden")(first)
    second = layers.Add(name="second")([hidden, layers.Dense(4, name="c")(hidden)])
    net = model([x, y], layers.Dense(1, name="head")(second), name="two")
    net.compile(keras.optimizers.Adam(0.02), "mean_squared_error")
    return net
