"""Edits made while a module's own code runs, whatever else that code does this time.

A merge is found again by its place in the code, not by how many of its kind came before: in training, or with a flag,
the code may add something more before it.
"""

import dis
import sys
import zlib
from types import CodeType

from addcat.doors.torch.edits import Edit, Orders, Round, Site

_OWN = __name__.partition(".")[0]
_BEFORE_CALL = dis.opmap.get("PRECALL", -1)
_AHEAD = 4
"""Bytes from there to the call itself."""


def location(end: CodeType) -> int:
    """Where in the code the function that called ours was called, as a number that is the same in every process.

    Args:
        end: The code that runs the user's.
    """
    frame, chain = sys._getframe(2), list[tuple[str, int]]()  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_code is not end:
        if not str(frame.f_globals.get("__name__")).startswith(f"{_OWN}."):
            chain.append((frame.f_code.co_qualname, _instruction(frame.f_code, frame.f_lasti)))
        frame = frame.f_back
    return zlib.crc32(repr(chain).encode())


def _instruction(code: CodeType, place: int) -> int:
    """An instruction by a number that stays: a call that Python 3.11 has seen often is made by what stands before it.

    That is so of builtins alone, such as `sum` of a list of tensors, or `list` of what a generator computes.
    """
    return place + _AHEAD if code.co_code[place] == _BEFORE_CALL else place


def called_by_user() -> bool:
    """Whether the function that called ours was called by code that is neither ours nor torch's."""
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    return str(frame.f_globals.get("__name__")).partition(".")[0] not in (_OWN, "torch")


class Rounds:
    """Edits made one after the other, each round to the code that the one before left; applied while the code runs.

    Args:
        rounds: The first one first.

    Attributes:
        orders: Of the calls that no edit is about: the code as these rounds leave it.
    """

    def __init__(self, rounds: tuple[Round, ...]) -> None:
        self._rounds = rounds
        self._edits = [{edit.site: edit for edit in one.edits} for one in rounds]
        self._counts: list[dict[str, int]] = [{} for _ in rounds]
        self._times: dict[tuple[str, int], int] = {}
        self._reached: set[tuple[int, Site]] = set()
        self.orders: Orders = {}

    def function(self, word: str, place: int) -> tuple[int, Edit] | None:
        """The edit of the function that is about to run, and the round whose code its value belongs to."""
        for level, site in self._sites(word, place):
            edit = self._edits[level].get(site)
            if edit is not None:
                self._reached.add((level, site))
                self._pass(word, place, level + 1)
                return level + 1, edit
        return None

    def count(self, word: str, place: int) -> list[tuple[int, Site]]:
        """A function ran that no edit is about; where it is known, in each round's code."""
        sites = self._sites(word, place)
        known = self.orders.setdefault(word, {})
        known[place, self._times.get((word, place), 0) + 1] = len(known) + 1
        self._pass(word, place, len(self._rounds))
        return sites

    def _sites(self, word: str, place: int) -> list[tuple[int, Site]]:
        mark = place, self._times.get((word, place), 0) + 1
        found: list[tuple[int, Site]] = []
        for level, one in enumerate(self._rounds):
            counted = self._counts[level].get(word, 0) + 1
            order = counted if one.orders is None else one.orders.get(word, {}).get(mark, 0)
            if order:
                found.append((level, Site(order, word)))
        return found

    def _pass(self, word: str, place: int, levels: int) -> None:
        self._times[word, place] = self._times.get((word, place), 0) + 1
        for counts in self._counts[:levels]:
            counts[word] = counts.get(word, 0) + 1

    def module(self, path: str, level: int) -> tuple[int, Edit] | None:
        """The edit of a submodule's call, in the code that `level` rounds have left."""
        for place in range(level, len(self._edits)):
            edit = self._edits[place].get(Site(0, path))
            if edit is not None:
                return place + 1, edit
        return None

    def missed(self) -> list[str]:
        """Words of the edits whose function was never reached."""
        return [
            site.word
            for level, edits in enumerate(self._edits)
            for site in edits
            if site.order and (level, site) not in self._reached
        ]


def joined(eval_orders: Orders, training: Orders) -> Orders:
    """The order of calls in eval mode, known in training too.

    Calls at places that one mode alone comes by are the same ones in the order that they come, where both modes have as
    many of them: code that says a thing twice, once for each mode.

    Examples:
        >>> joined({"add": {(7, 1): 1, (8, 1): 2}}, {"add": {(5, 1): 1, (7, 1): 2, (8, 1): 3}})
        {'add': {(7, 1): 1, (8, 1): 2}}
        >>> joined({"add": {(7, 1): 1, (8, 1): 2}}, {"add": {(7, 1): 1, (9, 1): 2}})
        {'add': {(7, 1): 1, (8, 1): 2, (9, 1): 2}}
    """
    made: Orders = {}
    for word, orders in eval_orders.items():
        others = training.get(word, {})
        here = [order for mark, order in orders.items() if mark not in others]
        there = [mark for mark in others if mark not in orders]
        made[word] = {**orders, **(dict(zip(there, here, strict=True)) if len(here) == len(there) else {})}
    return made
