"""The new model against the old one, on the same inputs, at the precision of their outputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from addcat.doors.base import Runner
from addcat.errors import ModelError, VerificationError
from addcat.graph import Array, Edge, Graph
from addcat.graph.nested import flatten
from addcat.verbs.switch.result import Difference

TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest relative difference of outputs that the order of summation explains; see docs of each rule's identity."""


Pair = tuple[Edge, Edge]


def compare_outputs(
    door: Runner,
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
        ModelError: if the old model does not run on the inputs.
        VerificationError: if an exact switch moved an output, or a tensor to check, more than precision explains.
    """
    inputs = data[0] if data else door.random_inputs(graph, examples=4, seed=seed)
    where = "data" if data else "random inputs"
    inside = list(checks) if exact else []
    try:
        old = door.predictor(models[0], [before for before, _ in inside])(inputs)
    except ModelError as error:
        shapes = " and ".join(str(array.shape) for array in inputs)
        raise ModelError(
            f"Nothing can be compared on {where} of shape {shapes}. {error} Give data that it takes."
        ) from error
    new = door.predictor(models[1], [after for _, after in inside])(inputs)
    dtype = _coarsest(graph)
    tolerance = TOLERANCE[dtype]
    differences = [_relative(a, b) for a, b in zip(old, new, strict=True)]
    outputs = len(old) - len(inside)
    relative = max(differences[:outputs])
    largest = max(_largest(a, b) for a, b in zip(old[:outputs], new[:outputs], strict=True))
    worst = float(np.max(differences))  # unlike max, it does not overlook what is not a number
    if exact and not worst <= tolerance:
        raise VerificationError(
            f"The switched model's tensors differ by {worst:.1e} of the largest on {where}, "
            f"more than {dtype} explains ({tolerance:.0e}). It is not handed over; please report this model."
        )
    return Difference(largest, relative, tolerance if exact else None, len(inputs[0]), where)


def _coarsest(graph: Graph) -> str:
    """The least precise floating-point type in which a layer computes; of functions Keras may declare a wrong one."""
    nodes = [n for n in flatten(graph).nodes.values() if n.op != "input" and n.attrs.get("is_layer", True)]
    dtypes = {tensor.dtype for node in nodes for tensor in node.outputs}
    return max(dtypes & set(TOLERANCE), key=TOLERANCE.__getitem__, default="float32")


def _largest(a: Array, b: Array) -> float:
    """Largest difference; where both are infinite, or no number, they do not differ."""
    old, new = _wide(a), _wide(b)
    with np.errstate(invalid="ignore"):
        alike = (old == new) | (np.isnan(old) & np.isnan(new))
        return float(np.where(alike, 0.0, np.abs(old - new)).max(initial=0.0))


def _relative(a: Array, b: Array) -> float:
    size = np.abs(_wide(a))
    return _largest(a, b) / max(float(size.max(initial=0.0, where=np.isfinite(size))), 1e-30)


def _wide(array: Array) -> Array:
    """At double precision, complex numbers as such."""
    return np.asarray(array, np.complex128 if np.iscomplexobj(array) else np.float64)
