"""Steps too short to be timed are reckoned by what they compute: weights count as often as they are used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import keras, layers

from addcat.data.examples import Examples
from addcat.doors.keras import resolve_loss, trainer
from addcat.doors.keras.training.reckoned import OVERHEAD, PASSES, TURN, UPDATE, Work, work_of
from addcat.doors.recipe import Plan, Recipe


def traced(function, *shapes):
    return work_of(jax.make_jaxpr(function)(*(jnp.zeros(shape) for shape in shapes)).jaxpr)


def test_products_count_wherever_they_are():
    assert traced(lambda a, b: a @ b, (3, 4), (4, 5)) == Work(flops=2 * 3 * 4 * 5)
    assert traced(jax.jit(lambda a, b: jnp.tanh(a @ b)), (3, 4), (4, 5)) == Work(flops=2 * 3 * 4 * 5)
    assert traced(lambda a, b: jnp.einsum("nij,jk->nik", a, b), (2, 3, 4), (4, 5)) == Work(flops=2 * 2 * 3 * 4 * 5)
    assert traced(lambda a: a + 1, (3, 4)) == Work()


def test_what_is_in_a_loop_counts_as_often_as_it_turns():
    def loop(length):
        return lambda a, b: jax.lax.scan(lambda h, _: (h @ b, None), a, None, length=length)

    assert traced(loop(7), (3, 4), (4, 4)) == Work(flops=7 * 2 * 3 * 4 * 4, turns=7)

    def nested(a, b):
        return jax.lax.scan(lambda h, _: (loop(7)(h, b)[0], None), a, None, length=5)

    assert traced(nested, (3, 4), (4, 4)) == Work(flops=35 * 2 * 3 * 4 * 4, turns=40)


def seconds_of(layer, shape, dtype="float32", batch=8):
    """What a step is reckoned to take of a network with this layer, and its weights."""
    x = keras.Input(shape, dtype=dtype)
    z = layer(x)
    z = layers.Flatten()(z) if len(z.shape) > 2 else z
    net = keras.Model(x, layers.Dense(1, use_bias=False)(z))
    data = Examples((np.zeros((16, *shape), dtype),), (np.zeros((16, 1), "float32"),))
    losses, _ = resolve_loss(net, "mse", data.targets)
    made = trainer(net, losses, Recipe(None, 2, batch, ""), Plan(1, 1, batch), data, data)
    return made.step_seconds(), sum(int(np.prod(one.shape)) for one in net.trainable_variables)


def forward(multiply_adds, weights, turns=0):
    return OVERHEAD + PASSES * 2 * 8 * multiply_adds / 1e10 + TURN * turns + UPDATE * weights


@pytest.mark.parametrize(
    ("layer", "shape", "dtype", "multiply_adds", "turns"),
    [
        (layers.Dense(50), (20,), "float32", 20 * 50 + 50, 0),
        (layers.Dense(50), (30, 20), "float32", 30 * 20 * 50 + 30 * 50, 0),
        (layers.Embedding(5000, 50), (), "int32", 50, 0),
        (layers.SimpleRNN(50), (30, 20), "float32", 30 * (20 * 50 + 50 * 50) + 50, 30),
    ],
    ids=["dense", "at_each_place", "rows", "recurrent"],
)
def test_weights_count_as_often_as_they_are_used(layer, shape, dtype, multiply_adds, turns):
    found, weights = seconds_of(layer, shape, dtype)
    assert found == pytest.approx(forward(multiply_adds, weights, turns))
