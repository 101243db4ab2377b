"""How long a step takes that is too short to be timed: reckoned from what a forward pass computes, as JAX traces it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

OVERHEAD, FLOPS, PASSES = 2e-4, 1e10, 3
"""Of a step: seconds whatever its size, operations a second, and forward passes that it is worth, one and two back."""
TURN = 5e-5
"""Of a turn of a loop inside a step, such as one for each time of a recurrent layer: seconds whatever its size."""

UPDATE = 3e-9
"""Seconds in which an optimiser moves a weight: all rows of an embedding, however few a batch reads."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a program computes.

    Attributes:
        flops: Operations of its matrix products, two a multiply-add.
        turns: Of its loops, all together; none of a loop whose length is not known.
    """

    flops: float = 0.0
    turns: float = 0.0

    def step_seconds(self, weights: int) -> float:
        """Of a training step whose forward pass this is.

        Args:
            weights: That the optimiser moves.

        Examples:
            >>> round(Work(flops=1e7, turns=40).step_seconds(100_000), 6)
            0.0055
        """
        return OVERHEAD + PASSES * self.flops / FLOPS + TURN * self.turns + UPDATE * weights


def work_of(program: Any) -> Work:
    """What a traced program computes; what is in a loop as often as it is run.

    Args:
        program: A jaxpr.
    """
    flops = turns = 0.0
    for step in program.eqns:
        times = step.params["length"] if step.primitive.name == "scan" else 1
        if step.primitive.name == "dot_general":
            flops += _product(step)
        for inner in _programs(step.params.values()):
            found = work_of(inner)
            flops, turns = flops + times * found.flops, turns + times * found.turns
        turns += times if step.primitive.name == "scan" else 0
    return Work(flops, turns)


def _product(step: Any) -> float:
    """Operations of a matrix product."""
    (summed, _), _ = step.params["dimension_numbers"]
    return 2.0 * math.prod(step.outvars[0].aval.shape) * math.prod(step.invars[0].aval.shape[axis] for axis in summed)


def _programs(values: Any) -> Iterator[Any]:
    """Programs that a step of a program calls."""
    for value in values:
        for one in value if isinstance(value, tuple) else (value,):  # pyright: ignore[reportUnknownVariableType]
            inner: Any = getattr(one, "jaxpr", one)  # pyright: ignore[reportUnknownArgumentType]
            if hasattr(inner, "eqns"):
                yield inner
