"""Losses, gradients and weights of a torch module, as numpy arrays."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays, Examples
from addcat.doors.frozen import thawed
from addcat.doors.torch.build import put, set_weights
from addcat.doors.torch.calls import Call
from addcat.doors.torch.devices import drawn_alike
from addcat.doors.torch.examples import Example, array_of, device_of
from addcat.doors.torch.losses import TorchLoss, plain
from addcat.doors.torch.raised import is_out_of_memory, named
from addcat.doors.torch.stream import call_of
from addcat.doors.torch.tensors import tensors_in
from addcat.doors.torch.unnested import node_at
from addcat.doors.torch.watching import in_mode
from addcat.frameworks import torch
from addcat.graph import Array, Graph, Node

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
T = TypeVar("T")
BATCH = 256
JUDGED = "on examples of the data", "Correct that, or give data that it takes."
"""What is said where a module raises."""
_GRAPHS: "WeakKeyDictionary[typed.nn.Module, Graph]" = WeakKeyDictionary()
"""The graph that each written module was made of: a node of it may be a function, with parameters of its own."""


def remember(model: "typed.nn.Module", graph: Graph) -> None:
    """Keep what a module was made of."""
    _GRAPHS[model] = graph


def tensors_of(model: "typed.nn.Module") -> "list[typed.Tensor]":
    """Parameters and buffers, each once, in the module's order."""
    return [*(p for _, p in model.named_parameters()), *(b for _, b in model.named_buffers())]


def state(model: "typed.nn.Module") -> Arrays:
    """Copies of the values of all parameters and buffers, in the module's order."""
    return [np.array(array_of(tensor)) for tensor in tensors_of(model)]


def assign_state(model: "typed.nn.Module", values: Arrays) -> None:
    """Put values back that `state` gave."""
    with _torch.no_grad():
        for tensor, value in zip(tensors_of(model), values, strict=True):
            tensor.copy_(_torch.as_tensor(np.asarray(value)))


def losses_of(model: "typed.nn.Module", loss: TorchLoss, examples: Examples, example: Example) -> NDArray[np.float64]:
    """Loss of every example at inference, of shape (examples,)."""
    with drawn_alike():
        found = [
            loss.per_example(output, target, batch.count).detach().double().cpu().numpy()
            for output, target, batch in _called(model, examples, example, whole=loss.coupled)
        ]
    return np.concatenate(found)


def predictions(model: "typed.nn.Module", examples: Examples, example: Example) -> Arrays:
    """What the model gives for all examples at inference, one array for each output that a loss takes."""
    with drawn_alike():
        parts = [_arrays(output) for output, _, _ in _called(model, examples, example)]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def judged(
    model: "typed.nn.Module", loss: TorchLoss, examples: Examples, example: Example
) -> tuple[NDArray[np.float64], Arrays]:
    """Losses and predictions by one pass."""
    losses, parts = list[NDArray[np.float64]](), list[list[Array]]()
    with drawn_alike():
        for output, target, batch in _called(model, examples, example, whole=loss.coupled):
            losses.append(loss.per_example(output, target, batch.count).detach().double().cpu().numpy())
            parts.append(_arrays(output))
    return np.concatenate(losses), [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def _called(
    model: "typed.nn.Module", examples: Examples, example: Example, *, whole: bool = False
) -> Iterator[tuple[Any, Any, Examples]]:
    """Output, target and examples, batch after batch, at inference."""
    device = device_of(model)

    def run(batch: Examples) -> tuple[Any, Any]:
        call, target = call_of(batch, example, device)
        with in_mode(model, training=False), _torch.no_grad():
            return model(*call.args, **call.kwargs), target

    for (output, target), batch in _in_parts(model, run, examples, whole=whole):
        yield output, target, batch


def _in_parts(
    model: "typed.nn.Module", run: Callable[[Examples], T], examples: Examples, *, whole: bool
) -> Iterator[tuple[T, Examples]]:
    """Run on batch after batch; on smaller ones once one does not fit into the memory of the device.

    Args:
        model: That is run.
        run: Takes a batch.
        examples: All of them.
        whole: Whether results depend on the size of a batch, so that it stays as it is.
    """
    size, start = len(next(iter(examples.chunks(BATCH))).inputs[0]) if examples.count else 1, 0
    while start < examples.count:
        batch = examples.rows(np.arange(start, min(start + size, examples.count)))
        with named(model, *JUDGED):
            try:
                found = run(batch)
            except RuntimeError as error:
                if whole or size == 1 or not is_out_of_memory(error):
                    raise
                size = max(1, size // 2)
                continue
        yield found, batch
        start += size


def _arrays(output: object) -> list[Array]:
    return [array_of(tensor) for tensor in tensors_in(plain(output))]


def gradient(
    model: "typed.nn.Module", loss: TorchLoss, examples: Examples, paths: Sequence[str], example: Example
) -> dict[tuple[str, str], Array]:
    """Gradient of the mean loss at inference, for kernels and biases of some nodes, in canonical layout."""
    wanted: dict[tuple[str, str], tuple[typed.Tensor, bool]] = {}
    for path in paths:
        for name, found in _parameters(model, path).items():
            wanted[path, name] = found
    total = {key: np.zeros(tuple(tensor.shape)) for key, (tensor, _) in wanted.items()}
    device = device_of(model)
    tensors = [tensor for tensor, _ in wanted.values()]

    def run(batch: Examples) -> "tuple[typed.Tensor, ...]":
        call, target = call_of(batch, example, device)
        mean = loss.per_example(model(*call.args, **call.kwargs), target, batch.count).mean()
        return _torch.autograd.grad(mean, tensors)

    with drawn_alike(), in_mode(model, training=False), _torch.enable_grad(), thawed(tensors):
        for grads, batch in _in_parts(model, run, examples, whole=loss.coupled):
            for key, grad in zip(wanted, grads, strict=True):
                total[key] += batch.count / examples.count * grad.double().cpu().numpy()
    return {key: np.swapaxes(total[key], 0, 1) if swapped else total[key] for key, (_, swapped) in wanted.items()}


def _parameters(model: "typed.nn.Module", path: str) -> "dict[str, tuple[typed.Tensor, bool]]":
    """Kernel and bias of a node, and whether torch has the kernel's first two axes the other way round."""
    found: dict[str, tuple[typed.Tensor, bool]] = {}
    call, place = _call_at(model, path)
    if call is not None and call.module is None:
        for operand, name in zip((o for o in call.operands if o.path), ("kernel", "bias"), strict=False):
            found[name] = (model.get_parameter(operand.path), False)
        return found
    module = model.get_submodule(place)
    swapped = isinstance(module, _torch.nn.modules.conv._ConvTransposeNd)
    for own, name in (("weight", "kernel"), ("bias", "bias")):
        parameter = getattr(module, own, None)
        if parameter is not None:
            found[name] = (parameter, swapped and own == "weight")
    return found


def _call_at(model: "typed.nn.Module", path: str) -> tuple[Call | None, str]:
    """The recorded call of a node, None for a new one; and the path of its module."""
    graph = _GRAPHS.get(model)
    node = None if graph is None else node_at(graph, path)
    if node is None:
        return None, path.replace("/", ".").partition("#")[0]
    call: Call | None = node.native
    return call, path.replace("/", ".") if call is None else call.path


def assign(model: "typed.nn.Module", path: str, node: Node) -> None:
    """Put the weights of a node into the module, or the parameters, that it became."""
    call, place = _call_at(model, path)
    if call is None or call.module is not None:
        set_weights(node, model.get_submodule(place))
        return
    for operand, name in zip((o for o in call.operands if o.path), ("kernel", "bias"), strict=False):
        if name in node.weights:
            parent, _, attribute = operand.path.rpartition(".")
            put(model.get_submodule(parent), attribute, node.weight(name))
