"""A comparison that is ready to run, and what tells whether a store holds trials of the same one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from addcat.data.examples import Examples
from addcat.graph import Graph
from addcat.graph.nested import walk
from addcat.trials.execute import Execute
from addcat.verbs.compare.settings import Settings

AGAIN = "again"
"""What the second arm of a self-check is called, behind the first's name."""
APART = 1_000_003
"""Added to its seeds, so that it starts elsewhere and sees other batches."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything to run a comparison.

    Attributes:
        settings: What is asked.
        execute: Runs its trials.
        spec: What must be the same for stored trials to belong to it: words and digests by name.
    """

    settings: Settings
    execute: Execute
    spec: Mapping[str, str]


def digest(*parts: Any) -> str:
    """A short digest of texts and arrays."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else str(part).encode())
        found.update(b"\0")
    return found.hexdigest()[:16]


def digest_of_graph(graph: Graph) -> str:
    """A digest of an architecture: what it computes with, not its weights, which are drawn anew."""
    lines = [
        json.dumps(
            [path, node.op, node.kind, [list(edge) for edge in node.inputs], [list(t.shape) for t in node.outputs]],
            default=str,
        )
        + repr(sorted((name, repr(value)) for name, value in node.attrs.items() if type(value) in PLAIN))
        + repr(sorted((name, weight.shape, weight.trainable) for name, weight in node.weights.items()))
        for path, node, _ in walk(graph)
    ]
    return digest(*lines)


PLAIN = (str, int, float, bool, tuple)
"""Settings of a node that are the same in every process."""


def digest_of_examples(examples: Examples) -> str:
    """A digest of data: every value of every array."""
    arrays = [array for group in (examples.inputs, examples.targets) for array in group]
    return digest(*(part for array in arrays for part in (array.dtype, array.shape, array.tobytes())))
