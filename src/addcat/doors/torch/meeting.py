"""Where an output and a target meet that have as many numbers in other shapes, torch spreads them without a word.

An output of shape (n, 1) less a target of shape (n,) is a square of all outputs against all targets: its mean is lowest
where every output is the mean of the targets, so a network trained by it learns nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.calls import function_word
from addcat.doors.torch.tensors import is_tensor, storage_of
from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed
    from torch.overrides import TorchFunctionMode as Mode
else:
    Mode = load("torch.overrides", extra="torch").TorchFunctionMode

_torch: Any = torch()
SPREAD = {
    *("add", "sub", "mul", "div", "rsub", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss"),
    *("gaussian_nll_loss", "eq", "dist", "pow", "maximum", "minimum", "where"),
}
"""Functions that compute number by number of two tensors, and spread what does not fit."""


class Meeting(Mode):
    """Sees what a loss does with an output and a target.

    Args:
        outputs: Tensors of the output.
        targets: Tensors of the target.

    Attributes:
        words: What is wrong with it, as the sentence of the loss goes on; "" where nothing is.
    """

    def __init__(self, outputs: "Sequence[typed.Tensor]", targets: "Sequence[typed.Tensor]") -> None:
        super().__init__()
        self._sides = [
            ({storage_of(one) for one in side}, {tuple(one.shape) for one in side}) for side in (outputs, targets)
        ]
        self._kept: list[typed.Tensor] = []
        self.words = ""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a torch function, and look at what it was given."""
        found = func(*args, **(kwargs or {}))
        given = [value for value in (*args, *(kwargs or {}).values()) if is_tensor(value)]
        if len(given) == 1 and is_tensor(found) and found.shape == given[0].shape:
            self._follow(given[0], found)
        elif function_word(func) in SPREAD and len(given) > 1:
            self._look(given[0], given[1])
        return found

    def _follow(self, source: "typed.Tensor", found: "typed.Tensor") -> None:
        """What has the shape of its one source is on the same side: another type, a sigmoid."""
        self._kept.append(found)  # a storage is used again once its tensor is gone
        for storages, _ in self._sides:
            if storage_of(source) in storages:
                storages.add(storage_of(found))

    def _look(self, one: "typed.Tensor", other: "typed.Tensor") -> None:
        for output, target in ((one, other), (other, one)):
            if not (self._is(0, output) and self._is(1, target)) or output.numel() != target.numel():
                continue
            spread = _torch.broadcast_shapes(output.shape, target.shape)
            if spread.numel() > output.numel():
                self.words = (
                    f"holds an output of shape {tuple(output.shape)} against a target of shape {tuple(target.shape)}, "
                    f"which torch spreads to {tuple(spread)}: every output against every target. Give both one shape: "
                    "target.unsqueeze(1) in unpack, y[:, None] of arrays, or output.squeeze(1) in forward."
                )

    def _is(self, side: int, tensor: "typed.Tensor") -> bool:
        storages, shapes = self._sides[side]
        return storage_of(tensor) in storages and tuple(tensor.shape) in shapes
