"""What every method needs: the network, one merge, data to fit on and data to judge on, and the time that is left."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from addcat.graph import Array, Edge, Graph, Node
from addcat.merges import Merge
from addcat.training import Arrays, Examples, Plan, Recipe, Trainer


class Laboratory(Protocol):
    """A door that can also train: what methods ask of a framework."""

    def read(self, model: Any) -> Graph:
        """The graph of a model; the model is not touched."""
        ...

    def resolve_loss(self, model: Any, loss: Any, targets: tuple[Array, ...]) -> tuple[Any, str]:
        """The losses of a model's outputs, and words on where they come from."""
        ...

    def recipe_of(self, model: Any, *, batch: int | None, examples: int) -> Recipe:
        """How a model was trained."""
        ...

    def write(self, graph: Graph, *, weights: bool = True, seed: int | None = None) -> Any:
        """A new model of a graph."""
        ...

    def predictor(self, model: Any, edges: Sequence[Edge] = ()) -> Callable[[list[Array]], list[Array]]:
        """A function from model inputs to its outputs; the tensors on `edges` of its outermost graph follow them."""
        ...

    def probe(self, graph: Graph, edges: list[Edge]) -> Callable[[list[Array]], list[Array]]:
        """A function from model inputs to the tensors on some edges of the flattened graph."""
        ...

    def state(self, model: Any) -> Arrays:
        """The values of all variables of a model, in its order."""
        ...

    def losses_of(self, model: Any, losses: Any, examples: Examples) -> NDArray[np.float64]:
        """Loss of every example at inference, of shape (examples,)."""
        ...

    def gradient(
        self, model: Any, losses: Any, examples: Examples, paths: Sequence[str]
    ) -> dict[tuple[str, str], Array]:
        """Gradient of the mean loss at inference, for kernels and biases of some nodes, in canonical layout."""
        ...

    def assign(self, model: Any, path: str, node: Node) -> None:
        """Put the weights of a node into the layer that it became."""
        ...

    def trainer(self, model: Any, losses: Any, recipe: Recipe, plan: Plan, data: Examples, held: Examples) -> Trainer:
        """A trainer of one arm."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """One merge of a trained network, and the means to measure it.

    Attributes:
        door: Runs and trains.
        root: The outermost graph, with the trained weights.
        graph: The graph in which the merge lies; `root` itself, or a nested model's body.
        merge: An Add (or a rung above it) or a Concatenate.
        data: To fit on.
        held: To judge on; no method fits on it.
        losses: Of the outputs, as the door understands them.
        recipe: How the network was trained.
        seed: Of everything drawn.
        deadline: When to stop, in seconds of `time.monotonic`.
        tell: Called with what is being done, for a progress display.
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

    @property
    def now(self) -> str:
        """The side on which the network stands: "add" or "concat"."""
        return "add" if self.merge.adds else "concat"

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


def batches(examples: Examples, size: int = 256) -> "Sequence[list[Array]]":
    """Inputs in batches, in order."""
    return [[a[start : start + size] for a in examples.inputs] for start in range(0, examples.count, size)]
