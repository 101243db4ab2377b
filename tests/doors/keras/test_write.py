"""A graph as a Keras model: it computes the same, keeps all that was not changed, and shares nothing."""

from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from networks import NETWORKS, network, outputs, sample

from addcat.doors.keras.read import read
from addcat.doors.keras.write import write
from addcat.errors import ModelError
from addcat.graph import Edge, Graph, Node, Tensor, Weight

keras, layers = networks.keras, networks.layers


def assert_same_function(model: Any, copy: Any, data: Any) -> None:
    """Outputs equal to 1e-6 of the largest; none of them may be nothing but zeros."""
    for old, new in zip(outputs(model, data), outputs(copy, data), strict=True):
        assert np.abs(old).max() > 0
        assert np.abs(new - old).max() <= 1e-6 * np.abs(old).max()


def state(model: Any) -> list[tuple[Any, ...]]:
    """All that identifies the variables of a model, in its order."""
    variables = [(v.path, v.name, tuple(v.shape), str(v.dtype), bool(v.trainable)) for v in model.variables]
    return [*variables, *(("trainable", v.path) for v in model.trainable_variables)]


def settings(model: Any) -> list[tuple[Any, ...]]:
    """Class, name and config of every layer; class, flag and dtype policy of those inside, numbered by Keras."""
    outer = [(type(layer), layer.name, str(layer.get_config())) for layer in model.layers]
    inner = [(type(one), one.trainable, one.dtype_policy.name) for one in model._flatten_layers(include_self=False)]
    return [*outer, *inner]


@pytest.mark.parametrize("name", NETWORKS)
def test_round_trip_keeps_everything(name: str, tmp_path: Path) -> None:
    model = network(name)
    copy = write(read(model))
    assert type(copy) is type(model)
    assert copy.name == model.name
    assert_same_function(model, copy, sample(model))
    assert state(copy) == state(model)
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(model.variables, copy.variables, strict=True))
    assert settings(copy) == settings(model)
    copy.save(tmp_path / "copy.keras")
    assert_same_function(model, keras.saving.load_model(tmp_path / "copy.keras"), sample(model))


def objects(model: Any) -> list[Any]:
    """Every layer, nested ones too, and every function of `keras.ops`."""
    return [*model._flatten_layers(), *getattr(model, "operations", ())]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_copy_shares_no_object_with_the_original(name: str) -> None:
    model = network(name)
    calls = [len(one._inbound_nodes) for one in objects(model)]
    copy = write(read(model))
    mine, theirs = ({id(thing) for thing in (*m.variables, *objects(m))} for m in (model, copy))
    assert not mine & theirs
    assert calls == [len(one._inbound_nodes) for one in objects(model)]


def test_training_the_copy_leaves_the_original(tmp_path: Path) -> None:
    model = networks.residual()
    before = [variable.numpy() for variable in model.variables]
    copy = write(read(model))
    copy.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    copy.fit(sample(model, 8), np.arange(8), epochs=2, verbose=0)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.variables, strict=True))
    changed = [not np.array_equal(a, b.numpy()) for a, b in zip(before, copy.variables, strict=True)]
    assert sum(changed) >= len(copy.trainable_variables)


def test_a_copy_of_a_copy_after_the_original_is_gone() -> None:
    model = networks.two_tower_own()
    data, expected = sample(model), outputs(model, sample(model))
    graph = read(write(read(model)))
    del model
    assert np.array_equal(outputs(write(graph), data)[0], expected[0])


def test_without_weights_the_initialisers_draw_anew() -> None:
    model = network("residual")
    copy = write(read(model), weights=False)
    assert state(copy) == state(model)
    kernels = [(a.numpy(), b.numpy()) for a, b in zip(model.weights, copy.weights, strict=True) if a.name == "kernel"]
    assert kernels
    assert all(not np.array_equal(a, b) for a, b in kernels)


def test_frozen_layers_stay_frozen() -> None:
    model = networks.residual()
    model.layers[1].trainable = False
    assert state(write(read(model))) == state(model)
    model.trainable = False
    copy = write(read(model))
    assert copy.trainable_variables == []
    assert state(copy) == state(model)
    model.layers[2].trainable = True  # does not thaw the model
    copy = write(read(model))
    assert not copy.trainable
    assert copy.layers[2].trainable
    assert state(copy) == state(model)


def dense_model(layer: Any, cls: Any = None, name: str = "model") -> Any:
    inputs = keras.Input((4,), name="x")
    return (cls or keras.Model)(inputs, layer(inputs), name=name)


class Scaled(layers.Layer):
    """As a user would write it: a weight, an inner layer, a config."""

    def __init__(self, factor: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.factor = factor
        self.inner = layers.Dense(3, name="inner")

    def build(self, shape: Any) -> None:
        self.gain = self.add_weight(shape=(shape[-1],), initializer="random_normal", name="gain")
        self.inner.build(shape)

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs * self.gain * self.factor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class Unconfigured(Scaled):
    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "factor"}


class Raising(Scaled):
    def get_config(self) -> dict[str, Any]:
        raise KeyError("factor")


class OwnTraining(keras.Model):
    def train_step(self, *arguments: Any) -> Any:
        return super().train_step(*arguments)


class OwnInit(keras.Model):
    def __init__(self, width: int) -> None:
        inputs = keras.Input((4,))
        super().__init__(inputs, layers.Dense(width)(inputs), name="mine")


def twice(x: Any) -> Any:
    return 2 * x


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Scaled(3.0, name="own"),
        lambda: layers.Lambda(lambda x: 2 * x, output_shape=(4,), name="own"),
        lambda: layers.Lambda(twice, output_shape=(4,), name="own"),
        lambda: layers.Dense(3, activation=lambda x: x * x, name="own"),
        lambda: layers.Dense(3, activation=layers.LeakyReLU(0.3), name="own"),
        lambda: layers.Activation(twice, name="own"),
        lambda: layers.Dense(3, kernel_regularizer="l2", kernel_constraint="non_neg", name="own"),
        lambda: layers.Dense(3, dtype="float16", name="own"),
        lambda: keras.Sequential([keras.Input((4,)), Scaled(2.0), layers.Dropout(0.5)], name="own"),
    ],
    ids=["layer", "lambda", "function", "activation", "layer as one", "Activation", "regular", "float16", "nested"],
)
def test_code_of_the_users_own_is_carried(layer: Any) -> None:
    model = dense_model(layer())
    copy = write(read(model))
    assert_same_function(model, copy, sample(model))
    assert state(copy) == state(model)
    assert copy.get_layer("own") is not model.get_layer("own")


def test_functions_that_hold_functions_are_carried() -> None:
    shift = np.float32(3)

    def scaled(row: Any) -> Any:
        return row * 2 + shift

    inputs = keras.Input((4,), batch_size=2, name="x")
    model = keras.Model(inputs, keras.ops.vectorized_map(scaled, inputs))
    copy = write(read(model))
    assert_same_function(model, copy, sample(model))


def test_low_rank_adapters_are_carried() -> None:
    model = dense_model(layers.Dense(3, name="adapted"))
    model.get_layer("adapted").enable_lora(2)
    networks.randomised(model)
    copy = write(read(model))
    assert_same_function(model, copy, sample(model))
    assert state(copy) == state(model)


def test_a_class_that_adds_training_methods_is_kept() -> None:
    copy = write(read(dense_model(layers.Dense(2), OwnTraining)))
    assert type(copy) is OwnTraining


CANNOT = "{} cannot be made again from its config: {}. Give the class get_config() with every argument of its __init__."


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: dense_model(Unconfigured(2.0, name="own")),
            CANNOT.format(
                "Unconfigured 'own'",
                "Scaled.__init__() missing 1 required positional argument: 'factor'",
            ),
        ),
        (lambda: dense_model(Raising(2.0, name="own")), CANNOT.format("Raising 'own'", "'factor'")),
        (
            lambda: OwnInit(3),
            "OwnInit 'mine' has its own __init__, so it cannot be made again from inputs and outputs. "
            "Pass keras.Model(model.inputs, model.outputs) instead.",
        ),
    ],
    ids=["incomplete config", "no config", "own __init__"],
)
def test_what_cannot_be_made_again_is_refused(make: Any, text: str) -> None:
    graph = read(make())
    with pytest.raises(ModelError) as caught:
        write(graph)
    assert str(caught.value) == text


class Constant(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, step: Any) -> Any:
        return self.rate

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate}


class Halved(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.square(y_true - y_pred)) / 2


@pytest.mark.parametrize(
    "loss",
    [lambda: "mse", Halved, lambda: lambda y, p: keras.ops.mean(keras.ops.abs(y - p))],
    ids=["name", "class", "function"],
)
def test_a_compiled_model_stays_compiled_with_fresh_slots(loss: Any) -> None:
    model = networks.randomised(dense_model(layers.Dense(2)))
    optimizer = keras.optimizers.AdamW(Constant(0.25), weight_decay=0.1)
    model.compile(optimizer, loss(), metrics=["mae", keras.metrics.MeanSquaredError("squared")])
    data, target = sample(model, 8), np.ones((8, 2), "float32")
    model.fit(data, target, verbose=0)
    copy = write(read(model))
    assert copy.compiled
    assert type(copy.optimizer) is keras.optimizers.AdamW
    assert copy.optimizer is not optimizer
    assert copy.optimizer.get_config() == optimizer.get_config()
    assert copy.optimizer.iterations.numpy() == 0
    assert copy.evaluate(data, target, verbose=0) == pytest.approx(model.evaluate(data, target, verbose=0), rel=1e-5)
    assert not {id(metric) for metric in copy.metrics} & {id(metric) for metric in model.metrics}
    assert copy.fit(data, target, verbose=0).history["loss"][0] > 0


def test_a_model_that_is_not_compiled_stays_so() -> None:
    assert not write(read(network("residual"))).compiled


def dense(name: str, reads: str, kernel: Any, bias: Any = None) -> Node:
    weights = {"kernel": Weight.of(kernel), **({} if bias is None else {"bias": Weight.of(bias)})}
    output = Tensor((None, kernel.shape[0]))
    return Node(name, "dense", (Edge(reads),), (output,), {"activation": "linear"}, weights, channel_axis=1)


def test_an_edited_layer_keeps_its_class_and_name_and_gets_new_sizes() -> None:
    model = networks.randomised(dense_model(layers.Dense(3, activation="tanh", name="head")))
    graph = read(model)
    head = graph.nodes["head"]
    kernel, bias = head.weight("kernel"), head.weight("bias")
    wider = head.edit(
        weights={"kernel": np.concatenate([kernel, 2 * kernel]), "bias": np.concatenate([bias, bias])},
        outputs=(Tensor((None, 6)),),
    )
    copy = write(graph.edit(put=[wider]))
    data = sample(model)
    expected = np.tanh(np.concatenate([data @ kernel.T + bias, 2 * data @ kernel.T + bias], axis=1))
    assert copy.get_layer("head").units == 6
    np.testing.assert_allclose(outputs(copy, data)[0], expected, rtol=1e-5, atol=1e-6)
    assert model.get_layer("head").units == 3


def add_to_concat(graph: Graph, *, as_function: bool) -> Graph:
    """x -> head(left(x) + right(x)), with the Add replaced by a Concatenate and a tied consumer."""
    head, merge = graph.nodes["head"], graph.nodes["merge"]
    kernel = head.weight("kernel")
    concat = Node(
        "merge",
        "concat",
        merge.inputs,
        (Tensor((None, 10)),),
        {"axis": -1, "as_function": as_function},
        channel_axis=1,
    )
    tied = head.edit(weights={"kernel": np.concatenate([kernel, kernel], axis=1)}, inputs=(Edge("merge"),))
    return graph.edit(put=[concat, tied])


@pytest.mark.parametrize("as_function", [False, True])
def test_a_merge_of_ours_in_the_place_of_the_models(as_function: bool) -> None:
    inputs = keras.Input((4,), name="x")
    x = layers.Add(name="merge")([layers.Dense(5, name="left")(inputs), layers.Dense(5, name="right")(inputs)])
    model = networks.randomised(keras.Model(inputs, layers.Dense(2, name="head")(x)))
    copy = write(add_to_concat(read(model), as_function=as_function))
    data = sample(model)
    np.testing.assert_allclose(outputs(copy, data)[0], outputs(model, data)[0], rtol=1e-5, atol=1e-6)
    merges = [operation for operation in copy.operations if type(operation).__name__ == "Concatenate"]
    assert [merge.name for merge in merges] == ["merge"]
    assert isinstance(merges[0], layers.Layer) is not as_function


def test_a_merge_in_a_sequential_model_makes_it_functional() -> None:
    model = networks.randomised(
        keras.Sequential([keras.Input((4,), name="x"), layers.Dense(4, name="one"), layers.Dense(3, name="two")])
    )
    graph = read(model)
    merge = Node("sum", "add", (Edge("x"), Edge("one")), (Tensor((None, 4)),), channel_axis=1)
    two = graph.nodes["two"].edit(inputs=(Edge("sum"),))
    copy = write(graph.edit(put=[merge, two]))
    data = sample(model)
    one, last = model.layers
    expected = last(data + keras.ops.convert_to_numpy(one(data)))
    assert type(copy) is keras.Model or type(copy).__name__ == "Functional"
    np.testing.assert_allclose(outputs(copy, data)[0], expected, rtol=1e-5, atol=1e-6)


def test_new_layers_of_every_kind_that_rules_make() -> None:
    generator = np.random.default_rng(0)
    inputs = keras.Input((6, 6, 2), name="x")
    graph = read(keras.Model(inputs, layers.ReLU(name="relu")(inputs)))
    kernel = generator.normal(size=(3, 2, 3, 3)).astype("float32")
    conv = Node(
        "conv",
        "conv",
        (Edge("x"),),
        (Tensor((None, 6, 6, 3)),),
        {"padding": "same", "activation": "linear"},
        {"kernel": Weight.of(kernel), "bias": Weight.of(np.ones(3, "float32"))},
        channel_axis=3,
    )
    tanh = Node("tanh", "activation", (Edge("conv"),), conv.outputs, {"function": "tanh"}, channel_axis=3)
    product = Node("product", "multiply", (Edge("tanh"), Edge("conv")), conv.outputs, channel_axis=3)
    largest = Node("largest", "maximum", (Edge("product"), Edge("tanh")), conv.outputs, channel_axis=3)
    head = dense("head", "largest", generator.normal(size=(4, 3)).astype("float32"))
    head = head.edit(outputs=(Tensor((None, 6, 6, 4)),), channel_axis=3)
    copy = write(Graph.of(
        [*graph.nodes.values(), conv, tanh, product, largest, head],
        inputs=["x"], outputs=[Edge("head")], name="made", native=graph.native,
    ))  # fmt: skip
    data = sample(copy)
    z = keras.ops.convert_to_numpy(keras.ops.conv(data, kernel.transpose(2, 3, 1, 0), padding="same")) + 1
    expected = np.maximum(np.tanh(z) * z, np.tanh(z)) @ head.weight("kernel").T
    np.testing.assert_allclose(outputs(copy, data)[0], expected, rtol=1e-4, atol=1e-5)
    assert [type(layer).__name__ for layer in copy.layers[1:]] == [
        "Conv2D",
        "Activation",
        "Multiply",
        "Maximum",
        "Dense",
    ]
