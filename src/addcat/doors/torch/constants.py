"""The best constant output: what a network reaches that ignores its inputs.

Every tensor of the output has one value for each of its channels, at all positions and for all examples. The values
are found by L-BFGS from zero, so a loss of the user's own will do, of a dict or a tuple of outputs too. A loss that
couples the examples of a batch is called on batches as large as those that the network is judged on. Where the loss
falls for ever with an output, such as a loss or a penalty that the module gives itself, that one stays as it gives it.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Examples
from addcat.doors.torch.devices import drawn_alike
from addcat.doors.torch.examples import Example, device_of
from addcat.doors.torch.losses import TorchLoss
from addcat.doors.torch.measure import BATCH, JUDGED
from addcat.doors.torch.raised import named
from addcat.doors.torch.stream import call_of
from addcat.doors.torch.tensors import tensors_in
from addcat.doors.torch.trees import tree_map
from addcat.doors.torch.watching import in_mode
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
NEAR = 1e-3
"""By how much the sum of an output's probabilities may miss one."""
MOST = 4096
"""Examples that the values are found from, at the most."""
FEW = 64
"""Examples that say what an output is on average where it stays."""
FAR = 1e12
"""A value that a loss asks to be larger has no end."""


def constant_losses(
    model: "typed.nn.Module", loss: TorchLoss, data: Examples, held: Examples, example: Example
) -> NDArray[np.float64]:
    """Loss of every held example where the output is the one constant that is best on the data.

    Args:
        model: For the shapes of what it gives.
        loss: To judge by.
        data: Examples whose targets give the constant.
        held: Examples to judge.
        example: What the model is called with.

    Returns:
        Array (examples,); infinite where the loss is computed of no real numbers of the output that could be constant,
        or no constant has a finite loss.
    """
    device, rows = device_of(model), min(2, data.count)

    def given(count: int) -> Any:
        with named(model, *JUDGED), drawn_alike(), in_mode(model, training=False), _torch.no_grad():
            call, _ = call_of(data.rows(np.arange(count)), example, device)
            return loss.taken(model(*call.args, **call.kwargs))

    output = given(rows)
    if _sizes(output) != _sizes(given(min(rows + 1, data.count))):
        return np.full(held.count, np.inf)  # each is held against the batch: there is no output of one
    constants = _Constants(output, rows, loss, device)

    def judged(examples: Examples) -> "typed.Tensor":
        _, target = call_of(examples, example, device)
        return loss.per_example(constants.output(examples.count), target, examples.count)

    def held_losses() -> NDArray[np.float64]:
        with _torch.no_grad():
            return np.concatenate([judged(batch).double().cpu().numpy() for batch in held.chunks(BATCH)])

    if not constants.values:
        return np.full(held.count, np.inf)
    first = held_losses()  # all zero
    some = data.rows(np.arange(min(data.count, BATCH if loss.coupled else MOST)))
    endless = _find(constants.values, lambda: judged(some).mean())
    if endless:
        constants.keep(endless, given(min(FEW, data.count)))
        first = held_losses()
        if _find(constants.values, lambda: judged(some).mean()):
            return np.full(held.count, np.inf)
    last = held_losses()
    found = last if np.isfinite(last).all() else first
    return found if np.isfinite(found).all() else np.full(held.count, np.inf)


def _find(values: "list[typed.Tensor]", mean: "Callable[[], typed.Tensor]") -> list[int]:
    """Find the values of the lowest mean loss.

    Returns:
        The places of those with which it falls for ever; of all where it depends on none.
    """

    def closure() -> "typed.Tensor":
        optimizer.zero_grad()
        loss = mean()
        _torch.autograd.backward(loss)
        return loss

    asked = [value for value in values if value.requires_grad]
    with _torch.enable_grad():
        if not asked or not mean().requires_grad:
            return [*range(len(values))]
        if straight := [place for place, value in enumerate(values) if _is_straight(value, mean)]:
            return straight
        optimizer = _torch.optim.LBFGS(asked, max_iter=100, line_search_fn="strong_wolfe")
        try:
            optimizer.step(closure)
        except (RuntimeError, IndexError):  # its steps are larger than numbers go, or find no number
            return [*range(len(values))]
    return [place for place, value in enumerate(values) if not bool((value.abs() < FAR).all())]


def _is_straight(value: "typed.Tensor", mean: "Callable[[], typed.Tensor]") -> bool:
    """Whether a loss falls far away from a value of zero as it does there."""
    if not value.requires_grad:
        return False
    (slope,) = _torch.autograd.grad(mean(), value, allow_unused=True)
    if slope is None or not bool(slope.any()):
        return False
    with _torch.no_grad():
        value.sub_(FAR * slope / slope.abs().max())
    (later,) = _torch.autograd.grad(mean(), value, allow_unused=True)
    with _torch.no_grad():
        value.zero_()
    return later is not None and bool(_torch.allclose(later, slope, rtol=NEAR, atol=0.0))


def _sizes(output: object) -> list[tuple[int, ...]]:
    """What an output has for each example, as far as it shows."""
    return [tuple(tensor.shape[1:]) for tensor in tensors_in(output)]


def _kept_sum(tensor: "typed.Tensor") -> "Callable[[typed.Tensor], typed.Tensor]":
    """What a constant has to go through to be an output of a module that ends in a softmax, or its logarithm."""
    for axis in range(1, tensor.ndim):
        if tensor.shape[axis] > 1:
            logs, values = tensor.double().logsumexp(axis), tensor.double()
            if float(logs.abs().max()) < NEAR:
                return partial(_torch.log_softmax, dim=axis)
            if float(values.min()) >= 0 and float((values.sum(axis) - 1).abs().max()) < NEAR:
                return partial(_torch.softmax, dim=axis)
    return _as_it_is


def _as_it_is(value: "typed.Tensor") -> "typed.Tensor":
    return value


class _Constants:
    """Values that stand for what a module gives.

    Args:
        output: What it gives for some examples.
        rows: How many these are: a tensor with as many rows has one for each example.
        loss: To know probabilities from logits.
        device: Where the values are.

    Attributes:
        values: To be found.
    """

    def __init__(self, output: object, rows: int, loss: TorchLoss, device: "typed.device") -> None:
        self._output, self._rows, self._loss = output, rows, loss
        self.values: list[typed.Tensor] = [
            _torch.zeros(self._shape(tensor), device=device, requires_grad=True)
            for tensor in tensors_in(output)
            if tensor.is_floating_point()
        ]

    def keep(self, places: list[int], output: object) -> None:
        """Let some values be what the module gives on average, and begin anew with the others."""
        given = [tensor for tensor in tensors_in(output) if tensor.is_floating_point()]
        for place, value in enumerate(self.values):
            mean = float(given[place].mean()) if place in places else 0.0
            self.values[place] = _torch.full_like(value, mean).requires_grad_(place not in places)

    def _shape(self, tensor: "typed.Tensor") -> tuple[int, ...]:
        sizes = tensor.shape[1:] if self._is_batch(tensor) else tensor.shape
        return (sizes[0], *(1 for _ in sizes[1:])) if sizes else ()

    def _is_batch(self, tensor: "typed.Tensor") -> bool:
        return tensor.ndim > 0 and tensor.shape[0] == self._rows

    def output(self, count: int) -> Any:
        """What the module would give for so many examples, in its structure."""
        queue = iter(self.values)

        def put(leaf: Any) -> Any:
            if not isinstance(leaf, _torch.Tensor):
                return leaf
            batch = (count, *leaf.shape[1:]) if self._is_batch(leaf) else leaf.shape
            if leaf.is_floating_point():
                value = next(queue)
                made = self._loss.constant(value)
                return made.expand(batch) if made is not value else _kept_sum(leaf)(value.expand(batch))
            return leaf[:1].expand(batch) if self._is_batch(leaf) else leaf

        return tree_map(put, self._output)
