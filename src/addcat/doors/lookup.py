"""`package.module:name` or `package.module:name(key=literal)`, as typed on the command line, becomes an object.

Nothing that is typed is evaluated: the call is parsed, its arguments are read as literals, the module is imported and
the name is called. The current folder is searched for modules first, as `python -m` does.
"""

import ast
import importlib
import inspect
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from addcat.errors import AddcatError, nearest

FORM = "package.module:function or package.module:Class(argument=literal, ...)"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A parsed reference.

    Attributes:
        text: As it was typed.
        module: Dotted name of the module.
        names: Attributes to follow from the module, one after the other.
        called: Whether it has parentheses.
        positional: Arguments by position.
        keywords: Arguments by name.
    """

    text: str
    module: str
    names: tuple[str, ...]
    called: bool = False
    positional: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict[str, Any])


def is_lookup(text: str) -> bool:
    r"""Whether a text refers to code, not to a file.

    Examples:
        >>> [is_lookup(text) for text in ("keras.applications:ResNet50(weights=None)", "m.keras", r"C:\m.keras")]
        [True, False, False]
    """
    return re.match(r"[^\W\d]\w*(\.[^\W\d]\w*)*:(?![\\/])", text) is not None


def parse(text: str, *, error: type[AddcatError]) -> Lookup:
    """Take a reference apart; nothing is imported.

    Args:
        text: A reference, such as "keras.applications:ResNet50(weights=None)".
        error: What to raise.

    Returns:
        Its parts.

    Raises:
        AddcatError: `error`, if the text is neither a name nor a call, or an argument is not a literal.

    Examples:
        >>> from addcat.errors import ModelError
        >>> found = parse("keras.applications:ResNet50(weights=None, input_shape=(32, 32, 3))", error=ModelError)
        >>> found.module, found.names, found.keywords
        ('keras.applications', ('ResNet50',), {'weights': None, 'input_shape': (32, 32, 3)})
    """
    module, _, rest = text.partition(":")
    try:
        body = ast.parse(rest, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise error(f"{text!r} is neither a name nor a call. Expected {FORM}.") from None
    called = isinstance(body, ast.Call)
    names = _names(body.func if isinstance(body, ast.Call) else body)
    if not names:
        raise error(f"{text!r} is neither a name nor a call. Expected {FORM}.")
    if not isinstance(body, ast.Call):
        return Lookup(text, module, names)
    positional = tuple(_literal(argument, str(i), text, error) for i, argument in enumerate(body.args))
    keywords = {keyword.arg or "**": _literal(keyword.value, keyword.arg, text, error) for keyword in body.keywords}
    return Lookup(text, module, names, called, positional, keywords)


def _names(expression: ast.expr) -> tuple[str, ...]:
    """`a.b.c` as ("a", "b", "c"); empty for anything else."""
    names: list[str] = []
    while isinstance(expression, ast.Attribute):
        names.append(expression.attr)
        expression = expression.value
    return (expression.id, *reversed(names)) if isinstance(expression, ast.Name) else ()


def _literal(argument: ast.expr, name: str | None, text: str, error: type[AddcatError]) -> Any:
    try:
        if name is None:
            raise ValueError("** unpacks what would have to be evaluated")
        return ast.literal_eval(argument)
    except (ValueError, TypeError, RecursionError, MemoryError):
        shown = ("**" if name is None else "") + ast.unparse(argument)
        raise error(
            f"{text!r}: argument {shown if name is None else f'{name} is {shown}'}, which is not a literal. Arguments "
            "may be numbers, strings, True, False, None, and lists, tuples, sets and dicts of these; nothing is "
            "evaluated. Put anything else into a function of your own, and pass package.module:function."
        ) from None


def look_up(text: str, *, error: type[AddcatError]) -> Any:
    """Import what a reference names, and call it.

    Args:
        text: A reference; without parentheses, functions and classes are called without arguments, and any other
            object is taken as it is.
        error: What to raise.

    Returns:
        What the call gives, or the object.

    Raises:
        AddcatError: `error`, if the module or the name is not there, or the code raises.

    Examples:
        >>> from addcat.errors import ModelError
        >>> look_up("fractions:Fraction(3, denominator=6)", error=ModelError)
        Fraction(1, 2)
    """
    lookup = parse(text, error=error)
    found = _found(lookup, error)
    if not lookup.called and not inspect.isroutine(found) and not inspect.isclass(found):
        return found
    try:
        return found(*lookup.positional, **lookup.keywords)
    except (Exception, SystemExit) as raised:
        raise error(
            f"{text!r} raised {_said(raised)} Correct the function, or call it with other arguments."
        ) from raised


def function_at(text: str, *, error: type[AddcatError]) -> Any:
    """Import the function that a reference names, and do not call it.

    Args:
        text: A reference without parentheses.
        error: What to raise.

    Returns:
        Something that can be called.

    Raises:
        AddcatError: `error`, if the module or the name is not there, or it cannot be called.

    Examples:
        >>> from addcat.errors import OptionError
        >>> function_at("math:sqrt", error=OptionError)(9)
        3.0
    """
    lookup = parse(text, error=error)
    found = _found(lookup, error)
    if lookup.called or not callable(found):
        what = "a call" if lookup.called else f"{type(found).__name__}, which cannot be called"
        raise error(f"{text!r} is {what}. Expected a function: package.module:function, without parentheses.")
    return found


def _found(lookup: Lookup, error: type[AddcatError]) -> Any:
    """The object that a reference names."""
    found: Any = import_module(lookup.module, text=repr(lookup.text), error=error)
    for depth, name in enumerate(lookup.names):
        owner = found
        try:
            found = getattr(owner, name)
        except AttributeError:
            where = ".".join((lookup.module, *lookup.names[:depth]))
            public = [known for known in dir(owner) if not known.startswith("_")]
            known = f" It has {nearest(name, public)}." if public else ""
            raise error(f"{lookup.text!r}: {where!r} has no {name!r}.{known}") from None
    return found


def import_module(name: str, *, text: str, error: type[AddcatError]) -> ModuleType:
    """Import a module; the current folder is searched first.

    Args:
        name: Its dotted name.
        text: What messages begin with: what the user typed.
        error: What to raise.

    Raises:
        AddcatError: `error`, if it is not there, or raises.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        raise error(
            f"{text}: module {name!r} cannot be imported: {missing}. Install it, or run addcat in "
            "the folder that holds it: the current folder is searched first."
        ) from missing
    except (Exception, SystemExit) as raised:
        raise error(
            f"{text}: module {name!r} raised {_said(raised)} Correct the module so that it can be imported."
        ) from raised


def _said(raised: BaseException) -> str:
    """Class and text of an exception, as the end of a sentence."""
    lines = str(raised).strip().splitlines()
    return f"{type(raised).__name__}: {lines[0].rstrip('.')}." if lines else f"{type(raised).__name__}."
