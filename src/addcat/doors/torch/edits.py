"""What is to be computed otherwise in a module's own code, as data that can be kept, compared and pickled."""

from dataclasses import dataclass


class Unwritable(Exception):  # noqa: N818  (a signal within the door, not an error)
    """Raised where a module's own code cannot be written anew; the message goes on after "it"."""


class NotRun(Unwritable):
    """Raised where a module's own code fails when it is run; the message goes on after "it"."""


@dataclass(frozen=True, slots=True)
class Site:
    """A call in a module's own code.

    Attributes:
        order: Which of its calls of that function, from 1; 0 for a submodule. Modes differ in the calls between.
        word: Name of the function, or path of the submodule.
    """

    order: int
    word: str


@dataclass(frozen=True, slots=True)
class Read:
    """A tensor that a call of the code reads.

    Attributes:
        site: The call.
        position: Which of the tensors among its arguments.
    """

    site: Site
    position: int


@dataclass(frozen=True, slots=True)
class Apply:
    """A submodule's result.

    Attributes:
        child: Its name.
        inputs: What it is called with.
    """

    child: str
    inputs: tuple["Apply | Read", ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """In the place of a call's result, another value.

    Attributes:
        site: The call.
        value: What is computed instead.
        unused: Submodules that nothing reads any more: they are not called.
        brought: Submodules of the value that the code did not have; where it goes through all of its submodules, as
            `nn.Sequential` does, it must not meet them.
    """

    site: Site
    value: Apply | Read
    unused: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()


Edits = tuple[Edit, ...]


class Rounds:
    """Edits made one after the other, each round to the code that the one before left; applied while the code runs.

    Args:
        rounds: The first one first.
    """

    def __init__(self, rounds: tuple[Edits, ...]) -> None:
        self._rounds = [{edit.site: edit for edit in edits} for edits in rounds]
        self._orders: list[dict[str, int]] = [{} for _ in rounds]

    def function(self, word: str) -> tuple[int, Edit] | None:
        """The edit of the function that is about to run, and the round whose code its value belongs to."""
        for level, edits in enumerate(self._rounds):
            edit = edits.get(Site(self._orders[level].get(word, 0) + 1, word))
            if edit is not None:
                for passed in range(level + 1):
                    self._orders[passed][word] = self._orders[passed].get(word, 0) + 1
                return level + 1, edit
        return None

    def count(self, word: str) -> None:
        """A function ran that no edit is about."""
        for orders in self._orders:
            orders[word] = orders.get(word, 0) + 1

    def module(self, path: str, level: int) -> tuple[int, Edit] | None:
        """The edit of a submodule's call, in the code that `level` rounds have left."""
        for place in range(level, len(self._rounds)):
            edit = self._rounds[place].get(Site(0, path))
            if edit is not None:
                return place + 1, edit
        return None

    def sites(self, word: str) -> list[tuple[int, Site]]:
        """Where the function that just ran is known, in each round's code."""
        return [(level, Site(orders.get(word, 0), word)) for level, orders in enumerate(self._orders)]

    def missed(self) -> list[str]:
        """Words of the edits whose function was never reached."""
        return [
            site.word
            for level, edits in enumerate(self._rounds)
            for site in edits
            if site.order > self._orders[level].get(site.word, 0)
        ]
