"""A .keras file becomes a model, in Keras' safe mode unless the user allows code that is stored in it.

A file also holds what its model was compiled with. Where that is not known here, the model is loaded without it, unless
somebody needs it.
"""

import inspect
import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from addcat.doors.keras.said import first_sentence
from addcat.doors.lookup import import_module
from addcat.errors import ModelError, OptionError
from addcat.frameworks import keras, load

MEMBERS = ("config.json", "metadata.json")
_UNKNOWN = "Could not locate"
_NO_WEIGHTS = "but received 0 variables during loading"


def load_keras(
    path: Path,
    *,
    unsafe: bool = False,
    custom: Sequence[str] = (),
    compiled: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Any:
    """Load a .keras file.

    Args:
        path: An existing file.
        unsafe: Whether it may run code that is stored in it.
        custom: Modules that define its classes and functions; see `custom_objects`.
        compiled: Whether what it was compiled with has to be loaded too.
        say: Told where that was left out.

    Returns:
        The model.

    Raises:
        ModelError: if it is not whole, holds code, or has an object that nobody defines.
    """
    _require_archive(path)
    saving, objects = keras().saving, custom_objects(custom)
    load("addcat.layers", extra="keras")  # registers the ladder's layers, so that a switched model is known
    with _with_ending(path) as file:

        def attempt(*, compiled: bool) -> Any:
            with warnings.catch_warnings():
                # of every model that was compiled and not trained; an optimiser's slots are nothing that we read
                warnings.filterwarnings("ignore", "Skipping variable loading for optimizer", UserWarning)
                return saving.load_model(file, custom_objects=objects, compile=compiled, safe_mode=not unsafe)

        try:
            return attempt(compiled=True)
        except Exception as error:
            failure = error
        try:
            model = attempt(compiled=False)
        except Exception as error:
            raise _refusal(path, error, custom, unsafe=unsafe) from error
    if compiled:
        raise _refusal(path, failure, custom, unsafe=unsafe) from failure
    say(
        f"{str(path)!r} was loaded without what it was compiled with: {first_sentence(failure)} "
        "Compile the new model before you train it."
    )
    return model


def custom_objects(modules: Sequence[str]) -> dict[str, Any]:
    """The classes and functions of some modules, by name, for Keras to look up.

    Args:
        modules: Dotted names, such as "package.module". The current folder is searched first.

    Raises:
        OptionError: if one cannot be imported.
    """
    found: dict[str, Any] = {}
    for name in modules:
        if not all(part.isidentifier() for part in name.split(".")):
            raise OptionError(f"--custom takes the dotted name of a module, such as package.module. Got {name!r}.")
        for key, value in vars(import_module(name, text=f"--custom {name}", error=OptionError)).items():
            own = not str(getattr(value, "__module__", "")).startswith(("keras.", "builtins"))
            if own and (inspect.isclass(value) or inspect.isroutine(value)):
                found[key] = value
    return found


def _require_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        raise ModelError(
            f"{str(path)!r} is not a Keras file, or only a part of one: it cannot be opened as a zip archive. "
            "Save or copy the model again."
        ) from None
    if missing := [name for name in MEMBERS if name not in names]:
        raise ModelError(
            f"{str(path)!r} is not a Keras file: it is an archive without {' and '.join(missing)}. "
            "Save the model with model.save('model.keras')."
        )


@contextmanager
def _with_ending(path: Path) -> Generator[Path]:
    """The file under a name that ends in ".keras", in small letters: Keras takes no other."""
    if path.suffix == ".keras":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "model.keras"
        try:
            other.symlink_to(path.resolve())
        except (OSError, NotImplementedError):  # systems where not everybody may make links
            shutil.copyfile(path, other)
        yield other


def _refusal(path: Path, error: Exception, custom: Sequence[str], *, unsafe: bool) -> ModelError:
    if not unsafe and "lambda" in str(error) and (layers := _holders_of_code(path)):
        return ModelError(
            f"{str(path)!r} holds code: {', '.join(layers)} would run Python that is stored in the file. "
            "If you trust whoever made it, allow that with --unsafe (unsafe=True in Python)."
        )
    said = first_sentence(error)
    if said.startswith(_UNKNOWN):
        either = f" {' and '.join(custom)} {'does' if len(custom) == 1 else 'do'} not define it." if custom else ""
        return ModelError(
            f"{str(path)!r} cannot be loaded: {said}{either} Name the module that defines it: --custom package.module "
            "(custom=('package.module',) in Python)."
        )
    if " raised " in said:
        return ModelError(f"{str(path)!r} cannot be loaded: {said} Correct that layer, and save the model again.")
    if _NO_WEIGHTS in said:
        return ModelError(
            f"{str(path)!r} cannot be loaded: {said} The file does not hold its weights, as where Keras saved a model "
            "that is part of two others, one inside the other. Save the model again, or give the code that makes it, "
            "as package.module:function."
        )
    return ModelError(f"{str(path)!r} cannot be loaded: {said} Save or copy the model again.")


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
