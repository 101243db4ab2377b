"""Merges in the code of layers that are not Keras' own: counted where the code can be followed, said where not."""

import random
from collections import OrderedDict

import networks
import numpy as np
import pytest

import addcat
from addcat.doors.keras.read import read
from addcat.errors import ModelError, SiteError
from addcat.merges.oddities import find_oddities

keras, layers = networks.keras, networks.layers
ops = keras.ops

REMEDY = (
    "addcat does not change a layer's code and asks nothing about what it merges. Call its layers in the Functional "
    "model itself, from a function, or give `compare` one function for each arm."
)


class Block(layers.Layer):
    """A Concatenate in front of a Dense of its own, and a residual Add."""

    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.branch, self.head = layers.Dense(width), layers.Dense(width)

    def call(self, x):
        return self.head(ops.concatenate([x, self.branch(x)], -1)) + x


class Scaled(layers.Layer):
    """Weights and constants are no branches."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:])

    def call(self, x):
        return x * self.scale + self.scale + 1.0


class Outer(layers.Layer):
    """Holds a Block, a Functional model and a Keras layer that merges, and calls each."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        inputs = keras.Input((4,))
        self.block, self.add = Block(), layers.Add()
        self.model = keras.Model(inputs, layers.Concatenate()([inputs, layers.Dense(4)(inputs)]))

    def call(self, x, training=None):
        return self.model(self.add([self.block(x), x]), training=training)


class Masked(layers.Layer):
    """Computes with sizes that the model leaves open, and with a mask that may be none."""

    def call(self, x, mask=None):
        batch, steps, size = ops.shape(x)
        return ops.reshape(x, (batch * steps, size)) + ops.reshape(ops.flip(x, 1), (batch * steps, size))


class Numpy(layers.Layer):
    """Code that wants values."""

    def call(self, x):
        return ops.convert_to_tensor(np.asarray(x) + np.flip(x, -1))

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


class Remembering(layers.Layer):
    """Keeps what passes in attributes, in a list and in a variable, and draws."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen, self.calls, self.dense = [], 0, layers.Dense(4)
        self.ordered = OrderedDict(first=1)
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x):
        self.calls += 1
        self.last = x
        self.ordered[self.calls] = x
        self.seen.append((random.random(), np.random.normal()))  # noqa: S311
        self.steps.assign(self.steps + 1)
        return x + self.dense(x) + keras.random.normal((4,), seed=self.seeds)


class Cell(layers.Layer):
    """A recurrent cell that joins its input with its state."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.state_size, self.dense = 3, layers.Dense(3)

    def build(self, shape):
        self.dense.build((*shape[:-1], shape[-1] + 3))

    def call(self, x, states):
        new = self.dense(ops.concatenate([x, states[0]], -1))
        return new, [new]


def model(layer, shape=(4,)):
    x = keras.Input(shape, name="x")
    return keras.Model(x, layer(x))


def found(net):
    return [(finding.code, finding.site, finding.words) for finding in find_oddities(read(net))]


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (Block, (4,), "Block merges in its own call(): 1 Add and 1 Concatenate."),
        (Outer, (4,), "Outer merges in its own call(): 2 Adds and 2 Concatenates."),
        (Masked, (None, 4), "Masked merges in its own call(): 1 Add."),
        (
            lambda name: layers.Lambda(lambda x: ops.concatenate([x, x * 2], -1), name=name),
            (4,),
            "Lambda merges in its own call(): 1 Concatenate.",
        ),
    ],
)
def test_merges_in_a_layers_own_code_are_counted(layer, shape, words):
    assert found(model(layer(name="own"), shape)) == [("AC215", "own", f"{words} {REMEDY}")]


def test_code_that_merges_no_tensors_is_not_mentioned():
    """Keras' layers neither, whatever they compute with inside."""
    assert found(model(Scaled())) == []
    assert found(model(layers.Lambda(lambda x: x + 1.0))) == []
    for layer in (layers.LayerNormalization(), layers.GroupNormalization(2), layers.LSTM(3), layers.Attention()):
        x = keras.Input((6, 4))
        assert found(keras.Model(x, layer([x, x] if isinstance(layer, layers.Attention) else x))) == []


def test_a_subclass_of_a_keras_layer_that_computes_as_it_does_is_not_mentioned():
    class Mine(layers.Dense):
        """Other defaults."""

    assert found(model(Mine(3))) == []


def test_code_that_cannot_be_followed_is_said():
    (finding,) = found(model(Numpy(name="own")))
    assert finding[:2] == ("AC215", "own")
    assert finding[2].startswith("what Numpy computes inside is not seen (ValueError: A KerasTensor ")
    assert finding[2].endswith(f"), so merges in it are not listed. {REMEDY}")


def test_a_cell_of_ones_own_is_said():
    words = (
        "what RNN computes inside is not seen (it holds Cell 'cell', whose code is not run alone), so merges in it are "
        f"not listed. {REMEDY}"
    )
    assert found(model(layers.RNN(Cell(name="cell"), name="rnn"), (5, 4))) == [("AC215", "rnn", words)]


def test_the_layer_is_as_before():
    layer = Remembering(name="own")
    net = model(layer)
    kept, steps, seeds = dict(vars(layer)), layer.steps.numpy(), np.asarray(layer.seeds.state)
    seen, ordered = list(layer.seen), list(layer.ordered.items())
    records = (len(layer._inbound_nodes), len(layer.dense._inbound_nodes))
    numpy, python = np.random.get_state()[1].copy(), random.getstate()
    before = layers.Add().name
    assert found(net) == [("AC215", "own", f"Remembering merges in its own call(): 1 Add. {REMEDY}")]
    after = layers.Add().name
    assert vars(layer) == kept
    assert list(layer.seen) == seen
    assert list(layer.ordered.items()) == ordered
    assert layer.steps.numpy() == steps
    assert np.array_equal(layer.seeds.state, seeds)
    assert (len(layer._inbound_nodes), len(layer.dense._inbound_nodes)) == records
    assert np.array_equal(np.random.get_state()[1], numpy)
    assert random.getstate() == python
    assert _number(after) == _number(before) + 1, "names of later layers are counted on"


def _number(name):
    return int(name.rpartition("_")[2]) if name[-1].isdigit() else 0


def test_whoever_asks_about_such_a_merge_is_told_where_it_is():
    net = model(Block(name="block"))
    words = f"block: Block merges in its own call(): 1 Add and 1 Concatenate. {REMEDY.removesuffix('.')} [AC215]."
    for site in ("block", "block/add"):
        with pytest.raises(SiteError) as told:
            addcat.switch(net, {site: "concat"})
        assert str(told.value) == f"{site!r} is no merge of this model. {words}"
    with pytest.raises(SiteError) as told:
        addcat.switch(net, {"add": "concat"})
    assert str(told.value) == f"The model has no merge, so 'add' cannot be switched. {words}"
    assert "1 layer merges in code of its own, or may." in str(addcat.inspect(net))
    x, y = np.zeros((40, 4), "float32"), np.zeros((40, 4), "float32")
    net.compile("sgd", "mse")
    nothing = "The model has no Add or Concatenate that could be the other one"
    with pytest.raises(ModelError) as told:
        addcat.compare(net, (x, y))
    assert str(told.value) == f"{nothing}: nothing to compare. {words}"
    with pytest.raises(SiteError) as told:
        addcat.compare(net, (x, y), sites=["block"])
    assert str(told.value) == f"'block' is no merge of this model. {words}"
    page = " ".join(str(addcat.advise(net, (x, y))).split())
    assert f"{nothing}. - {words.replace('`', '')}" in page
