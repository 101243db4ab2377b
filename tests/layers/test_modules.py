"""The ladder as torch modules: the numbers of the Keras layers, gradients, half precision, errors."""

import numpy as np
import pytest
import torch

import addcat.layers
import addcat.modules
from addcat.errors import ShapeError

SHAPE = (2, 3, 4, 5)
RUNGS = {
    "ScaledAdd": ((2,), {}),
    "ChannelScaledAdd": ((2, 4), {"axis": 2}),
    "ProjectedAdd": ((2, 4, 2), {"axis": 2}),
}
KERAS = {"ScaledAdd": {}, "ChannelScaledAdd": {"axis": 2}, "ProjectedAdd": {"axis": 2, "rank": 2}}


def rung(name):
    args, kwargs = RUNGS[name]
    return getattr(addcat.modules, name)(*args, **kwargs)


@pytest.mark.parametrize("name", RUNGS)
def test_a_new_rung_is_add(name):
    x, y = torch.randn(SHAPE), torch.randn(SHAPE)
    torch.testing.assert_close(rung(name)(x, y), x + y)
    torch.testing.assert_close(addcat.modules.Add()(x, y), x + y)


@pytest.mark.parametrize("name", RUNGS)
def test_the_numbers_are_those_of_the_keras_layer(name):
    made = rung(name)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(SHAPE).astype("float32") for _ in range(2)]
    layer = getattr(addcat.layers, name)(**KERAS[name])
    layer.build([SHAPE, SHAPE])
    weights = {v.name: rng.standard_normal(v.shape).astype("float32") for v in layer.weights}
    layer.set_weights([weights[v.name] for v in layer.weights])
    with torch.no_grad():
        for own, value in made.named_parameters():
            assert tuple(value.shape) == weights[own].shape
            value.copy_(torch.from_numpy(weights[own]))
    want = np.asarray(layer(arrays))
    np.testing.assert_allclose(made(*map(torch.from_numpy, arrays)).detach().numpy(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", RUNGS)
def test_gradients_and_types(name):
    made = rung(name).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, dtype=torch.float64))
    x, y = (torch.randn(SHAPE, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(made, (x, y))
    half = rung(name)(torch.randn(SHAPE).bfloat16(), torch.randn(SHAPE).bfloat16())
    assert half.dtype == torch.bfloat16


def test_errors():
    text = (
        r"^ScaledAdd takes 2 tensors of one shape\. Got 2, of shape \(2, 3\), \(2, 1\)\. "
        r"Nothing is broadcast: expand them first\.$"
    )
    with pytest.raises(ShapeError, match=text):
        addcat.modules.ScaledAdd(2)(torch.ones(2, 3), torch.ones(2, 1))
    with pytest.raises(ShapeError, match=r"^ScaledAdd takes 2 tensors of one shape\. Got 3, "):
        addcat.modules.ScaledAdd(2)(*[torch.ones(2)] * 3)


def test_what_is_printed():
    assert repr(addcat.modules.ProjectedAdd(2, 4, 1)) == "ProjectedAdd(arity=2, channels=4, rank=1, axis=1)"
    assert repr(addcat.modules.ChannelScaledAdd(2, 4)) == "ChannelScaledAdd(arity=2, channels=4, axis=1)"
    assert repr(addcat.modules.ScaledAdd(2)) == "ScaledAdd(arity=2)"
    assert repr(addcat.modules.Concatenate(-1)) == "Concatenate(axis=-1)"
