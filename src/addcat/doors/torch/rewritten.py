"""A module of the user's own class whose `forward` computes one thing otherwise: its code written anew, the rest kept.

The module gets a subclass of its class, with the same name, so that `isinstance`, hooks, parameters, `state_dict`,
pickling and copies work as before. What changes is kept as data (`Edit`), not as code: the code is recorded from the
user's own `forward` for each way in which the module is called, and the edits are applied to that.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.around import under_the_callers
from addcat.doors.torch.edits import Round, Unwritable
from addcat.doors.torch.frame import Frame, record_frame
from addcat.doors.torch.trees import tree_flatten, tree_unflatten
from addcat.doors.torch.watching import unwatched
from addcat.errors import ModelError
from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed
    from torch.utils._pytree import TreeSpec

_torch: Any = torch()

MOST_CODES = 64
"""Ways of calling one module for which code is kept; a module that is called in ever new ways is said to be so."""


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """The new code for one way of calling a module.

    Attributes:
        frame: What it was recorded from.
        function: Takes the module and the tensors among its arguments; gives a flat list.
    """

    frame: Frame
    function: Callable[..., Any]

    def fits(self, training: bool, leaves: list[Any], structure: "TreeSpec") -> bool:
        """Whether a call is one that this code holds for."""
        frame = self.frame
        if training != frame.training or structure != frame.given[0]:
            return False
        tensors = [leaf for leaf in leaves if isinstance(leaf, _torch.Tensor)]
        others = [leaf for leaf in leaves if not isinstance(leaf, _torch.Tensor)]
        if len(others) != len(frame.given[1]) or not all(map(_alike, others, frame.given[1])):
            return False
        known = all(tensors[i].shape[axis] == size for (i, axis), size in frame.sizes)
        return known and frame.guard.passes(tensors)

    def __call__(self, module: "typed.nn.Module", leaves: list[Any]) -> Any:
        """Run it."""
        tensors = [leaf for leaf in leaves if isinstance(leaf, _torch.Tensor)]
        if self.frame.around:
            out = under_the_callers(lambda: self.function(module, *tensors))
        else:
            out = self.function(module, *tensors)
        return tree_unflatten(out, self.frame.outputs)

    def __deepcopy__(self, _: object) -> "Code":
        return self


def _alike(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and isinstance(one, int | float | str | bool) and one == other)


def code_of(frame: Frame) -> Code:
    """The code of a recorded frame."""
    written = frame.graph.python_code("self")
    space = dict(written.globals)
    exec(compile(written.src, "<addcat>", "exec"), space)  # noqa: S102  (torch.fx writes it from our own recording)
    return Code(frame, space["forward"])


def rewrite(module: "typed.nn.Module", edits: Round) -> None:
    """Give a module the subclass whose code has the edits; further ones are applied to that code."""
    base, before = base_of(module)
    module.__class__ = _subclass(base, (*before, edits))
    module.__dict__.pop(CODES, None)


CODES = "_addcat_codes"


def base_of(module: "typed.nn.Module") -> "tuple[type[typed.nn.Module], tuple[Round, ...]]":
    """The user's own class of a module, and the rounds of edits that were made to its code."""
    cls = module.__class__
    return getattr(cls, "_addcat_base", cls), getattr(cls, "_addcat_rounds", ())


def _subclass(base: "type[typed.nn.Module]", rounds: tuple[Round, ...]) -> "type[typed.nn.Module]":
    space = {
        "forward": _forward_like(base.forward),
        "__reduce_ex__": _reduce,
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
        "_addcat_base": base,
        "_addcat_rounds": rounds,
    }
    return type(base.__name__, (base,), space)


def _forward_like(own: Callable[..., Any]) -> Callable[..., Any]:
    """The new `forward`, with the signature of the user's: exporters name and nest inputs by it."""

    def forward(self: "typed.nn.Module", *args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree_flatten((args, kwargs))
        for code in self.__dict__.get(CODES, ()):
            if code.fits(self.training, leaves, structure):
                return code(self, leaves)
        return _new_code(self, args, kwargs)(self, leaves)

    forward.__signature__ = inspect.signature(own)  # pyright: ignore[reportFunctionMemberAccess]
    return forward


@_torch.compiler.disable
def _new_code(module: "typed.nn.Module", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Code:
    fakes: Any = load("torch._subclasses.fake_tensor", extra="torch")
    # a recording of ours, or an export, may be going on around it
    with unwatched(), fakes.unset_fake_temporarily(), _torch._C._EnableTorchFunction():
        return prepare(module, args, kwargs)


def prepare(module: "typed.nn.Module", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Code:
    """Write the code for one way of calling a rewritten module, and keep it.

    Args:
        module: A module that `rewrite` has changed.
        args: What it is called with: tensors, or `Shell`s.
        kwargs: The same, by name.

    Raises:
        ModelError: if its own code, called this way, does not allow the edits.
    """
    base, rounds = base_of(module)
    codes: list[Code] = module.__dict__.setdefault(CODES, [])
    if len(codes) >= MOST_CODES:
        raise ModelError(
            f"{base.__name__} was called in {MOST_CODES} ways that differ in sizes, numbers or structure. "
            "Its switched code is written for each; pass sizes as tensors' own, and fewer numbers that change."
        )
    try:
        code = code_of(record_frame(module, base.forward, args, kwargs, rounds))
    except Unwritable as problem:
        raise ModelError(f"{base.__name__} cannot be called like this after the switch: it {problem}.") from problem
    codes.append(code)
    return code


def _reduce(self: "typed.nn.Module", _: object) -> tuple[Any, ...]:
    base, rounds = base_of(self)
    state = {name: value for name, value in self.__dict__.items() if name != CODES}
    return _restored, (base, rounds), state


def _restored(base: "type[typed.nn.Module]", rounds: tuple[Round, ...]) -> "typed.nn.Module":
    cls = _subclass(base, rounds)
    return cls.__new__(cls)
