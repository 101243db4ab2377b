"""What an exception of Keras says, in one sentence: without advice, configs and colours."""

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any

_IN_A_CALL = re.compile(r"Exception encountered when calling (.+?)\.\n\n(.*)\n\nArguments received", re.DOTALL)
_COLOURS = re.compile(r"\x1b\[\d*m")


def first_sentence(error: BaseException) -> str:
    r"""What an exception of Keras says in the end, without advice and configs; the name of its class where nothing.

    Examples:
        >>> first_sentence(TypeError("Model could not be made.\n\nException encountered: No class 'A'. Register it."))
        "No class 'A'."
        >>> first_sentence(KeyError())
        'KeyError.'
    """
    if (inside := _IN_A_CALL.search(_COLOURS.sub("", str(error)))) is not None:
        return f"{_holder(error) or inside[1]} raised {type(error).__name__}: {_sentence(_last(inside[2]), error)}"
    return _sentence(_last(str(error)), error)


def _last(text: str) -> str:
    """What stands behind the last of Keras' own words about an exception."""
    return re.split("Exception encountered: |Error encountered:\n|Example error message for object .+?:\n\n", text)[-1]


def _sentence(text: str, error: BaseException) -> str:
    lines = text.strip().splitlines() or [type(error).__name__]
    return lines[0].partition(". ")[0].rstrip(" .:") + "."


def _holder(error: BaseException) -> str:
    """The innermost layer whose call raised, by class and name; "" where the traceback does not tell."""
    found = ""
    for owner in _owners(error):
        if any(cls.__module__.startswith("keras.") and cls.__name__ == "Layer" for cls in type(owner).__mro__):
            found = f"{type(owner).__name__} {owner.name!r}"
    return found


def _owners(error: BaseException) -> Iterator[Any]:
    """Objects whose methods were running, outermost first; Keras keeps the whole traceback in the first exception."""
    first = error.__context__ or error
    step: TracebackType | None = first.__traceback__
    while step is not None:
        yield step.tb_frame.f_locals.get("self")
        step = step.tb_next
