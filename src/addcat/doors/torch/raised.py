"""A user's own code may raise anything: it becomes one error that says which module of theirs raised what, and when."""

import re
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.tables import named_modules
from addcat.errors import AddcatError, DataError, ModelError
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
LESS = "Take smaller batches, smaller examples, or another device."
"""What is said where memory did not suffice."""


@contextmanager
def named(model: "typed.nn.Module", when: str, advice: str) -> Generator[None]:
    """Within, a module runs; what it raises is said in one error.

    Args:
        model: The module.
        when: How the sentence goes on.
        advice: What to do.

    Raises:
        ModelError: for everything that is no error of addcat's own.
    """
    try:
        yield
    except AddcatError:
        raise
    except Exception as error:
        if short := out_of_memory(error):
            raise ModelError(f"{_whose(model, error)} {short} {when}. {LESS}") from _without_tensors(error)
        raise ModelError(f"{words_of(model, error)} {when}. {advice}") from error


@contextmanager
def named_data(what: str) -> Generator[None]:
    """Within, a part of the user's data runs, such as a loader or a loss.

    Args:
        what: It, as a sentence begins.

    Raises:
        DataError: for everything that is no error of addcat's own.
    """
    try:
        yield
    except Exception as error:
        raise data_error(what, error) from error


def data_error(what: str, error: Exception) -> AddcatError:
    """What is raised where a part of the user's data raises: an error of addcat's own as it is."""
    if isinstance(error, AddcatError):
        return error
    if short := out_of_memory(error):
        return DataError(f"{what} {short}. {LESS}")
    return DataError(f"{what} raised {said(error)}. Correct that, or the data that it is given.")


def words_of(model: "typed.nn.Module", error: BaseException) -> str:
    """Which module raised what: the innermost one of the model's whose code was running."""
    return f"{_whose(model, error)} raised {said(error)}"


def _whose(model: "typed.nn.Module", error: BaseException) -> str:
    paths: dict[int, str] = {id(module): path for path, module in named_modules(model)}
    held = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    inner: Any = next((one for one in reversed(held) if id(one) in paths and paths[id(one)]), model)
    place = f" {paths[id(inner)]!r}" if paths[id(inner)] else ""
    return f"{type(inner).__name__}{place}"


def out_of_memory(error: BaseException) -> str:
    """How the sentence goes on where a device's memory did not suffice, with what was asked for; "" elsewhere."""
    if not is_out_of_memory(error):
        return ""
    asked = re.search(r"ried to allocate [\d.]+ \w+", str(error))
    return f"does not fit into the memory of the device{f' (t{asked[0]})' if asked else ''}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device's memory did not suffice; for the CPU's, torch has no class of its own."""
    plain = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return plain or isinstance(error, _torch.OutOfMemoryError)


def _without_tensors(error: Exception) -> Exception:
    """The error without what its frames hold: tensors among that would keep the device full."""
    traceback.clear_frames(error.__traceback__)
    return error


def said(error: BaseException) -> str:
    """What was raised: its kind and its first line; the line of code where it says nothing, as an assert often does."""
    kind = type(error).__name__
    if line := first_line(error):
        return f"{kind}: {line}"
    code = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.line]
    return f"{kind} at `{code[-1]}`" if code else kind


def first_line(error: BaseException) -> str:
    """What an exception says first, without a full stop; "" where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else ""
