"""MODEL on the command line becomes a model, and a model a file that is never half-written.

MODEL is `model.keras`, `model.onnx`, or code: `package.module:function`, `package.module:Class(argument=literal)`.
"""

import json
import secrets
import sys
import zipfile
from pathlib import Path
from typing import Any

from addcat.doors.keras.clone import first_sentence
from addcat.doors.lookup import FORM, is_lookup, look_up
from addcat.errors import ModelError, OptionError, nearest
from addcat.frameworks import keras

ENDINGS = (".keras", ".onnx")
KERAS_MEMBERS = ("config.json", "metadata.json")
_HDF5 = "It is Keras' older format: load it with keras.saving.load_model, and save it as .keras with model.save."
_TORCH = "It is a PyTorch file: export the model with torch.onnx.export."
ADVICE = {
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".pb": "It is a TensorFlow graph: rebuild the model in Keras, or convert it to ONNX.",
    ".pt": _TORCH,
    ".pth": _TORCH,
}


def load_model(reference: str, *, unsafe: bool = False) -> Any:
    """Load the model that a reference names.

    Args:
        reference: A `.keras` or `.onnx` file, or code as in `package.module:function` or
            `package.module:Class(argument=literal)`. The current folder is searched for modules first.
        unsafe: Whether a `.keras` file may run code that is stored in it.

    Returns:
        A Keras model, or an `onnx_ir.Model` that has been checked.

    Raises:
        ModelError: if there is no such file or code, or it holds no model.
    """
    if is_lookup(reference):
        return _model_of(look_up(reference, error=ModelError), reference)
    path = Path(reference)
    _require_file(path)
    if path.suffix == ".onnx":
        from addcat.doors.onnx.reading.load import load  # noqa: PLC0415  (loads onnx)

        return load(path).model
    return _load_keras(path, unsafe=unsafe)


def _model_of(made: Any, reference: str) -> Any:
    """What code gave, if it is a model of a framework that we know."""
    loaded = sys.modules.get("keras")
    is_keras = loaded is not None and isinstance(made, loaded.Model)
    if is_keras or type(made).__module__.partition(".")[0] in ("onnx", "onnx_ir"):
        return made
    kind = f"{type(made).__module__}.{type(made).__name__}".removeprefix("builtins.")
    raise ModelError(f"{reference!r} gives {kind}, expected a model. Let it return a Keras or an ONNX model.")


def _require_file(path: Path) -> None:
    expected = f"Expected a {' or '.join(ENDINGS)} file, or {FORM}."
    if path.is_dir():
        raise ModelError(f"{str(path)!r} is a folder. {expected}")
    if path.suffix in ADVICE:
        raise ModelError(f"{str(path)!r} cannot be read. {ADVICE[path.suffix]}")
    if path.suffix not in ENDINGS:
        ending = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
        raise ModelError(f"{str(path)!r} {ending}. {expected}")
    if not path.exists():
        folder = path.parent
        files = (
            sorted(file.name for file in folder.iterdir() if file.suffix in ENDINGS and file.is_file())
            if folder.is_dir()
            else []
        )
        there = f"{str(folder)!r} has {nearest(path.name, files)}." if files else "Give the path of a model file."
        raise ModelError(f"There is no file {str(path)!r}. {there}")


def _load_keras(path: Path, *, unsafe: bool) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        raise ModelError(
            f"{str(path)!r} is not a Keras file, or only a part of one: it cannot be opened as a zip archive. "
            "Save or copy the model again."
        ) from None
    if missing := [name for name in KERAS_MEMBERS if name not in names]:
        raise ModelError(
            f"{str(path)!r} is not a Keras file: it is an archive without {' and '.join(missing)}. "
            "Save the model with model.save('model.keras')."
        )
    saving = keras().saving
    try:
        return saving.load_model(path, safe_mode=not unsafe)
    except Exception as error:
        if not unsafe and "lambda" in str(error) and (layers := _holders_of_code(path)):
            raise ModelError(
                f"{str(path)!r} holds code: {', '.join(layers)} would run Python that is stored in the file. "
                "If you trust whoever made it, allow that with --unsafe (unsafe=True in Python)."
            ) from None
        said = first_sentence(error)
        own = "Load it in a function that imports your own classes, and pass package.module:function."
        advice = own if said.startswith("Could not locate") else "Save or copy the model again."
        raise ModelError(f"{str(path)!r} cannot be loaded: {said} {advice}") from error


def _holders_of_code(path: Path) -> list[str]:
    """Layers that keep a Python function in the file, by class and name."""
    holders: list[str] = []
    pending = False

    def note(entry: dict[str, Any]) -> dict[str, Any]:
        nonlocal pending
        config: Any = entry.get("config")
        if entry.get("class_name") == "__lambda__":
            pending = True
        elif pending and isinstance(config, dict) and "name" in config:
            holders.append(f"{entry.get('class_name')} {config['name']!r}")
            pending = False
        return entry

    with zipfile.ZipFile(path) as archive:
        json.loads(archive.read("config.json"), object_hook=note)  # innermost entries come first
    return holders


def save_model(model: Any, path: str | Path, *, source: str = "") -> Path:
    """Save a model under a name of its own, and rename it once it is whole.

    Args:
        model: A Keras model, or an `onnx_ir.Model`.
        path: Where to; ends in `.keras` or `.onnx` as the model's kind wants. An existing file is replaced.
        source: The reference that the model was loaded from; that file is never replaced.

    Returns:
        The path.

    Raises:
        OptionError: if the ending is wrong, the folder is missing, or the path is a folder or the source.
        ModelError: if the model cannot be saved; nothing is left behind.
    """
    path = Path(path)
    ending = ".onnx" if type(model).__module__.startswith("onnx_ir") else ".keras"
    require_target(path, ending, source)
    if ending == ".onnx":
        from addcat.doors.onnx.write import save  # noqa: PLC0415  (loads onnx)

        save(model, path)
        return path
    partial = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.keras")  # Keras saves under no other ending
    try:
        model.save(partial)
        partial.replace(path)
    except Exception as error:
        raise ModelError(
            f"The model cannot be saved as {str(path)!r}: {first_sentence(error)} "
            "Correct that, or save it somewhere else; nothing was written."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def require_target(path: Path, ending: str, source: str) -> None:
    """Ask before the work whether a model could be saved to a path.

    Args:
        path: Where to.
        ending: What its name must end in.
        source: The reference that the model was loaded from.

    Raises:
        OptionError: if the ending is wrong, the folder is missing, or the path is a folder or the source.
    """
    if path.suffix != ending:
        raise OptionError(f"The model cannot be saved as {str(path)!r}: its file must end in {ending!r}.")
    if path.is_dir():
        raise OptionError(f"The model cannot be saved as {str(path)!r}: that is a folder. Give the name of a file.")
    if not path.parent.is_dir():
        raise OptionError(
            f"The model cannot be saved as {str(path)!r}: there is no folder {str(path.parent)!r}. Make it first."
        )
    if source and not is_lookup(source) and path.exists() and Path(source).exists() and path.samefile(source):
        raise OptionError(
            f"The model cannot be saved as {str(path)!r}: it was loaded from there, and the original is never "
            "replaced. Give another name."
        )
