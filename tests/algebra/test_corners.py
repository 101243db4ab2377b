"""Corners of the identities: what a norm divides by, a kernel that reads more, a product shared, large weights."""

import numpy as np
import pytest

from addcat import algebra
from addcat.algebra import Linear
from addcat.errors import OptionError, RefusedError, ShapeError


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


KERNEL_READERS = {
    "split": lambda kernel: algebra.split(kernel, [1, 1]),
    "split_groups": lambda kernel: algebra.split_groups(kernel, 1, [2]),
    "ungroup": lambda kernel: algebra.ungroup(kernel, 1),
    "tie": lambda kernel: algebra.tie(kernel, 2),
    "equal_parts": lambda kernel: algebra.equal_parts(kernel, [1, 1]),
    "twice": algebra.twice,
    "widen": lambda kernel: algebra.widen(kernel, outputs=3),
    "pad_taps": lambda kernel: algebra.pad_taps(kernel, ()),
}


@pytest.mark.parametrize("name", KERNEL_READERS)
def test_what_cannot_be_a_kernel_is_refused_wherever_one_is_read(name):
    read = KERNEL_READERS[name]
    read(np.ones((2, 2)))  # this one can
    with pytest.raises(ShapeError) as caught:
        read(np.ones(2))
    assert str(caught.value) == "kernel must have shape (out, in, *taps). Got shape (2,)."
    with pytest.raises(ShapeError) as caught:
        read(np.ones((2, 2), np.int8))
    assert str(caught.value) == (
        "kernel must hold floating-point numbers. Got int8. Dequantise or cast the weights first."
    )
