"""The new model against the old one, on the same inputs, at the precision of their outputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from addcat.doors.base import Door
from addcat.errors import VerificationError
from addcat.graph import Array, Edge, Graph
from addcat.switching.record import Difference

TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest relative difference of outputs that the order of summation explains; see docs of each rule's identity."""


Pair = tuple[Edge, Edge]


def compare_outputs(
    door: Door,
    models: tuple[Any, Any],
    graph: Graph,
    data: Sequence[list[Array]],
    checks: Sequence[Pair],
    *,
    seed: int,
    exact: bool,
) -> Difference:
    """Run both models and measure how far their outputs lie apart.

    Args:
        door: Of the models.
        models: The old one and the new one.
        graph: Of the old one, for random inputs.
        data: Batches of inputs; the first is used. Random inputs where there is none.
        checks: Tensors inside, before and after, that an exact switch keeps equal too.
        seed: Of the random inputs.
        exact: Whether the switch claims to keep the function.

    Returns:
        The difference of the outputs.

    Raises:
        VerificationError: if an exact switch moved an output, or a tensor to check, more than precision explains.
    """
    inputs = data[0] if data else door.random_inputs(graph, examples=4, seed=seed)
    inside = list(checks) if exact else []
    old = door.predictor(models[0], [before for before, _ in inside])(inputs)
    new = door.predictor(models[1], [after for _, after in inside])(inputs)
    dtype = min((str(out.dtype) for out in old), key=lambda name: -TOLERANCE.get(name, 0.0))
    tolerance = TOLERANCE.get(dtype, 1e-5)
    differences = [_relative(a, b) for a, b in zip(old, new, strict=True)]
    outputs = len(old) - len(inside)
    relative = max(differences[:outputs])
    largest = max(_largest(a, b) for a, b in zip(old[:outputs], new[:outputs], strict=True))
    where = "data" if data else "random inputs"
    if exact and not max(differences) <= tolerance:
        raise VerificationError(
            f"The switched model's tensors differ by {max(differences):.1e} of the largest on {where}, "
            f"more than {dtype} explains ({tolerance:.0e}). It is not handed over; please report this model."
        )
    return Difference(largest, relative, tolerance if exact else None, len(inputs[0]), where)


def _wide(array: Array) -> Array:
    return np.asarray(array, np.float64)


def _largest(a: Array, b: Array) -> float:
    return float(np.abs(_wide(a) - _wide(b)).max(initial=0.0))


def _relative(a: Array, b: Array) -> float:
    return _largest(a, b) / max(float(np.abs(_wide(a)).max(initial=0.0)), 1e-30)
