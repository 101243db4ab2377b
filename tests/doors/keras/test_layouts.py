"""Canonical kernels: there and back, and that the canonical one computes what Keras computes."""

from collections.abc import Callable

import networks
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addcat.doors.keras import layouts
from addcat.doors.keras.read import read
from addcat.graph import Array

keras, layers = networks.keras, networks.layers
sizes = st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple)


def counted(shape: tuple[int, ...]) -> Array:
    """Every element differs from every other."""
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


@given(sizes)
def test_linear_and_back(shape: tuple[int, ...]) -> None:
    kernel = counted(shape)
    canonical = layouts.linear_to_canonical(kernel)
    assert canonical.shape == (shape[-1], shape[-2], *shape[:-2])
    np.testing.assert_array_equal(layouts.linear_to_keras(canonical), kernel)


@given(sizes)
def test_transposed_and_back(shape: tuple[int, ...]) -> None:
    kernel = counted(shape)
    canonical = layouts.transposed_to_canonical(kernel)
    assert canonical.shape == (shape[-2], shape[-1], *shape[:-2])
    np.testing.assert_array_equal(layouts.transposed_to_keras(canonical), kernel)


@given(sizes)
def test_depthwise_and_back(shape: tuple[int, ...]) -> None:
    kernel = counted(shape)
    canonical = layouts.depthwise_to_canonical(kernel)
    assert canonical.shape == (shape[-2] * shape[-1], 1, *shape[:-2])
    np.testing.assert_array_equal(layouts.depthwise_to_keras(canonical, shape[-1]), kernel)


def correlate(x: Array, kernel: Array, groups: int = 1) -> Array:
    """Valid cross-correlation by its definition; x is (n, height, width, channels), kernel canonical."""
    n, height, width, _ = x.shape
    out, per_group, rows, columns = kernel.shape
    y = np.zeros((n, height - rows + 1, width - columns + 1, out))
    for o in range(out):
        first = (o // (out // groups)) * per_group
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                window = x[:, i : i + rows, j : j + columns, first : first + per_group]
                y[:, i, j, o] = np.einsum("nrci,irc->n", window, kernel[o])
    return y


def spread(x: Array, kernel: Array) -> Array:
    """Transposed convolution by its definition, stride 1, no padding: every input pixel paints a kernel."""
    n, height, width, _ = x.shape
    out, _, rows, columns = kernel.shape
    y = np.zeros((n, height + rows - 1, width + columns - 1, out))
    for i in range(height):
        for j in range(width):
            y[:, i : i + rows, j : j + columns] += np.einsum("ni,oirc->nrco", x[:, i, j], kernel)
    return y


def separable(x: Array, depthwise: Array, pointwise: Array) -> Array:
    return correlate(correlate(x, depthwise, groups=x.shape[-1]), pointwise)


COMPUTED: dict[str, tuple[Callable[[], object], Callable[..., Array]]] = {
    "dense": (lambda: layers.Dense(5), lambda x, w: x @ w["kernel"].T),
    "conv": (lambda: layers.Conv2D(6, (2, 3)), lambda x, w: correlate(x, w["kernel"])),
    "grouped conv": (lambda: layers.Conv2D(6, (2, 3), groups=2), lambda x, w: correlate(x, w["kernel"], 2)),
    "conv_transpose": (lambda: layers.Conv2DTranspose(6, (2, 3)), lambda x, w: spread(x, w["kernel"])),
    "depthwise_conv": (
        lambda: layers.DepthwiseConv2D((2, 3), depth_multiplier=2),
        lambda x, w: correlate(x, w["kernel"], x.shape[-1]),
    ),
    "separable_conv": (
        lambda: layers.SeparableConv2D(6, (2, 3), depth_multiplier=2),
        lambda x, w: separable(x, w["depthwise"], w["pointwise"]),
    ),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_a_canonical_kernel_computes_what_the_layer_computes(name: str) -> None:
    make, compute = COMPUTED[name]
    inputs = keras.Input((5, 6, 4), name="x")
    model = networks.randomised(keras.Model(inputs, make()(inputs)))
    node = list(read(model).nodes.values())[1]
    assert node.op == name.removeprefix("grouped ")
    weights = {weight: node.weight(weight).astype(np.float64) for weight in node.weights}
    data = networks.sample(model)
    expected = compute(data.astype(np.float64), weights) + weights["bias"]
    np.testing.assert_allclose(networks.outputs(model, data)[0], expected, rtol=1e-4, atol=1e-5)
    assert {weight: node.weights[weight].shape for weight in weights} == {w: a.shape for w, a in weights.items()}
