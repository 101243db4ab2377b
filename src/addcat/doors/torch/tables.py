"""What a module holds, as torch keeps it: its tables of parameters, buffers and children, which have no public names.

A public way would leave out what is None, and would look into the children too.
"""

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch as typed


def named_modules(model: "typed.nn.Module") -> Iterable[tuple[str, "typed.nn.Module"]]:
    """The module and all in it, each once, with their paths; torch does not say the types of them."""
    return model.named_modules()  # pyright: ignore[reportUnknownVariableType]


@contextmanager
def without(module: "typed.nn.Module", names: Collection[str]) -> Generator[None]:
    """Within, a module has none of these children: code that goes through all of them meets those alone it knows."""
    table = children_of(module)
    whole = dict(table)
    for name in names:
        table.pop(name, None)
    left = dict(table)
    try:
        yield
    finally:
        if table == left:  # in their order
            table.clear()
            table.update(whole)
        else:
            table.update({name: whole[name] for name in names if name in whole})


def parameters_of(module: "typed.nn.Module") -> "dict[str, typed.nn.Parameter | None]":
    """Its own parameters by name; None for one that it was made without, such as a bias."""
    return module._parameters  # pyright: ignore[reportPrivateUsage]


def buffers_of(module: "typed.nn.Module") -> "dict[str, typed.Tensor | None]":
    """Its own buffers by name."""
    return module._buffers  # pyright: ignore[reportPrivateUsage]


def children_of(module: "typed.nn.Module") -> "dict[str, typed.nn.Module | None]":
    """Its own children by name."""
    return module._modules  # pyright: ignore[reportPrivateUsage]
