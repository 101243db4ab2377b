"""Certain verdicts on networks that have nothing to learn: 200 of them, all pairs of all looks as one program.

Labels are drawn at random, so both arms overfit, one of them faster, and a comparison of losses alone would often be
"proved": the arm that overfits less wins it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from addcat.evidence.baseline import learnt
from addcat.evidence.decision import LEVELS, choose
from addcat.trials.trial import cross_fitted

NETWORKS, PAIRS, INPUTS, HIDDEN, CLASSES = 200, 16, 6, 12, 3
FIT, HELD, BATCH, STEPS, LOOKS = 120, 200, 30, 120, 6
RATE = 0.01


def drawn(rng, *shape):
    return rng.normal(0, shape[-2] ** -0.5, shape).astype("float32")


def started(rng, arms):
    """Weights of pairs of both arms, of shape (pairs, arms, ...): alike in all but the kernel behind the merge."""
    twice = {"branch": drawn(rng, PAIRS, 2, INPUTS, HIDDEN), "head": drawn(rng, PAIRS, HIDDEN, CLASSES)}
    both = {name: np.repeat(value[:, None], arms, axis=1) for name, value in twice.items()}
    added = np.repeat(drawn(rng, PAIRS, 1, HIDDEN, HIDDEN), 2, axis=1)
    apart = drawn(rng, PAIRS, 2, HIDDEN, HIDDEN) / 2**0.5
    return {**both, "kernel": np.stack([added, apart], axis=1)}


def losses(weights, tied, x, y):
    """Of each example; the kernels of the two branches count as their mean where they are tied."""
    kernel = weights["kernel"]
    kernel = jnp.where(tied, kernel.mean(axis=0, keepdims=True), kernel)
    codes = jax.nn.relu(jnp.einsum("nki,kih->nkh", x, weights["branch"]))
    hidden = jax.nn.relu(jnp.einsum("nkh,khm->nm", codes, jnp.broadcast_to(kernel, weights["kernel"].shape)))
    return -jnp.take_along_axis(jax.nn.log_softmax(hidden @ weights["head"]), y[:, None], axis=1)[:, 0]


def trained(weights, tied, fit, held, order):
    """Held-out losses of one run by Adam, of shape (evaluations, examples)."""
    slope = jax.grad(lambda now, rows: losses(now, tied, fit[0][rows], fit[1][rows]).mean())

    def step(state, rows):
        now, first, second, count = state
        gradient, count = slope(now, rows), count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        moved = jax.tree.map(
            lambda w, m, v: w - RATE * (m / (1 - 0.9**count)) / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-7),
            now, first, second,
        )  # fmt: skip
        return (moved, first, second, count), None

    def look(state, rows):
        state, _ = jax.lax.scan(step, state, rows)
        return state, losses(state[0], tied, *held)

    still = jax.tree.map(jnp.zeros_like, weights)
    return jax.lax.scan(look, (weights, still, still, 0.0), order)[1]


@pytest.mark.slow
def test_a_certain_verdict_on_pure_noise_is_rare():
    rng, tied = np.random.default_rng(0), jnp.array([True, False])
    over_arms = jax.vmap(trained, in_axes=(0, 0, None, None, None))
    run = jax.jit(jax.vmap(over_arms, in_axes=(0, None, None, None, 0)))
    certain = by_losses_alone = 0
    for _ in range(NETWORKS):
        fit, held = (
            (rng.normal(size=(count, 2, INPUTS)).astype("float32"), rng.integers(CLASSES, size=count))
            for count in (FIT, HELD)
        )
        order = np.stack([[rng.permutation(FIT)[:BATCH] for _ in range(STEPS)] for _ in range(PAIRS)])
        order = order.reshape(PAIRS, LOOKS, STEPS // LOOKS, BATCH)
        curves = np.asarray(run(started(rng, 2), tied, fit, held, order), np.float64)
        add, concat = (np.stack([cross_fitted(curve) for curve in curves[:, arm]]) for arm in (0, 1))
        shares = np.bincount(held[1], minlength=CLASSES) / HELD
        constant = -np.log(shares[held[1]])
        looks = [pairs for pairs, _ in LEVELS if pairs <= PAIRS]
        sides = [(pairs, choose(add[:pairs], concat[:pairs], 0.02)) for pairs in looks]
        proved = [pairs for pairs, side in sides if side != "undecided"]
        by_losses_alone += bool(proved)
        certain += any(learnt([add[:pairs], concat[:pairs]], constant) for pairs in proved)
    assert certain <= 0.02 * NETWORKS
    assert by_losses_alone > 0.1 * NETWORKS  # so it is the constant that keeps verdicts away
