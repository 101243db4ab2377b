"""Tensors without numbers, with which a module's own code is run."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.recorder import Shell
from addcat.doors.torch.resizing import shapes_alone
from addcat.doors.torch.sizes import hint, symbolic
from addcat.doors.torch.tensors import unlogged
from addcat.frameworks import load

if TYPE_CHECKING:
    import torch as typed
    from torch._subclasses.fake_tensor import FakeTensorMode


@contextmanager
def symbols(mode: "FakeTensorMode | None") -> Generator[None]:
    """Within, kernels take symbolic sizes: torch's own composites are then taken apart in Python."""
    if mode is None:
        yield
        return
    dispatch: Any = load("torch._dispatch.python", extra="torch")
    with unlogged(), mode, dispatch.enable_python_dispatcher(), shapes_alone():
        yield


def example_like(
    leaf: "typed.Tensor | Shell", mode: "FakeTensorMode | None", open_axes: Callable[[int], bool] | None
) -> "typed.Tensor":
    """A tensor like one, or like a `Shell`: with symbols for its open axes, or, without a mode, with numbers."""
    tensor = leaf.empty() if isinstance(leaf, Shell) else leaf
    if mode is None or open_axes is None:
        return tensor.detach().clone()
    if is_fake(tensor):
        tensor = Shell(tuple(map(hint, tensor.shape)), tensor.dtype, tensor.device).empty()
    return symbolic(mode, tensor.detach(), open_axes=open_axes)


def is_fake(value: object) -> bool:
    """Whether a tensor has no numbers, as in an export."""
    fakes: Any = load("torch._subclasses.fake_tensor", extra="torch")
    return isinstance(value, fakes.FakeTensor)
