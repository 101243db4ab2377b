"""What of a search for less memory is worth its time: the last few percent take more rewrites than all before them."""

from bisect import bisect_left
from dataclasses import replace

from addcat.graph.peak import Memory, memory
from addcat.verbs.optimize.candidates import Kept
from addcat.verbs.optimize.result import KEPT, REFUSED
from addcat.verbs.optimize.rounds import Rounds

NEARLY = 1.05
"""Times the lowest peak that was found that counts as low enough."""


def worthwhile(search: Rounds) -> list[Kept]:
    """The first rewrites that a search kept, up to where the peak is nearly as low as at its end.

    Args:
        search: A search that has run; of its attempts those that are left out become refused.

    Returns:
        What is still kept.
    """
    if not search.kept:
        return []
    last = memory(search.kept[-1].graph)

    def reached(kept: Kept) -> bool:
        return last is not None and _nearly(memory(kept.graph), last)

    count = 1 + bisect_left(search.kept[:-1], True, key=reached)
    dropped = [place for place, attempt in enumerate(search.attempts) if attempt.outcome == KEPT][count:]
    for place in dropped:
        reason = "lowers the peak by too little for its time"
        search.attempts[place] = replace(search.attempts[place], outcome=REFUSED, reason=reason)
    return search.kept[:count]


def _nearly(found: Memory | None, last: Memory) -> bool:
    return found is not None and found.peak <= NEARLY * last.peak and found.apart <= NEARLY * last.apart
