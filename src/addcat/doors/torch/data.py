"""A user's data as torch has them: what they call the model with, and a part of them in memory to measure on.

A loader is never read whole: arms train on the loader itself, and a bounded number of its examples is kept for the
methods that look at activations and for the held-out losses.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.data import as_dataset
from addcat.data.dataset import Inputs
from addcat.data.examples import Examples
from addcat.doors.torch.examples import Example, array_of, is_dict, is_list, own_forward, tensor_of
from addcat.doors.torch.stream import Generators, default_unpack, fetched, iterated, shown, unpacked
from addcat.doors.torch.tensors import is_tensor, tensors_in
from addcat.doors.torch.trees import tree_leaves, tree_map
from addcat.errors import DataError, OptionError
from addcat.frameworks import torch
from addcat.graph import Array
from addcat.report.rows import counted

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()

MOST_EXAMPLES = 4096
MOST_BYTES = 2**30
"""Of a loader, so much is kept in memory at the most; more would narrow an interval little."""
Unpack = Callable[[Any], Any] | None


def is_loader(data: object) -> bool:
    """Whether data come in batches that can be iterated again and again, as a DataLoader's do."""
    if isinstance(data, Examples | tuple | str | bytes) or is_dict(data) or hasattr(data, "shape"):
        return False
    return hasattr(data, "__iter__") and not hasattr(data, "__next__")


def require_data(data: object, name: str) -> None:
    """Refuse what is neither arrays nor a loader.

    Args:
        data: What the user gave.
        name: Of the argument.

    Raises:
        DataError: if it can be iterated once, or holds examples and no batches.
    """
    what = f"{name} is {shown(data)}"
    if hasattr(data, "__next__"):
        raise DataError(
            f"{what}, which can be iterated once, and every run iterates it anew. Pass a DataLoader, or a list of the "
            "batches."
        )
    if hasattr(data, "__getitem__") and not (hasattr(data, "__iter__") or hasattr(data, "shape")):
        raise DataError(
            f"{what}, which gives examples one by one. Pass a loader of it: "
            "torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)."
        )
    if isinstance(data, str | bytes) or not any(hasattr(data, one) for one in ("__iter__", "shape", "inputs")):
        raise DataError(f"{what}. Expected (x, y), or a loader of batches.")


@dataclass(frozen=True, slots=True)
class Unpacking:
    """Takes batches apart where nothing is said of them.

    Attributes:
        takes: Parameters of the model's forward: what a dict holds goes by their names.
    """

    takes: tuple[inspect.Parameter, ...]

    def __call__(self, batch: object) -> tuple[Any, Any]:
        """The inputs and the target of a batch.

        Raises:
            DataError: if it is not (x, y), or has more inputs than forward takes.
        """
        if not (is_list(batch) and len(batch) > 1):
            raise DataError(
                f"A batch of the loader is {shown(batch)}, expected (x, y). Say what is in it: "
                'unpack=lambda batch: ((batch["image"],), batch["mask"]); on the command line, --unpack '
                "package.module:function."
            )
        inputs, target = default_unpack(batch)
        if len(inputs) == 1 and is_dict(inputs[0]) and goes_by_name(self.takes, inputs[0]):
            return inputs[0], target
        self._require_taken(batch, len(inputs))
        return inputs, target

    def _require_taken(self, batch: object, count: int) -> None:
        """Check that forward takes so many inputs by their places; what is behind them may be weights, or a length."""
        if not self.takes or any(p.kind == p.VAR_POSITIONAL for p in self.takes):
            return
        most = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in self.takes)
        if count > most:
            raise DataError(
                f"A batch of the loader is {shown(batch)}; all but the last are taken for inputs, and forward takes "
                f"{most}. Say what is in it: unpack=lambda batch: (batch[0], batch[1]), or (batch[0], (batch[1], "
                "batch[2])) for a loss= that takes both; on the command line, --unpack package.module:function."
            )


def goes_by_name(takes: Sequence[inspect.Parameter], named: Mapping[str, Any]) -> bool:
    """Whether a dict holds arguments by their names, and is not the one argument itself."""
    one = len([p for p in takes if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]) == 1
    return not (one and takes[0].name not in named)


def unpacking(model: "typed.nn.Module", unpack: Unpack) -> Callable[[Any], Any]:
    """What takes a batch apart: the user's own function, else by what the model takes."""
    return unpack or Unpacking(tuple(inspect.signature(own_forward(model)).parameters.values()))


def first_call(model: "typed.nn.Module", data: Any, unpack: Unpack, *, rows: int = 2) -> Example:
    """What the data call the model with: taken from their first examples.

    Args:
        model: The module.
        data: A loader, or arrays; arrays of numpy that hold real numbers become the module's own kind of them.
        unpack: What a batch of a loader holds.
        rows: Examples to take of arrays.

    Raises:
        DataError: if they are empty, or no inputs are found in them.
    """
    require_data(data, "data")
    if is_loader(data):
        generators = Generators(0, data)
        batch = fetched(generators, iterated(generators, data))
        if batch is None:
            raise DataError("The data are empty: the loader gave no batch. Pass at least one.")
        return unpacked(batch, unpacking(model, unpack), "cpu")[0]
    return _of_arrays(model, data[0] if is_list(data) and len(data) == 2 else data, rows)


def _of_arrays(model: "typed.nn.Module", inputs: object, rows: int) -> Example:
    real = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)

    def few(value: object) -> "typed.Tensor":
        if is_tensor(value):
            return value[:rows]
        tensor: typed.Tensor = tensor_of(np.asarray(value)[:rows], "input")
        return tensor.to(real) if real is not None and tensor.is_floating_point() else tensor

    if is_dict(inputs):
        named = {name: few(value) for name, value in inputs.items()}
        takes = list(inspect.signature(own_forward(model)).parameters.values())
        return Example((), named) if goes_by_name(takes, named) else Example((named,), {})
    if is_list(inputs) and all(hasattr(part, "shape") for part in inputs):
        return Example(tuple(few(part) for part in inputs), {})
    return Example((few(inputs),), {})


def first_inputs(inputs: Inputs, data: Any, most: int, unpack: Unpack) -> tuple[list[Array], ...]:
    """Inputs of the first batches of data; all generators are where they were afterwards.

    Args:
        inputs: Name and shape of each, in the model's order.
        data: A loader, or what else `as_dataset` takes.
        most: Batches at the most.
        unpack: What a batch of a loader holds.

    Raises:
        DataError: if they do not fit.
        OptionError: if there are no batches to take apart.
    """
    if unpack is not None and not is_loader(data):
        raise OptionError(f"unpack= takes batches of a loader apart, and data is {shown(data)}. Leave it out.")
    generators = Generators(0, data)
    if unpack is None:
        return generators.fetch(lambda: tuple(_by_name(inputs, data, most)))
    found: list[list[Array]] = []
    batches = iterated(generators, data)
    while len(found) < most and (batch := fetched(generators, batches)) is not None:
        found.append([array_of(tensor) for tensor in unpacked(batch, unpack, "cpu")[0].tensors])
        if len(found[-1]) != len(inputs):
            few, many = counted(len(found[-1]), "input"), counted(len(inputs), "tensor")
            raise DataError(f"The data have {few}, the model is called with {many}.")
    return tuple(found)


def _by_name(inputs: Inputs, data: Any, most: int) -> Iterator[list[Array]]:
    """Inputs of batches that say themselves which they are."""
    if hasattr(data, "dataset") and is_dict(batch := next(iter(data), None)) and {*batch} != {n for n, _ in inputs}:
        Unpacking(())(batch)  # says what it is
    yield from (list(batch.inputs) for batch in islice(as_dataset(data, inputs=inputs), most))


@dataclass(frozen=True, slots=True)
class Sampled:
    """The first examples of a loader's pass.

    Attributes:
        examples: In memory.
        batch: How many are in its first batch.
        batches: Of the pass; None where it went on.
        target: Structure of a target; see `addcat.doors.torch.examples.Example`.
    """

    examples: Examples
    batch: int
    target: Any
    batches: int | None = None


def sampled(loader: Iterable[Any], unpack: Unpack, *, seed: int) -> Sampled:
    """The first examples of a loader's pass, in memory.

    Args:
        loader: Batches.
        unpack: What a batch holds.
        seed: Of its order and augmentation.

    Raises:
        DataError: if batches differ in shape, or the target holds something else than tensors.
    """
    generators = Generators(seed, loader)
    batches = iterated(generators, loader)
    kept: list[list[Array]] = []
    count = size = inputs = 0
    structure: Any = None
    ended = False
    while count < MOST_EXAMPLES and size < MOST_BYTES:
        batch = fetched(generators, batches)
        if ended := batch is None:
            break
        call, target = unpacked(batch, unpack or Unpacking(()), "cpu")
        targets = list(tensors_in(target))
        structure = structure_of(target)
        _require_rows(call.tensors, targets)
        kept.append([array_of(tensor) for tensor in (*call.tensors, *targets)])
        inputs = len(call.tensors)
        count += len(kept[-1][0])
        size += sum(array.nbytes for array in kept[-1])
    if not kept:
        raise DataError("The data are empty: the loader gave no batch. Pass at least one.")
    shapes = {tuple(array.shape[1:] for array in arrays) for arrays in kept}
    if len(shapes) > 1:
        raise DataError(
            f"Batches of the loader differ in shape: {', '.join(map(str, sorted(shapes)[:3]))}. "
            "Pad or crop the examples to one size in its collate_fn."
        )
    columns = [np.concatenate([arrays[place] for arrays in kept]) for place in range(len(kept[0]))]
    examples = Examples(tuple(columns[:inputs]), tuple(columns[inputs:]))
    return Sampled(examples, len(kept[0][0]), structure, len(kept) if ended else None)


def _require_rows(inputs: "Sequence[typed.Tensor]", targets: "Sequence[typed.Tensor]") -> None:
    """Refuse a batch of which nobody can say which rows belong to one example, such as one of graphs.

    Raises:
        DataError: if its tensors differ in their number of rows.
    """
    sizes = [[len(tensor) for tensor in part if tensor.ndim] for part in (inputs, targets)]
    if len({*sizes[0], *sizes[1]}) > 1:
        given, aims = (" and ".join(map(str, part)) for part in sizes)
        raise DataError(
            f"A batch of the loader has inputs of {given} rows and targets of {aims}, and every example is a row of "
            "each. Pad graphs and sets to one size, an example a row; else compare by your own training: "
            "compare(build, train=train), on the command line addcat compare mine:build --train mine:train."
        )


def structure_of(target: object) -> Any:
    """Structure of a target, None for one tensor or a tuple of several.

    Raises:
        DataError: if it holds something else than tensors, which would be another thing for each batch.
    """
    leaves: list[object] = tree_leaves(target)
    other = next((leaf for leaf in leaves if leaf is not None and not is_tensor(leaf)), None)
    if other is not None:
        inside = "" if other is target else f" that holds {shown(other)}"
        raise DataError(
            f"The target of a batch is {shown(target)}{inside}. Expected a tensor, or a list, tuple or dict of them. "
            "Let unpack give what the loss takes, and that alone."
        )
    if not any(map(is_tensor, leaves)):
        raise DataError(
            f"The target of a batch is {'None' if target is None else shown(target)}. Expected a tensor, or a list, "
            "tuple or dict of them. A loss that needs none is given one all the same, with a row for each example, "
            "such as torch.zeros(len(x))."
        )
    return None if leaves[0] is target else tree_map(is_tensor, target)


def examples_of(data: Any, example: Example) -> Examples:
    """Arrays or tensors (x, y), in the order in which the model's tensors come."""
    x, y = data
    arrays, targets = (
        [array_of(leaf if is_tensor(leaf) else tensor_of(leaf, name)) for leaf in _leaves(part)]
        for part, name in ((x, "input"), (y, "target"))
    )
    if len(arrays) != len(example.tensors):
        few, many = counted(len(arrays), "input"), counted(len(example.tensors), "tensor")
        raise DataError(f"The data have {few}, the model is called with {many}.")
    return Examples(tuple(arrays), tuple(targets))


def _leaves(value: object) -> "list[Array | typed.Tensor]":
    if is_dict(value):
        return [part if is_tensor(part) else np.asarray(part) for part in value.values()]
    if is_list(value) and value and all(hasattr(part, "shape") for part in value):
        return [*value]
    return [value if is_tensor(value) else np.asarray(value)]
