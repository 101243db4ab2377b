"""What a module's own code sees that may be another thing at the next call: written anew, the code would not see it.

Values of tensors that depend on the inputs, on weights that are trained or on draws; and what Python's and numpy's
generators give. What a module inside draws stays that module's.
"""

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.doors.torch.calls import function_word
from addcat.doors.torch.edits import Unwritable
from addcat.doors.torch.tensors import tensors_in

if TYPE_CHECKING:
    import torch as typed

DRAWS = "draws numbers from Python's or numpy's generators"
"""How the sentence of a module goes on."""
VALUES = {"item", "tolist", "numpy", "is_nonzero", "equal", "allclose"}
CONVERSIONS = {*("__bool__", "__int__", "__float__", "__complex__", "__index__", "__contains__", "__array__")}
"""Python's own, whatever torch's methods of these names do: `x.float()` is a tensor still."""
PICKING = {"nonzero", "argwhere", "masked_select", "unique", "unique_consecutive"}
RANDOM = {
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "bernoulli", "normal"),
    *("uniform", "exponential", "cauchy", "geometric", "log_normal", "random", "multinomial", "poisson", "binomial"),
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu"),
}


def reads_value(function: object) -> bool:
    """Whether a torch function gives Python a value of a tensor: what the code does next may depend on it.

    Examples:
        >>> from addcat.frameworks import torch
        >>> kind = torch().Tensor
        >>> [reads_value(function) for function in (kind.item, kind.__float__, kind.float)]
        [True, True, False]
    """
    return getattr(function, "__name__", "") in CONVERSIONS or function_word(function) in VALUES


def counts_values(function: object, args: tuple[Any, ...]) -> bool:
    """Whether a torch function gives as many numbers as a tensor has values of a kind.

    Examples:
        >>> from addcat.frameworks import torch
        >>> x = torch().ones(3)
        >>> [counts_values(torch().Tensor.__getitem__, (x, part)) for part in (x > 0, x.long(), 1)]
        [True, False, False]
    """
    word = function_word(function)
    if word == "getitem":
        return any(str(getattr(one, "dtype", "")) == "torch.bool" for one in tensors_in(args[1:]))
    return word in PICKING or (word == "where" and len(args) == 1)


def asks_size(function: object) -> bool:
    """Whether a torch function gives Python a size of a tensor."""
    word = function_word(function)
    attribute: Any = getattr(function, "__self__", None)
    return word in ("size", "numel", "nelement", "len") or (word == "attribute" and attribute.__name__ == "shape")


class Draws:
    """Notices draws from Python's and numpy's global generators."""

    def __init__(self) -> None:
        self._last = _state()

    def went_on(self) -> bool:
        """Whether something was drawn since the last time this was asked."""
        before, self._last = self._last, _state()
        return before != self._last


class Varying:
    """Refuses code of one module that would be written down for one of the values that it may see.

    Args:
        owner: The module.

    Attributes:
        draws: Since its code began, or a module inside ended.
    """

    def __init__(self, owner: "typed.nn.Module") -> None:
        self._trained = {name for name, one in owner.named_parameters(remove_duplicate=False) if one.requires_grad}
        self.draws = Draws()

    def require_settled(self, word: str, read: "list[tuple[typed.fx.Node | None, str | None]]") -> None:
        """Refuse a look at the values of tensors, given by what computes each and what it is called.

        Raises:
            Unwritable: if one may be another at the next call.
        """
        if any(name in self._trained or (node is not None and varies(node, self._trained)) for node, name in read):
            raise Unwritable(f"looks at the values of a tensor ({word})")

    def require_no_draws(self) -> None:
        """Refuse draws since this was last asked.

        Raises:
            Unwritable: if there were some.
        """
        if self.draws.went_on():
            raise Unwritable(DRAWS)


def varies(node: "typed.fx.Node", trained: set[str]) -> bool:
    """Whether a recorded tensor may have other values at the next call.

    Args:
        node: That computes it.
        trained: Names of parameters that are trained.
    """
    waiting, seen = [node], set[Any]()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if one.op in ("placeholder", "call_module") or (one.op == "get_attr" and one.target in trained):
            return True
        word = str(one.target).strip("_") if one.op == "call_method" else function_word(one.target)
        if one.op.startswith("call") and word in RANDOM:
            return True
        waiting.extend(one.all_input_nodes)
    return False


def _state() -> tuple[Any, ...]:
    kept: Any = np.random.get_state()
    return random.getstate(), kept[1].tobytes(), kept[2:]
