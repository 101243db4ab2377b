"""The state that a cell starts from: zeros, mostly, which depend on no input; at later calls it is what the cell gave.

A constant is no branch of a merge. But where the same argument of a module is computed from the model's inputs at
another call, the two calls are one piece of code, and what it merges there it merges at the first call too. So such an
argument is followed from the start, like an input.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Passed = tuple[tuple[tuple[int, ...], bool], ...]
"""For each tensor that a module is called with its sizes, and whether it depends on the model's inputs."""
States = frozenset[tuple[str, int]]
"""Path of a module, and which of the tensors that it is called with."""


def states_of(passed: Mapping[str, list[Passed]]) -> States:
    """Arguments of modules that depend on the model's inputs at some calls, and not at others.

    Args:
        passed: For each module that is no leaf what each call of it was given.

    Examples:
        >>> first, later = (((4, 3), True), ((4, 8), False)), (((4, 3), True), ((4, 8), True))
        >>> states_of({"cell": [first, later]})
        frozenset({('cell', 1)})
    """
    return frozenset(state for path, calls in passed.items() for state in _states(path, calls))


def _states(path: str, calls: list[Passed]) -> Iterator[tuple[str, int]]:
    if len({tuple(sizes for sizes, _ in given) for given in calls}) != 1:
        return
    for place, seen in enumerate(zip(*calls, strict=True)):
        if len({live for _, live in seen}) > 1:
            yield path, place


def start(*_: Any) -> None:
    """Stands for what makes a state before a cell's first call."""
