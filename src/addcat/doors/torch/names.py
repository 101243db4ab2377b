"""What recorded calls are named: a module by its path, a function by that and its word, numbered from the second on."""

import re
from collections.abc import Collection

_NUMBERED = re.compile(r"#\d+$")


class Names:
    """Gives every call of one recording a name of its own."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def take(self, name: str) -> None:
        """Leave a name to an input."""
        self._counts[name] = 1

    def module(self, path: str) -> str:
        """The name of a module's call: its path, and `#2`, `#3`, ... for later ones.

        Later calls of a child such as "cat#2", which stands for a function, count as that function's.
        """
        function = _NUMBERED.sub("", path)
        if path in self._counts:
            return self._next(function)
        if path != function:
            number = int(path.rpartition("#")[2])
            self._counts[function] = max(number, self._counts.get(function, 0))
        return self._next(path)

    def function(self, path: str, word: str, children: Collection[str]) -> str:
        """The name of a function's call.

        Args:
            path: Of the module whose code calls it.
            word: For the function.
            children: Names of that module's children, which are left to them.
        """
        while True:
            name = self._next(f"{path}.{word}" if path else word)
            if name.removeprefix(f"{path}.") not in children:
                return name

    def _next(self, place: str) -> str:
        number = self._counts[place] = self._counts.get(place, 0) + 1
        return place if number == 1 else f"{place}#{number}"
