"""Whether a module's own code can be written anew, asked of training too before anything is changed.

A model is read in eval mode, and trained in the other one: there its code may draw, look at what it drew, add something
more, or not compute a merge at all.
"""

from typing import TYPE_CHECKING

from addcat.doors.torch.calls import Given, Owner, Way
from addcat.doors.torch.edits import NotRun, Orders, Site, Unwritable
from addcat.doors.torch.frame import record_frame
from addcat.doors.torch.recorder import Shell
from addcat.doors.torch.rewritten import base_of
from addcat.doors.torch.rounds import joined
from addcat.doors.torch.sizes import STATIC
from addcat.doors.torch.trees import tree_flatten
from addcat.doors.torch.watching import in_mode

if TYPE_CHECKING:
    import torch as typed

IN_TRAINING = "in training"


def way_of(module: "typed.nn.Module", owner: Owner) -> Way:
    """What is known of a module's own code; found once.

    Args:
        module: As it was recorded.
        owner: What was seen of its calls.
    """
    if owner.way is None:
        owner.way = _found(module, owner)
    return owner.way


def _found(module: "typed.nn.Module", owner: Owner) -> Way:
    calls = distinct(owner.calls)
    try:
        known = owner.orders
        if base_of(module)[1]:  # what was recorded is our own code: places are those of the user's
            known = _orders(module, calls[0], training=False)
        if not owner.asks_mode:
            return Way(known)
        in_training = [_orders(module, given, training=True) for given in calls]
    except NotRun:  # it needs numbers, or other ones than a recording has: a call will show
        return Way(None)
    except Unwritable as problem:
        return Way(None, problem=f"{problem} {IN_TRAINING}")
    known = joined(known, in_training[0])
    return Way(known, _sites(known, in_training[0]))


def _orders(module: "typed.nn.Module", given: Given, *, training: bool) -> Orders:
    base, rounds = base_of(module)
    with in_mode(module, training=training):
        return record_frame(module, base.forward, *given, rounds, first=STATIC).orders


def _sites(known: Orders, there: Orders) -> frozenset[Site]:
    """The calls of the one mode that the other makes too."""
    return frozenset(
        Site(known[word][mark], word) for word in known for mark in there.get(word, {}) if mark in known[word]
    )


def distinct(calls: list[Given]) -> list[Given]:
    """Calls that differ in structure, flags or sizes, each once: a cell is called for every step."""
    found: dict[tuple[object, ...], Given] = {}
    for given in calls:
        leaves, structure = tree_flatten(given)
        found.setdefault((str(structure), *map(_told_apart, leaves)), given)
    return list(found.values())


def _told_apart(leaf: object) -> object:
    return leaf if isinstance(leaf, Shell) else f"{type(leaf).__name__} {leaf!r}"
