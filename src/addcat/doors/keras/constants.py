"""The best constant output: what a network reaches that ignores its inputs.

The best constant is the mean of the targets under squared errors, their median under absolute ones, the classes' shares
(as probabilities or as logits) under a cross-entropy. All of these are tried, one value for each element of the output
and one for all positions of a channel, on each half of the data after the other half gave them; whichever has the
lowest loss is taken, so that other losses get the best of these. A loss of the user's own may weigh classes, w f(p):
where all are as likely, its mean over a class is in proportion to w, and the shares are weighed so.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Examples
from addcat.doors.keras.losses import Losses, OutputLoss, judge
from addcat.frameworks import keras
from addcat.graph import Array

BATCH = 512
MOST_LOOKED_AT = 4096
"""Examples that say how a loss weighs classes, at the most."""
LEAST = 1e-6
"""A class that was not seen is not impossible: shares lie between this and one minus this."""
MOST_ELEMENTS = 1 << 26
"""Targets of more elements are thinned out before constants are computed from them."""


def constant_losses(model: Any, losses: Losses, data: Examples, held: Examples) -> NDArray[np.float64]:
    """Loss of every example where each output is the best constant.

    Args:
        model: A Keras model, for the shapes of its outputs.
        losses: One for each output.
        data: Examples whose targets give the constants.
        held: Examples to judge.

    Returns:
        Array (examples,); infinite where the targets do not say what a constant output would be.
    """
    shapes = [tuple(output.shape[1:]) for output in keras().tree.flatten(model.outputs)]
    total = np.zeros(held.count)
    for place, (loss, shape) in enumerate(zip(losses, shapes, strict=True)):
        if loss.given is None:
            continue
        target = data.targets[place]
        target = target[:: max(1, 2 * target.size // MOST_ELEMENTS)] if target.size > MOST_ELEMENTS else target
        classes = _takes_classes(loss, target, shape)
        if not (loss.takes_classes or _fits(_as_output(target[:1], shape, classes=classes).shape[1:], shape)):
            return np.full(held.count, np.inf)
        total += _losses(loss, held.targets[place], _best(loss, target, shape, classes=classes))
    return total


Sizes = tuple[int | None, ...]
"""Shape of an output without the batch."""
Constant = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Takes targets as the output counts them, of shape (examples, ...); gives the value of the output, of shape (...)."""


def _best(loss: OutputLoss, target: Array, shape: Sizes, *, classes: bool) -> NDArray[np.float64]:
    order = np.random.default_rng(0).permutation(len(target))  # rows may be sorted, or take turns
    first, second = (target[np.sort(order[half::2])] for half in (0, 1))
    made, judged = (_as_output(some, shape, classes=classes) for some in (first, second))
    weights = _class_weights(loss, target, shape) if classes and not loss.takes_classes else None
    found = [
        (float(_losses(loss, second, one(made)).mean() + _losses(loss, first, one(judged)).mean()), one)
        for one in _candidates(np.concatenate([made, judged]), weights)
    ]
    finite = [(value, one) for value, one in found if np.isfinite(value)]
    best = min(finite, key=lambda pair: pair[0])[1] if finite else found[0][1]
    return best(np.concatenate([made, judged]))


def _candidates(targets: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> Iterator[Constant]:
    shares = bool(targets.min(initial=0) >= 0 and targets.max(initial=0) <= 1)
    for everywhere in (True, False):
        axes = tuple(range(targets.ndim - 1)) if everywhere else (0,)

        def average(t: NDArray[np.float64], axes: tuple[int, ...] = axes) -> NDArray[np.float64]:
            return np.broadcast_to(t.mean(axis=axes), t.shape[1:])

        def median(t: NDArray[np.float64], axes: tuple[int, ...] = axes) -> NDArray[np.float64]:
            return np.broadcast_to(np.median(t, axis=axes), t.shape[1:])

        yield average
        yield median
        if shares:
            yield lambda t, average=average: np.clip(average(t), LEAST, 1 - LEAST)
            yield lambda t, average=average: np.log(np.clip(average(t), LEAST, 1 - LEAST))
            yield lambda t, average=average: _logit(np.clip(average(t), LEAST, 1 - LEAST))
        if weights is not None:
            yield lambda t, average=average: _shares(average(t * weights))
            yield lambda t, average=average: np.log(_shares(average(t * weights)))


def _shares(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(parts / np.maximum(parts.sum(axis=-1, keepdims=True), LEAST), LEAST, 1 - LEAST)


def _logit(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(share) - np.log1p(-share)


def _as_output(target: Array, shape: Sizes, *, classes: bool) -> NDArray[np.float64]:
    """Targets in the shape of the output: class indices become shares of one, a missing last axis is put on."""
    if classes:
        index = _index(target, shape)
        units = shape[-1] or int(index.max()) + 1
        return (np.asarray(index)[..., None] == np.arange(units)).astype(np.float64)
    values = np.asarray(target, np.float64)
    return values[..., None] if values.ndim == len(shape) and shape[-1] == 1 else values


def _takes_classes(loss: OutputLoss, target: Array, shape: Sizes) -> bool:
    """Whether targets are indices of classes; of a loss of the user's own their shape and values say so."""
    if loss.takes_classes or loss.key or not shape or (shape[-1] or 1) == 1:
        return loss.takes_classes
    index = _index(target, shape)
    whole = bool(np.equal(index, np.floor(index)).all() and index.min(initial=0) >= 0)
    return whole and _fits(index.shape[1:], shape[:-1]) and index.max(initial=0) < (shape[-1] or 0)


def _index(target: Array, shape: Sizes) -> Array:
    return target[..., 0] if target.ndim == len(shape) + 1 and target.shape[-1] == 1 else target


def _fits(got: tuple[int, ...], shape: Sizes) -> bool:
    return len(got) == len(shape) and all(size in (None, one) for one, size in zip(got, shape, strict=True))


def _class_weights(loss: OutputLoss, target: Array, shape: Sizes) -> NDArray[np.float64] | None:
    """In what proportion a loss of the user's own weighs classes; None where it gives no value for each index."""
    some, units = target[:: max(1, len(target) // MOST_LOOKED_AT)], shape[-1] or 1
    output = np.full((*_index(some, shape).shape, units), 1 / units, np.float32)
    values = np.asarray(keras().ops.convert_to_numpy(loss.values(some, keras().ops.convert_to_tensor(output))))
    shares = _as_output(some, shape, classes=True)
    if values.shape != shares.shape[:-1]:
        return None
    axes = tuple(range(values.ndim))
    return (shares * values[..., None]).sum(axis=axes) / np.maximum(shares.sum(axis=axes), 1)


def _losses(loss: OutputLoss, target: Array, constant: NDArray[np.float64]) -> NDArray[np.float64]:
    parts: list[NDArray[np.float64]] = []
    for start in range(0, len(target), BATCH):
        batch = target[start : start + BATCH]
        output = np.broadcast_to(constant.astype(np.float32), (len(batch), *constant.shape))
        values = judge((loss,))((batch,), (keras().ops.convert_to_tensor(output),))
        parts.append(np.asarray(keras().ops.convert_to_numpy(values), np.float64))
    return np.concatenate(parts)
