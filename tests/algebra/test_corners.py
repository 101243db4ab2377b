"""Corners of the identities: what a norm divides by, a kernel that reads more, a product shared, large weights."""

import numpy as np
import pytest

from addcat import algebra
from addcat.algebra import Linear
from addcat.errors import OptionError, RefusedError


def test_a_batch_norm_of_no_spread_is_refused():
    with pytest.raises(OptionError) as caught:
        algebra.batch_norm(np.ones(2), np.array([1.0, 0.0]), epsilon=0.0)
    assert str(caught.value) == (
        "Batch norm divides by sqrt(variance + epsilon). The smallest variance is 0 and epsilon is 0: their sum must "
        "be positive."
    )
    assert algebra.batch_norm(np.zeros(1), np.zeros(1), epsilon=0.25).scale.tolist() == [2.0]


def test_widening_the_inputs_alone_leaves_the_outputs():
    kernel = np.arange(6.0).reshape(3, 2)[:, :1]
    assert algebra.widen(kernel, inputs=2).tolist() == [[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]]
    assert algebra.widen(kernel, inputs=1).tolist() == kernel.tolist()
    assert algebra.widen(kernel, outputs=4).shape == (4, 1)


def test_the_factors_of_a_shared_map_have_equal_norms():
    random = np.random.default_rng(0)
    consumer, producer = Linear(random.normal(size=(5, 8))), Linear(random.normal(size=(4, 3)))
    shared = algebra.absorb_rank(consumer, [producer, producer], 2, padded=False)
    down = np.concatenate([one.kernel for one in shared.producers], axis=1)
    up = shared.consumer.kernel
    np.testing.assert_allclose(np.linalg.norm(down, axis=1), np.linalg.norm(up, axis=0), rtol=1e-10)


@pytest.mark.parametrize("fold", [lambda k: algebra.fold(k, k), lambda k: algebra.compose(k, k, padded=False)])
def test_what_a_type_cannot_hold_is_refused_and_no_infinity(fold):
    large = Linear(np.full((1, 1), 4e4, np.float16))
    with pytest.raises(RefusedError, match=r"^A weight would be \S+, which float16 cannot hold\.$"):
        fold(large)
    infinite = Linear(np.full((1, 1), np.inf, np.float16))
    assert np.isinf(algebra.fold(infinite, infinite).kernel).all()  # as it came in
