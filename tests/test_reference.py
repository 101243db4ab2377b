"""The reference against Keras and torch: what it says is what frameworks compute."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from graphs import Sketch, feed
from networks import randomised
from reference import checked, compute, evaluate

from addcat.doors.keras.read import read
from addcat.frameworks import keras as load_keras
from addcat.graph import Node

keras = load_keras()
layers = keras.layers


def agrees_with_keras(layer: Any, size: tuple[int, ...] = (6, 7), channels: int = 4) -> None:
    x = keras.Input((channels, *size) if getattr(layer, "data_format", "") == "channels_first" else (*size, channels))
    model = randomised(keras.Model(x, layer(x)))
    graph = read(model)
    inputs = feed(graph)
    (array,) = inputs.values()
    expected = np.asarray(model(array.astype("float32")))
    (found,) = checked(graph, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("padding", "strides"), list(product(["same", "valid"], [1, 2, (2, 1)])))
def test_convolutions(padding: str, strides: Any) -> None:
    for taps in (1, 2, 3):
        agrees_with_keras(layers.Conv2D(6, taps, strides=strides, padding=padding, groups=2, activation="relu"))
    if strides != (2, 1):
        agrees_with_keras(layers.DepthwiseConv2D(3, strides=strides, padding=padding, depth_multiplier=2))
        agrees_with_keras(layers.SeparableConv2D(5, 3, strides=strides, padding=padding, depth_multiplier=2))


def test_dilation_and_causal_padding() -> None:
    agrees_with_keras(layers.Conv2D(3, 3, dilation_rate=2, padding="same"))
    agrees_with_keras(layers.Conv2D(3, (3, 2), dilation_rate=(1, 2), padding="valid"))
    agrees_with_keras(layers.Conv1D(3, 3, dilation_rate=2, padding="causal"), (9,))


@pytest.mark.parametrize(("padding", "strides", "taps"), list(product(["same", "valid"], [1, 2, 3], [1, 2, 3, 4])))
def test_transposed_convolutions(padding: str, strides: int, taps: int) -> None:
    agrees_with_keras(layers.Conv2DTranspose(3, taps, strides=strides, padding=padding))
    if strides > 1:
        agrees_with_keras(layers.Conv2DTranspose(3, taps, strides=strides, padding=padding, output_padding=1))


@pytest.mark.parametrize(("padding", "strides", "size"), list(product(["same", "valid"], [1, 2], [2, 3])))
def test_pooling(padding: str, strides: int, size: int) -> None:
    agrees_with_keras(layers.AveragePooling2D(size, strides=strides, padding=padding))
    agrees_with_keras(layers.MaxPooling2D(size, strides=strides, padding=padding))


@pytest.mark.parametrize("layer", ["GlobalAveragePooling2D", "GlobalMaxPooling2D"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_global_pooling(layer: str, keepdims: bool) -> None:
    agrees_with_keras(getattr(layers, layer)(keepdims=keepdims))


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_resizing(method: str) -> None:
    agrees_with_keras(layers.UpSampling2D((2, 3), interpolation=method))


def test_maps_of_single_positions() -> None:
    agrees_with_keras(layers.BatchNormalization())
    agrees_with_keras(layers.Dense(5, activation="softmax"))
    for function in ("relu", "relu6", "sigmoid", "tanh", "silu", "softplus"):
        agrees_with_keras(layers.Activation(function))


@pytest.mark.parametrize("layer", ["Add", "Average", "Multiply", "Maximum", "Minimum", "Concatenate"])
def test_merges(layer: str) -> None:
    inputs = [keras.Input((4, 3)) for _ in range(3)]
    graph = read(keras.Model(inputs, getattr(layers, layer)()(inputs)))
    arrays = feed(graph)
    expected = graph.native([arrays[name].astype("float32") for name in graph.inputs])
    np.testing.assert_allclose(evaluate(graph, arrays)[0], np.asarray(expected), rtol=1e-4, atol=2e-5)


def test_pairs_of_padding_channels_first() -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    sketch = Sketch(first=True)
    x = sketch.input(4)
    wide = sketch.conv(x, 6, 3, groups=2, padding=((1, 2), (0, 1)), strides=(2, 1), dilation=(1, 2))
    up = sketch.conv(
        x, 3, (3, 2), op="conv_transpose", padding=((1, 0), (0, 1)), strides=(2, 3), dilation=(2, 1),
        output_padding=(1, 0),
    )  # fmt: skip
    counted = sketch.pool(x, 3, 2, padding=((1, 1), (1, 1)), counts_padding=True)
    left_out = sketch.pool(x, 3, 2, padding=((1, 1), (1, 1)))
    graph = sketch.graph(wide, up, counted, left_out)
    inputs = feed(graph)
    tensor = torch.from_numpy(inputs["x"])

    def weights(name: str) -> Any:
        return [torch.from_numpy(graph.nodes[name].weight(key)) for key in ("kernel", "bias")]

    kernel, bias = weights("conv_transpose1")
    full = functional.conv_transpose2d(tensor, kernel.transpose(0, 1), bias, stride=(2, 3), dilation=(2, 1))
    full = functional.pad(full - bias[:, None, None], (0, 0, 0, 1)) + bias[:, None, None]
    expected = [
        functional.conv2d(
            functional.pad(tensor, (0, 1, 1, 2)), *weights("conv1"), stride=(2, 1), dilation=(1, 2), groups=2
        ),
        full[:, :, 1:, :-1],
        functional.avg_pool2d(tensor, 3, 2, padding=1),
        functional.avg_pool2d(tensor, 3, 2, padding=1, count_include_pad=False),
    ]
    for found, one in zip(checked(graph, inputs), expected, strict=True):
        np.testing.assert_allclose(found, one.numpy(), rtol=1e-12, atol=1e-12)


def test_depth_to_space_counts_blocks_before_channels() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 12, 4, 5))
    node = Node("d", "depth_to_space", attrs={"block": (2, 2)}, channel_axis=1)
    shuffled = x.reshape(2, 4, 3, 4, 5).transpose(0, 2, 1, 3, 4).reshape(x.shape)  # torch counts channels first
    expected = torch.nn.functional.pixel_shuffle(torch.from_numpy(shuffled), 2).numpy()
    np.testing.assert_array_equal(compute(node, [x])[0], expected)


def test_a_wrong_shape_is_noticed() -> None:
    sketch = Sketch()
    sketch.relu(sketch.input(3), name="y")
    graph = sketch.graph()
    node = graph.nodes["y"]
    wrong = graph.edit(put=[node.edit(outputs=(type(node.outputs[0])((None, 5, 6, 4)),))])
    with pytest.raises(AssertionError, match="y declares"):
        checked(wrong, feed(graph))
