"""Nested structures as torch's pytrees know them, and dataclasses, which many use for what a model takes or gives.

A dataclass that nobody has registered is one leaf for torch. Here its fields are opened, and it is made again of other
ones, without registering a class of the user's.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from addcat.frameworks import load

if TYPE_CHECKING:
    from torch.utils._pytree import TreeSpec

_tree: Any = load("torch.utils._pytree", extra="torch")
Leaf = Callable[[Any], bool] | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Opened:
    """Stands for a dataclass while its structure is taken apart."""

    held: Any

    @property
    def kind(self) -> type[Any]:
        """The dataclass."""
        return self.held.__class__


def is_record(value: object) -> bool:
    """Whether a value is an object of a dataclass of the user's that holds nothing beside its fields."""
    kind = type(value)
    if not dataclasses.is_dataclass(kind) or kind.__module__.startswith("addcat."):  # what stands for tensors of ours
        return False
    names = fields_of(kind)
    return {*getattr(value, "__dict__", ())} <= {*names} and all(hasattr(value, name) for name in names)


def fields_of(kind: type[Any]) -> list[str]:
    """Names of the fields of a dataclass."""
    return [field.name for field in dataclasses.fields(kind)]


def parts_of(record: object) -> list[Any]:
    """What the fields of a dataclass's object hold."""
    return [getattr(record, name) for name in fields_of(type(record))]


def remade(kind: type[Any], *values: object) -> Any:
    """An object of a dataclass with these values in its fields, whatever its constructor does."""
    made: Any = object.__new__(kind)
    for name, value in zip(fields_of(kind), values, strict=True):
        object.__setattr__(made, name, value)  # of a frozen one too
    return made


def maker(kind: type[Any]) -> Callable[..., Any]:
    """`remade` of one dataclass, as a function that written code calls."""

    def made(*values: object) -> Any:
        return remade(kind, *values)

    return made


def tree_leaves(tree: object) -> list[Any]:
    """All values in a structure that hold no others."""
    return tree_flatten(tree)[0]


def tree_flatten(tree: object, is_leaf: Leaf = None) -> "tuple[list[Any], TreeSpec]":
    """All values in a structure, and the structure."""
    leaves, structure = _tree.tree_flatten(tree, is_leaf)
    if not any(_is_closed(leaf, is_leaf) for leaf in leaves):
        return leaves, structure
    return _tree.tree_flatten(_open(tree, is_leaf), is_leaf)


def tree_unflatten(leaves: list[Any], structure: "TreeSpec") -> Any:
    """A structure of other values."""
    return _tree.tree_unflatten(leaves, structure)


def tree_map(function: Callable[[Any], Any], tree: object, is_leaf: Leaf = None) -> Any:
    """The same structure, each value replaced."""
    leaves, structure = tree_flatten(tree, is_leaf)
    return tree_unflatten([function(leaf) for leaf in leaves], structure)


def tree_paths(tree: object) -> list[tuple[Any, Any]]:
    """All values with the keys, places and names of fields that lead to them."""
    return _tree.tree_flatten_with_path(_open(tree, None))[0]


def _is_closed(leaf: object, is_leaf: Leaf) -> bool:
    return is_record(leaf) and not (is_leaf is not None and is_leaf(leaf))


def _open(tree: object, is_leaf: Leaf) -> Any:
    def opened(leaf: object) -> object:
        return _Opened(leaf) if _is_closed(leaf, is_leaf) else leaf

    return _tree.tree_map(opened, tree, is_leaf=is_leaf)


def _values(one: _Opened) -> list[Any]:
    return [_open(part, None) for part in parts_of(one.held)]


def _taken_apart(one: _Opened) -> tuple[list[Any], type[Any]]:
    return _values(one), one.kind


def _with_names(one: _Opened) -> tuple[list[tuple[Any, Any]], type[Any]]:
    keys: list[Any] = [_tree.GetAttrKey(name) for name in fields_of(one.kind)]
    return list(zip(keys, _values(one), strict=True)), one.kind


def _made_again(values: Any, kind: type[Any]) -> Any:
    return remade(kind, *values)


_tree.register_pytree_node(_Opened, _taken_apart, _made_again, flatten_with_keys_fn=_with_names)
