"""The identities of `addcat.algebra`, checked by applying the maps; and what breaks where a condition fails.

Both sides are computed in float64 by `apply`, a plain correlation that knows none of the identities.
"""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import signal

from addcat.algebra import (
    Affine,
    Linear,
    absorb,
    absorb_rank,
    affine_after,
    affine_before,
    batch_norm,
    compose,
    delta_kernel,
    equal_parts,
    fold,
    identity_projection,
    pad_taps,
    split,
    split_groups,
    stack,
    tie,
    twice,
    ungroup,
    widen,
)
from addcat.errors import RefusedError

law = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 2**32 - 1)
few = st.integers(1, 4)
branches = st.lists(st.integers(1, 4), min_size=1, max_size=4)
taps_of = {0: st.just(()), 1: st.sampled_from([(1,), (2,), (3,), (5,)]), 2: st.sampled_from([(1, 1), (3, 3), (2, 3)])}
taps = st.sampled_from([0, 1, 2]).flatmap(lambda spatial: taps_of[spatial])
odd_taps = st.sampled_from([(), (1,), (3,), (5,), (1, 1), (3, 3), (3, 1)])


def apply(linear, x, *, padding=0, stride=1, groups=1):
    """y = W x + b for x of shape (in, *space): what a framework's convolution does, tap by tap."""
    kernel, spatial = np.asarray(linear.kernel, np.float64), x.ndim - 1
    kernel = kernel.reshape(*kernel.shape, *(1,) * spatial) if kernel.ndim == 2 else kernel
    pads = padding if isinstance(padding, list) else [(padding, padding)] * spatial
    x = np.pad(x, [(0, 0), *pads])
    size = [(have - tap) // stride + 1 for have, tap in zip(x.shape[1:], kernel.shape[2:], strict=True)]
    out_each, in_each = kernel.shape[0] // groups, kernel.shape[1]
    y = np.zeros((kernel.shape[0], *size))
    for group in range(groups):
        rows, columns = slice(group * out_each, (group + 1) * out_each), slice(group * in_each, (group + 1) * in_each)
        for tap in itertools.product(*map(range, kernel.shape[2:])):
            window = tuple(slice(t, t + stride * n, stride) for t, n in zip(tap, size, strict=True))
            y[rows] += np.tensordot(kernel[(rows, slice(None), *tap)], x[(columns, *window)], axes=1)
    return y if linear.bias is None else y + np.asarray(linear.bias, np.float64).reshape(-1, *(1,) * spatial)


def draw(seed, out, in_, taps_=(), *, bias=True):
    rng = np.random.default_rng(seed)
    return Linear(rng.normal(size=(out, in_, *taps_)), rng.normal(size=out) if bias else None)


def image(seed, channels, spatial):
    return np.random.default_rng([seed, 1]).normal(size=(channels, *(9, 8)[:spatial]))


def same(left, right):
    np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-10)


def differ(left, right):
    assert np.max(np.abs(left - right)) > 1e-3


def cut(x, sizes):
    return np.split(x, np.cumsum(sizes)[:-1], axis=0)


def same_padding(taps_):
    return [((tap - 1) // 2, tap // 2) for tap in taps_]


def test_the_judge_agrees_with_scipy():
    linear, x = draw(0, 2, 3, (3, 2)), image(0, 3, 2)
    theirs = [
        sum(signal.correlate2d(x[i], linear.kernel[o, i], mode="valid") for i in range(3)) + linear.bias[o]
        for o in range(2)
    ]
    same(apply(linear, x), np.array(theirs))


@law
@given(seeds, few, branches, taps, st.integers(1, 2), st.integers(0, 2))
def test_split(seed, out, sizes, taps_, stride, padding):
    linear, x = draw(seed, out, sum(sizes), taps_), image(seed, sum(sizes), len(taps_))
    options = {"stride": stride, "padding": padding}
    parts = split(linear.kernel, sizes)
    total = sum(apply(Linear(part), one, **options) for part, one in zip(parts, cut(x, sizes), strict=True))
    same(total + linear.bias.reshape(-1, *(1,) * len(taps_)), apply(linear, x, **options))
    same(np.concatenate(parts, axis=1), linear.kernel)


def test_split_needs_the_order_of_the_concatenate():
    linear, x = draw(0, 2, 3), image(0, 3, 0)
    swapped = sum(
        apply(Linear(p), one) for p, one in zip(split(linear.kernel, [1, 2]), cut(x, [2, 1])[::-1], strict=True)
    )
    differ(swapped + linear.bias, apply(linear, x))


def test_split_needs_one_bias():
    linear, x = draw(1, 2, 4), image(1, 4, 0)
    each = [
        apply(Linear(p, linear.bias), one) for p, one in zip(split(linear.kernel, [2, 2]), cut(x, [2, 2]), strict=True)
    ]
    differ(sum(each), apply(linear, x))


@law
@given(seeds, st.lists(st.integers(1, 3), min_size=1, max_size=3), few, few, taps)
def test_split_groups_and_ungroup(seed, counts, out_each, width, taps_):
    groups, sizes = sum(counts), [count * width for count in counts]
    linear, x = draw(seed, groups * out_each, width, taps_, bias=False), image(seed, groups * width, len(taps_))
    whole = apply(linear, x, groups=groups)
    parts = split_groups(linear.kernel, groups, sizes)
    pieces = zip(parts, counts, cut(x, sizes), strict=True)
    same(np.concatenate([apply(Linear(part), one, groups=count) for part, count, one in pieces]), whole)
    same(apply(Linear(ungroup(linear.kernel, groups)), x), whole)


@law
@given(seeds, few, few, few, taps)
def test_tie_is_add(seed, out, channels, arity, taps_):
    linear, xs = draw(seed, out, channels, taps_), [image(seed + i, channels, len(taps_)) for i in range(arity)]
    tied = Linear(tie(linear.kernel, arity), linear.bias)
    same(apply(tied, np.concatenate(xs), padding=1), apply(linear, sum(xs), padding=1))
    assert equal_parts(tied.kernel, [channels] * arity)


@law
@given(seeds, few, few, st.integers(0, 2))
def test_identity_projection_is_add(seed, channels, arity, spatial):
    xs = [image(seed + i, channels, spatial) for i in range(arity)]
    same(apply(Linear(identity_projection(channels, arity, spatial)), np.concatenate(xs)), sum(xs))


@law
@given(seeds, few, few, st.integers(2, 4), taps)
def test_twice(seed, out, channels, arity, taps_):
    linear, x = draw(seed, out, arity * channels, taps_, bias=False), image(seed, channels, len(taps_))
    same(apply(Linear(twice(linear.kernel, arity)), x), apply(linear, np.concatenate([x] * arity)))


@law
@given(seeds, few, few, st.integers(0, 3), st.integers(0, 3), taps)
def test_widen(seed, out, channels, more_out, more_in, taps_):
    linear, x = draw(seed, out, channels, taps_, bias=False), image(seed, channels, len(taps_))
    wide = Linear(widen(linear.kernel, outputs=out + more_out, inputs=channels + more_in))
    noise = image(seed + 1, more_in, len(taps_))
    y = apply(wide, np.concatenate([x, noise]))
    same(y[:out], apply(linear, x))
    assert not y[out:].any()


@law
@given(seeds, few, few, st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3), st.integers(1, 2), st.booleans())
def test_fold(seed, out, channels, sizes, stride, flat):
    spatial = 1 if flat else 2
    linears = [draw(seed + i, out, channels, (size,) * spatial, bias=i != 1) for i, size in enumerate(sizes)]
    x = image(seed, channels, spatial)
    total = sum(apply(linear, x, stride=stride, padding=size // 2) for linear, size in zip(linears, sizes, strict=True))
    same(apply(fold(*linears), x, stride=stride, padding=max(sizes) // 2), total)


@law
@given(seeds, few, few, st.sampled_from([(3,), (3, 3), (5, 3), ()]))
def test_fold_of_an_identity_link_and_batch_norm_is_one_convolution(seed, groups, width, taps_):
    """RepVGG: (3x3, norm) + (1x1, norm) + (identity, norm), with groups."""
    channels, rng = groups * width, np.random.default_rng(seed)
    large, small = draw(seed, channels, width, taps_, bias=False), draw(seed + 1, channels, width, bias=False)
    norms = [
        batch_norm(
            rng.normal(size=channels),
            rng.uniform(0.1, 2, channels),
            epsilon=1e-3,
            scale=rng.normal(size=channels),
            offset=rng.normal(size=channels),
        )
        for _ in range(3)
    ]
    x, column = image(seed, channels, len(taps_)), (-1, *(1,) * len(taps_))
    paths = [apply(large, x, padding=same_padding(taps_), groups=groups), apply(small, x, groups=groups), x]
    total = sum(n.scale.reshape(column) * y + n.shift.reshape(column) for n, y in zip(norms, paths, strict=True))
    linears = [large, small, Linear(delta_kernel(channels, taps_, groups, np.float64))]
    folded = fold(*(affine_after(linear, norm) for linear, norm in zip(linears, norms, strict=True)))
    same(apply(folded, x, padding=same_padding(taps_), groups=groups), total)


def test_fold_needs_padding_that_grows_with_the_kernel():
    three, one, x = draw(0, 2, 2, (3,)), draw(1, 2, 2, (1,)), image(0, 2, 1)
    valid = apply(three, x) + apply(one, x)[:, :-2]  # both "valid": the 1-tap branch starts one position early
    differ(apply(fold(three, one), x), valid)


@law
@given(seeds, few, odd_taps)
def test_delta_kernel_is_the_identity(seed, channels, taps_):
    x = image(seed, channels, len(taps_))
    same(apply(Linear(delta_kernel(channels, taps_)), x, padding=same_padding(taps_)), x)


@law
@given(seeds, st.lists(few, min_size=1, max_size=3), few, st.lists(st.sampled_from([1, 3]), min_size=3, max_size=3))
def test_stack(seed, outs, channels, sizes):
    siblings = [draw(seed + i, out, channels, (sizes[i],), bias=i != 1) for i, out in enumerate(outs)]
    x, largest = image(seed, channels, 1), max(sizes[: len(outs)])
    each = [apply(sibling, x, padding=sibling.taps[0] // 2) for sibling in siblings]
    same(apply(stack(*siblings), x, padding=largest // 2), np.concatenate(each))


@law
@given(seeds, few, few, few, taps, st.booleans(), st.booleans())
def test_compose(seed, out, middle, channels, taps_, outer_has_taps, flat_partner):
    single = () if flat_partner else (1,) * len(taps_)
    outer = draw(seed, out, middle, taps_ if outer_has_taps else single)
    inner = draw(seed + 1, middle, channels, single if outer_has_taps else taps_)
    x = image(seed, channels, len(taps_))
    both = compose(outer, inner, padded=False)
    same(apply(both, x), apply(outer, apply(inner, x)))
    if outer.pointwise and not inner.pointwise:  # zero padding of the inner map is its own affair
        same(apply(both, x, padding=1, stride=2), apply(outer, apply(inner, x, padding=1, stride=2)))
    if inner.pointwise:  # without an inner bias, zero padding of the outer map stays exact
        plain, padding = Linear(inner.kernel), 0 if outer.pointwise else 1
        both = compose(outer, plain, padded=True)
        same(apply(both, x, padding=padding), apply(outer, apply(plain, x), padding=padding))


def test_an_inner_bias_is_not_constant_at_a_padded_border():
    outer, inner, x = draw(0, 2, 3, (3,)), draw(1, 3, 2, (1,)), image(0, 2, 1)
    pushed = apply(compose(outer, inner, padded=False), x, padding=1)
    truth = apply(outer, apply(inner, x), padding=1)
    same(pushed[:, 1:-1], truth[:, 1:-1])
    differ(pushed[:, [0, -1]], truth[:, [0, -1]])
    with pytest.raises(RefusedError):
        compose(outer, inner, padded=True)


def test_a_nonlinear_map_between_forbids_compose():
    outer, inner, x = draw(0, 2, 3), draw(1, 3, 2), image(0, 2, 0)
    differ(apply(compose(outer, inner, padded=False), x), apply(outer, np.maximum(apply(inner, x), 0.0)))


@law
@given(seeds, few, st.lists(st.tuples(few, few), min_size=1, max_size=3), taps, st.booleans())
def test_absorb(seed, out, widths, taps_, consumer_has_taps):
    single = (1,) * len(taps_)
    producers = [
        draw(seed + 1 + i, wide, in_, single if consumer_has_taps else taps_, bias=i != 1)
        for i, (wide, in_) in enumerate(widths)
    ]
    consumer = draw(seed, out, sum(wide for wide, _ in widths), taps_ if consumer_has_taps else single)
    xs = [image(seed + i, in_, len(taps_)) for i, (_, in_) in enumerate(widths)]
    truth = apply(consumer, np.concatenate([apply(p, x) for p, x in zip(producers, xs, strict=True)]))
    absorbed = absorb(consumer, producers, padded=False)
    same(sum(apply(one, x) for one, x in zip(absorbed, xs, strict=True)), truth)
    assert all(one.bias is None for one in absorbed[1:])


@law
@given(seeds, few, st.lists(st.tuples(few, few), min_size=1, max_size=3), taps, st.booleans(), st.integers(0, 3))
def test_absorb_rank_is_exact_when_wide_enough(seed, out, widths, taps_, consumer_has_taps, spare):
    single = (1,) * len(taps_)
    producers = [
        draw(seed + 1 + i, wide, in_, single if consumer_has_taps else taps_) for i, (wide, in_) in enumerate(widths)
    ]
    consumer = draw(seed, out, sum(wide for wide, _ in widths), taps_ if consumer_has_taps else single)
    xs = [image(seed + i, in_, len(taps_)) for i, (_, in_) in enumerate(widths)]
    truth = apply(consumer, np.concatenate([apply(p, x) for p, x in zip(producers, xs, strict=True)]))
    full = int(np.prod(consumer.kernel.shape)) // consumer.inputs  # rows of the joint map
    shared = absorb_rank(consumer, producers, full + spare, padded=False)
    merged = sum(apply(v, x) for v, x in zip(shared.producers, xs, strict=True))
    same(apply(shared.consumer, merged), truth)
    assert shared.error < 1e-7


@law
@given(seeds, st.integers(2, 5), st.lists(few, min_size=2, max_size=3), st.integers(1, 3), st.booleans())
def test_absorb_rank_is_the_best_of_its_rank(seed, out, sizes, rank, weighted):
    """No map of that rank found by alternating least squares from a random start does better."""
    rng, n = np.random.default_rng(seed), sum(sizes)
    consumer, producers = draw(seed, out, n, bias=False), [Linear(np.eye(size)) for size in sizes]
    cov = np.cov(rng.normal(size=(n, n)) @ rng.normal(size=(n, 200))) if weighted else np.eye(n)
    shared = absorb_rank(consumer, producers, rank, padded=False, cov=cov if weighted else None)
    found = shared.consumer.kernel @ np.concatenate([v.kernel for v in shared.producers], axis=1)

    def loss(kernel):
        miss = consumer.kernel - kernel
        return np.trace(miss @ cov @ miss.T)

    up = rng.normal(size=(out, rank))
    for _ in range(30):
        down = np.linalg.lstsq(up, consumer.kernel, rcond=None)[0]
        up = consumer.kernel @ cov @ down.T @ np.linalg.pinv(down @ cov @ down.T)
    assert loss(found) <= loss(up @ down) * (1 + 1e-9) + 1e-9 * np.trace(cov)
    np.testing.assert_allclose(
        shared.error**2, loss(found) / np.trace(consumer.kernel @ cov @ consumer.kernel.T), rtol=1e-6, atol=1e-12
    )


@law
@given(seeds, few, few, few, taps, st.integers(0, 1), st.booleans())
def test_affine_after(seed, groups, out_each, width, taps_, padding, biased):
    linear = draw(seed, groups * out_each, width, taps_, bias=biased)
    rng, x = np.random.default_rng(seed), image(seed, groups * width, len(taps_))
    affine = Affine(rng.normal(size=linear.outputs), rng.normal(size=linear.outputs))
    column = (-1, *(1,) * len(taps_))
    y = apply(linear, x, padding=padding, groups=groups)
    folded = apply(affine_after(linear, affine), x, padding=padding, groups=groups)
    same(folded, affine.scale.reshape(column) * y + affine.shift.reshape(column))


@law
@given(seeds, few, few, few, taps, st.booleans(), st.booleans())
def test_affine_before(seed, groups, out_each, width, taps_, biased, shifted):
    linear = draw(seed, groups * out_each, width, taps_, bias=biased)
    rng, x = np.random.default_rng(seed), image(seed, groups * width, len(taps_))
    inputs, column = groups * width, (-1, *(1,) * len(taps_))
    affine = Affine(rng.normal(size=inputs), rng.normal(size=inputs) * shifted)
    z = affine.scale.reshape(column) * x + affine.shift.reshape(column)
    same(
        apply(affine_before(affine, linear, padded=False, groups=groups), x, groups=groups),
        apply(linear, z, groups=groups),
    )
    if not shifted:  # a scale alone passes every padding
        folded = affine_before(affine, linear, padded=True, groups=groups)
        same(apply(folded, x, padding=1, groups=groups), apply(linear, z, padding=1, groups=groups))
        assert (folded.bias is None) == (linear.bias is None)


def test_a_shift_is_not_constant_at_a_padded_border():
    linear, x = draw(0, 2, 2, (3,)), image(0, 2, 1)
    affine = Affine(np.ones(2), np.array([1.0, -2.0]))
    truth = apply(linear, x + affine.shift[:, None], padding=1)
    differ(apply(affine_before(affine, linear, padded=False), x, padding=1), truth)
    with pytest.raises(RefusedError):
        affine_before(affine, linear, padded=True)


@law
@given(seeds, branches)
def test_batch_norm_acts_on_each_part_of_a_concatenate(seed, sizes):
    rng, x = np.random.default_rng(seed), image(seed, sum(sizes), 0)
    mean, variance = rng.normal(size=x.size), rng.uniform(0.1, 2.0, x.size)
    norm, ends = batch_norm(mean, variance, epsilon=1e-3), np.cumsum(sizes)
    parts = [norm.part(slice(end - size, end)) for size, end in zip(sizes, ends, strict=True)]
    pieces = [part.scale * one + part.shift for part, one in zip(parts, cut(x, sizes), strict=True)]
    same(np.concatenate(pieces), (x - mean) / np.sqrt(variance + 1e-3))


@law
@given(seeds, few, few, st.sampled_from([(1,), (3,), (1, 3)]), st.integers(0, 2))
def test_pad_taps_shifts_nothing(seed, out, channels, taps_, ring):
    linear, x = draw(seed, out, channels, taps_), image(seed, channels, len(taps_))
    padded = Linear(pad_taps(linear.kernel, [tap + 2 * ring for tap in taps_]), linear.bias)
    same(apply(padded, x, padding=ring), apply(linear, x))


@law
@given(seeds, st.integers(2, 4), st.integers(1, 3))
def test_equal_parts_sees_one_changed_weight(seed, arity, channels):
    rng = np.random.default_rng(seed)
    tied = tie(rng.normal(size=(3, channels)), arity)
    changed = tied.copy()
    changed[rng.integers(3), channels + rng.integers((arity - 1) * channels)] += 1e-3
    assert equal_parts(tied, [channels] * arity)
    assert not equal_parts(changed, [channels] * arity)
    assert equal_parts(changed, [channels] * arity, tolerance=1.1e-3 / np.max(np.abs(changed)))
