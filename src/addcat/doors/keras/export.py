"""A Keras model becomes an ONNX model: Keras exports it, in a process of its own, under its torch backend."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from addcat.doors.keras.load import custom_objects
from addcat.doors.keras.said import first_sentence
from addcat.errors import ModelError
from addcat.frameworks import keras, load


def exported(model: Any, *, custom: Sequence[str] = ()) -> Any:
    """Export a Keras model to ONNX.

    Args:
        model: A built Functional or Sequential model; it is not touched.
        custom: Modules that define its classes and functions.

    Returns:
        The `onnx.ModelProto`.

    Raises:
        ModelError: if Keras does not export it.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.keras", Path(folder) / "model.onnx"
        try:
            model.save(source)
        except Exception as error:
            raise _refusal(model, first_sentence(error)) from error
        call = f"import {__name__} as module; module.export_here()"
        command = [sys.executable, "-W", "ignore", "-c", call, str(source), str(target), *custom]
        environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
        if done.returncode or not target.is_file():
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise _refusal(model, lines[-1] if lines else "no reason given.")
        return load("onnx", extra="onnx").load(target)


def _refusal(model: Any, said: str) -> ModelError:
    return ModelError(
        f"Keras does not export {model.name!r} to ONNX under its torch backend: {said} "
        "Export it yourself with model.export(path, format='onnx'), and pass that file."
    )


def export_here() -> None:
    """What the process does: its arguments are a .keras file that we wrote, where to export it, and modules."""
    source, target, *custom = sys.argv[1:]
    try:
        objects = custom_objects(custom)
        load("addcat.layers", extra="keras")
        # whatever code the file holds was allowed when the model came in
        model = keras().saving.load_model(source, custom_objects=objects, compile=False, safe_mode=False)
        zeros = [np.zeros([size or 1 for size in x.shape], x.dtype) for x in model.inputs]
        model(keras().tree.pack_sequence_as(model.input, zeros) if len(zeros) > 1 else zeros[0])
        model.export(target, format="onnx", verbose=False)
    except Exception as error:
        sys.exit(first_sentence(error))
