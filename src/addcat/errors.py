"""Every error that addcat raises on purpose, in one family.

Each is also a built-in, so that `except ValueError` works as anyone would expect. A message says what was passed,
what was expected and what to do. Mistakes of our own raise `AssertionError`; a user never meets one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from addcat.graph import Refusal


class AddcatError(Exception):
    """Base of the family: catch it to catch everything that addcat raises on purpose."""


class ShapeError(AddcatError, ValueError):
    """Shapes that cannot be merged, or an array whose shape does not fit."""


class ModelError(AddcatError, ValueError):
    """A model that cannot be read, and what to do about it."""


class SiteError(AddcatError, LookupError):
    """A merge site that the model does not have; names the nearest ones."""


class OptionError(AddcatError, ValueError):
    """An option outside its choices or range."""


class DataError(AddcatError, ValueError):
    """Data that do not fit the model, the loss or the method."""


class OutOfTimeError(AddcatError, TimeoutError):
    """A training that was broken off because its time had run out; what it had learnt is lost."""


class MissingExtraError(AddcatError, ImportError):
    """A framework that is not installed, and the extra that brings it."""


class VerificationError(AddcatError, ArithmeticError):
    """A rewritten model whose outputs are not those of the original; it is not handed over."""


class SaveError(AddcatError, OSError):
    """A result that cannot be written; what was at its place is still there."""


class RefusedError(AddcatError, ValueError):
    """A change that was asked for and does not apply.

    Attributes:
        refusals: One `Refusal` for each thing that could not be done.
    """

    def __init__(self, message: str, refusals: "Sequence[Refusal]" = ()) -> None:
        super().__init__(message)
        self.refusals = tuple(refusals)


def nearest(name: str, known: Sequence[str], *, most: int = 3) -> str:
    """Suggest the known names that look like `name`.

    Args:
        name: What was passed.
        known: What exists.
        most: How many suggestions at the most.

    Returns:
        A comma-separated list; the closest first, or the first few known where nothing is close.

    Examples:
        >>> nearest("merg", ["merge", "conv", "head"])
        "'merge'"
        >>> nearest("zzz", ["merge", "conv", "head", "stem"])
        "'merge', 'conv', 'head', ..."
    """
    import difflib  # noqa: PLC0415  (only wanted on the way to an error)

    close = difflib.get_close_matches(name, known, n=most, cutoff=0.5)
    if close:
        return ", ".join(map(repr, close))
    return ", ".join(map(repr, known[:most])) + (", ..." if len(known) > most else "")


def check_seed(seed: int) -> None:
    """Refuse a seed that no generator takes.

    Raises:
        OptionError: if it is below 0.
    """
    if seed < 0:
        raise OptionError(f"seed={seed} is out of range. Expected 0 or more.")
