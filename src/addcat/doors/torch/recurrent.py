"""A recurrent layer of tensors without numbers is asked for its shapes alone, which do not ask for a step through time.

On fake tensors torch composes it of its cells in Python, one step after the other: seconds for each step of a sequence,
where sizes are symbols. What torch checks of sizes it checks before.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.tensors import is_tensor
from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_kernels: Any = load("torch._VF", extra="torch")
Kernel = Callable[..., Any]

LAYERS = ("gru", "lstm", "rnn_tanh", "rnn_relu")
CELLS = ("gru_cell", "lstm_cell", "rnn_tanh_cell", "rnn_relu_cell")


@contextmanager
def stepless() -> Generator[None]:
    """Within, recurrent layers of tensors without numbers give tensors of their shapes; others as ever."""
    held: dict[str, Any] = _kernels.__dict__
    before: dict[str, Any] = {name: held.get(name) for name in (*LAYERS, *CELLS)}  # of a recording around this one
    for name in before:
        setattr(_kernels, name, _of_shape(getattr(_kernels, name), _layer if name in LAYERS else _cell))
    try:
        yield
    finally:
        for name, kernel in before.items():
            if kernel is None:
                delattr(_kernels, name)  # the module looks its kernels up where it has none of its own
            else:
                setattr(_kernels, name, kernel)


def _of_shape(kernel: Kernel, shaped: Kernel) -> Kernel:
    fakes: Any = load("torch._subclasses.fake_tensor", extra="torch")

    def run(*args: Any) -> Any:
        found = shaped(*args) if isinstance(args[0], fakes.FakeTensor) else None
        return kernel(*args) if found is None else found

    return run


def _layer(value: "typed.Tensor", state: Any, _: Any, has_biases: object, *settings: Any) -> Any:
    """What a layer gives; None for a packed sequence, whose fourth argument is the list of its weights."""
    if not isinstance(has_biases, bool):
        return None
    *_, bidirectional, batch_first = settings
    states = [state] if is_tensor(state) else list(state)
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    first, second = value.shape[0], value.shape[1]
    if batch_first:  # as it lies in memory: by steps
        out = value.new_empty((second, first, width)).transpose(0, 1)
    else:
        out = value.new_empty((first, second, width))
    return (out, *map(_torch.empty_like, states))


def _cell(_: object, state: Any, *__: object) -> Any:
    """What a cell gives: its states."""
    return _torch.empty_like(state) if is_tensor(state) else tuple(_torch.empty_like(one) for one in state)
