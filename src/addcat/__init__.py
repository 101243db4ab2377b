"""Add or concatenate? Evidence for the merges of a neural network, and the tools to change them.

The verbs and nouns load when they are first asked for, so that `import addcat` takes no time and loads no framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["AddcatError", "Explanation", "Graph", "Refusal", "ShapeError", "explain"]

if TYPE_CHECKING:
    from addcat.errors import AddcatError, ShapeError
    from addcat.explanation import Explanation, explain
    from addcat.graph import Graph, Refusal
else:
    # A module never has the name of a verb: importing it would put the module in the verb's place.
    _HOME = {
        "AddcatError": "errors",
        "Explanation": "explanation",
        "Graph": "graph",
        "Refusal": "graph",
        "ShapeError": "errors",
        "explain": "explanation",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'addcat' has no attribute {name!r}")
        value = getattr(import_module(f"addcat.{_HOME[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
