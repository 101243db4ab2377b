"""A PyTorch module becomes an ONNX model: torch exports a copy, which is then held against the module itself."""

import copy
import io
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

from addcat.doors.onnx.running.runtime import start
from addcat.doors.torch.examples import Example, array_of
from addcat.doors.torch.raised import first_line
from addcat.doors.torch.tensors import tensors_in
from addcat.doors.torch.watching import in_mode, untouched
from addcat.errors import AddcatError, ModelError
from addcat.frameworks import load, torch
from addcat.graph import Array
from addcat.report.rows import counted

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch as typed

_torch: Any = torch()
TOLERANCE = {"torch.float16": 2e-2, "torch.bfloat16": 5e-2}
"""Largest difference of an output to the module's, relative to its largest value; 1e-3 for other types."""


def exported(module: "typed.nn.Module", example: Example) -> "tuple[ir.Model, dict[str, typed.Tensor]]":
    """Export a module to ONNX at inference, its batch left open where it exports so.

    Args:
        module: Any module; it is not touched.
        example: What it is called with.

    Returns:
        The `onnx_ir.Model`, and the tensors of the example by the names of its inputs.

    Raises:
        MissingExtraError: if what the export needs is not installed.
        ModelError: if torch does not export it, or what it exports computes something else.
    """
    for needed in ("onnxscript", "onnxruntime"):
        load(needed, extra="export")
    name = type(module).__name__
    try:
        module = copy.deepcopy(module).cpu()
        example = example.filled([tensor.detach().cpu().clone() for tensor in example.tensors])
        try:
            return _checked(module, example, is_open=True)
        except Exception:  # of any kind: torch runs the user's own code
            return _checked(module, example, is_open=False)
    except Exception as error:
        raise ModelError(
            f"torch.onnx.export does not export {name}: {_said(error)}. Change the module so that it exports, or "
            "export it yourself, and pass that .onnx file."
        ) from error


def _said(error: BaseException) -> str:
    """What was wrong in the end: torch wraps it in advice on how to debug torch."""
    while error.__cause__ is not None:
        error = error.__cause__
    words = first_line(error)
    return words if isinstance(error, AddcatError) else f"{type(error).__name__}: {words}"


def _checked(
    module: "typed.nn.Module", example: Example, *, is_open: bool
) -> "tuple[ir.Model, dict[str, typed.Tensor]]":
    """Export, and compare with the module: on the example's sizes, and on twice the batch where all leave it open."""
    with _quiet(), untouched(module), in_mode(module, training=False), _torch.no_grad():
        sizes = _sizes(module, example) if is_open else None
        program = _torch.onnx.export(
            # the last argument is for keywords, without which torch takes a dict among the arguments for them
            module,
            (*copy.deepcopy(example.args), copy.deepcopy(example.kwargs)),
            dynamo=True,
            verbose=False,
            dynamic_shapes=sizes,
        )
    model = program.model
    inputs = list(model.graph.inputs)
    if len(inputs) != len(example.tensors):
        raise ModelError(
            f"it takes {counted(len(example.tensors), 'tensor')}, and what is exported takes {len(inputs)}"
        )
    run = start(model)
    batches = [1, 2] if all(value.shape and not isinstance(value.shape[0], int) for value in inputs) else [1]
    for times in batches:
        call = example.filled([_drawn(tensor, times) for tensor in example.tensors])
        arrays = {value.name: array_of(tensor.clone()) for value, tensor in zip(inputs, call.tensors, strict=True)}
        with untouched(module), in_mode(module, training=False), _torch.no_grad():
            wanted = [tensor.clone() for tensor in tensors_in(module(*call.args, **call.kwargs))]
        _require_same(wanted, run(arrays))
    return model, {value.name: tensor for value, tensor in zip(inputs, example.tensors, strict=True)}


def _sizes(module: "typed.nn.Module", example: Example) -> Any:
    """Which sizes torch may leave open: the first of each tensor, where the module lets it."""
    found = _torch.export.ShapesCollection()
    for tensor in example.tensors:
        if tensor.ndim:
            found[tensor] = {0: _torch.export.Dim.AUTO}
    return found.dynamic_shapes(module, example.args, example.kwargs)


def _drawn(tensor: "typed.Tensor", times: int) -> "typed.Tensor":
    """Random numbers in the shape of a tensor, so many times the batch; other types than real ones are repeated."""
    if times > 1:
        tensor = _torch.cat([tensor] * times)
    if not tensor.is_floating_point():
        return tensor
    generator = _torch.Generator().manual_seed(times)
    return _torch.randn(tensor.shape, generator=generator).to(tensor.dtype)


def _require_same(wanted: "list[typed.Tensor]", found: list[Array]) -> None:
    if len(wanted) != len(found):
        raise ModelError(f"it gives {counted(len(wanted), 'tensor')}, and what is exported gives {len(found)}")
    for place, (tensor, array) in enumerate(zip(wanted, found, strict=True)):
        expected, got = tensor.double(), _torch.as_tensor(array).double()
        finite = expected[expected.isfinite()]
        scale = float(finite.abs().max()) if finite.numel() else 1.0
        try:
            allowed = TOLERANCE.get(str(tensor.dtype), 1e-3) * scale
            _torch.testing.assert_close(got, expected, rtol=0, atol=allowed, equal_nan=True)
        except AssertionError:
            raise ModelError(f"what it exports computes another output {place} than the module") from None


@contextmanager
def _quiet() -> Generator[None]:
    """Without what torch says of itself, to whoever debugs it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
