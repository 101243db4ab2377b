"""Known metrics, in plain numpy: what a name such as "dice" means, whatever the framework.

Metrics of classes first read targets and outputs as columns, one a class (one alone for yes or no): what is true, how
probable the network finds it, and what it says. Those of numbers take outputs as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from addcat.errors import DataError
from addcat.graph import Array

Link = Literal["identity", "logit", "log", ""]


@dataclass(frozen=True, slots=True)
class Form:
    """How an output is to be read.

    Attributes:
        link: "logit" or "log" where it is that of a probability, "identity" where it is none; "" where the loss, which
            says so, is the user's own.
        axis: Of the classes: 1 in PyTorch, -1 in Keras.
        ignored: A label that counts for nothing; None for none.
    """

    link: Link = ""
    axis: int = -1
    ignored: int | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Targets and outputs side by side, each of shape (examples, positions, classes).

    Attributes:
        true: Whether it is of that class.
        probable: How probable the network finds it.
        said: Whether the network says so: the likeliest class, or every one that is likelier than not.
        counts: Which positions count, of shape (examples, positions).
        exclusive: Whether each position is of one class.
    """

    true: NDArray[np.bool_]
    probable: NDArray[np.float64]
    said: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    exclusive: bool


def columns(target: Array, output: Array, form: Form) -> Columns:
    """Read targets and outputs as classes.

    Args:
        target: Indices of classes; or 0 and 1 (one-hot, several labels, or yes and no) in the shape of the output.
        output: With the classes on `form.axis`, or of one class.
        form: Of the output.

    Raises:
        DataError: if the shapes do not meet, labels are none, or outputs are no probabilities.
    """
    if output.ndim == 1:
        output = output[:, None]
    axis = form.axis % output.ndim
    many: int = output.shape[axis]
    if target.ndim == output.ndim - 1:
        target = np.expand_dims(target, axis)
    if target.shape != (*output.shape[:axis], target.shape[axis], *output.shape[axis + 1 :]) or (
        target.shape[axis] not in (1, many)
    ):
        raise DataError(f"targets of shape {target.shape[1:]} do not meet outputs of shape {output.shape[1:]}")
    target, output = (np.moveaxis(array, axis, -1) for array in (target, output))
    target, output = (array.reshape(len(array), -1, array.shape[-1]) for array in (target, output))
    counts = np.ones(target.shape[:2], bool) if form.ignored is None else (target != form.ignored).any(axis=-1)
    indexed = target.shape[-1] == 1 < many
    _require_labels(target[counts], many if indexed else 2)
    true = np.equal(target, np.arange(many) if indexed else 1).astype(np.bool_)
    exclusive = many > 1 and bool((true.sum(axis=-1) == 1)[counts].all())
    probable = _probabilities(output.astype(np.float64), form, exclusive=exclusive)
    likeliest = np.equal(np.arange(many), probable.argmax(axis=-1)[..., None])
    said = np.asarray(likeliest if exclusive else probable > 0.5, np.bool_)
    return Columns(true & counts[..., None], probable, said & counts[..., None], counts, exclusive)


def _require_labels(target: Array, many: int) -> None:
    wrong = target[~np.isin(target, np.arange(many))]
    if wrong.size:
        raise DataError(f"targets hold {wrong.flat[0]:g}, expected labels from 0 to {many - 1}")


def _probabilities(output: NDArray[np.float64], form: Form, *, exclusive: bool) -> NDArray[np.float64]:
    if form.link == "log":
        return np.exp(output)
    if form.link == "logit":
        if exclusive:
            grown = np.exp(output - output.max(axis=-1, keepdims=True))
            return grown / grown.sum(axis=-1, keepdims=True)
        return 0.5 * (1 + np.tanh(output / 2))
    low, high = float(output.min()), float(output.max())
    if not form.link and not (low >= -1e-6 and high <= 1 + 1e-6):
        raise DataError(
            f"outputs reach from {low:.3g} to {high:.3g}, so they are no probabilities, and the loss does not say what "
            "they are"
        )
    return output


def accuracy(read: Columns) -> float:
    """Share of positions whose class is said; of single labels where a position may have several."""
    right = read.said == read.true
    return float((right.all(axis=-1) if read.exclusive else right)[read.counts].mean())


def auc(read: Columns) -> float:
    """Area under the receiver operating curve: the chance that what is true is found likelier than what is not.

    By ranks (Mann and Whitney 1947), ties counting half; of several classes the mean, each against all others. NaN
    where no class has both.
    """
    found: list[float] = []
    for place in range(read.true.shape[-1]):
        true, probable = read.true[..., place][read.counts], read.probable[..., place][read.counts]
        positives = int(true.sum())
        negatives = true.size - positives
        if positives and negatives:
            above = float(_ranks(probable)[true].sum()) - positives * (positives + 1) / 2
            found.append(above / (positives * negatives))
    return float(np.mean(found)) if found else float("nan")


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[place.reshape(-1)]


def dice(read: Columns) -> float:
    """Dice's overlap 2 |A and B| / (|A| + |B|) of what is said and what is true, the mean over examples.

    Of yes or no it is that of yes, and 1 where neither has any. Of several classes it is the mean over those that an
    example's truth or output has.
    """
    both, said, true = ((part).sum(axis=1) for part in (read.said & read.true, read.said, read.true))
    with np.errstate(invalid="ignore"):
        each = 2 * both / (said + true)
    if each.shape[-1] == 1:
        return float(np.nan_to_num(each, nan=1.0).mean())
    present = ~np.isnan(each)
    rows = present.any(axis=1)
    return float((np.where(present, each, 0).sum(axis=1)[rows] / present.sum(axis=1)[rows]).mean())


def iou(read: Columns) -> float:
    """Intersection over union of what is said and what is true, over all examples; the mean over classes that occur."""
    both, said, true = _totals(read)
    return _mean_of_ratios(both, said + true - both)


def precision(read: Columns) -> float:
    """Share of what is said that is true; the mean over classes that occur, 0 where one is never said."""
    both, said, true = _totals(read)
    return _mean_of_ratios(both, np.where(said + true > 0, np.maximum(said, 1), 0))


def recall(read: Columns) -> float:
    """Share of what is true that is said; the mean over classes that occur, 0 where one is never true."""
    both, said, true = _totals(read)
    return _mean_of_ratios(both, np.where(said + true > 0, np.maximum(true, 1), 0))


def f1(read: Columns) -> float:
    """Harmonic mean of precision and recall of each class; the mean over classes that occur."""
    both, said, true = _totals(read)
    return _mean_of_ratios(2 * both, said + true)


def _totals(read: Columns) -> tuple[NDArray[np.int64], ...]:
    """For each class how often it is said rightly, said, and true."""
    return tuple(part.sum(axis=(0, 1)) for part in (read.said & read.true, read.said, read.true))


def _mean_of_ratios(above: NDArray[np.int64], below: NDArray[np.int64]) -> float:
    occurs = below > 0
    return float((above[occurs] / below[occurs]).mean()) if occurs.any() else float("nan")


def _errors(target: Array, output: Array) -> NDArray[np.float64]:
    """Output minus target, of shape (examples, numbers)."""
    first, second = (a.shape[:-1] if a.ndim > 1 and a.shape[-1] == 1 else a.shape for a in (target, output))
    if first != second:
        raise DataError(f"targets of shape {target.shape[1:]} do not meet outputs of shape {output.shape[1:]}")
    return output.astype(np.float64).reshape(len(output), -1) - target.astype(np.float64).reshape(len(target), -1)


def residual(target: Array, output: Array, form: Form) -> NDArray[np.float64]:
    """What an output misses: the target less the output; of classes, what is true less what was found probable.

    Args:
        target: Numbers in the shape of the output, or what `columns` takes.
        output: Examples first.
        form: Of the output.

    Returns:
        Of shape (examples, numbers); zero where a position does not count.

    Raises:
        DataError: if target and output do not meet.

    Examples:
        >>> residual(np.array([1.0, 2.0]), np.array([[0.5], [2.0]]), Form("identity")).tolist()
        [[0.5], [0.0]]
        >>> residual(np.array([1]), np.array([[0.25, 0.75]]), Form("identity")).tolist()
        [[-0.25, 0.25]]
    """
    alike = target.reshape(len(target), -1).shape == output.reshape(len(output), -1).shape
    if alike and form.link in ("identity", ""):
        return 0.0 - _errors(target, output)
    read = columns(target, output, form)
    return ((read.true - read.probable) * read.counts[..., None]).reshape(len(target), -1)


def mae(target: Array, output: Array) -> float:
    """Mean absolute error."""
    return float(np.abs(_errors(target, output)).mean())


def mse(target: Array, output: Array) -> float:
    """Mean squared error."""
    return float((_errors(target, output) ** 2).mean())


def rmse(target: Array, output: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(target, output)))


def r2(target: Array, output: Array) -> float:
    """Share of the targets' variance that is explained, 1 - sum (y - f)^2 / sum (y - mean y)^2; NaN without variance.

    Examples:
        >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
        0.5
    """
    errors = _errors(target, output)
    flat = target.astype(np.float64).reshape(len(target), -1)
    whole = float(((flat - flat.mean(axis=0)) ** 2).sum())
    return 1 - float((errors**2).sum()) / whole if whole else float("nan")


OF_CLASSES: Mapping[str, Callable[[Columns], float]] = {
    one.__name__: one for one in (accuracy, auc, dice, f1, iou, precision, recall)
}
OF_NUMBERS: Mapping[str, Callable[[Array, Array], float]] = {one.__name__: one for one in (mae, mse, r2, rmse)}
NAMES = tuple(sorted((*OF_CLASSES, *OF_NUMBERS)))


def score(name: str, target: Array, output: Array, form: Form) -> float:
    """The value of a known metric.

    Args:
        name: One of `NAMES`.
        target: Of one output, examples first.
        output: The same.
        form: Of the output.

    Raises:
        DataError: if target and output do not suit it; a clause that says why.

    Examples:
        >>> score("accuracy", np.array([0, 2]), np.array([[2.0, 0, 1], [0, 3, 1]]), Form("logit"))
        0.5
    """
    if name in OF_NUMBERS:
        return OF_NUMBERS[name](target, output)
    return OF_CLASSES[name](columns(target, output, form))
