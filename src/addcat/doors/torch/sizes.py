"""Sizes in recorded code: written as expressions in the sizes of what the code is given, so that others may come.

Where the code decided by a size (a comparison, a loop), torch keeps what it found as a guard; the code holds for sizes
that pass the guards. An expression that cannot be written fixes the axes that it came from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

_torch: Any = torch()
_operator: Any = load("operator", extra="torch")

Axis = tuple[int, int]
"""Which of the tensors that a module is given, and which of its axes."""
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": _operator.add,
    "Mul": _operator.mul,
    "FloorDiv": _operator.floordiv,
    "CleanDiv": _operator.floordiv,
    "Mod": _operator.mod,
    "PythonMod": _operator.mod,
    "Max": max,
    "Min": min,
    "Pow": _operator.pow,
}


class Expression(Protocol):
    """What torch computes a symbolic size from: an expression of sympy, as far as it is read here."""

    is_Integer: bool  # noqa: N815  (sympy's names)
    is_Symbol: bool  # noqa: N815
    args: "tuple[Expression, ...]"
    free_symbols: "set[Expression]"

    def __int__(self) -> int:
        """The number, where it is one."""
        ...


def _expression_of(size: object) -> Expression | None:
    """None for a plain number."""
    return getattr(getattr(size, "node", None), "expr", None)


@dataclass(slots=True)
class Sizes:
    """The symbols of one recording.

    Attributes:
        graph: The `torch.fx.Graph` that is written.
        environment: Torch's own record of symbols and what was decided by them; None where sizes are plain numbers.
        origin: For each symbol, its axis.
        held: Axes whose size the code holds for alone.
    """

    graph: "typed.fx.Graph"
    environment: "ShapeEnv | None"
    origin: "dict[Expression, Axis]" = field(default_factory=dict["Expression", Axis])
    held: set[Axis] = field(default_factory=set[Axis])
    _open: "list[tuple[Axis, typed.SymInt]]" = field(default_factory=list[tuple[Axis, "typed.SymInt"]])
    _placeholders: "dict[int, typed.fx.Node]" = field(default_factory=dict[int, "typed.fx.Node"])
    _written: "dict[Expression, int | typed.fx.Node]" = field(default_factory=dict["Expression", "int | typed.fx.Node"])

    def given(self, position: int, value: "typed.Tensor", placeholder: "typed.fx.Node") -> None:
        """A tensor that the code is given."""
        self._placeholders[position] = placeholder
        for axis, size in enumerate(value.shape):
            symbol = _expression_of(size)
            if is_size(size) and symbol is not None and symbol.is_Symbol:
                self.origin.setdefault(symbol, (position, axis))
                self._open.append(((position, axis), size))
            else:
                self.held.add((position, axis))

    def write(self, size: "typed.SymInt") -> "int | typed.fx.Node":
        """A size as a number, or as a node of the graph that computes it."""
        expression = _expression_of(size)
        if expression is None or not self._known(expression):
            if expression is not None:
                self.hold(expression)
            return int(size)
        return self._expression(expression)

    def _expression(self, expression: Expression) -> "int | typed.fx.Node":
        if expression.is_Integer:
            return int(expression)
        if expression in self._written:
            return self._written[expression]
        if expression in self.origin:
            position, axis = self.origin[expression]
            made: int | typed.fx.Node = self.graph.call_method("size", (self._placeholders[position], axis))
        else:
            function = _FUNCTIONS[type(expression).__name__]
            made = self._expression(expression.args[0])
            for part in expression.args[1:]:
                made = self.graph.call_function(function, (made, self._expression(part)))
        self._written[expression] = made
        return made

    def _known(self, expression: Expression) -> bool:
        if expression.is_Integer or expression in self.origin:
            return True
        known = type(expression).__name__ in _FUNCTIONS
        return known and all(self._known(part) for part in expression.args)

    def hold(self, expression: Expression) -> None:
        """The code holds for the recorded sizes of every axis in an expression alone."""
        self.held |= {self.origin[symbol] for symbol in expression.free_symbols if symbol in self.origin}

    def guard(self) -> "Guard":
        """What sizes have to be for the code to hold; asked once the code has run."""
        if self.environment is None or not self._open:
            return Guard((), None)
        code = self.environment.produce_guards_expression([size for _, size in self._open])
        if code is None:
            return Guard((), None)
        interpreter: Any = load("torch.fx.experimental.symbolic_shapes", extra="torch").SYMPY_INTERP
        check = eval(compile(f"lambda L: {code}", "<addcat>", "eval"), dict(interpreter))  # noqa: S307  (torch wrote it)
        return Guard(tuple(axis for axis, _ in self._open), check)


@dataclass(frozen=True, slots=True)
class Guard:
    """A question about sizes.

    Attributes:
        axes: Those that it is about.
        check: Takes the sizes by torch's names for them, t0, t1, ...; None where every size will do.
    """

    axes: tuple[Axis, ...]
    check: Callable[[dict[str, int]], bool] | None

    def passes(self, tensors: "list[typed.Tensor]") -> bool:
        """Whether these tensors have such sizes."""
        if self.check is None:
            return True
        return bool(self.check({f"t{i}": tensors[place].shape[axis] for i, (place, axis) in enumerate(self.axes)}))


def symbolic(mode: "FakeTensorMode", value: "typed.Tensor", *, open_axes: Callable[[int], bool]) -> "typed.Tensor":
    """A fake tensor with a symbol for the size of some axes."""
    shapes: Any = load("torch.fx.experimental.symbolic_shapes", extra="torch")
    kinds = [shapes.DimDynamic.DYNAMIC if open_axes(axis) else shapes.DimDynamic.STATIC for axis in range(value.dim())]
    context = shapes.StatelessSymbolicContext(dynamic_sizes=kinds)
    return mode.from_tensor(value, static_shapes=False, symbolic_context=context)


def is_size(value: object) -> TypeGuard["typed.SymInt"]:
    """Whether a value is a symbolic size."""
    return isinstance(value, _torch.SymInt)


STATIC = 2
"""The first of the attempts without symbols, which take their time."""


def attempts() -> Iterator[Callable[[int], bool] | None]:
    """Ways to record, the best first: every size open, the batch alone, no size, real numbers (None)."""
    yield lambda _: True
    yield lambda axis: axis == 0
    yield lambda _: False
    yield None


def hint(size: "int | typed.SymInt") -> int:
    """The number that a size stands for, asked without deciding anything by it."""
    node: Any = getattr(size, "node", None)
    return int(size if node is None else node.hint)
