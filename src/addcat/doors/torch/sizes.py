"""Sizes in recorded code: written as expressions in the sizes of what the code is given, so that others may come.

Where the code decided by a size (a comparison, a loop), torch keeps what it found as a guard; the code holds for sizes
that pass the guards. An expression that cannot be written fixes the axes that it came from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from addcat.frameworks import load, torch

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


@dataclass(slots=True)
class Sizes:
    """The symbols of one recording.

    Attributes:
        graph: The `torch.fx.Graph` that is written.
        environment: Torch's own record of symbols and what was decided by them; None where sizes are plain numbers.
        origin: For each symbol, its axis.
        held: Axes whose size the code holds for alone.
    """

    graph: Any
    environment: Any
    origin: dict[Any, Axis] = field(default_factory=dict[Any, Axis])
    held: set[Axis] = field(default_factory=set[Axis])
    _open: list[tuple[Axis, Any]] = field(default_factory=list[tuple[Axis, Any]])
    _placeholders: dict[int, Any] = field(default_factory=dict[int, Any])
    _written: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def given(self, position: int, value: Any, placeholder: Any) -> None:
        """A tensor that the code is given."""
        self._placeholders[position] = placeholder
        for axis, size in enumerate(value.shape):
            symbol = size.node.expr if isinstance(size, _torch.SymInt) else None
            if symbol is not None and symbol.is_Symbol:
                self.origin.setdefault(symbol, (position, axis))
                self._open.append(((position, axis), size))
            else:
                self.held.add((position, axis))

    def write(self, size: Any) -> Any:
        """A size as a number, or as a node of the graph that computes it."""
        return self._expression(size.node.expr, size)

    def _expression(self, expression: Any, size: Any = None) -> Any:
        if expression.is_Integer:
            return int(expression)
        if expression in self._written:
            return self._written[expression]
        function = _FUNCTIONS.get(type(expression).__name__)
        if expression.is_Symbol and expression in self.origin:
            position, axis = self.origin[expression]
            made = self.graph.call_method("size", (self._placeholders[position], axis))
        elif function is not None and all(self._known(part) for part in expression.args):
            made = self._expression(expression.args[0])
            for part in expression.args[1:]:
                made = self.graph.call_function(function, (made, self._expression(part)))
        else:
            self.hold(expression)
            return int(size)
        self._written[expression] = made
        return made

    def _known(self, expression: Any) -> bool:
        if expression.is_Integer or expression in self.origin:
            return True
        known = type(expression).__name__ in _FUNCTIONS
        return known and all(self._known(part) for part in expression.args)

    def hold(self, expression: Any) -> None:
        """The code holds for the recorded sizes of every axis in an expression alone."""
        self.held |= {self.origin[symbol] for symbol in expression.free_symbols if symbol in self.origin}

    def guard(self) -> "Guard":
        """What sizes have to be for the code to hold; asked once the code has run."""
        if not self._open:
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

    def passes(self, tensors: list[Any]) -> bool:
        """Whether these tensors have such sizes."""
        if self.check is None:
            return True
        return bool(self.check({f"t{i}": tensors[place].shape[axis] for i, (place, axis) in enumerate(self.axes)}))


def symbolic(mode: Any, value: Any, *, open_axes: Callable[[int], bool]) -> Any:
    """A fake tensor with a symbol for the size of some axes."""
    shapes: Any = load("torch.fx.experimental.symbolic_shapes", extra="torch")
    kinds = [shapes.DimDynamic.DYNAMIC if open_axes(axis) else shapes.DimDynamic.STATIC for axis in range(value.dim())]
    context = shapes.StatelessSymbolicContext(dynamic_sizes=kinds)
    return mode.from_tensor(value, static_shapes=False, symbolic_context=context)


def is_size(value: Any) -> bool:
    """Whether a value is a symbolic size."""
    return isinstance(value, _torch.SymInt)


def attempts() -> Iterator[Callable[[int], bool] | None]:
    """Ways to record, the best first: every size open, the batch alone, no size, real numbers (None)."""
    yield lambda _: True
    yield lambda axis: axis == 0
    yield lambda _: False
    yield None


def hint(size: Any) -> int:
    """The number that a size stands for, asked without deciding anything by it."""
    return int(size.node.hint) if is_size(size) else int(size)
