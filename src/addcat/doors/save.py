"""Where a result goes: a model file that is whole or not there at all, and a report."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from addcat.doors.onnx.reading.load import ir, onnx
from addcat.doors.onnx.write import save
from addcat.errors import ModelError, OptionError
from addcat.report.html import fragment
from addcat.report.page import Page

KINDS = (".onnx", ".keras")

_EXPORT = """
import os, sys
import numpy, keras
model = keras.saving.load_model(sys.argv[1], compile=False)
zeros = [numpy.zeros([size or 1 for size in x.shape], x.dtype) for x in model.inputs]
model(keras.tree.pack_sequence_as(model.input, zeros) if len(zeros) > 1 else zeros[0])
model.export(sys.argv[2], format="onnx", verbose=False)
"""


def check_output(model: Path, output: Path) -> None:
    """Refuse an output file before the work begins.

    Raises:
        OptionError: if its name or its folder will not do.
    """
    if output.suffix not in KINDS:
        raise OptionError(f"The output must be a .onnx or .keras file. Got {str(output)!r}.")
    if model.suffix == ".onnx" and output.suffix == ".keras":
        raise OptionError("An ONNX model cannot become a Keras model. Name a .onnx file as output.")
    if not output.parent.is_dir():
        raise OptionError(f"There is no folder {str(output.parent)!r} for the output. Make it first.")


def exported(path: Path) -> Any:
    """Export a .keras file to ONNX in a process of its own, under Keras' torch backend.

    Returns:
        The `onnx.ModelProto`.

    Raises:
        ModelError: if Keras does not export it.
    """
    if not path.is_file():
        raise ModelError(f"There is no file {str(path)!r}. Pass the path of an existing .keras file.")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        command = [sys.executable, "-W", "ignore", "-c", _EXPORT, str(path), str(target)]
        environment = {**os.environ, "KERAS_BACKEND": "torch"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
        if done.returncode or not target.is_file():
            said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no reason given")
            raise ModelError(
                f"Keras does not export {str(path)!r} to ONNX under its torch backend: {said.strip()}. "
                "Export it yourself with model.export(path, format='onnx'), and pass that file."
            )
        return onnx().load(target)


def write_model(model: Any, path: Path) -> None:
    """Save a model; the file appears only once it is complete.

    Args:
        model: An `onnx.ModelProto`, an `onnx_ir.Model` or a Keras model.
        path: A .onnx or .keras file.
    """
    if path.suffix == ".keras":
        partial = path.with_name(f".{path.stem}.partial.keras")
        try:
            model.save(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return
    save(ir().from_proto(model) if isinstance(model, onnx().ModelProto) else model, path)


def write_html(page: Page, path: Path) -> None:
    """Write a page as one self-contained HTML file."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>addcat optimize</title>'
    style = (
        "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;"
        "padding:0 1rem}table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:.25rem .75rem}"
        "tr+tr td{border-top:1px solid #8884}</style>"
    )
    path.write_text(f"<!doctype html><html lang=en>{head}{style}{fragment(page)}</html>\n", encoding="utf-8")
