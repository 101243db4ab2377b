"""Losses of a torch module, one value for each example: the user's own where it has such a form.

A loss of torch has `reduction="none"`. One that couples the examples of a batch (Dice over the batch, contrastive
losses) has no value for one example: each then counts with its batch's value, and only the seeds carry an interval.
"""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.data.scores import Form
from addcat.doors.torch.examples import is_dict, is_list
from addcat.doors.torch.raised import data_error, named_data
from addcat.errors import DataError, OptionError
from addcat.frameworks import torch
from addcat.graph import Array

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_nn: Any = _torch.nn

NONNEGATIVE = {
    *("CrossEntropyLoss", "BCELoss", "BCEWithLogitsLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"),
    *("cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss"),
    *("smooth_l1_loss", "huber_loss", "SoftMarginLoss", "MultiLabelSoftMarginLoss", "HingeEmbeddingLoss"),
}

LOGITS = ("CrossEntropyLoss", "cross_entropy", "BCEWithLogitsLoss", "binary_cross_entropy_with_logits")
LOGARITHMS = ("NLLLoss", "nll_loss")


@dataclass(frozen=True, slots=True)
class TorchLoss:
    """A loss, as a mean to train by and as values to judge by.

    Attributes:
        mean: Takes (output, target); gives a scalar: the user's own.
        values: Takes (output, target); gives one value or more for each example.
        name: As people write it.
        coupled: Whether it has no value for one example.
    """

    mean: Callable[[Any, Any], "typed.Tensor"]
    values: Callable[[Any, Any], "typed.Tensor"]
    name: str
    coupled: bool = False

    def constant(self, value: "typed.Tensor") -> "typed.Tensor":
        """A number as an output that the loss takes: a probability, or the logarithm of one, where it wants that."""
        if self.name in ("BCELoss", "binary_cross_entropy"):
            return value.sigmoid()
        if self.name in LOGARITHMS:
            return value.log_softmax(0)
        return value

    @property
    def form(self) -> Form:
        """How the output is to be read; a function of the user's own does not say."""
        ignored = getattr(self.mean, "ignore_index", -100) if self.name in (*LOGITS[:2], *LOGARITHMS) else None
        if self.name in LOGITS:
            return Form("logit", 1, ignored)
        if self.name in LOGARITHMS:
            return Form("log", 1, ignored)
        return Form("identity" if self.name in NONNEGATIVE else "", 1)

    def trained(self, output: Any, target: Any) -> "typed.Tensor":
        """The scalar to train by."""
        try:  # of every step: a context would cost more
            return self.mean(plain(output), target)
        except Exception as error:
            raise data_error(f"The loss {self.name}", error) from error

    def per_example(self, output: Any, target: Any, examples: int) -> "typed.Tensor":
        """Loss of each example, of shape (examples,)."""
        with named_data(f"The loss {self.name}"):
            found = self.values(plain(output), target)
        if self.coupled or found.ndim == 0:
            return found.mean().expand(examples)
        if found.shape[0] == examples:
            return found.reshape(examples, -1).mean(1)
        if found.numel() % examples == 0:  # positions laid out one after the other, as for language models
            return found.reshape(examples, -1).mean(1)
        raise DataError(
            f"{self.name} gives {tuple(found.shape)} values for {examples} examples. "
            "Give a loss with one value or more for each."
        )


def plain(output: Any) -> Any:
    """What a loss takes: the `logits` of an output object, the one tensor of a list, tuple or dict, else the output."""
    if isinstance(output, _torch.Tensor):
        return output
    if hasattr(output, "logits"):
        return output.logits
    if is_list(output) and len(output) == 1:
        return output[0]
    if is_dict(output) and len(output) == 1:
        return next(iter(output.values()))
    return output


def resolve(loss: Any, output: Any, targets: tuple[Array, ...]) -> tuple[TorchLoss, str]:
    """Understand the loss that was given, or take the one that the targets suggest.

    Args:
        loss: A module or function of (output, target), or None.
        output: What the model gives for an example.
        targets: Arrays of the data.

    Returns:
        The loss, and words on where it comes from.

    Raises:
        OptionError: if it is not callable.
        DataError: if there is none and the targets suggest none.
    """
    if loss is None:
        return _suggested(plain(output), targets)
    if not callable(loss):
        raise OptionError(f"loss={loss!r} is not a loss of torch. Expected a module or function of (output, target).")
    found = _understood(loss)
    coupled = "; it has no value for one example, so pairs of seeds alone carry the interval" if found.coupled else ""
    return found, f"{found.name}, given{coupled}"


def _understood(loss: Any) -> TorchLoss:
    name = str(getattr(loss, "__name__", type(loss).__name__))
    if isinstance(loss, _nn.Module) and hasattr(loss, "reduction"):
        alone = copy.copy(loss)
        alone.reduction = "none"
        return TorchLoss(loss, alone, name)
    try:
        takes = "reduction" in inspect.signature(loss).parameters
    except (TypeError, ValueError):  # a builtin
        takes = False
    if takes:
        return TorchLoss(loss, partial(loss, reduction="none"), name)

    def mean(output: Any, target: Any) -> "typed.Tensor":
        return loss(output, target).mean()

    return TorchLoss(mean, loss, name, coupled=not getattr(loss, "per_example", False))


def _suggested(output: Any, targets: tuple[Array, ...]) -> tuple[TorchLoss, str]:
    if len(targets) == 1 and isinstance(output, _torch.Tensor):
        target = targets[0]
        if np.issubdtype(target.dtype, np.integer) and output.ndim > 1 and output.shape[1] > 1:
            return _understood(_nn.CrossEntropyLoss()), "CrossEntropyLoss, which whole numbers as targets suggest"
        if np.issubdtype(target.dtype, np.floating) and tuple(target.shape[1:]) == tuple(output.shape[1:]):
            return _understood(_nn.MSELoss()), "MSELoss, which targets like the output suggest"
    shapes = ", ".join(str(target.shape) for target in targets)
    raise DataError(
        f"The targets, of shape {shapes}, suggest no loss. Pass loss=, such as torch.nn.CrossEntropyLoss()."
    )


def lowest(loss: TorchLoss) -> float:
    """The least that a loss can be, as far as is known."""
    return 0.0 if loss.name in NONNEGATIVE else float("-inf")
