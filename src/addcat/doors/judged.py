"""At which evaluation a held-out example is judged, and what the network gives for it there.

Choosing and judging on the same examples would flatter the noisier arm, so the held-out set is halved: each half is
judged at the evaluation that was best on the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays
from addcat.graph import Array

Curve = NDArray[np.float64]
"""Losses of one run, of shape (evaluations, examples)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A run with what its network gives.

    Attributes:
        curve: Loss of every held-out example at every evaluation, of shape (evaluations, examples).
        outputs: What the network gives for every held-out example, at the evaluation where that is judged; one array
            for each output, examples first.
    """

    curve: Curve
    outputs: Arrays


def choosing_means(losses: Any) -> list[Any]:
    """What chooses for each half of the examples: the mean loss of the other half. Examples take turns.

    Args:
        losses: Of one evaluation, of shape (examples,); an array of any framework.

    Returns:
        For examples 0, 2, ... and for 1, 3, ...; one example alone chooses for itself.
    """
    halves = [losses[1::2], losses[::2]] if losses.shape[0] > 1 else [losses, losses]
    return [half.mean() for half in halves]


def cross_fitted(curve: Curve) -> Curve:
    """Loss of each held-out example at the evaluation that the other half of them chose.

    Args:
        curve: Losses of shape (evaluations, examples).

    Returns:
        Losses of shape (examples,).

    Examples:
        >>> curve = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 0.0, 2.0]])
        >>> cross_fitted(curve).tolist()
        [1.0, 2.0, 1.0, 2.0]
    """
    means = np.array([choosing_means(row) for row in curve])
    best = np.where(np.isfinite(means), means, np.inf).argmin(axis=0)  # a run that went to NaN is never the best
    examples = np.arange(len(curve[0]))
    return curve[best[examples % 2], examples]


class Kept:
    """Outputs of every held-out example at the evaluation that `cross_fitted` judges it at, while a run goes on."""

    def __init__(self) -> None:
        self._best = [np.inf, np.inf]
        self._outputs: list[Array] = []

    def look(self, losses: NDArray[np.float64], outputs: Sequence[Array]) -> None:
        """Take over an evaluation where it is the best so far.

        Args:
            losses: Of shape (examples,).
            outputs: One array for each output, examples first.
        """
        if not self._outputs:
            self._outputs = [np.array(output) for output in outputs]
        for half, mean in enumerate(choosing_means(losses)):
            if mean < self._best[half]:
                self._best[half] = float(mean)
                for kept, output in zip(self._outputs, outputs, strict=True):
                    kept[half::2] = output[half::2]

    @property
    def outputs(self) -> Arrays:
        """What was kept."""
        return self._outputs
