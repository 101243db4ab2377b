"""What an optimiser of the user's own has to be, so that arms are trained by it as the user's loop would train them."""

import inspect
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.stream import shown
from addcat.errors import OptionError

if TYPE_CHECKING:
    import torch as typed

ELEMENTWISE = {
    *("SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Rprop", "ASGD"),
}
"""Optimisers of torch that treat every number by itself, so that stacked ones are trained as alone."""
SUCH = "such as torch.optim.AdamW(parameters, 1e-3)"


def require_optimizer(made: Any, parameters: "list[typed.nn.Parameter]") -> Any:
    """An optimiser that a user's function made, if it trains what it was given.

    Args:
        made: What the function gave.
        parameters: What it was called with.

    Raises:
        OptionError: if it is none, asks for more than a step after each batch, or is made of something else.
    """
    if not all(hasattr(made, name) for name in ("zero_grad", "step", "param_groups")):
        raise OptionError(f"optimizer= gave {shown(made)}. Expected one optimiser, {SUCH}.")
    kind = type(made).__name__
    closure = inspect.signature(made.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise OptionError(
            f"optimizer= gave a {kind}, whose step asks for a closure. Expected one that is stepped once for each "
            f"batch, {SUCH}."
        )
    given = {id(parameter) for parameter in parameters}
    if not any(id(parameter) in given for group in made.param_groups for parameter in group["params"]):
        raise OptionError(
            f"optimizer= gave a {kind} of other parameters than it was called with, so it would train another model. "
            f"Make it of those: optimizer=lambda parameters: torch.optim.{kind}(parameters, ...)."
        )
    return made


def is_elementwise(optimizer: "typed.optim.Optimizer") -> bool:
    """Whether an optimiser is torch's own, treats every number by itself, has not begun, and nothing hooks into it.

    A hook, such as one that clips gradients, knows the parameters of one run.
    """
    kind, hooks = type(optimizer), ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    plain = kind.__name__ in ELEMENTWISE and kind.__module__.startswith("torch.optim.") and not optimizer.state
    return plain and not any(getattr(optimizer, name, None) for name in hooks)


def is_hooked(parameter: "typed.Tensor") -> bool:
    """Whether something of the user's changes a parameter's gradient, or waits for it."""
    return bool(parameter._backward_hooks) or bool(getattr(parameter, "_post_accumulate_grad_hooks", None))
