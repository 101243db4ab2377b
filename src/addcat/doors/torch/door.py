"""The torch door: one object, because a plain `nn.Module` needs to be told what it is called with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from addcat.doors.torch import read as reading
from addcat.doors.torch import run as running
from addcat.doors.torch import write as writing
from addcat.doors.torch.examples import Example
from addcat.doors.torch.run import Run
from addcat.graph import Array, Edge, Graph, Shape


@dataclass(frozen=True, slots=True)
class TorchDoor:
    """See the protocols of `addcat.doors.base`.

    Attributes:
        example: What the model is called with.
        factory: Makes the user's model anew, where weights are drawn anew.
    """

    example: Example
    factory: Callable[[], Any] | None = None

    def read(self, model: Any) -> Graph:
        """See `addcat.doors.torch.read.read`."""
        return reading.read(model, self.example)

    def reshape_inputs(self, graph: Graph, shapes: tuple[Shape, ...]) -> Graph:
        """See `addcat.doors.torch.read.reshape_inputs`."""
        return reading.reshape_inputs(graph, shapes)

    def write(self, graph: Graph, *, weights: bool = True, seed: int | None = None) -> Any:
        """See `addcat.doors.torch.write.write`."""
        return writing.write(graph, weights=weights, seed=seed, factory=self.factory)

    def predictor(self, model: Any, edges: Sequence[Edge] = ()) -> Run:
        """See `addcat.doors.torch.run.predictor`."""
        return running.predictor(model, self.example, edges)

    def random_inputs(self, graph: Graph, *, examples: int, seed: int) -> list[Array]:
        """See `addcat.doors.torch.run.random_inputs`."""
        return running.random_inputs(graph, examples=examples, seed=seed)

    def probe(self, graph: Graph, edges: list[Edge]) -> Run:
        """See `addcat.doors.torch.run.probe`."""
        return running.probe(graph, edges, self.example)
