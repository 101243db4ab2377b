"""What a plain `nn.Module` is called with: torch keeps no shapes, so an example is given, or taken from data."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import numpy as np

from addcat.data.checks import as_array, native
from addcat.doors.torch.calls import Given
from addcat.doors.torch.tables import named_modules
from addcat.doors.torch.trees import tree_leaves, tree_map, tree_paths
from addcat.errors import ModelError
from addcat.frameworks import torch
from addcat.graph import Array

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()


@dataclass(frozen=True, slots=True)
class Example:
    """One call of a model.

    Attributes:
        args: By position; tensors among them, nested or not.
        kwargs: By name.
        target: Structure of the target that goes with it, True in the place of each tensor and False in that of
            None; None for one tensor, or a tuple of several.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    target: Any = None

    @staticmethod
    def of(given: object) -> "Example":
        """Understand `example_inputs`: a tuple of arguments, a dict of keyword arguments, or one tensor.

        Raises:
            ModelError: if there is no tensor among them.
        """
        if is_dict(given):
            example = Example((), dict(given))
        elif is_list(given):
            example = Example(tuple(given), {})
        else:
            example = Example((given,), {})
        if not example.is_flat:
            example = Example(*tree_map(_as_tensor, example.both))
        if not example.tensors:
            raise ModelError(
                f"example_inputs hold no tensor: {given!r}. Pass a tuple of what the model is called with, such as "
                "example_inputs=(torch.zeros(1, 3, 224, 224),), or a dict of keyword arguments."
            )
        return example

    @property
    def both(self) -> Given:
        """(args, kwargs)."""
        return self.args, self.kwargs

    @property
    def is_flat(self) -> bool:
        """Whether every argument is a tensor, nested in nothing: most calls are, and are filled at once."""
        return all(isinstance(value, _torch.Tensor) for value in (*self.args, *self.kwargs.values()))

    @property
    def tensors(self) -> "list[typed.Tensor]":
        """Every tensor, in order."""
        if self.is_flat:
            return [*self.args, *self.kwargs.values()]
        return [leaf for leaf in tree_leaves(self.both) if isinstance(leaf, _torch.Tensor)]

    @property
    def shapes(self) -> str:
        """Shapes of the tensors, in words."""
        return ", ".join(str(tuple(tensor.shape)) for tensor in self.tensors)

    @property
    def trouble(self) -> tuple[str, str]:
        """What is said where a module raises on it; see `addcat.doors.torch.raised.named`."""
        return f"on inputs of shape {self.shapes}", "Correct that, or give inputs that it takes."

    def filled(self, tensors: "Sequence[typed.Tensor]") -> "Example":
        """The same call with other tensors."""
        if self.is_flat:
            count = len(self.args)
            kwargs = dict(zip(self.kwargs, tensors[count:], strict=True))
            return Example(tuple(tensors[:count]), kwargs, self.target)
        queue = iter(tensors)

        def put(value: object) -> object:
            return next(queue) if isinstance(value, _torch.Tensor) else value

        args, kwargs = tree_map(put, self.both)
        return Example(args, kwargs, self.target)

    def target_of(self, tensors: "Sequence[typed.Tensor]") -> Any:
        """A target of these tensors, as the loss takes it."""
        if self.target is None:
            return tensors[0] if len(tensors) == 1 else tuple(tensors)
        queue = iter(tensors)

        def put(is_there: bool) -> "typed.Tensor | None":
            return next(queue) if is_there else None

        return tree_map(put, self.target)

    def names(self, model: "typed.nn.Module") -> list[str]:
        """A name for each tensor: of the parameter of `forward`, with keys and places of what is nested in it."""
        parameters = [
            p.name
            for p in inspect.signature(own_forward(model)).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        named = {
            **{parameters[i] if i < len(parameters) else f"input_{i}": value for i, value in enumerate(self.args)},
            **self.kwargs,
        }
        found: list[str] = []
        for path, leaf in tree_paths(named):
            if isinstance(leaf, _torch.Tensor):
                found.append(".".join(_key(key) for key in path))
        children = {name for name, _ in named_modules(model)}
        return [f"input_{name}" if name in children else name for name in found]


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether a value is a list or a tuple."""
    return isinstance(value, tuple | list)


def is_dict(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a value is a dict or like one."""
    return isinstance(value, Mapping)


def own_forward(model: "typed.nn.Module") -> Callable[..., Any]:
    """The `forward` that the user wrote, also of a module whose merges were switched."""
    cls: Any = model.__class__
    base: Any = getattr(cls, "_addcat_base", None)
    return model.forward if base is None else base.forward.__get__(model)


def _as_tensor(value: object) -> object:
    return tensor_of(cast("Array", value), "example input") if isinstance(value, np.ndarray) else value


def tensor_of(value: object, name: str) -> "typed.Tensor":
    """What a user gave as numbers, as a tensor.

    Args:
        value: An array or nested lists.
        name: What it is called in messages, such as "input".

    Raises:
        DataError: if it does not hold numbers.
    """
    array = np.asarray(value)
    return _torch.as_tensor(native(array) if array.dtype.kind == "c" else as_array(array, name))


def _key(key: object) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def array_of(tensor: "typed.Tensor") -> Array:
    """A tensor as an array on the host; bfloat16, which numpy does not know, as float32."""
    kept = tensor.detach()
    if kept.dtype == _torch.bfloat16:
        kept = kept.float()
    return kept.cpu().numpy()


def device_of(model: "typed.nn.Module") -> "typed.device":
    """Where a model lies: the device of its first parameter or buffer; the CPU where it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return _torch.device("cpu")


def example_of(example: Example, inputs: Sequence[Array], model: "typed.nn.Module") -> Example:
    """A call with these arrays, where the model lies and in the types of the example."""
    place = device_of(model)
    return example.filled(
        [
            _torch.from_numpy(np.array(array)).to(device=place, dtype=tensor.dtype)
            for array, tensor in zip(inputs, example.tensors, strict=True)
        ]
    )
