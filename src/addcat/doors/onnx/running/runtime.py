"""ONNX models at run time: sessions of ONNX Runtime and OpenVINO, inputs for them, and the memory of a process."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from addcat.doors.onnx.external import weight_bytes
from addcat.doors.onnx.reading.load import dtype_name
from addcat.doors.onnx.save import save_onnx
from addcat.doors.onnx.write import PROTO_LIMIT, to_proto
from addcat.errors import ModelError, OptionError
from addcat.frameworks import load
from addcat.graph import Array, Shape

RUNTIMES = ("onnxruntime", "openvino")
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
    starter = _start_onnxruntime if runtime == "onnxruntime" else _start_openvino
    try:
        if weight_bytes(model) <= PROTO_LIMIT:
            return starter(to_proto(model).SerializeToString(), threads, optimised)
        with tempfile.TemporaryDirectory() as folder:
            save_onnx(model, Path(folder) / "model.onnx")
            return starter(str(Path(folder) / "model.onnx"), threads, optimised)
    except Exception as error:
        if isinstance(error, ImportError):
            raise
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(
            f"{runtime} does not run the model: {said.rstrip('.')}. Try the model in {runtime} alone."
        ) from None


def _start_onnxruntime(model: bytes | str, threads: int, optimised: bool) -> Run:
    onnxruntime = load("onnxruntime", extra="onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(feeds: Feeds) -> list[Array]:
        return session.run(None, dict(feeds))

    return run


def _start_openvino(model: bytes | str, threads: int, optimised: bool) -> Run:
    core = load("openvino", extra="openvino").Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model), "CPU", settings)
    request, count = compiled.create_infer_request(), len(compiled.outputs)

    def run(feeds: Feeds) -> list[Array]:
        results = request.infer(dict(feeds), share_inputs=True, share_outputs=True)
        return [results[i] for i in range(count)]

    return run


def input_shapes(model: Any, shapes: Mapping[str, Shape] | Sequence[Shape] | None = None) -> dict[str, tuple[int, ...]]:
    """Shapes at which a model is run.

    Args:
        model: An `onnx_ir.Model`.
        shapes: Given shapes, by name or in the order of the inputs; None for those that the model states.

    Returns:
        One shape for each input that has no default. An unknown batch is 1.

    Raises:
        OptionError: if a size is unknown and not given, or a given shape does not fit.
    """
    inputs = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    names = [value.name for value in inputs]
    if shapes is not None and not isinstance(shapes, Mapping):
        if len(shapes) != len(inputs):
            raise OptionError(f"The model has {len(inputs)} inputs, got {len(shapes)} shapes. Give one for each.")
        shapes = dict(zip(names, shapes, strict=True))
    unknown = [name for name in shapes or {} if name not in names]
    if unknown:
        raise OptionError(f"The model has no input {unknown[0]!r}. Its inputs are {', '.join(map(repr, names))}.")
    return {value.name: _shape(value, (shapes or {}).get(value.name)) for value in inputs}


def _shape(value: Any, given: Shape | None) -> tuple[int, ...]:
    stated = None if value.shape is None else [size if isinstance(size, int) else None for size in value.shape]
    if given is None:
        given = () if stated is None else tuple(stated)
    elif stated is not None and (
        len(given) != len(stated) or any(s is not None and g != s for g, s in zip(given, stated, strict=True))
    ):
        raise OptionError(f"Input {value.name!r} has the shape {tuple(stated)}, which {tuple(given)} does not fit.")
    sizes = [1 if size is None and axis == 0 else size for axis, size in enumerate(given)]
    if None in sizes or (stated is None and not given):
        raise OptionError(
            f"Input {value.name!r} has the shape {tuple(given)}, so its size is not known. "
            f"Pass one, such as shapes={{{value.name!r}: (1, 3, 256, 256)}}, or --shape {value.name}=1x3x256x256."
        )
    return tuple(size for size in sizes if size is not None)


def random_inputs(model: Any, shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Array]:
    """Random inputs: standard normal for real numbers, 0 or 1 for whole ones, so that they index anything."""
    generator = np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for value in model.graph.inputs:
        if value.name in shapes:
            dtype = dtype_name(int(value.dtype))
            if dtype in ("float16", "bfloat16", "float32", "float64"):
                drawn = generator.standard_normal(shapes[value.name])
            else:
                drawn = generator.integers(0, 2, shapes[value.name])
            feeds[value.name] = drawn.astype(value.dtype.numpy())
    return feeds


_PEAK = """
import re, sys, numpy
import onnxruntime
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = int(sys.argv[3])
options.log_severity_level = 3
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
