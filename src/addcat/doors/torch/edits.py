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
Orders = dict[str, dict[tuple[int, int], int]]
"""Which of the calls of a function, by its name, each is: by where in the code it is made, and how often before."""


@dataclass(frozen=True, slots=True)
class Round:
    """Edits that are made together.

    Attributes:
        edits: They go by the order of calls in the code as it ran when they were planned.
        orders: That order, for every place in the code of either mode; None where it is not known, and calls are
            counted as they come.
    """

    edits: Edits
    orders: Orders | None = None
