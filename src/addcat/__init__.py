"""Add or concatenate? Evidence for the merges of a neural network, and the tools to change them.

The verbs and nouns load when they are first asked for, so that `import addcat` takes no time and loads no framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AddcatError",
    "Advice",
    "Comparison",
    "DataError",
    "Estimate",
    "Explanation",
    "Graph",
    "Inspection",
    "MissingExtraError",
    "ModelError",
    "Optimized",
    "OptionError",
    "Record",
    "Refusal",
    "RefusedError",
    "SaveError",
    "ShapeError",
    "SiteError",
    "Switched",
    "Verdict",
    "VerificationError",
    "advise",
    "apply",
    "compare",
    "estimate",
    "explain",
    "inspect",
    "optimize",
    "switch",
]

if TYPE_CHECKING:
    from addcat.errors import (
        AddcatError,
        DataError,
        MissingExtraError,
        ModelError,
        OptionError,
        RefusedError,
        SaveError,
        ShapeError,
        SiteError,
        VerificationError,
    )
    from addcat.graph import Graph, Refusal
    from addcat.verbs.advise import Advice, Verdict, advise
    from addcat.verbs.compare import Comparison, compare
    from addcat.verbs.explain import Explanation, explain
    from addcat.verbs.inspect import Inspection, inspect
    from addcat.verbs.optimize import optimize
    from addcat.verbs.optimize.estimating import Estimate, estimate
    from addcat.verbs.optimize.result import Optimized
    from addcat.verbs.switch import Record, Switched, switch
    from addcat.verbs.switch.replay import apply
else:
    # A module never has the name of a verb: importing it would put the module in the verb's place.
    _HOME = {
        "AddcatError": "errors",
        "Advice": "verbs.advise",
        "Comparison": "verbs.compare.result",
        "DataError": "errors",
        "Estimate": "verbs.optimize.estimating",
        "Explanation": "verbs.explain",
        "Graph": "graph",
        "Inspection": "verbs.inspect",
        "MissingExtraError": "errors",
        "ModelError": "errors",
        "Optimized": "verbs.optimize.result",
        "OptionError": "errors",
        "Record": "verbs.switch",
        "Refusal": "graph",
        "RefusedError": "errors",
        "SaveError": "errors",
        "ShapeError": "errors",
        "SiteError": "errors",
        "Switched": "verbs.switch",
        "Verdict": "verbs.advise",
        "VerificationError": "errors",
        "advise": "verbs.advise",
        "apply": "verbs.switch.replay",
        "compare": "verbs.compare",
        "estimate": "verbs.optimize.estimating",
        "explain": "verbs.explain",
        "inspect": "verbs.inspect",
        "optimize": "verbs.optimize",
        "switch": "verbs.switch",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'addcat' has no attribute {name!r}")
        value = getattr(import_module(f"addcat.{_HOME[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
