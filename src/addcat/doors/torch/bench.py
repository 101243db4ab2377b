"""A PyTorch module on the bench: as the ONNX model that torch exports of it, at the sizes of its example."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from addcat.doors.bench import Bench
from addcat.doors.inputs import Inputs, Shapes
from addcat.doors.onnx import bench_of as bench_of_onnx
from addcat.doors.torch.examples import Example, array_of
from addcat.doors.torch.export import exported

if TYPE_CHECKING:
    import torch as typed


def bench_of(
    module: "typed.nn.Module",
    example: Example,
    *,
    runtime: str,
    threads: int,
    shapes: Shapes = None,
    inputs: Inputs = None,
    precision: str = "float32",
) -> Bench:
    """Put a PyTorch module on the bench.

    Args:
        module: Any module; it is not touched.
        example: What it is called with. Its sizes are those of the run where `shapes` and `inputs` say nothing, and
            its tensors of other types than real ones are the inputs: indices and flags cannot be drawn.
        runtime: Where it is measured and verified: "onnxruntime" or "openvino".
        threads: How many threads a run may use.
        shapes: Shapes of the inputs, by name or in order.
        inputs: Arrays by name.
        precision: What it is timed in: "float32", or "default" for the runtime's own.

    Raises:
        MissingExtraError: if what the export needs is not installed.
        ModelError: if torch does not export it, or the runtime does not run it.
        OptionError: if a given shape does not fit.
        DataError: if a given input does not fit.
    """
    model, tensors = exported(module, example)
    passed: Any = inputs
    if passed is None or isinstance(passed, Mapping):
        sized = set(shapes) if isinstance(shapes, Mapping) else set(tensors) if shapes is not None else set[str]()
        left = {name: tensor for name, tensor in tensors.items() if name not in sized | set(inputs or {})}
        fixed = {name: array_of(t) for name, t in left.items() if not t.is_floating_point() and not t.is_complex()}
        inputs = {**fixed, **(inputs or {})}
        if shapes is None or isinstance(shapes, Mapping):
            shapes = {**{name: tuple(tensor.shape) for name, tensor in left.items()}, **(shapes or {})}
    bench = bench_of_onnx(
        model, runtime=runtime, threads=threads, shapes=shapes, inputs=inputs, passed=module, precision=precision
    )
    said = f"{type(module).__name__} was exported to ONNX by torch.onnx.export at inference; the result is that model."
    bench.notes = (said, *bench.notes)
    return bench
