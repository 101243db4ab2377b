"""Where a result goes: asked for before the work, written beside its place, and moved there once it is whole."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from addcat.doors.base import framework_of
from addcat.doors.lookup import is_lookup
from addcat.errors import OptionError, SaveError
from addcat.frameworks import torch

MODEL_ENDINGS = {"keras": ".keras", "onnx": ".onnx"}
"""What the file of a framework's model ends in."""
WEIGHTS_ENDING = ".pt"
"""What the file of a PyTorch module's weights ends in."""
REPORT_ENDINGS = (".html", ".htm")


@dataclass(frozen=True, slots=True)
class Target:
    """A file that is asked for.

    Attributes:
        path: Where to.
        endings: What its name may end in, in letters of any case.
        noun: What it holds, for messages: "model", "report".
    """

    path: Path
    endings: tuple[str, ...]
    noun: str = "model"

    def refuse(self, reason: str) -> OptionError:
        """The error that says why it cannot be written."""
        return OptionError(f"The {self.noun} cannot be saved as {str(self.path)!r}: {reason}")


def report_target(path: Path) -> Target:
    """An HTML report."""
    return Target(path, REPORT_ENDINGS, "report")


def trials_target(path: Path) -> Target:
    """A table of trials, comma-separated."""
    return Target(path, (".csv",), "trials")


def require_targets(
    *targets: Target | None,
    source: str | Path = "",
    reads: Collection[Path] = (),
    options: Mapping[str, str | Path | None] | None = None,
) -> None:
    """Ask before the work whether its results could be saved.

    Args:
        targets: Where to; None for what is not wanted. An existing file will be replaced.
        source: The reference that the model was loaded from; its file is never replaced.
        reads: Other files that the model reads; they are never replaced either.
        options: Files of the command's other options, by option, such as its data or its store: nor are they.

    Raises:
        OptionError: if two targets are one file, a name has the wrong ending, a folder is missing or takes no file, or
            something that is read or kept would be replaced.
    """
    wanted = [target for target in targets if target is not None]
    for place, target in enumerate(wanted):
        for other in wanted[:place]:
            if _same(target.path, other.path):
                verb = "go" if other.noun.endswith("s") else "goes"
                raise target.refuse(f"the {other.noun} {verb} there. Give another name.")
        _require_ending(target)
        if source and not is_lookup(str(source)) and _same(target.path, Path(source)):
            raise target.refuse(
                "it was loaded from there, and the original is never replaced. Give another name."
                if target.noun == "model"
                else "the model was loaded from there, and the original is never replaced. Give another name."
            )
        if any(_same(target.path, path) for path in reads):
            raise target.refuse(
                "the model keeps its weights there, and the original is never replaced. Give another name."
            )
        for option, path in (options or {}).items():
            if path is not None and _same(target.path, Path(path)):
                raise target.refuse(f"{option} names that file, which is never replaced. Give another name.")
        _require_place(target)


def files_read(model: Any) -> Collection[Path]:
    """The files in which a model that was read keeps weights: of ONNX models, those beside it."""
    if framework_of(model) != "onnx" or type(model).__module__.partition(".")[0] != "onnx_ir":
        return ()  # an onnx.ModelProto is refused where it has any
    from addcat.doors.onnx.external import external_files  # noqa: PLC0415  (loads onnx)

    return external_files(model)


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        if one.exists() and other.exists():
            return one.samefile(other)
    return os.path.normcase(one.absolute()) == os.path.normcase(other.absolute())


def _require_ending(target: Target) -> None:
    if target.path.suffix.lower() not in target.endings:
        listed = " or ".join(map(repr, target.endings))
        raise target.refuse(f"its file must end in {listed}.")


def _require_place(target: Target) -> None:
    path, folder = target.path, target.path.parent
    if path.is_dir():
        raise target.refuse("that is a folder. Give the name of a file.")
    if not folder.is_dir():
        raise target.refuse(f"there is no folder {str(folder)!r}. Make it first.")
    if path.exists() and not path.is_file():
        raise target.refuse("that is no ordinary file. Give the name of a file.")
    if path.exists() and not os.access(path, os.W_OK):
        raise target.refuse("that file is read-only. Give another name.")
    try:
        Path(tempfile.mkdtemp(prefix=".addcat-", dir=folder)).rmdir()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise target.refuse(f"nothing can be written in {str(folder)!r} ({reason}). Choose another folder.") from None


def save_model(model: Any, path: str | Path, *, source: str | Path = "", reads: Collection[Path] = ()) -> Path:
    """Save a model; its file appears only once it is whole.

    Weights that do not fit into an ONNX file go to one beside it, which takes its place before the model does.

    Args:
        model: A Keras model, an `onnx_ir.Model` or an `onnx.ModelProto`; of a PyTorch module the state dict is saved.
        path: Where to; ends in `.keras`, `.onnx` or `.pt` as the model's kind wants. An existing file is replaced.
        source: The reference that the model was loaded from; that file is never replaced.
        reads: Other files that the original reads; they are never replaced either.

    Returns:
        The path.

    Raises:
        OptionError: if the path will not do; see `require_targets`.
        SaveError: if the model cannot be saved; nothing is left behind.
    """
    path, framework = Path(path), framework_of(model)
    ending = WEIGHTS_ENDING if framework == "torch" else MODEL_ENDINGS.get(framework, ".keras")
    target = Target(path, (ending,))
    require_targets(target, source=source, reads=reads)
    with _whole(target) as partial:
        if framework == "onnx":
            from addcat.doors.onnx.save import data_name, save_onnx  # noqa: PLC0415  (loads onnx)

            save_onnx(model, partial, data=data_name(path, reads))
        elif framework == "torch":
            torch().save(model.state_dict(), partial)
        else:
            model.save(partial)
    return path


def save_record(record: Mapping[str, Any], path: str | Path) -> Path:
    """Write the record of a switch as JSON; the file appears only once it is whole.

    Args:
        record: As `Record.to_dict` gives it.
        path: Where to; ends in `.json`. An existing file is replaced.

    Raises:
        OptionError: if the path will not do; see `require_targets`.
        SaveError: if it cannot be written; nothing is left behind.
    """
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    return _save_text(text, Target(Path(path), (".json",), "record"))


def save_report(text: str, path: str | Path) -> Path:
    """Write an HTML report; the file appears only once it is whole.

    Args:
        text: The whole document.
        path: Where to; ends in `.html`. An existing file is replaced.

    Returns:
        The path.

    Raises:
        OptionError: if the path will not do; see `require_targets`.
        SaveError: if it cannot be written; nothing is left behind.
    """
    return _save_text(text, report_target(Path(path)))


def save_trials(text: str, path: str | Path) -> Path:
    """Write a table of trials; the file appears only once it is whole.

    Args:
        text: The whole table, comma-separated.
        path: Where to; ends in `.csv`. An existing file is replaced.

    Returns:
        The path.

    Raises:
        OptionError: if the path will not do; see `require_targets`.
        SaveError: if it cannot be written; nothing is left behind.
    """
    return _save_text(text, trials_target(Path(path)))


def _save_text(text: str, target: Target) -> Path:
    require_targets(target)
    with _whole(target) as partial:
        partial.write_text(text, encoding="utf-8")
    return target.path


@contextmanager
def _whole(target: Target) -> Generator[Path]:
    """A path to write to; what was written there takes its place once all of it is on the disk.

    It lies in a new folder beside the target, so that files which belong together have their names already. They take
    their places first, the target itself last.
    """
    path = target.path
    try:
        folder = Path(tempfile.mkdtemp(prefix=".addcat-", dir=path.parent))
        try:
            main = folder / f"whole{path.suffix.lower()}"  # Keras saves under no other ending
            yield main
            for file in sorted(folder.iterdir()):
                _flush(file)
            for file in folder.iterdir():
                if file != main:
                    file.replace(path.with_name(file.name))
            main.replace(path)
            _flush(path.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except Exception as error:
        raise SaveError(
            f"The {target.noun} cannot be saved as {str(path)!r}: {_said(error)} "
            "Correct that, or save it somewhere else; nothing was written."
        ) from error


def _said(error: Exception) -> str:
    from addcat.doors.keras.said import first_sentence  # noqa: PLC0415  (only wanted on the way to an error)

    return f"{error.strerror}." if isinstance(error, OSError) and error.strerror else first_sentence(error)


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # systems that open no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:  # file systems that do not flush folders
        if path.is_file():
            raise
    finally:
        os.close(descriptor)
