"""MODEL, as every verb takes it, becomes a model.

MODEL is `model.keras`, `model.onnx`, or code: `package.module:function`, `package.module:Class(argument=literal)`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from addcat.doors.base import framework_of
from addcat.doors.lookup import FORM, is_lookup, look_up
from addcat.errors import ModelError, nearest
from addcat.frameworks import keras

_HDF5 = "It is Keras' older format: load it with keras.saving.load_model, and save it as .keras with model.save."
_TORCH = "It holds weights, no model. Give the model as package.module:function, and the file with --weights."
ADVICE = {
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".pb": "It is a TensorFlow graph: rebuild the model in Keras, or convert it to ONNX.",
    ".pt": _TORCH,
    ".pth": _TORCH,
}


@dataclass(frozen=True, slots=True)
class Opening:
    """How a file is to be opened; see `load_model`."""

    unsafe: bool
    custom: Sequence[str]
    compiled: bool
    say: Callable[[str], None]


def _open_keras(path: Path, how: Opening) -> Any:
    from addcat.doors.keras.load import load_keras  # noqa: PLC0415  (loads Keras)

    return load_keras(path, unsafe=how.unsafe, custom=how.custom, compiled=how.compiled, say=how.say)


def _open_onnx(path: Path, _: Opening) -> Any:
    from addcat.doors.onnx.reading.load import load  # noqa: PLC0415  (loads onnx)

    return load(path).model


def _open_exported(path: Path, _: Opening) -> Any:
    from addcat.doors.torch.files import load_exported  # noqa: PLC0415  (loads torch)

    return load_exported(path)


OPENERS: Mapping[str, Callable[[Path, Opening], Any]] = {
    ".keras": _open_keras,
    ".onnx": _open_onnx,
    ".pt2": _open_exported,
}
"""Who opens a file, by its ending in small letters."""


def load_model(
    reference: str | Path,
    *,
    unsafe: bool = False,
    custom: Sequence[str] = (),
    compiled: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Any:
    """Load the model that a reference names.

    Args:
        reference: A `.keras` or `.onnx` file, or code as in `package.module:function` or
            `package.module:Class(argument=literal)`. The current folder is searched for modules first.
        unsafe: Whether a `.keras` file may run code that is stored in it.
        custom: Modules that define classes and functions of a `.keras` file.
        compiled: Whether what a `.keras` file was compiled with is needed; else it is left out where it is not known.
        say: Told what was left out.

    Returns:
        A Keras model, an `onnx_ir.Model` that has been checked, or a PyTorch module.

    Raises:
        ModelError: if there is no such file or code, or it holds no model.
        OptionError: if a module of `custom` cannot be imported.
    """
    return load_subject(reference, unsafe=unsafe, custom=custom, compiled=compiled, say=say)[0]


def load_subject(
    reference: str | Path,
    *,
    example: Any = None,
    weights: Path | None = None,
    shapes: Sequence[Sequence[int | None]] = (),
    unsafe: bool = False,
    custom: Sequence[str] = (),
    compiled: bool = False,
    say: Callable[[str], None] = lambda _: None,
    example_of: Callable[[Any], Any] = lambda _: None,
) -> tuple[Any, Any]:
    """Load a model together with what it is called with, where its framework keeps no inputs.

    Args:
        reference: As for `load_model`, or a `.pt2` file. Code may give a PyTorch module, or (module, example inputs).
        example: What a PyTorch module is called with, before what the code gives.
        weights: A state dict for a PyTorch module.
        shapes: Of its inputs, batch first, where the code gives none.
        unsafe: As for `load_model`.
        custom: As for `load_model`.
        compiled: As for `load_model`.
        say: As for `load_model`.
        example_of: Gives the example inputs of a PyTorch module where neither code nor shapes do; None if it cannot.

    Returns:
        The model, and the example inputs of a PyTorch module; of others what was passed, which no door takes.

    Raises:
        ModelError: as `load_model`, and if the weights do not fit.
    """
    given = None
    if isinstance(reference, str) and is_lookup(reference):
        made = look_up(reference, error=ModelError)
        made, given = _with_example(made)
        model = _model_of(made, reference)
    else:
        if not str(reference).strip():  # Path("") would be the current folder
            raise ModelError(f"{str(reference)!r} names no model. {_expected()}")
        path = Path(reference)
        _require_file(path)
        model = OPENERS[path.suffix.lower()](path, Opening(unsafe, custom, compiled, say))
        if path.suffix.lower() == ".pt2":
            model, given = model
    if framework_of(model) != "torch":
        if weights is not None:
            raise ModelError("--weights is for PyTorch modules; other models come with their own. Leave it out.")
        return model, example
    example = given if example is None else example
    if weights is not None:
        from addcat.doors.torch.files import load_weights  # noqa: PLC0415  (loads torch)

        load_weights(model, weights)
    if example is None and shapes:
        from addcat.frameworks import torch  # noqa: PLC0415

        example = tuple(torch().zeros([size or 1 for size in shape]) for shape in shapes)
    if example is None:
        example = example_of(model)
    if example is None:
        raise ModelError(
            f"{str(reference)!r} gives a PyTorch module, which keeps no input shapes. Say them, as in "
            "--input 1x3x224x224, or let the function return (module, example_inputs)."
        )
    return model, example


def _with_example(made: Any) -> tuple[Any, Any]:
    """A module and what it is called with, where code gives both."""
    if type(made) is not tuple:
        return made, None
    pair = list[Any](made)  # pyright: ignore[reportUnknownArgumentType]
    return (pair[0], pair[1]) if len(pair) == 2 and framework_of(pair[0]) == "torch" else (pair, None)


def _model_of(made: Any, reference: str) -> Any:
    """What code gave, if it is a model of a framework that we know."""
    framework = framework_of(made)
    if framework in ("onnx", "torch") or (framework == "keras" and isinstance(made, keras().Model)):
        return made
    kind = f"{type(made).__module__}.{type(made).__name__}".removeprefix("builtins.")
    raise ModelError(
        f"{reference!r} gives {kind}, expected a model. Let it return a Keras or an ONNX model, or a PyTorch module."
    )


def _expected() -> str:
    *some, last = OPENERS
    return f"Expected a {', '.join(some)} or {last} file, or {FORM}."


def _require_file(path: Path) -> None:
    suffix, expected = path.suffix.lower(), _expected()
    if path.is_dir():
        raise ModelError(f"{str(path)!r} is a folder. {expected}")
    if suffix in ADVICE:
        raise ModelError(f"{str(path)!r} cannot be read. {ADVICE[suffix]}")
    if suffix not in OPENERS:
        ending = f"ends in {path.suffix!r}" if suffix else "has no ending"
        raise ModelError(f"{str(path)!r} {ending}. {expected}")
    if not path.exists():
        raise ModelError(f"There is no file {str(path)!r}. {_there(path)}")
    if not path.is_file():
        raise ModelError(f"{str(path)!r} is no ordinary file. {expected}")
    if not os.access(path, os.R_OK):
        raise ModelError(f"{str(path)!r} cannot be read: you have no right to. Ask its owner for it.")


def _there(path: Path) -> str:
    """What lies where a file was expected."""
    files: list[str] = []
    if path.parent.is_dir():
        here = (file for file in path.parent.iterdir() if file.suffix.lower() in OPENERS and file.is_file())
        files = sorted(file.name for file in here)
    return f"{str(path.parent)!r} has {nearest(path.name, files)}." if files else "Give the path of a model file."
