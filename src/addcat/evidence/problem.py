"""What every method needs: the network, one merge, data to fit on and data to judge on, and the time that is left."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Examples
from addcat.data.metrics import Metric
from addcat.doors.base import Laboratory
from addcat.doors.recipe import Recipe
from addcat.errors import DataError
from addcat.graph import Array, Graph
from addcat.merges import Merge


@dataclass(frozen=True, slots=True)
class Given:
    """The network as it is, written and looked at once for all questions.

    Attributes:
        model: What `write` made of the outermost graph; nobody changes it.
        seconds: Of its first pass, compilation included.
        again: Seconds of one more pass over one example.
        constant: Loss of each held-out example where every output is the best constant, of shape (examples,).
    """

    model: Any
    seconds: float
    again: float
    constant: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Problem:
    """One merge of a trained network, and the means to measure it.

    Attributes:
        door: Runs and trains.
        root: The outermost graph, with the trained weights.
        graph: The graph in which the merge lies; `root` itself, or a nested model's body.
        merge: An Add (or a rung above it) or a Concatenate; of a family its first member.
        data: To fit on.
        held: To judge on; no method fits on it.
        losses: Of the outputs, as the door understands them.
        recipe: How the network was trained.
        seed: Of everything drawn.
        deadline: When to stop, in seconds of `time.monotonic`.
        tell: Called with what is being done, for a progress display.
        family: All merges that switch together; none where `merge` is asked about alone.
        match: What both arms have alike: "widths", or "parameters" (see `addcat.trials.budgets`).
        metrics: Reported of trained pairs, beside the loss.
        redrawn: Share of `data` that each pair draws to train on; 0 where all pairs train on the same.
        given: The network as it is, where it was looked at before; of `root`, `losses` and `held` as they are here.
    """

    door: Laboratory
    root: Graph
    graph: Graph
    merge: Merge
    data: Examples
    held: Examples
    losses: Any
    recipe: Recipe
    seed: int
    deadline: float
    tell: Callable[[str], None]
    family: tuple[Merge, ...] = ()
    match: str = "widths"
    metrics: tuple[Metric, ...] = ()
    redrawn: float = 0.0
    given: Given | None = None

    @property
    def merges(self) -> tuple[Merge, ...]:
        """The merges that the question is about."""
        return self.family or (self.merge,)

    @property
    def now(self) -> str:
        """The side on which the network stands: "add" or "concat"."""
        return "add" if self.merge.adds else "concat"

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def require_singles(self, method: str) -> None:
        """Check that each example has a loss of its own, which tells the noise of what one network says.

        Raises:
            DataError: if the loss couples the examples of a batch.
        """
        if self.door.couples(self.losses):
            raise DataError(
                f"The loss has one value for a batch and none for an example, so {method!r} has no interval. Trained "
                "pairs have one, of their seeds."
            )

    def judged_by(self, count: int) -> "Problem":
        """The same question, judged by the first held-out examples, at most so many."""
        given = self.given
        cut = given if given is None else replace(given, constant=given.constant[:count])
        return replace(self, held=self.held.first(count), given=cut)

    def losses_on(self, some: Examples) -> NDArray[np.float64]:
        """Loss of each of some examples by the network as it is, of shape (examples,)."""
        model = self.door.write(self.root) if self.given is None else self.given.model
        return np.asarray(self.door.losses_of(model, self.losses, some), np.float64)


def batches(examples: Examples, size: int = 256) -> "Sequence[list[Array]]":
    """Inputs in batches, in order."""
    return [[a[start : start + size] for a in examples.inputs] for start in range(0, examples.count, size)]
