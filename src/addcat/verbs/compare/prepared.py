"""A comparison that is ready to run, and what tells whether a store holds trials of the same one."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any, cast

from addcat.data.examples import Examples
from addcat.data.metrics import KerasMetric, Metric
from addcat.doors.recipe import Recipe
from addcat.graph import Graph
from addcat.graph.nested import walk
from addcat.trials.execute import Execute
from addcat.trials.functions import source_of
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


def digest_of_recipe(recipe: Recipe) -> str:
    """A digest of how arms are trained, alike in every process: functions by their text, no names that were counted."""
    return digest(_plain(recipe.optimizer))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value).items()
        return repr([(name, _plain(one)) for name, one in entries if name != "name"])
    if isinstance(value, list | tuple):
        return repr([_plain(one) for one in cast("Sequence[Any]", value)])
    if is_dataclass(value) and not isinstance(value, type):
        return repr([(field.name, _plain(getattr(value, field.name))) for field in fields(value)])
    if isinstance(value, partial):
        return repr([_plain(one) for one in (value.func, value.args, value.keywords)])
    if callable(value):
        return source_of(value)
    text = repr(value)
    # some print their address: their kind must do, what a loader holds is among the data
    return f"{type(value).__module__}.{type(value).__qualname__}" if " at 0x" in text else text


def spec_of_metrics(metrics: Sequence[Metric]) -> dict[str, str]:
    """Metrics as stored trials must have them; nothing where there are none."""
    if not metrics:
        return {}
    given = (
        source_of(one.given) if callable(one.given) and not isinstance(one.given, KerasMetric) else one.given
        for one in metrics
    )
    return {"metrics": f"{', '.join(one.name for one in metrics)} {digest(*given)}"}


def words_of_metrics(metrics: Sequence[Metric], where: str) -> str:
    """A note on metrics."""
    names = ", ".join(one.name for one in metrics)
    return f"Beside what decides: {names}, {where}; intervals over pairs, for these examples."


def digest_of_graph(graph: Graph) -> str:
    """A digest of an architecture: what it computes with, not its weights, which are drawn anew.

    They are drawn by the names of their layers, which therefore count. Operations without weights may be named by a
    counter of the framework, which goes on from one model to the next: they are told apart by their places.
    """
    lines: list[str] = []
    names: dict[tuple[int, str], str] = {}
    for place, (path, node, inside) in enumerate(walk(graph)):
        names[id(inside), node.name] = path if node.weights or node.body is not None else f"{place}"
        inputs = [(names[id(inside), edge.node], edge.output) for edge in node.inputs]
        lines.append(
            json.dumps(
                [names[id(inside), node.name], node.op, node.kind, inputs, [list(t.shape) for t in node.outputs]],
                default=str,
            )
            + repr(sorted((name, repr(value)) for name, value in node.attrs.items() if type(value) in PLAIN))
            + repr(sorted((name, weight.shape, weight.trainable) for name, weight in node.weights.items()))
        )
    return digest(*lines)


ADDRESS = re.compile(r"0x[0-9a-f]+")
"""Where an object lies in one process."""


def digest_of_settings(graph: Graph) -> str:
    """A digest of what the layers were made with: rates of dropout, initialisers, penalties."""
    given = (str(getattr(node.native, "settings", "")) for _, node, _ in walk(graph))
    return digest(*(ADDRESS.sub("", one) for one in given))


PLAIN = (str, int, float, bool, tuple)
"""Settings of a node that are the same in every process."""


def digest_of_examples(examples: Examples) -> str:
    """A digest of data: every value of every array."""
    arrays = [array for group in (examples.inputs, examples.targets) for array in group]
    return digest(*(part for array in arrays for part in (array.dtype, array.shape, array.tobytes())))
