"""Train several runs of one module side by side: their weights stacked, one call of each operation for all of them.

A step of a small network takes the time of its calls, whatever its arithmetic. Mapped over the runs (`torch.func.vmap`)
they are made once for all. What is trained so is what the user's loop would train, where the optimiser treats every
number alike; whether the module allows it is tried out, on gradients and buffers, against a run alone. What draws
numbers (dropout), keeps state elsewhere or looks at values is trained one run after the other, and so is what
convolves, which is slower mapped.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from addcat.data.examples import Arrays
from addcat.doors.torch.losses import TorchLoss
from addcat.doors.torch.measure import assign_state, state, tensors_of
from addcat.doors.torch.stream import Ready
from addcat.doors.torch.tensors import is_tensor
from addcat.doors.torch.training.optimizers import is_elementwise, is_hooked
from addcat.doors.torch.training.settings import Training
from addcat.doors.torch.trees import tree_flatten, tree_leaves, tree_unflatten
from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_counter: Any = load("torch.utils.flop_counter", extra="torch")

TOGETHER = 8
"""Runs that are trained side by side; as many as a verdict's first full look takes."""
MOST_WORK = 2e8
"""Operations of a step of one run, above which arithmetic takes the time and not the calls."""
MOST_BYTES = 512 * 2**20
"""Of the runs' weights, gradients, and two numbers that an optimiser keeps for each weight."""
UNMAPPED = "There is a performance drop"
"""How torch's warning begins where it calls an operation once for each run."""
CLOSE = 1e-4
"""Of the largest gradient or buffer: what one run may differ from the same alone."""


class Together:
    """Several runs of one module.

    Args:
        model: Says how; its own weights are left as they are.
        training: Makes the optimiser.
        loss: To train by.
        starts: Weights of each run, as `addcat.doors.torch.measure.state` gives them.
        paced: Steps in which a schedule runs through.
        whole: Steps of the whole training that it was made for.
    """

    def __init__(
        self,
        model: "typed.nn.Module",
        training: Training,
        loss: TorchLoss,
        starts: Sequence[Arrays],
        paced: int,
        whole: int,
    ) -> None:
        self._model, self._trained = model, loss.trained
        self._stacked = [
            _stacked(tensor, [one[place] for one in starts]) for place, tensor in enumerate(tensors_of(model))
        ]
        parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
        values = iter(self._stacked)
        self.parameters = {name: next(values).requires_grad_(own.requires_grad) for name, own in parameters.items()}
        self.buffers = {name: next(values) for name in buffers}
        self.optimizer, self.after = training.made(model, paced, whole)
        stacked = {id(own): self.parameters[name] for name, own in parameters.items()}
        for group in self.optimizer.param_groups:
            group["params"] = [stacked[id(own)] for own in group["params"]]

    def losses(self, batches: Sequence[Ready]) -> "typed.Tensor":
        """The loss of each run on a batch of its own, of shape (runs,)."""
        call, target = batches[0]
        leaves, structure = tree_flatten(target)
        parts: list[list[typed.Tensor]] = [[*one.tensors, *filter(is_tensor, tree_leaves(aim))] for one, aim in batches]
        model, trained, count = self._model, self._trained, len(call.tensors)

        def alone(parameters: Any, buffers: Any, own: "list[typed.Tensor]") -> "typed.Tensor":
            given, queue = call.filled(own[:count]), iter(own[count:])
            aim = tree_unflatten([next(queue) if is_tensor(leaf) else leaf for leaf in leaves], structure)
            output = _torch.func.functional_call(model, {**parameters, **buffers}, given.args, given.kwargs)
            return trained(output, aim)

        mapped: Callable[..., typed.Tensor] = _torch.func.vmap(alone)
        return mapped(self.parameters, self.buffers, [_torch.stack(each) for each in zip(*parts, strict=True)])

    def put(self, place: int) -> None:
        """Give the module the weights of a run."""
        with _torch.no_grad():
            for tensor, runs in zip(tensors_of(self._model), self._stacked, strict=True):
                tensor.copy_(runs[place])


def runs_together(model: "typed.nn.Module", training: Training, loss: TorchLoss, batches: Sequence[Ready]) -> bool:
    """Whether runs of a module may be trained side by side, and should be.

    Args:
        model: In training mode. Its weights are put back.
        training: How it is trained.
        loss: To train by.
        batches: Two that it trains on.
    """
    if training.autocast is not None or any(map(_is_compiled, model.modules())):
        return False
    kept = state(model)
    size = sum(array.nbytes for array in kept)
    if 4 * TOGETHER * size > MOST_BYTES:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a run alone says them
            warnings.filterwarnings("error", UNMAPPED)
            return _worthwhile(model, loss, batches[0]) and _agrees(model, training, loss, kept, batches)
    except Exception:
        return False
    finally:
        assign_state(model, kept)
        model.zero_grad()


def _is_compiled(module: Any) -> bool:
    """Whether a call of it is compiled: mapped, it would be compiled again, or fail at that."""
    return type(module).__name__ == "OptimizedModule" or module._compiled_call_impl is not None


def _worthwhile(model: "typed.nn.Module", loss: TorchLoss, batch: Ready) -> bool:
    """Whether a step of one run is little arithmetic, and convolves nothing."""
    with _counter.FlopCounterMode(display=False) as counter:
        _backward(model, loss, batch)
    counts = counter.get_flop_counts().get("Global", {})
    return not any("conv" in str(name) for name in counts) and counter.get_total_flops() <= MOST_WORK


def _agrees(
    model: "typed.nn.Module", training: Training, loss: TorchLoss, start: Arrays, batches: Sequence[Ready]
) -> bool:
    """Whether two runs side by side have the loss, the gradients and the buffers that each has alone."""
    runs = Together(model, training, loss, [start] * len(batches), 1, 1)
    if runs.after.looks or not is_elementwise(runs.optimizer):  # each run would have a schedule of its own
        return False
    if any(map(is_hooked, model.parameters())):  # by the optimiser, when it was made
        return False
    found: Any = runs.losses(batches)
    found.sum().backward()
    for place, batch in enumerate(batches):
        assign_state(model, start)
        model.zero_grad()
        alone = _backward(model, loss, batch)
        side_by_side = {name: one.grad for name, one in runs.parameters.items()}
        gradients = [(own.grad, side_by_side[name]) for name, own in model.named_parameters()]
        if any((own is None) != (other is None) for own, other in gradients):
            return False
        known = [(own, other[place]) for own, other in gradients if own is not None and other is not None]
        values = [(alone, found[place]), *((own, runs.buffers[name][place]) for name, own in model.named_buffers())]
        if not (_close(known) and all(_close([pair]) for pair in values)):
            return False
    return True


def _backward(model: "typed.nn.Module", loss: TorchLoss, batch: Ready) -> "typed.Tensor":
    call, target = batch
    value: Any = loss.trained(model(*call.args, **call.kwargs), target)
    value.backward()
    return value


def _close(pairs: "Sequence[tuple[typed.Tensor, typed.Tensor]]") -> bool:
    """Whether the tensors of each pair agree, by the largest number of all."""
    largest = max((float(own.detach().abs().max()) for own, _ in pairs if own.numel()), default=0.0)
    return all(bool(((own - other).detach().abs() <= CLOSE * largest).all()) for own, other in pairs)


def _stacked(tensor: "typed.Tensor", values: Arrays) -> "typed.Tensor":
    """The values of one parameter or buffer in all runs, in its type and where it lies."""
    with _torch.no_grad():
        return _torch.stack([_torch.as_tensor(value).to(tensor) for value in values])
