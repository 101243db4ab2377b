"""Losses of a torch module, one value for each example: the user's own where it has such a form.

A loss of torch has `reduction="none"`. One that couples the examples of a batch (Dice over the batch, contrastive
losses) has no value for one example: each then counts with its batch's value, and only the seeds carry an interval.
"""

import copy
import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.data.scores import Form
from addcat.doors.torch.devices import drawn_alike
from addcat.doors.torch.examples import is_dict, is_list
from addcat.doors.torch.meeting import Meeting
from addcat.doors.torch.raised import data_error
from addcat.doors.torch.stream import shown
from addcat.doors.torch.tensors import is_tensor, tensors_in
from addcat.doors.torch.trees import tree_map
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
        mean: Takes (output, target); gives what is trained by, or what has it as its mean: the user's own.
        values: Takes (output, target); gives one value or more for each example.
        name: As people write it.
        coupled: Whether it has no value for one example.
        whole: Whether it takes what the model gives as it is, and not the one tensor in it.
    """

    mean: Callable[[Any, Any], "typed.Tensor"]
    values: Callable[[Any, Any], "typed.Tensor"]
    name: str
    coupled: bool = False
    whole: bool = False

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
        ignored = None
        if self.name in (*LOGITS[:2], *LOGARITHMS):
            kept: dict[str, Any] = getattr(self.mean, "keywords", {})  # of a partial
            ignored = kept.get("ignore_index", getattr(self.mean, "ignore_index", -100))
        if self.name in LOGITS:
            return Form("logit", 1, ignored)
        if self.name in LOGARITHMS:
            return Form("log", 1, ignored)
        return Form("identity" if self.name in NONNEGATIVE else "", 1)

    def taken(self, output: Any) -> Any:
        """What it takes of what the model gives."""
        return output if self.whole else plain(output)

    def trained(self, output: Any, target: Any) -> "typed.Tensor":
        """The scalar to train by."""
        found = self._asked(self.mean, output, target)
        return found if found.ndim == 0 else found.mean()

    def _asked(self, function: Callable[[Any, Any], Any], output: Any, target: Any) -> "typed.Tensor":
        try:  # of every step: a context would cost more
            found = function(self.taken(output), target)
        except Exception as error:
            raise data_error(f"The loss {self.name}", error) from error
        if isinstance(found, _torch.Tensor):
            return found
        raise DataError(
            f"The loss {self.name} gives {shown(found)}. Expected a tensor: one number for a batch, or one or more for "
            "each example. Of several losses give the sum, as torch computes it."
        )

    def per_example(self, output: Any, target: Any, examples: int) -> "typed.Tensor":
        """Loss of each example, of shape (examples,)."""
        found = self._asked(self.values, output, target)
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
    """What a loss of torch takes: the `logits` of an output, the one tensor in a list, tuple or dict, else it."""
    if isinstance(output, _torch.Tensor):
        return output
    if hasattr(output, "logits"):
        return output.logits
    if is_dict(output) and "logits" in output:
        return output["logits"]
    if is_list(output) and len(output) == 1:
        return output[0]
    if is_dict(output) and len(output) == 1:
        return next(iter(output.values()))
    return output


def resolve(loss: Any, output: Any, targets: tuple[Array, ...], target: Any = None) -> tuple[TorchLoss, str]:
    """Understand the loss that was given, or take the one that the targets suggest.

    Args:
        loss: A module or function of (output, target), or None.
        output: What the model gives for some examples.
        targets: Arrays of the data.
        target: As the loss takes it, of as many examples as the output: the loss is then tried on them.

    Returns:
        The loss, and words on where it comes from.

    Raises:
        OptionError: if it is not callable.
        DataError: if there is none and the targets suggest none; or it cannot be trained by (see `_tried`).
    """
    if loss is None:
        return _suggested(plain(output), targets)
    if isinstance(loss, type):
        name = loss.__name__
        raise OptionError(f"loss={name} is a class, not a loss. Pass one that is made: loss={name}().")
    if not callable(loss):
        raise OptionError(
            f"loss={loss!r} is not a loss of torch. Expected a module or function of (output, target), such as "
            "torch.nn.CrossEntropyLoss(); on the command line torch.nn:CrossEntropyLoss."
        )
    found = _understood(loss)
    if target is not None:
        found = _tried(found, output, target)
    coupled = "; it has no value for one example, so pairs of seeds alone carry the interval" if found.coupled else ""
    return found, f"{found.name}, given{coupled}"


def _understood(loss: Any) -> TorchLoss:
    name = str(getattr(_inner(loss), "__name__", type(loss).__name__))
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
    return TorchLoss(loss, loss, name, coupled=not getattr(loss, "per_example", False))


def _inner(function: Any) -> Any:
    """The function that a partial calls."""
    partials: tuple[type[Any], ...] = (partial,)
    return function.func if isinstance(function, partials) else function


def _is_torchs(function: Any) -> bool:
    """Whether a loss is torch's own, which takes one tensor."""
    inner = _inner(function)
    place: Any = inner.__class__ if isinstance(inner, _nn.Module) else inner
    return str(getattr(place, "__module__", None) or "torch").partition(".")[0] == "torch"


def _tried(loss: TorchLoss, output: Any, target: Any) -> TorchLoss:
    """A loss after it was called once; as it is where that fails, which is said when it is needed.

    A function of the user's own is given what the model gives, and the one tensor in it only where it does not take
    the whole: who labels a batch for the model takes the loss out of what that gives.

    Raises:
        DataError: if it gives no tensor, one without a gradient, or holds every output against every target.
    """
    outputs, targets = ([leaf.detach().clone() for leaf in tensors_in(part)] for part in (output, target))
    for leaf in outputs:
        leaf.requires_grad_(leaf.is_floating_point() or leaf.is_complex())
    queue = iter(outputs)
    given = tree_map(lambda leaf: next(queue) if is_tensor(leaf) else leaf, output)
    queue = iter(targets)
    aim = tree_map(lambda leaf: next(queue) if is_tensor(leaf) else leaf, target)
    own = plain(output) is not output and not _is_torchs(loss.mean)
    candidates = [replace(loss, whole=whole) for whole in ((True, False) if own else (False,))]
    for candidate in candidates:
        meeting, value = Meeting(outputs, targets), None
        with suppress(Exception), drawn_alike(), _torch.enable_grad(), meeting:
            value = candidate.mean(candidate.taken(given), aim)
        if meeting.words:
            raise DataError(f"The loss {loss.name} {meeting.words}")
        if is_tensor(value) and not value.requires_grad and outputs:
            raise DataError(
                f"The loss {loss.name} gives a number without a gradient, by which nothing can be trained. Compute it "
                "of the output by torch's functions, without detach(), item(), argmax, numpy or no_grad."
            )
        if value is not None:
            return candidate
    return candidates[0]  # what it raises is said where it is called in earnest


def _suggested(output: Any, targets: tuple[Array, ...]) -> tuple[TorchLoss, str]:
    if len(targets) == 1 and isinstance(output, _torch.Tensor):
        target = targets[0]
        if np.issubdtype(target.dtype, np.integer) and output.ndim > 1 and output.shape[1] > 1:
            return _understood(_nn.CrossEntropyLoss()), "CrossEntropyLoss, which whole numbers as targets suggest"
        if np.issubdtype(target.dtype, np.floating) and tuple(target.shape[1:]) == tuple(output.shape[1:]):
            return _understood(_nn.MSELoss()), "MSELoss, which targets like the output suggest"
    shapes = ", ".join(str(target.shape) for target in targets)
    raise DataError(
        f"The targets, of shape {shapes}, suggest no loss. Pass loss= (--loss), such as torch.nn.CrossEntropyLoss()."
    )


def lowest(loss: TorchLoss) -> float:
    """The least that a loss can be, as far as is known."""
    return 0.0 if loss.name in NONNEGATIVE else float("-inf")
