"""A model becomes a list of calls by being run once: every torch function, every module of `torch.nn` as a whole.

A mode sees the functions, and a `forward` put in front of each module's own sees the modules. What depends on the
inputs is followed by the identity of tensors, so each is kept alive until the end: an identity is used again once its
tensor is gone. What is written in place is the same object, and is found under its newest name.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.calls import Call, Given, Operand, Owner, Place, Sources, function_word
from addcat.doors.torch.leaves import is_leaf
from addcat.doors.torch.names import Names
from addcat.doors.torch.rounds import Rounds, called_by_user, location
from addcat.doors.torch.states import Passed, States, start
from addcat.doors.torch.tables import children_of, named_modules
from addcat.doors.torch.tensors import is_tensor, storage_of, tensors_in, version_of
from addcat.doors.torch.trees import tree_map
from addcat.doors.torch.varying import DRAWS, RANDOM, Draws, asks_size, counts_values, reads_value
from addcat.doors.torch.watching import Run, is_active
from addcat.frameworks import load, torch
from addcat.graph import Edge, Tensor

if TYPE_CHECKING:
    import torch as typed
    from torch.overrides import TorchFunctionMode as Mode
else:
    Mode = load("torch.overrides", extra="torch").TorchFunctionMode

_torch: Any = torch()

FACTORIES = {
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like"),
    *("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor"),
}
"""They take a tensor for its shape alone."""


@dataclass(slots=True)
class Frame:
    """A module whose own code is running, or the hooks around a call of it."""

    path: str
    number: int
    hook: bool = False
    order: int = 0
    counts: dict[str, int] = field(default_factory=dict[str, int])
    code: Rounds = field(default_factory=lambda: Rounds(()))
    arguments: set[int] = field(default_factory=set[int])


class Recorder(Mode):
    """Writes down what a model calls while it runs.

    Args:
        root: The model.
        wanted: Tensors to keep, for `values`.
        states: Arguments of modules to follow though they depend on no input.

    Attributes:
        calls: In the order made.
        owners: What was seen of each module that is no leaf, by path.
        passed: What each of them was called with.
        values: Tensors by edge, where they were wanted.
        seen_late: Names of in-place calls whose operand was read under another name afterwards.
        seen_old: Names of sums in place whose operand was read under its old name afterwards.
    """

    def __init__(
        self, root: "typed.nn.Module", wanted: frozenset[Edge] = frozenset(), states: States = frozenset()
    ) -> None:
        super().__init__()
        self.root, self.wanted, self.states = root, wanted, states
        self.calls: list[Call] = []
        self.owners: dict[str, Owner] = {}
        self.passed: dict[str, list[Passed]] = {}
        self.values: dict[Edge, typed.Tensor] = {}
        self.seen_late: set[str] = set()
        self.seen_old: set[str] = set()
        self.whole = False
        self._paths = {id(module): path for path, module in named_modules(root)}
        tensors = [*root.named_parameters(remove_duplicate=False), *root.named_buffers(remove_duplicate=False)]
        self._names = {id(tensor): name for name, tensor in reversed(tensors)}
        self._edges: dict[int, Edge] = {}
        self._kept: list[typed.Tensor] = []
        self._storages: dict[int, list[typed.Tensor]] = {}
        self._stale: dict[int, str] = {}
        self._old: dict[int, str] = {}
        self._sources: dict[int, Sources] = {}
        self._called = Names()
        self._drawn: set[int] = set()
        self._counted: set[int] = set()
        self._frames: list[Frame] = []
        self._draws = Draws()

    # tensors

    def bind(self, value: "typed.Tensor", edge: Edge) -> None:
        """From now on a tensor goes by this edge."""
        self._edges[id(value)] = edge
        self._stale.pop(id(value), None)
        self._kept.append(value)
        self._storages.setdefault(storage_of(value), []).append(value)
        if edge in self.wanted:
            self.values[edge] = value.detach().clone()

    def edge(self, value: "typed.Tensor") -> Edge | None:
        """What computes a tensor; None where that does not depend on the model's inputs."""
        found = self._edges.get(id(value))
        if id(value) in self._old:
            self.seen_old.add(self._old[id(value)])
        late = self._stale.pop(id(value), None)
        if found is None or late is None:
            return found
        self.seen_late.add(late)
        operands = tuple(Operand(edge, tensor_of(value)) for edge in (found, Edge(late)))
        name = self._name("written")
        call = Call(name, self._place(), _written_through, None, "", operands, (operands, {}), (tensor_of(value),))
        self.calls.append(call)
        self.bind(value, Edge(name))
        return Edge(name)

    def _operand(self, value: "typed.Tensor") -> Operand:
        edge = self.edge(value)
        if edge is not None:
            return Operand(edge, tensor_of(value))
        return Operand(None, tensor_of(value), self._names.get(id(value), ""), value, self._sources_of(value))

    def _sources_of(self, value: "typed.Tensor") -> Sources:
        if isinstance(value, _torch.nn.Parameter):
            return ((self._names.get(id(value), ""), value),)
        return self._sources.get(id(value), ())

    def _constant(self, read: "list[typed.Tensor]", out: object, own: Sources = ()) -> None:
        """What is computed from parameters alone remembers them."""
        sources = tuple(dict.fromkeys((*own, *(source for value in read for source in self._sources_of(value)))))
        for value in tensors_in(out) if sources else ():
            if not isinstance(value, _torch.nn.Parameter):
                self._sources[id(value)] = sources
                self._kept.append(value)

    # calls

    def __torch_function__(
        self, func: Run, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a torch function, and write it down."""
        kwargs = kwargs or {}
        if self.whole or not is_active(self):
            return func(*args, **kwargs)
        frame = self._frame
        read = list(tensors_in((args, kwargs)))
        versions = [version_of(value) for value in read]
        word = function_word(func)
        out = func(*args, **kwargs)
        if gives_tensor(func, out):
            frame.order = frame.counts[word] = frame.counts.get(word, 0) + 1
            frame.code.count(word, location(Recorder.forward.__code__))
        live = [value for value in read if id(value) in self._edges]
        if reads_value(func) and (live or any(map(self._varies, read))):
            self._owner().note(f"looks at the values of a tensor ({word})")
        if live and counts_values(func, args):
            self._counted.update(map(id, tensors_in(out)))
        elif any(id(value) in self._counted for value in live) and asks_size(func) and called_by_user():
            self._owner().note("asks how many values of a tensor are picked")
        written = [place for place, value in enumerate(read) if version_of(value) != versions[place]]
        if (live and word not in FACTORIES) or any(id(read[place]) in self._edges for place in written):
            self._write_down(func, None, "", (args, kwargs), read, out, written)
            if word == "add" and out is read[0] and id(out) not in self._names:
                return self._renamed(out)
        else:
            self._constant(read, out)
            if word in RANDOM or any(id(value) in self._drawn for value in read):
                self._drawn.update(map(id, tensors_in(out)))
                self._kept.extend(tensors_in(out))
        return out

    def _renamed(self, value: "typed.Tensor") -> "typed.Tensor":
        """What a sum in place gives, told apart from its operand: a sum elsewhere could not be read under that name."""
        name, alias = self._edges[id(value)], value.detach()
        self._old[id(value)] = name.node
        self.bind(alias, name)
        return alias

    def _varies(self, value: "typed.Tensor") -> bool:
        """Whether a tensor that does not depend on the inputs may be another one at the next call all the same."""
        return id(value) in self._drawn or any(one.requires_grad for _, one in self._sources_of(value))

    def mode_asked(self) -> None:
        """The code that runs asks whether a module is trained."""
        if not self.whole and is_active(self):
            self._owner().asks_mode = True

    def leaf(
        self, path: str, module: "typed.nn.Module", run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a module as a whole, and write it down."""
        read = list(tensors_in((args, kwargs)))
        versions = [version_of(value) for value in read]
        self.whole = True
        try:
            with _torch._C.DisableTorchFunction():
                out = run(*args, **kwargs)
        finally:
            self.whole = False
        if any(id(value) in self._edges for value in read):
            written = [place for place, value in enumerate(read) if version_of(value) != versions[place]]
            self._write_down(None, module, path, (args, kwargs), read, out, written)
        else:
            own = [(f"{path}.{name}", one) for name, one in module.named_parameters()]
            self._constant(read, out, tuple(own))
        return out

    def _write_down(
        self,
        func: Run | None,
        module: "typed.nn.Module | None",
        path: str,
        given: Given,
        read: "list[typed.Tensor]",
        out: object,
        written: list[int],
    ) -> None:
        operands = tuple(self._operand(value) for value in read)
        queue = iter(operands)

        def put(value: object) -> object:
            return next(queue) if is_tensor(value) else value

        arguments = tree_map(put, given)
        results = list(tensors_in(out))
        if not results and written:  # __setitem__ gives nothing: what it wrote into is what it gives
            results = [read[written[0]]]
        if not results:
            return
        name = self._called.module(path) if module is not None else self._name(function_word(func))
        known = tuple(tensor_of(value) for value in results)
        place = self._place()
        device = str(results[0].device)
        self.calls.append(Call(name, place, func, module, path, operands, arguments, known, tuple(written), device))
        for index in written:
            self._mutated(read[index], name)
        for index, value in enumerate(results):
            self.bind(value, Edge(name, index))

    def _mutated(self, value: "typed.Tensor", name: str) -> None:
        """Other tensors on the same memory have changed with this one."""
        if id(value) in self._frame.arguments:
            self._owner().note("writes in place into a tensor that it is given")
        for other in self._storages.get(storage_of(value), ()):
            if other is not value and id(other) in self._edges:
                self._stale[id(other)] = name
        self.bind(value, Edge(name))

    # modules

    def input(self, name: str, value: "typed.Tensor") -> None:
        """An input of the model."""
        call = Call(name, Place("", 0, 0), None, None, "", (), ((), {}), (tensor_of(value),))
        self.calls.append(call)
        self._called.take(name)
        self.bind(value, Edge(name))

    def call(self, module: "typed.nn.Module", run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A module is called: until its `forward` starts, and after it ends, its hooks run."""
        self._frames.append(Frame(self._paths[id(module)], 0, hook=True))
        try:
            return run(*args, **kwargs)
        finally:
            self._frames.pop()

    def forward(self, module: "typed.nn.Module", run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A module's `forward` runs: as a whole if it is a leaf, else call by call."""
        path = self._paths[id(module)]
        if self.whole:
            return run(*args, **kwargs)
        self._note_draws()
        if is_leaf(module):
            return self.leaf(path, module, run, args, kwargs)
        owner = self.owners.setdefault(path, Owner())
        owner.calls.append(tree_map(_shell, (args, kwargs)))
        given = list(tensors_in((args, kwargs)))
        self._follow_states(path, given)
        number, first = len(owner.calls), len(self.calls)
        frame = Frame(path, number, arguments=set(map(id, given)))
        if number == 1:
            owner.orders = frame.code.orders
        self._frames.append(frame)
        owner.spans.append((first, first))
        try:
            return run(*args, **kwargs)
        finally:
            self._note_draws()
            self._frames.pop()
            owner.spans[number - 1] = (first, len(self.calls))

    def _follow_states(self, path: str, given: "list[typed.Tensor]") -> None:
        """Write down what a module is called with, states that depend on no input as if they came of the first one."""
        for place, value in enumerate(given):
            if (path, place) in self.states and id(value) not in self._edges and id(value) not in self._names:
                known, first = tensor_of(value), self.calls[0]
                operands = Operand(Edge(first.name), first.outputs[0]), self._operand(value)
                name = self._name("state")
                self.calls.append(Call(name, self._place(), start, None, "", operands, (operands, {}), (known,)))
                self.bind(value, Edge(name))
        live = [id(value) in self._edges for value in given]
        sizes = [tuple(map(int, value.shape)) for value in given]
        self.passed.setdefault(path, []).append(tuple(zip(sizes, live, strict=True)))

    def _note_draws(self) -> None:
        """What was drawn since the last call was drawn by the code that runs now."""
        if self._draws.went_on() and not all(frame.hook for frame in self._frames):  # the model's own began it
            self._owner().note(DRAWS)

    def custom_function(self, run: Run, args: tuple[Any, ...]) -> Any:
        """`autograd.Function.apply`: one call, whose backward pass is the user's own."""
        self._owner().note("calls an autograd.Function of its own")
        frame = self._frame
        frame.order += 1
        read = list(tensors_in(args))
        versions = [version_of(value) for value in read]
        self.whole = True
        try:
            out = run(*args)
        finally:
            self.whole = False
        if any(id(value) in self._edges for value in read):
            written = [place for place, value in enumerate(read) if version_of(value) != versions[place]]
            self._write_down(run, None, "", (args, {}), read, out, written)
        return out

    def outputs(self, out: object) -> list[Edge | None]:
        """The edges of a model's outputs; None for those that do not depend on its inputs."""
        return [self.edge(value) for value in tensors_in(out)]

    # names

    @property
    def _frame(self) -> Frame:
        return self._frames[-1] if self._frames else Frame("", 0)

    def _place(self) -> Place:
        frame = self._frame
        if not frame.hook:
            return Place(frame.path, frame.number, frame.order)
        around = next((other for other in reversed(self._frames) if not other.hook), Frame("", 1))
        return Place(around.path, around.number, frame.order, hook=True)

    def _owner(self) -> Owner:
        return self.owners.setdefault(self._place().owner, Owner())

    def _name(self, word: str) -> str:
        path = self._frame.path
        return self._called.function(path, word, children_of(self.root.get_submodule(path)))


def gives_tensor(function: Run, out: object) -> bool:
    """Whether a torch function computes something: what only looks at a tensor is not counted among the calls."""
    return any(True for _ in tensors_in(out)) or function_word(function) == "setitem"


def _written_through(*_: Any) -> None:
    """Stands for a tensor that was written into through a view of it."""


def tensor_of(value: "typed.Tensor") -> Tensor:
    """Shape and type of a torch tensor, its first axis open."""
    sizes = tuple(int(size) for size in value.shape)
    return Tensor((None, *sizes[1:]) if sizes else (), str(value.dtype).removeprefix("torch."))


@dataclass(frozen=True, slots=True)
class Shell:
    """A tensor without its numbers: enough to record its reader once more.

    Attributes:
        shape: Its sizes.
        dtype: Torch's element type.
        device: Torch's device.
    """

    shape: tuple[int, ...]
    dtype: "typed.dtype"
    device: "typed.device"

    def empty(self) -> "typed.Tensor":
        """A tensor like it, of any numbers."""
        return _torch.empty(self.shape, dtype=self.dtype, device=self.device)


def _shell(value: object) -> object:
    if not is_tensor(value):
        return value
    return Shell(tuple(int(size) for size in value.shape), value.dtype, value.device)
