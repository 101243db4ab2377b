"""Tensors: those in nested structures, and what torch counts of one."""

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard

from addcat.doors.torch.trees import tree_leaves
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()


@contextmanager
def unlogged() -> Generator[None]:
    """Within, torch does not log what it cannot do on tensors without numbers: it is then done in another way."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def is_tensor(value: object) -> TypeGuard["typed.Tensor"]:
    """Whether a value is a tensor of torch."""
    return isinstance(value, _torch.Tensor)


def tensors_in(tree: object) -> Iterator["typed.Tensor"]:
    """Every tensor in nested lists, tuples, dicts, dataclasses and registered classes."""
    return filter(is_tensor, tree_leaves(tree))


def version_of(tensor: "typed.Tensor") -> int:
    """How often a tensor was written into; 0 where torch does not count, for one that was made in inference mode."""
    try:
        return int(tensor._version)
    except RuntimeError:
        return 0


def storage_of(tensor: "typed.Tensor") -> int:
    """The same for all tensors on one memory."""
    try:
        return int(tensor.untyped_storage()._cdata)  # pyright: ignore[reportPrivateUsage]
    except (NotImplementedError, RuntimeError):  # sparse and other tensors without one
        return id(tensor)
