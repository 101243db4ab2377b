"""What a person knows of a task before anything is trained: what rules of thumb go by.

Halves: findings are looked for on one half of the tasks and confirmed on the other. Which task is in which was drawn by
`drawn` before any of the results were looked at, half of each family, and is kept in halves.json.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HALVES = Path(__file__).with_name("halves.json")
HALF_SEED = 14
HALF_NAMES = ("explore", "confirm")
FAMOUS = {
    # family: what the network that made it known does
    "residual": "add",  # ResNet
    "skips": "concat",  # U-Net
    "siblings": "concat",  # Inception
    "views": "concat",  # most networks of two towers
    "positions": "add",  # the Transformer
    "bidirectional": "concat",  # the default of Keras
    "conditioning": "add",  # time steps in diffusion models
    "graph": "concat",  # GraphSAGE
}
WORDS = {
    "residual": "Residual link",
    "skips": "U-Net skip",
    "siblings": "Sibling convolutions",
    "views": "Two inputs or views",
    "positions": "Positional encoding",
    "bidirectional": "Forward and backward",
    "conditioning": "A condition on a picture",
    "graph": "A node and its neighbours",
}
"""Families as figures and tables call them, in their order."""
ONE_TOWER = {
    # views that go through one tower for both, and whether the answer changes when the views change places
    "views/digit-two-looks": False,
    "views/digits-larger": True,
    "views/digits-total": False,
    "views/digits-same": False,
    "views/cancer-mean-worst": True,
    "views/photograph-above": True,
    "views/generated-same-function": False,
    "views/generated-difference": True,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """A task as a rule of thumb sees it.

    Attributes:
        family: What kind of merge.
        shared: Whether one layer, with one set of weights, makes both branches, or both are given as they are.
        ordered: Whether it matters which branch is which: the answer changes when they change places.
        related: Whether the branches are two versions of one thing, so that their channels could mean the same.
        examples: To train on.
        more: By what share Concatenate makes the network larger, at equal widths.
    """

    family: str
    shared: bool
    ordered: bool
    related: bool
    examples: int
    more: float


def facts_of(record: Mapping[str, Any]) -> Facts:
    """The facts of a task, from its record in results.json."""
    name, family = record["name"], record["family"]
    shared = name in ONE_TOWER or family == "graph"
    ordered = ONE_TOWER.get(name, True)
    related = name in ONE_TOWER or family in ("residual", "skips", "siblings", "bidirectional", "graph")
    add, concat = (record["arms"][arm]["parameters"] for arm in ("add", "concat"))
    return Facts(family, shared, ordered, related, record["examples"][0], concat / add - 1)


def halves() -> dict[str, str]:
    """The half of every task, by its name."""
    return json.loads(HALVES.read_text(encoding="utf-8"))


def drawn(families: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Draw halves: as many of each family, a task more to one of them in turn where the number is odd.

    Args:
        families: Names of tasks by family.
    """
    rng = np.random.default_rng(HALF_SEED)
    found: dict[str, str] = {}
    for turn, names in enumerate(families.values()):
        for place, index in enumerate(rng.permutation(len(names))):
            found[names[index]] = HALF_NAMES[(place + turn) % 2]
    return {name: found[name] for names in families.values() for name in names}
