"""Adds and Concatenates that have no other merge: what nobody can ask about is said, with the reason."""

from collections.abc import Iterable

from addcat.graph.operations import ADD_LIKE
from addcat.merges.find import Merge
from addcat.merges.switchability import unswitchable

NAMED = 3
"""How many are said; `inspect` lists all."""


def left_out(merges: Iterable[Merge]) -> tuple[str, ...]:
    """Why each Add and Concatenate that cannot be switched cannot, one sentence for each of the first; () for none."""
    plain = [merge for merge in merges if merge.op.removesuffix("_constant") in (*ADD_LIKE, "concat")]
    refusals = [refusal for merge in plain if (refusal := unswitchable(merge)) is not None]
    named = [f"{refusal.reason} [{refusal.code}]." for refusal in refusals[:NAMED]]
    more = len(refusals) - NAMED
    return (*named, *([f"`inspect` lists {more} more."] if more > 0 else []))
