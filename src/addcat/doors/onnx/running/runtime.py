"""ONNX models at run time: sessions of ONNX Runtime and OpenVINO, inputs for them, and the memory of a process."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from addcat.doors.inputs import Wanted, sizes_of_run
from addcat.doors.onnx.external import weight_bytes
from addcat.doors.onnx.reading.load import dtype_name
from addcat.doors.onnx.reading.stored import ir
from addcat.doors.onnx.save import save_onnx
from addcat.doors.onnx.write import PROTO_LIMIT, to_proto
from addcat.errors import ModelError, OptionError
from addcat.frameworks import load
from addcat.graph import Array, Shape

RUNTIMES = ("onnxruntime", "openvino")
EXCHANGED = {
    *("FLOAT", "DOUBLE", "FLOAT16", "BOOL", "STRING", "INT8", "INT16", "INT32", "INT64"),
    *("UINT8", "UINT16", "UINT32", "UINT64"),
}
"""Types of which runtimes take arrays and give them."""
PRECISION = "INFERENCE_PRECISION_HINT"
TYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
"""OpenVINO's words for what it computes in, and ours."""
QUIET = 4
"""Errors of a runtime come as exceptions, whose words we use; it is not to print them as well."""
Feeds = Mapping[str, Array]
Run = Callable[[Feeds], list[Array]]


def start(model: Any, *, runtime: str = "onnxruntime", threads: int = 1, optimised: bool = True) -> Run:
    """Make a model ready to run.

    Args:
        model: An `onnx_ir.Model`.
        runtime: "onnxruntime" or "openvino".
        threads: How many threads one run may use.
        optimised: Whether the runtime's own optimisations are on.

    Returns:
        A function from inputs by name to the list of outputs.

    Raises:
        OptionError: if the runtime is not one of those two.
        ModelError: if the runtime does not take the model.
    """
    if runtime not in RUNTIMES:
        raise OptionError(f"runtime must be one of {', '.join(map(repr, RUNTIMES))}. Got {runtime!r}.")
    if runtime == "openvino":
        return _started(model, runtime, lambda source: _start_openvino(source, threads, {PRECISION: "f32"})[0])
    return _started(model, runtime, lambda source: _start_onnxruntime(source, threads, optimised))


def start_as_it_likes(model: Any, *, threads: int = 1) -> tuple[Run, str]:
    """Make a model ready to run in the precision that OpenVINO chooses on this processor.

    Args:
        model: An `onnx_ir.Model`.
        threads: How many threads one run may use.

    Returns:
        The function, as `start` gives it, and the name of the type that is computed in.

    Raises:
        ModelError: if OpenVINO does not take the model.
    """
    chosen: list[str] = []

    def starter(source: bytes | str) -> Run:
        run, precision = _start_openvino(source, threads, {})
        chosen.append(precision)
        return run

    return _started(model, "openvino", starter), chosen[0]


def _started(model: Any, runtime: str, starter: Callable[[bytes | str], Run]) -> Run:
    try:
        if weight_bytes(model) <= PROTO_LIMIT:
            return _guarded(runtime, starter(to_proto(model).SerializeToString()))
        with tempfile.TemporaryDirectory() as folder:
            save_onnx(model, Path(folder) / "model.onnx")
            return _guarded(runtime, starter(str(Path(folder) / "model.onnx")))
    except Exception as error:
        if isinstance(error, ImportError):
            raise
        raise ModelError(
            f"{runtime} does not run the model: {said(error)}. Try the model in {runtime} alone."
        ) from None


class RunError(ModelError):
    """A model that stops while it runs, on the inputs that it was given."""


def said(error: Exception) -> str:
    """What a runtime says went wrong, without the places in its own source, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    if where := re.search(r"while running (\w+) node\. Name:'(.*?)' Status Message: (.*)", text):
        operator, name, words = where.groups()
        words = re.sub(r"^\S+\.(?:h|cc|cpp):\d+ (?:.*?\bwas false\. ?)?", "", words)
        text = f"{operator}{f' {name!r}' if name else ''} fails: {words or 'no reason given'}"
    return text.rstrip(". ")


def _guarded(runtime: str, run: Run) -> Run:
    """A run whose failures are errors of ours, and whose outputs are arrays."""

    def guarded(feeds: Feeds) -> list[Array]:
        try:
            outputs = run(feeds)
        except Exception as error:
            raise RunError(f"{runtime} stops while it runs the model: {said(error)}.") from None
        if not all(hasattr(output, "shape") for output in outputs):  # a list, a dict or None
            raise RunError(f"{runtime} gives an output that is no tensor, and only tensors can be compared.")
        return outputs

    return guarded


def _start_onnxruntime(model: bytes | str, threads: int, optimised: bool) -> Run:
    onnxruntime = load("onnxruntime", extra="onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = QUIET
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(feeds: Feeds) -> list[Array]:
        return session.run(None, dict(feeds))

    return run


def _start_openvino(model: bytes | str, threads: int, more: Mapping[str, str]) -> tuple[Run, str]:
    core = load("openvino", extra="openvino").Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", **more}
    compiled = core.compile_model(core.read_model(model), "CPU", settings)
    request, count = compiled.create_infer_request(), len(compiled.outputs)

    def run(feeds: Feeds) -> list[Array]:
        results = request.infer(dict(feeds), share_inputs=True, share_outputs=True)
        return [results[i] for i in range(count)]

    name = str(compiled.get_property(PRECISION).get_type_name())
    return run, TYPES.get(name, name)


def random_inputs(model: Any, shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Array]:
    """Random inputs: standard normal for real numbers, 0 or 1 for whole ones and texts, so that they index anything."""
    generator = np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for value in model.graph.inputs:
        if value.name in shapes:
            dtype = dtype_name(int(value.dtype))
            if dtype in ("float16", "bfloat16", "float32", "float64"):
                drawn = generator.standard_normal(shapes[value.name])
            else:
                drawn = generator.integers(0, 2, shapes[value.name])
            drawn = np.asarray(drawn)
            feeds[value.name] = (drawn.astype(str) if dtype == "object" else drawn).astype(value.dtype.numpy())
    return feeds


def wanted_inputs(model: Any) -> dict[str, Wanted]:
    """What a model says of each input that has no default.

    Args:
        model: An `onnx_ir.Model`.

    Raises:
        ModelError: if an input or an output is none that can be given as an array.
    """
    for value, word in (*((v, "input") for v in model.graph.inputs), *((v, "output") for v in model.graph.outputs)):
        kind = value.type
        if kind is not None and not isinstance(kind, ir().TensorType):
            what = type(kind).__name__.removesuffix("Type").lower()
            raise ModelError(
                f"The {word} {value.name!r} is no plain tensor but of the kind {what}, so the model cannot be run here "
                "and a rewrite of it not be verified. Export the part of it that has tensors alone."
            )
        if kind is not None and kind.dtype.name not in EXCHANGED and kind.dtype.name != "UNDEFINED":
            raise ModelError(
                f"The {word} {value.name!r} is of the type {kind.dtype.name}, which runtimes do not exchange with "
                "numpy, so a rewrite of the model cannot be verified. Put a Cast to another type there."
            )
    inputs = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    if untyped := [value.name for value in inputs if value.type is None or value.dtype.name == "UNDEFINED"]:
        raise ModelError(f"The input {untyped[0]!r} does not say its element type. Export the model again.")
    return {value.name: Wanted(_stated(value), dtype_name(int(value.dtype))) for value in inputs}


def _stated(value: Any) -> Shape | None:
    if value.shape is None:
        return None
    return tuple(size if isinstance(size, int) and size >= 0 else None for size in value.shape)


def input_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's inputs with a batch of 1; see `sizes_of_run`."""
    return sizes_of_run(wanted_inputs(model), None, {}, channels_first=True)


_PEAK = """
import re, sys, numpy
import onnxruntime
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = int(sys.argv[3])
options.log_severity_level = 4
arrays = numpy.load(sys.argv[2])
feeds = {name: arrays[f"arr_{place}"] for place, name in enumerate(sys.argv[4:])}
before = peak()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
for _ in range(2):
    session.run(None, feeds)
print(peak() - before)
"""
"""Resident memory from /proc: what `getrusage` says of a new process begins with the peak of its parent."""


def process_peak(model: Any, feeds: Feeds, *, threads: int = 1) -> int | None:
    """Bytes that a process grows by at its peak when ONNX Runtime loads and runs a model in it.

    Args:
        model: An `onnx_ir.Model`.
        feeds: Its inputs.
        threads: How many threads one run may use.

    Returns:
        The growth of the peak resident set; None where the system does not say.
    """
    if not Path("/proc/self/status").exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        save_onnx(model, Path(folder) / "model.onnx")
        np.savez(Path(folder) / "feeds.npz", *feeds.values())
        command = [sys.executable, "-c", _PEAK, f"{folder}/model.onnx", f"{folder}/feeds.npz", str(threads), *feeds]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603
        except subprocess.TimeoutExpired:
            return None
    return int(done.stdout) if done.returncode == 0 else None
