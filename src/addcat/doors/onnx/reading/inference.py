"""Shapes and types as onnx infers them; in a process of its own where that could end this one.

onnx's inference is compiled code that checks itself: at a Slice of a size below zero it does not raise, it ends the
process. A file may hold such sizes, and a window that is larger than its image leaves one behind.
"""

import subprocess
import sys
from typing import TYPE_CHECKING

from addcat.doors.onnx.reading.stored import graphs_and_attributes, onnx
from addcat.errors import ModelError
from addcat.frameworks import load

if TYPE_CHECKING:
    from onnx import ModelProto

RAISED = 3
"""How the other process ends where inference raised: what it said is on the error stream."""
_CHILD = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("onnx_cpp2py_export", sys.argv[1])
compiled = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compiled)
try:
    found = compiled.shape_inference.infer_shapes(sys.stdin.buffer.read(), False, False, True)
except Exception as error:
    sys.stderr.write(str(error))
    sys.exit({RAISED})
sys.stdout.buffer.write(found)
"""
"""Loads the compiled part of onnx alone, which takes a tenth of the time of `import onnx`."""


def inferred(small: "ModelProto", name: str) -> "ModelProto":
    """A model with the shapes and types of its tensors.

    Args:
        small: A model without large weights; not changed.
        name: What it is called in messages.

    Raises:
        ModelError: if types or shapes contradict one another, or onnx cannot be asked.
    """
    try:
        if _slices(small):
            return _apart(small, name)
        return onnx().shape_inference.infer_shapes(small, data_prop=True)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(invalid(name, error)) from None


def invalid(name: str, error: BaseException) -> str:
    """That a model is not valid, with the first line of what onnx says of it."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"{name} is not a valid ONNX model: {said.rstrip('.')}. Export it again; onnx.checker.check_model checks it."


def _apart(small: "ModelProto", name: str) -> "ModelProto":
    command = [sys.executable, "-I", "-S", "-c", _CHILD, load("onnx.onnx_cpp2py_export", extra="onnx").__file__]
    done = subprocess.run(command, input=small.SerializeToString(), capture_output=True, check=False)  # noqa: S603
    if done.returncode == RAISED:
        raise ModelError(invalid(name, ValueError(done.stderr.decode(errors="replace"))))
    if done.returncode:
        raise ModelError(
            f"{name} cannot be read: onnx breaks off while it infers shapes, as it does at a Slice of a size below "
            "zero, which a window leaves that is larger than its image. Give larger sizes for the inputs, or export "
            "it again."
        )
    return onnx().ModelProto.FromString(done.stdout)


def _slices(model: "ModelProto") -> bool:
    """Whether there is a Slice, be it in a function or in a graph inside a node."""
    graphs = (graph for graph, _ in graphs_and_attributes(model) if graph is not None)
    return any(node.op_type == "Slice" for part in (*graphs, *model.functions) for node in part.node)


def open_sizes(model: "ModelProto") -> None:
    """Take out sizes below zero, by which some exporters mean that a size is open: onnx takes them for numbers."""
    graphs = [graph for graph, _ in graphs_and_attributes(model) if graph is not None]
    stated = [info for graph in graphs for info in (*graph.input, *graph.output, *graph.value_info)]
    for info in (*stated, *(one for function in model.functions for one in function.value_info)):
        for dim in info.type.tensor_type.shape.dim if info.type.HasField("tensor_type") else ():
            if dim.dim_value < 0:
                dim.ClearField("dim_value")
