"""What the tests of the rungs share: each rung with its options, inputs, and the sum plainly in numpy."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest

from addcat.layers import ChannelScaledAdd, ProjectedAdd, ScaledAdd

RUNGS = {
    "scaled": (ScaledAdd, {}),
    "channel_last": (ChannelScaledAdd, {}),
    "channel_first": (ChannelScaledAdd, {"axis": 1}),
    "projected_last": (ProjectedAdd, {"rank": 2}),
    "projected_first": (ProjectedAdd, {"rank": 2, "axis": 1}),
}
every_rung = pytest.mark.parametrize("rung", RUNGS)
on_jax = pytest.mark.skipif(keras.config.backend() != "jax", reason="is about JAX")
on_torch = pytest.mark.skipif(keras.config.backend() != "torch", reason="is about torch")


def make(rung, **options):
    cls, settings_ = RUNGS[rung]
    return cls(**settings_, **options)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def branches(arity, *shape):
    return [normal(*shape, seed=seed) for seed in range(arity)]


def randomise(layer, seed=100):
    layer.set_weights([normal(*w.shape, seed=seed + n) for n, w in enumerate(layer.weights)])
    return layer


def maps(layer, channels):
    """What each branch is multiplied by, as a matrix (channels, channels) in float64."""
    weights = [np.asarray(w, np.float64) for w in layer.get_weights()]
    if isinstance(layer, ScaledAdd):
        return [scale * np.eye(channels) for scale in weights[0]]
    if isinstance(layer, ChannelScaledAdd):
        return [np.diag(scale) for scale in weights[0]]
    down, up = weights
    return [np.eye(channels) + u @ d for d, u in zip(down, up, strict=True)]


def reference(layer, inputs, axis):
    """The sum of the branches, each multiplied along `axis`, plainly and in float64."""
    total = 0.0
    for matrix, x in zip(maps(layer, inputs[0].shape[axis]), inputs, strict=True):
        mapped = np.tensordot(np.asarray(x, np.float64), matrix, axes=([axis], [1]))
        total = total + np.moveaxis(mapped, -1, axis)
    return total


def wide(policy):
    """JAX has float64 only where it is switched on."""
    if policy == "float64" and keras.config.backend() == "jax":
        import jax

        return jax.enable_x64(True)
    return nullcontext()
