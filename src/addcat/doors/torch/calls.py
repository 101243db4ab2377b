"""What a recorded run is made of: calls, what they read, and the modules whose own code made them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.edits import Orders, Site
from addcat.graph import Edge, Tensor

if TYPE_CHECKING:
    import torch as typed

Given = tuple[tuple[Any, ...], dict[str, Any]]
"""What something is called with: (args, kwargs)."""
Sources = tuple[tuple[str, "typed.Tensor"], ...]
"""Path and value of parameters."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor among the arguments of a call.

    Attributes:
        edge: What computes it from the model's inputs; None for parameters, buffers and constants.
        tensor: What is known of it.
        path: Of the parameter or buffer that it is; "" for others.
        value: The parameter, buffer or constant itself; None where it is computed from the inputs.
        sources: Path and value of each parameter that a constant is computed from.
    """

    edge: Edge | None
    tensor: Tensor
    path: str = ""
    value: "typed.Tensor | None" = field(default=None, repr=False)
    sources: Sources = field(default=(), repr=False)

    @property
    def live(self) -> bool:
        """Whether it depends on the model's inputs."""
        return self.edge is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's code a call is made.

    Attributes:
        owner: Path of the module whose own `forward` makes it; "" for the model itself.
        number: In which call of the owner, from 1.
        order: Which of the owner's own calls of that function, from 1.
        hook: Whether a hook makes it, not the owner's `forward`.
    """

    owner: str
    number: int
    order: int
    hook: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One torch function, or one module of `torch.nn` as a whole.

    Attributes:
        name: Of the node that it becomes.
        place: Where it is made.
        target: The function; None for a module.
        module: The module; None for a function.
        path: Of the module; "" for a function.
        operands: Every tensor that it reads, in the order of its arguments.
        arguments: (args, kwargs), with the operands in the place of tensors.
        outputs: What it gives.
        written: Positions of the operands that it writes into.
        device: Of its first output.
    """

    name: str
    place: Place
    target: Callable[..., Any] | None
    module: "typed.nn.Module | None"
    path: str
    operands: tuple[Operand, ...]
    arguments: Given
    outputs: tuple[Tensor, ...]
    written: tuple[int, ...] = ()
    device: str = "cpu"

    @property
    def settings(self) -> str:
        """What a module was made with, as it prints; "" for a function."""
        return "" if self.module is None else repr(self.module)

    @property
    def word(self) -> str:
        """Name of the function as people know it ("add" for `+=`), or of the module's class."""
        return type(self.module).__name__ if self.module is not None else function_word(self.target)

    @property
    def live(self) -> tuple[Operand, ...]:
        """The operands that depend on the model's inputs."""
        return tuple(operand for operand in self.operands if operand.live)

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """One argument, given by position or by name."""
        args, kwargs = self.arguments
        return args[position] if position < len(args) else kwargs.get(name, default)


ALIASES = {
    "iadd": "add",
    "radd": "add",
    "isub": "sub",
    "rsub": "sub",
    "subtract": "sub",
    "imul": "mul",
    "rmul": "mul",
    "multiply": "mul",
    "truediv": "div",
    "itruediv": "div",
    "true_divide": "div",
    "divide": "div",
    "concat": "cat",
    "concatenate": "cat",
    "rmatmul": "matmul",
    "setitem": "setitem",
    "get": "attribute",
}


def function_word(function: object) -> str:
    """Name of a torch function without underscores, operators under the name of the function that they are.

    Examples:
        >>> from addcat.frameworks import torch
        >>> [function_word(f) for f in (torch().Tensor.__iadd__, torch().relu_, torch().concat)]
        ['add', 'relu', 'cat']
    """
    name = str(getattr(function, "__name__", type(function).__name__)).partition(".")[0].strip("_")
    return ALIASES.get(name, name)


@dataclass(frozen=True, slots=True)
class Way:
    """What a module's own code does in training, beside what it did in eval mode.

    Attributes:
        orders: Which of its calls is which, in either mode; None where it was not found out.
        trained: Calls that training makes too; None where it is all of them, or not found out.
        problem: Why it cannot be written anew, in words that follow "its module"; "" where it can.
    """

    orders: Orders | None
    trained: frozenset[Site] | None = None
    problem: str = ""


@dataclass(slots=True)
class Owner:
    """A module that is no leaf, and what was seen of its calls.

    Attributes:
        calls: (args, kwargs) of each call of its `forward`.
        spans: For each of them, which of the recorded calls lie in it: the first, and the first after it.
        problems: Why its code cannot be written anew, in words that follow "its module"; empty where it can.
        orders: Of the calls that it made itself when it was called first.
        asks_mode: Whether its code asked for the mode, of any module.
        way: See `addcat.doors.torch.ways`; None until it is asked for.
    """

    calls: list[Given] = field(default_factory=list[Given])
    spans: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    problems: list[str] = field(default_factory=list[str])
    orders: Orders = field(default_factory=dict[str, dict[tuple[int, int], int]])
    asks_mode: bool = False
    way: Way | None = None

    def note(self, problem: str) -> None:
        """Remember a problem, once."""
        if problem not in self.problems:
            self.problems.append(problem)
