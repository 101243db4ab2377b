"""Files of torch: weights are loaded without unpickling, exported programs without their pickled objects."""

import json
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from addcat.doors.torch.examples import is_dict
from addcat.doors.torch.raised import first_line
from addcat.errors import ModelError
from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()


def load_weights(model: "typed.nn.Module", path: Path) -> None:
    """Load a state dict into a module, every key of it.

    Raises:
        ModelError: if the file is no state dict of the module, or holds more than tensors.
    """
    if not path.is_file():
        raise ModelError(f"There is no file {str(path)!r} to load weights from. Give the path of a .pt or .pth file.")
    try:
        found = _torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{str(path)!r} cannot be loaded as weights: {first_line(error)}. Files are loaded with weights_only=True, "
            "never unpickled: save them with torch.save(model.state_dict(), path)."
        ) from error
    if is_dict(found) and is_dict(found.get("state_dict")):
        found = found["state_dict"]
    try:
        model.load_state_dict(found, strict=True)
    except Exception as error:
        raise ModelError(_not_those(model, path, error)) from error


def _not_those(model: "typed.nn.Module", path: Path, error: Exception) -> str:
    """Why weights do not fit; those of a switched module go to the module that its record makes."""
    name, record = type(model).__name__, path.with_suffix(".json")
    if changes := _changes(record):
        listed = ", ".join(f"{site}={rung}" for site, rung in changes.items())
        return (
            f"{str(path)!r} holds the weights of a {name} that was switched, {listed}, as {str(record)!r} beside it "
            "says. Give code that makes the switched module: let the function return "
            f"addcat.apply({name}(...), {str(record)!r}, example_inputs=(x,)), and load the weights into that."
        )
    lines = [line.strip() for line in str(error).splitlines()[1:4]]
    said = " ".join(lines) or str(error)
    return (
        f"The weights of {str(path)!r} are not those of {name}: {said.rstrip('.')}. Give the weights of this model; "
        f"those of a switched one fit what addcat.apply({name}(...), record, example_inputs=(x,)) makes."
    )


def _changes(path: Path) -> dict[str, str]:
    """What a file records of a switch, the rung by site; nothing where it is no such record."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(step["site"]): str(found["changes"][step["site"]]) for step in found["steps"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def load_exported(path: Path) -> "tuple[typed.nn.Module, tuple[Any, ...] | dict[str, Any]]":
    """Load a `.pt2` file.

    Returns:
        Its module, and the example inputs that it was exported with.

    Raises:
        ModelError: if it is none, holds pickled objects, or no example inputs.
    """
    try:
        with _without_pickles(), _without_logs():
            program = _torch.export.load(path)
    except Exception as error:
        raise ModelError(
            f"{str(path)!r} cannot be loaded: {first_line(error)}. Save it anew with torch.export.save, tensors alone."
        ) from error
    if program.example_inputs is None:
        raise ModelError(f"{str(path)!r} holds no example inputs. Export the model anew with torch.export.export.")
    args, kwargs = program.example_inputs
    return program.module(), kwargs if kwargs and not args else args


@contextmanager
def _without_pickles() -> Generator[None]:
    """Within, torch loads tensors only: an exported program may come from anybody."""
    package: Any = load("torch.export.pt2_archive._package", extra="torch")
    name, before, pickles = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD"), None
    pickles, package.pickle = package.pickle, _Refusing
    os.environ[name] = "1"
    try:
        yield
    finally:
        package.pickle = pickles
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


@contextmanager
def _without_logs() -> Generator[None]:
    """Within, nothing is logged: of a file that it cannot read torch prints a traceback beside the error it raises."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class _Refusing:
    """Stands for `pickle`."""

    @staticmethod
    def loads(_: bytes) -> NoReturn:
        raise ModelError("it holds a pickled object, which could run code")
