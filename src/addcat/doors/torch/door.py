"""The torch door: one object, because a plain `nn.Module` needs to be told what it is called with."""

from dataclasses import dataclass
from typing import Any

from addcat.doors.torch import read as reading
from addcat.doors.torch.examples import Example
from addcat.graph import Graph, Shape


@dataclass(frozen=True, slots=True)
class TorchDoor:
    """See the protocols of `addcat.doors.base`.

    Attributes:
        example: What the model is called with.
    """

    example: Example

    def read(self, model: Any) -> Graph:
        """See `addcat.doors.torch.read.read`."""
        return reading.read(model, self.example)

    def reshape_inputs(self, graph: Graph, shapes: tuple[Shape, ...]) -> Graph:
        """See `addcat.doors.torch.read.reshape_inputs`."""
        return reading.reshape_inputs(graph, shapes)
