"""Batches to train on: of arrays in an order that a seed gives, or of a loader as it comes, pass after pass.

A loader shuffles and augments by torch's, numpy's and Python's global generators, and a model's dropout draws from the
first of them. So the data have generators of their own: theirs are put in place while a batch is fetched, and the
model's are put back. Then two arms of one seed see the same batches, augmented alike, whatever they draw themselves.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Examples
from addcat.doors.recipe import Plan
from addcat.doors.torch.devices import States, seed_all, set_states, states
from addcat.doors.torch.examples import Example, is_dict, is_list
from addcat.doors.torch.in_memory import BLOCK, batches_at_once, batches_of, is_in_memory, order_of
from addcat.doors.torch.raised import named_data, said
from addcat.doors.torch.tensors import is_tensor
from addcat.doors.torch.trees import tree_map
from addcat.errors import AddcatError, DataError
from addcat.frameworks import torch
from addcat.graph import Array

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()

T = TypeVar("T")
Ready = tuple[Example, Any]
"""What the model is called with, and the target."""
Everything = tuple[States, list["typed.Tensor"]]
"""Where generators are: the global ones, and those of a loader."""


class Generators:
    """Torch's, numpy's and Python's global generators and those that a loader was made with, as the data see them."""

    def __init__(self, seed: int, loader: object = None) -> None:
        self._own = _own_generators(loader)
        self._state = self._now()
        with self._swapped():
            for generator in self._own:
                generator.manual_seed(seed)
            seed_all(seed)

    @contextmanager
    def _swapped(self) -> Generator[None]:
        mine = self._now()
        self._set(self._state)
        try:
            yield
        finally:
            self._state = self._now()
            self._set(mine)

    def fetch(self, function: Callable[[], T]) -> T:
        """Call a function with the data's generators in place."""
        with self._swapped():
            return function()

    def _now(self) -> "Everything":
        own = [generator.get_state() for generator in self._own]
        return states(), own

    def _set(self, state: "Everything") -> None:
        set_states(state[0])
        for generator, one in zip(self._own, state[1], strict=True):
            generator.set_state(one)


RESIDENT = 2**30
"""Bytes of data that are moved to a GPU whole, once for all runs of an arm, and put in order there."""


def of_arrays(examples: Examples, plan: Plan, seed: int, example: Example, device: "typed.device") -> Generator[Ready]:
    """Batches of arrays, or of their copies on the device, in the order that the plan gives for a seed."""
    order = plan.order(examples.count, seed).reshape(plan.steps, -1)
    size = order.shape[1]
    bytes_each = sum(array[:1].nbytes for array in (*examples.inputs, *examples.targets))
    at_once = max(1, BLOCK // max(1, size * bytes_each))
    for start in range(0, plan.steps, at_once):
        rows = order[start : start + at_once].reshape(-1)
        inputs: list[tuple[typed.Tensor, ...]] = [
            _torch.split(_placed(array, rows, device, tensor.dtype), size)
            for array, tensor in zip(examples.inputs, example.tensors, strict=True)
        ]
        targets: list[tuple[typed.Tensor, ...]] = [
            _torch.split(_placed(array, rows, device), size) for array in examples.targets
        ]
        for parts, target in zip(zip(*inputs, strict=True), zip(*targets, strict=True), strict=True):
            yield example.filled(parts), example.target_of(target)


def _placed(
    array: "Array | typed.Tensor", rows: NDArray[np.int64], device: "typed.device", dtype: "typed.dtype | None" = None
) -> "typed.Tensor":
    """Rows of an array, or of its copy on the device, as a tensor of nobody else's, where the model lies."""
    if is_tensor(array):
        return array[_torch.from_numpy(rows).to(device)].to(dtype=dtype)
    return _torch.from_numpy(np.asarray(array[rows])).to(device=device, dtype=dtype)


def at_hand(examples: Examples, device: "typed.device") -> Examples:
    """The examples, their arrays on the device where that has a memory of its own and they take little of it."""
    if not fits(sum(array.nbytes for array in (*examples.inputs, *examples.targets)), device):
        return examples

    def moved(array: Array) -> Any:
        return _torch.from_numpy(np.array(array)).to(device)

    return Examples(tuple(map(moved, examples.inputs)), tuple(map(moved, examples.targets)))


def fits(size: int, device: "typed.device") -> bool:
    """Whether so many bytes are little beside what is free on a GPU; never on the CPU, where arrays are as they are."""
    if device.type != "cuda" or size > RESIDENT:
        return False
    return 8 * size <= _torch.cuda.mem_get_info(device)[0]


def call_of(batch: Examples, example: Example, device: "typed.device") -> Ready:
    """A batch of arrays as what the model and the loss take."""
    inputs = [
        _torch.from_numpy(np.array(array)).to(device=device, dtype=tensor.dtype)
        for array, tensor in zip(batch.inputs, example.tensors, strict=True)
    ]
    targets = [_torch.from_numpy(np.array(array)).to(device) for array in batch.targets]
    return example.filled(inputs), example.target_of(targets)


def of_loader(
    loader: Iterable[Any], seed: int, unpack: Callable[[Any], Any], device: "typed.device"
) -> Generator[Ready]:
    """Batches of a loader, pass after pass, without end.

    Samplers and data sets that want to know are told which pass it is; closed, each is in the state it was in.
    """
    generators = Generators(seed, loader)
    counting = [holder for holder in _holders(loader) if hasattr(holder, "set_epoch")]
    with _as_before(counting):
        for number in count():
            for holder in counting:
                holder.set_epoch(number)
            batch = None
            for batch in _passed(generators, loader):
                yield unpacked(batch, unpack, device)
            if batch is None:
                raise DataError(
                    f"The loader gave no batch in its pass {number + 1}. Expected one that can be iterated again and "
                    "again, such as a DataLoader, or a list of batches: let its __iter__ start anew."
                )


def _passed(generators: Generators, loader: Iterable[Any]) -> Iterator[Any]:
    """The batches of a new pass over a loader."""
    if is_in_memory(loader):
        with named_data("The loader"):
            order, size = generators.fetch(lambda: order_of(loader)), batches_at_once(loader)
            while some := generators.fetch(lambda: list(islice(order, size))):
                yield from batches_of(loader, some)
        return
    batches = iterated(generators, loader)
    while (batch := fetched(generators, batches)) is not None:
        yield batch


def iterated(generators: Generators, loader: Iterable[T]) -> Iterator[T]:
    """A new pass over a loader.

    Raises:
        DataError: if the user's code of it fails.
    """
    with named_data("The loader"):
        return generators.fetch(lambda: iter(loader))


def fetched(generators: Generators, batches: Iterator[T]) -> T | None:
    """The next batch of a pass; None at its end.

    Raises:
        DataError: if the user's code of it fails.
    """
    with named_data("The loader"):
        return generators.fetch(lambda: next(batches, None))


def _holders(loader: object) -> list[Any]:
    """A loader and what it draws from, each once."""
    parts = (loader, *(getattr(loader, name, None) for name in ("sampler", "batch_sampler", "dataset")))
    nested: Any = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    return list({id(part): part for part in (*parts, nested) if part is not None}.values())


@contextmanager
def _as_before(holders: list[Any]) -> Generator[None]:
    """Within, objects may count passes; afterwards their attributes are those they had."""
    held: list[dict[str, Any]] = [vars(holder) for holder in holders if hasattr(holder, "__dict__")]
    kept = [dict(one) for one in held]
    try:
        yield
    finally:
        for now, before in zip(held, kept, strict=True):
            now.clear()
            now.update(before)


def _own_generators(loader: object) -> "list[typed.Generator]":
    """Generators that a loader or its samplers were made with."""
    found: list[Any] = [getattr(holder, "generator", None) for holder in _holders(loader)]
    return list({id(one): one for one in found if isinstance(one, _torch.Generator)}.values())


def unpacked(batch: Any, unpack: Callable[[Any], Any], device: "str | typed.device") -> Ready:
    """What a user's `unpack` makes of a batch, on the device.

    Raises:
        DataError: if it fails, or gives no pair.
    """
    try:
        inputs, target = unpack(batch)
    except AddcatError:
        raise
    except Exception as error:
        raise DataError(
            f"unpack fails on a batch of the loader, {shown(batch)}: {said(error)}. "
            "Expected (inputs, target), the inputs a tensor, a tuple of arguments or a dict of keyword arguments."
        ) from error

    def move(value: Any) -> Any:
        return value.to(device, non_blocking=True) if is_tensor(value) else value

    call = Example.of(inputs)
    moved = call.filled([move(tensor) for tensor in call.tensors])
    return moved, move(target) if is_tensor(target) else tree_map(move, target)


def shown(batch: object) -> str:
    """What a batch is, in a few words: its type, with the keys of a dict and the number of a list's parts."""
    name = type(batch).__name__
    if is_dict(batch):
        return f"a {name} of {', '.join(map(repr, batch)) or 'nothing'}"
    return f"a {name} of {len(batch)}" if is_list(batch) else f"a {name}"


def default_unpack(batch: object) -> tuple[Any, Any]:
    """The inputs and the target of a batch that is (x, y), or has several inputs before the target."""
    if is_list(batch) and len(batch) > 1:
        parts = [*batch]
        first = parts[0] if len(parts) == 2 and is_list(parts[0]) else parts[:-1]
        return tuple(first), parts[-1]
    raise TypeError(f"a batch is {type(batch).__name__}")
