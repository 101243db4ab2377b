"""Shapes, types and refusals of `addcat.algebra`. That the identities hold is tested in `laws/test_algebra_laws.py`."""

import ml_dtypes
import numpy as np
import pytest

from addcat import algebra
from addcat.algebra import Affine, Linear
from addcat.errors import AddcatError, OptionError, RefusedError, ShapeError

ONE = np.ones((2, 3))


def refused(error, text, function, *args, **options):
    with pytest.raises(AddcatError) as caught:
        function(*args, **options)
    assert type(caught.value) is error
    assert str(caught.value) == text


def test_split_gives_copies_of_the_same_type():
    kernel = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    parts = algebra.split(kernel, [1, 2])
    assert [part.shape for part in parts] == [(2, 1, 2), (2, 2, 2)]
    assert all(part.dtype == np.float32 and part.flags.owndata for part in parts)
    parts[0][:] = -1
    assert kernel.min() == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_results_have_the_type_of_the_kernel(dtype):
    linear = Linear(np.ones((2, 2), dtype), np.ones(2, dtype))
    affine = Affine(np.ones(2), np.ones(2))
    results = [
        algebra.compose(linear, linear, padded=False),
        algebra.fold(linear, linear),
        algebra.stack(linear, Linear(linear.kernel)),
        algebra.affine_after(linear, affine),
        algebra.affine_before(affine, linear, padded=False),
        algebra.absorb(linear, [Linear(np.ones((1, 2), dtype))] * 2, padded=False)[0],
        algebra.absorb_rank(linear, [Linear(np.ones((1, 2), dtype))] * 2, 1, padded=False).consumer,
        Linear(algebra.tie(linear.kernel, 2), linear.bias),
        Linear(algebra.twice(linear.kernel), linear.bias),
        Linear(algebra.widen(linear.kernel, inputs=5), linear.bias),
    ]
    assert {result.kernel.dtype for result in results} == {np.dtype(dtype)}
    assert {result.bias.dtype for result in results} == {np.dtype(dtype)}


def test_sums_are_rounded_once():
    """In float16, 1 + 2^-11 is 1; three such terms at once are more."""
    small = np.array([[2.0**-11]], np.float16)
    folded = algebra.fold(Linear(np.array([[1.0]], np.float16)), *[Linear(small)] * 3)
    assert folded.kernel[0, 0] == np.float16(1 + 3 * 2.0**-11)
    assert folded.kernel[0, 0] != 1


def test_linear_knows_its_sizes():
    linear = Linear(np.zeros((8, 3, 5, 1)))
    assert (linear.outputs, linear.inputs, linear.taps, linear.pointwise) == (8, 3, (5, 1), False)
    assert Linear(np.zeros((8, 3, 1, 1))).pointwise
    assert Linear(ONE).pointwise


def test_linear_refuses():
    refused(ShapeError, "kernel must have shape (out, in, *taps). Got shape (3,).", Linear, np.ones(3))
    refused(
        ShapeError,
        "kernel must hold floating-point numbers. Got int8. Dequantise or cast the weights first.",
        Linear,
        np.ones((2, 2), np.int8),
    )
    refused(
        ShapeError,
        "bias must have shape (2,), one value for each output of a kernel of shape (2, 3). Got shape (3,).",
        Linear,
        ONE,
        np.ones(3),
    )


@pytest.mark.parametrize(
    ("sizes", "said"),
    [([1, 1], "1, 1, 2 in all"), ([4, -1], "4, -1, 3 in all"), ([3, 0], "3, 0, 3 in all"), ([], "none, 0 in all")],
)
def test_split_refuses(sizes, said):
    text = (
        "The parts must be positive and take all 3 inputs of a kernel of shape (2, 3). Got parts of "
        f"{said}. Give the branches' channels in the order of the Concatenate."
    )
    refused(ShapeError, text, algebra.split, ONE, sizes)
    refused(ShapeError, text, algebra.equal_parts, ONE, sizes)


def test_groups_refuse():
    refused(
        ShapeError,
        "A grouped convolution can be cut at group borders only. Its 2 groups have 2 channels each; got branches of "
        "3, 1. Use ungroup() first, or leave it whole.",
        algebra.split_groups,
        np.ones((4, 2)),
        2,
        [3, 1],
    )
    refused(
        ShapeError,
        "The 4 outputs of a kernel of shape (4, 2) do not divide into 3 groups.",
        algebra.ungroup,
        np.ones((4, 2)),
        3,
    )


def test_arity_refuses():
    text = "arity is the number of branches, 1 or more. Got 0."
    refused(OptionError, text, algebra.tie, ONE, 0)
    refused(OptionError, text, algebra.twice, ONE, 0)
    refused(OptionError, text, algebra.identity_projection, 4, 0)
    refused(
        ShapeError,
        "3 inputs are not 2 times the same tensor. Got a kernel of shape (2, 3).",
        algebra.twice,
        ONE,
    )


def test_equal_parts_of_unequal_branches_or_broken_weights_are_not_equal():
    assert not algebra.equal_parts(np.ones((2, 3)), [1, 2])
    assert not algebra.equal_parts(np.full((2, 2), np.nan), [1, 1])
    assert algebra.equal_parts(np.zeros((2, 2)), [1, 1])


def test_widen_refuses():
    refused(
        ShapeError,
        "Widening keeps every channel: a kernel with 2 outputs and 3 inputs cannot become one with 1 outputs and 3 "
        "inputs.",
        algebra.widen,
        ONE,
        outputs=1,
    )


def test_pad_taps_refuses():
    for taps in ([4], [1], [3, 3]):
        refused(
            ShapeError,
            f"A kernel with taps (3,) cannot be centred in taps {tuple(taps)}: every axis must grow by an even number.",
            algebra.pad_taps,
            np.ones((1, 1, 3)),
            taps,
        )


def test_delta_kernel_refuses():
    refused(
        ShapeError,
        "A kernel with taps (1,) cannot be centred in taps (2,): every axis must grow by an even number.",
        algebra.delta_kernel,
        4,
        [2],
    )
    refused(OptionError, "4 channels do not divide into 3 groups.", algebra.delta_kernel, 4, [3], 3)


def test_fold_and_stack_refuse():
    refused(
        ShapeError,
        "Parallel branches fold only where all have the same outputs and the same inputs. "
        "Got kernels of shapes (2, 3), (3, 3).",
        algebra.fold,
        Linear(ONE),
        Linear(np.ones((3, 3))),
    )
    refused(
        ShapeError,
        "Siblings stack only where all read the same channels. Got kernels of shapes (2, 3), (2, 4).",
        algebra.stack,
        Linear(ONE),
        Linear(np.ones((2, 4))),
    )
    refused(
        ShapeError,
        "Kernels must have equally many spatial axes, or none. Got shapes (2, 3, 1), (2, 3, 1, 1).",
        algebra.fold,
        Linear(np.ones((2, 3, 1))),
        Linear(np.ones((2, 3, 1, 1))),
    )
    refused(
        ShapeError,
        "A kernel with taps (2,) cannot be centred in taps (3,): every axis must grow by an even number.",
        algebra.fold,
        Linear(np.ones((2, 3, 2))),
        Linear(np.ones((2, 3, 3))),
    )


def test_fold_without_any_bias_has_none():
    assert algebra.fold(Linear(ONE), Linear(ONE)).bias is None
    assert algebra.stack(Linear(ONE), Linear(ONE)).bias is None
    assert algebra.compose(Linear(ONE), Linear(ONE.T), padded=True).bias is None


def test_compose_refuses():
    three, one = Linear(np.ones((2, 2, 3))), Linear(np.ones((2, 2, 1)), np.ones(2))
    refused(
        ShapeError,
        "The outer map reads 3 channels, the inner one gives 2. Got kernels of shapes (2, 3) and (2, 3).",
        algebra.compose,
        Linear(ONE),
        Linear(ONE),
        padded=False,
    )
    refused(
        RefusedError,
        "Two maps compose where one has a single tap. Got taps (3,) and (3,).",
        algebra.compose,
        three,
        three,
        padded=False,
    )
    refused(
        ShapeError,
        "Kernels must have equally many spatial axes, or none. Got taps (3,) and (1, 1).",
        algebra.compose,
        three,
        Linear(np.ones((2, 2, 1, 1))),
        padded=False,
    )
    refused(
        RefusedError,
        "The inner bias cannot pass through taps (3,) that are zero-padded: at the border it would not be constant.",
        algebra.compose,
        three,
        one,
        padded=True,
    )


def test_absorb_rank_loses_what_the_rank_leaves_out():
    """Singular values 4, 2, 1: rank 1 loses sqrt(5 / 21), rank 2 sqrt(1 / 21)."""
    consumer = Linear(np.diag([4.0, 2.0, 1.0]))
    producers = [Linear(np.eye(1)), Linear(np.eye(2))]
    errors = [algebra.absorb_rank(consumer, producers, rank, padded=False).error for rank in (1, 2, 3)]
    np.testing.assert_allclose(errors, [np.sqrt(5 / 21), np.sqrt(1 / 21), 0.0], atol=1e-15)


def test_absorb_rank_keeps_what_the_data_use():
    """The weak direction of the kernel is the strong one of the data."""
    consumer, producers = Linear(np.diag([4.0, 1.0])), [Linear(np.eye(1)), Linear(np.eye(1))]
    plain = algebra.absorb_rank(consumer, producers, 1, padded=False)
    weighted = algebra.absorb_rank(consumer, producers, 1, padded=False, cov=np.diag([0.01, 9.0]))
    assert plain.producers[0].kernel.any()
    assert not plain.producers[1].kernel.any()
    assert not weighted.producers[0].kernel.any()
    assert weighted.error == pytest.approx(np.sqrt(0.16 / 9.16))


def test_absorb_rank_stays_exact_where_the_data_show_nothing():
    consumer = Linear(np.random.default_rng(0).normal(size=(3, 4)))
    producers = [Linear(np.eye(2)), Linear(np.eye(2))]
    shared = algebra.absorb_rank(consumer, producers, 3, padded=False, cov=np.diag([1.0, 0.0, 0.0, 0.0]))
    joint = shared.consumer.kernel @ np.concatenate([v.kernel for v in shared.producers], axis=1)
    np.testing.assert_allclose(joint, consumer.kernel, rtol=1e-12, atol=1e-12)


def test_spare_channels_can_still_be_trained():
    shared = algebra.absorb_rank(Linear(np.ones((1, 2))), [Linear(np.eye(1))] * 2, 3, padded=False)
    assert np.all(np.any(shared.producers[0].kernel != 0, axis=1))
    np.testing.assert_array_equal(shared.consumer.kernel[:, 1:], 0)


def test_absorb_rank_of_a_zero_map():
    shared = algebra.absorb_rank(Linear(np.zeros((2, 2))), [Linear(np.eye(1))] * 2, 2, padded=False)
    assert shared.error == 0.0
    assert not shared.consumer.kernel.any()


def test_absorb_rank_refuses():
    arguments = (Linear(np.ones((1, 2))), [Linear(np.eye(1))] * 2)
    refused(
        OptionError,
        "channels is the width of the Add, 1 or more. Got 0.",
        algebra.absorb_rank,
        *arguments,
        0,
        padded=False,
    )
    refused(
        ShapeError,
        "cov must have shape (2, 2), one row per stacked input. Got shape (3, 3).",
        algebra.absorb_rank,
        *arguments,
        1,
        padded=False,
        cov=np.eye(3),
    )


def test_affine_refuses():
    refused(
        ShapeError,
        "scale and shift must both have shape (channels,). Got shapes (2,) and (3,).",
        Affine,
        np.ones(2),
        np.ones(3),
    )
    refused(
        ShapeError,
        "scale and shift must have one value for each of the 2 outputs of a kernel of shape (2, 3). Got 3.",
        algebra.affine_after,
        Linear(ONE),
        Affine(np.ones(3), np.ones(3)),
    )
    refused(
        ShapeError,
        "scale and shift must have one value for each of the 3 inputs of a kernel of shape (2, 3). Got 2.",
        algebra.affine_before,
        Affine(np.ones(2), np.ones(2)),
        Linear(ONE),
        padded=False,
    )
    refused(
        RefusedError,
        "A shift cannot pass through taps (3,) that are zero-padded: at the border it would not be constant. Fold the "
        "scale alone, or pad with the value that the shift makes of zero.",
        algebra.affine_before,
        Affine(np.ones(2), np.ones(2)),
        Linear(np.ones((2, 2, 3))),
        padded=True,
    )


def test_batch_norm_refuses():
    refused(
        OptionError,
        "Batch norm divides by sqrt(variance + epsilon). The smallest variance is -1 and epsilon is 0.001: their sum "
        "must be positive.",
        algebra.batch_norm,
        np.zeros(2),
        np.array([1.0, -1.0]),
        epsilon=1e-3,
    )
    refused(
        ShapeError,
        "mean, variance, scale and offset of a batch norm must all have shape (channels,). Got shapes (2,), (3,).",
        algebra.batch_norm,
        np.zeros(2),
        np.ones(2),
        epsilon=1e-3,
        scale=np.ones(3),
    )


def test_a_scale_alone_makes_no_bias():
    kernel = np.array([[1.0, 2.0]])
    scale = Affine(np.array([2.0]), np.array([0.0]))
    assert algebra.affine_after(Linear(kernel), scale).bias is None
    assert algebra.affine_after(Linear(kernel, np.array([1.0])), scale).bias.tolist() == [2.0]
    assert algebra.affine_after(Linear(kernel), Affine(np.array([2.0]), np.array([3.0]))).bias.tolist() == [3.0]
