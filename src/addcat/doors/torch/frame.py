"""The own code of one module, written down as a `torch.fx.Graph`: its functions one by one, its submodules as calls.

What is recorded is one run of `forward`, on fake tensors with open sizes where that does. So the code that comes of it
holds for calls of the same structure, with the same numbers and flags, in the same mode; `Frame.fits` asks that.
"""

import operator
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from addcat.doors.torch.around import Around
from addcat.doors.torch.calls import Given, function_word
from addcat.doors.torch.devices import kept_generators
from addcat.doors.torch.edits import Apply, NotRun, Orders, Read, Round, Site, Unwritable
from addcat.doors.torch.examples import is_dict, is_list
from addcat.doors.torch.fakes import example_like, symbols
from addcat.doors.torch.raised import words_of
from addcat.doors.torch.recorder import Shell, gives_tensor
from addcat.doors.torch.rounds import Rounds, location
from addcat.doors.torch.sizes import Axis, Guard, Sizes, attempts, is_size
from addcat.doors.torch.tables import children_of, named_modules, without
from addcat.doors.torch.tensors import is_tensor, tensors_in
from addcat.doors.torch.trees import (
    fields_of,
    is_record,
    maker,
    parts_of,
    tree_flatten,
    tree_leaves,
    tree_map,
    tree_unflatten,
)
from addcat.doors.torch.varying import Varying, reads_value
from addcat.doors.torch.watching import Run, is_active, untouched, watched
from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv
    from torch.overrides import TorchFunctionMode as Mode
    from torch.utils._pytree import TreeSpec
else:
    Mode = load("torch.overrides", extra="torch").TorchFunctionMode

_torch: Any = torch()
_fx: Any = load("torch.fx", extra="torch")
_METHODS = (types.MethodDescriptorType, types.WrapperDescriptorType)
_KEPT = (int, float, str, bool, type(None), complex)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One way through a module's own code, edits made.

    Attributes:
        graph: What it computes; tensors of the arguments are its placeholders, in order.
        training: In which mode it was recorded.
        given: Structure of the arguments, and those of them that are no tensors.
        sizes: Axes whose size it holds for alone, with that size.
        guard: What it asks of other sizes.
        outputs: Structure of what it gives.
        orders: Of its calls that no edit is about.
        around: Whether it changes what it runs under, such as whether gradients are kept.
    """

    graph: "typed.fx.Graph"
    training: bool
    given: "tuple[TreeSpec, tuple[object, ...]]"
    sizes: tuple[tuple[Axis, int], ...]
    guard: Guard
    outputs: "TreeSpec"
    orders: Orders
    around: bool


class FrameRecorder(Mode):
    """Writes down the own code of a module while it runs, and makes edits on the way.

    The code is given the new value of an edited call at once, because what follows may need its new shape. See
    `addcat.doors.torch.watching.Watcher`.
    """

    def __init__(self, owner: "typed.nn.Module", environment: "ShapeEnv | None", rounds: tuple[Round, ...]) -> None:
        super().__init__()
        self.owner, self.graph = owner, _fx.Graph()
        self.sizes = Sizes(self.graph, environment)
        self.rounds = Rounds(rounds)
        self.whole = False
        self._read: dict[tuple[int, Site], list[typed.Tensor]] = {}
        self._replaced: dict[int, str] = {}
        self._paths = {id(module): path for path, module in named_modules(owner)}
        named = [*owner.named_parameters(remove_duplicate=False), *owner.named_buffers(remove_duplicate=False)]
        self._names = {id(tensor): name for name, tensor in named}
        self._nodes: dict[int, typed.fx.Node] = {}
        self._children = {name: child for name, child in children_of(owner).items() if child is not None}
        self._kept: list[typed.Tensor] = []
        self._settings: dict[typed.device | typed.dtype, typed.fx.Node] = {}
        self.varying = Varying(owner)
        self.around = Around(self.graph)

    def given(self, values: "list[typed.Tensor]") -> None:
        """The tensors that the module is called with."""
        for position, value in enumerate(values):
            node = self.graph.placeholder(f"given_{position}")
            self.sizes.given(position, value, node)
            self.bind(value, node)
        for value in reversed(values):  # a fake tensor does not tell that it was asked for its device
            self._settings[value.device] = self.graph.call_function(getattr, (self._nodes[id(value)], "device"))

    def bind(self, value: object, node: "typed.fx.Node") -> None:
        """Tensors of a call's result go by its node, those in lists and dicts by what picks them out."""
        if is_tensor(value):
            self._nodes[id(value)] = node
            self._kept.append(value)
        elif is_list(value):
            for place, part in enumerate(value):
                self._bind_part(part, node, place)
        elif is_dict(value):
            for key, part in value.items():
                self._bind_part(part, node, key)
        elif is_record(value):
            for name, part in zip(fields_of(type(value)), parts_of(value), strict=True):
                self._bind_part(part, node, name, getattr)

    def _bind_part(
        self, part: object, node: "typed.fx.Node", key: int | str, pick: Callable[..., Any] = operator.getitem
    ) -> None:
        if any(True for _ in tensors_in(part)):
            self.bind(part, self.graph.call_function(pick, (node, key)))

    # arguments

    def written(self, tree: Any) -> Any:
        """Arguments of a call, with nodes in the place of tensors and of sizes that are open."""

        def whole(value: object) -> bool:
            return isinstance(value, slice | _torch.Size) or is_record(value)

        return tree_map(self._write, tree, is_leaf=whole)

    def _write(self, value: Any) -> Any:
        if is_tensor(value):
            return self._tensor(value)
        if isinstance(value, slice):
            return self._slice(value)
        if is_record(value):
            return self._record(value)
        if isinstance(value, _torch.Size):
            return tuple(self._write(size) for size in value)
        if is_size(value):
            return self.sizes.write(value)
        if isinstance(value, _torch.SymFloat):
            return float(value)
        if isinstance(value, _torch.SymBool):
            return bool(value)
        if isinstance(value, _torch.device | _torch.dtype):
            return self._settings.get(value, value)
        return value

    def _record(self, value: Any) -> Any:
        """A dataclass that a call is given, made of its fields again."""
        if not any(True for _ in tensors_in(value)):
            return value
        kind: type[Any] = value.__class__
        return self.graph.call_function(maker(kind), tuple(self.written(part) for part in parts_of(value)))

    def _slice(self, value: Any) -> Any:
        return slice(self._write(value.start), self._write(value.stop), self._write(value.step))

    def _tensor(self, value: "typed.Tensor") -> "typed.fx.Node":
        if id(value) in self._replaced:
            raise Unwritable(f"adds in place ({self._replaced[id(value)]!r}), and reads the tensor under another name")
        if id(value) not in self._nodes:
            name = self._names.get(id(value))
            if name is None:
                raise Unwritable("reads a tensor that it is not given")
            self._nodes[id(value)] = self.graph.get_attr(name)
            self._kept.append(value)
        return self._nodes[id(value)]

    # calls

    def __torch_function__(
        self, func: Run, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a torch function, and write it down."""
        kwargs = kwargs or {}
        if self.whole or not is_active(self):
            return func(*args, **kwargs)
        word = function_word(func)
        if word == "set_grad_enabled":
            self.around.gradients(bool(args[0]))
        if reads_value(func):
            read = [id(value) for value in tensors_in((args, kwargs))]
            self.varying.require_settled(word, [(self._nodes.get(one), self._names.get(one)) for one in read])
        place = location(_record.__code__)
        edited = self.rounds.function(word, place)
        if edited is not None:
            operands = list(tensors_in((args, kwargs)))
            value = self._value(edited[1].value, edited[1].site, operands, edited[0])
            if writes_in_place(func):  # the code may hold the same tensor under another name
                self._replaced[id(operands[0])] = word
            return value
        out = func(*args, **kwargs)
        if word == "attribute" and isinstance(out, _torch.dtype):
            self._settings[out] = self.graph.call_function(getattr, (self._tensor(args[0]), "dtype"))
        if not gives_tensor(func, out):
            return out
        for known in self.rounds.count(word, place):
            self._read[known] = list(tensors_in((args, kwargs)))
        self.bind(out, self._node(func, self.written(tuple(args)), self.written(dict(kwargs))))
        return out

    def _value(self, value: Apply | Read, site: Site, operands: "list[typed.Tensor]", level: int) -> Any:
        if isinstance(value, Read):
            return (operands if value.site == site else self._read[level - 1, value.site])[value.position]
        inputs = [self._value(one, site, operands, level) for one in value.inputs]
        return self._submodule(value.child, self._children[value.child], tuple(inputs), {}, level)

    def _node(self, func: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "typed.fx.Node":
        name = str(getattr(func, "__name__", ""))
        if name == "__get__":
            attribute: Any = getattr(func, "__self__", None)
            return self.graph.call_function(getattr, (args[0], attribute.__name__))
        if isinstance(func, _METHODS) or getattr(_torch.Tensor, name, None) is func:
            return self.graph.call_method(name, args, kwargs)
        return self.graph.call_function(func, args, kwargs)

    def call(self, module: "typed.nn.Module", run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A submodule is called, with its hooks: one node."""
        if self.whole:
            return run(*args, **kwargs)
        return self._submodule(self._paths[id(module)], run, args, kwargs, 0)

    def _submodule(self, path: str, run: Run, args: tuple[Any, ...], kwargs: dict[str, Any], level: int) -> Any:
        edited = self.rounds.module(path, level)
        if edited is not None:
            return self._value(edited[1].value, edited[1].site, list(tensors_in((args, kwargs))), edited[0])
        node = self.graph.call_module(path, self.written(tuple(args)), self.written(dict(kwargs)))
        self.varying.require_no_draws()
        self.whole = True
        try:
            with _torch._C.DisableTorchFunction():
                out = run(*args, **kwargs)
        finally:
            self.whole = False
            self.varying.draws.went_on()  # what it draws itself stays its own
        self.bind(out, node)
        return out

    def forward(self, module: "typed.nn.Module", run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A submodule's `forward` runs, most often within its call."""
        return run(*args, **kwargs) if self.whole else self.call(module, run, args, kwargs)

    def custom_function(self, run: Run, args: tuple[Any, ...]) -> Any:
        """`autograd.Function.apply`: what it does backward would be lost."""
        if self.whole:
            return run(*args)
        raise Unwritable("calls an autograd.Function of its own")


def record_frame(
    owner: "typed.nn.Module",
    forward: Run,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    rounds: tuple[Round, ...] = (),
    *,
    first: int = 0,
) -> Frame:
    """Record the own code of a module.

    Args:
        owner: The module.
        forward: The code: a function of the module and its arguments.
        rounds: What is to be computed otherwise.
        args: What it is called with; tensors, or `Shell`s where their numbers are not at hand.
        kwargs: The same, by name.
        first: Which of the `attempts` to start with.

    Raises:
        Unwritable: if the code cannot be written anew.
    """
    shells = any(isinstance(leaf, Shell) for leaf in tree_leaves((args, kwargs)))
    trouble: Exception | None = None
    for open_axes in [*attempts()][first:]:
        if open_axes is None and shells:
            break
        try:
            return _record(owner, forward, (args, kwargs), open_axes, rounds)
        except Unwritable:
            raise
        except Exception as error:  # the next attempt fixes more sizes
            trouble = error
    raise NotRun(f"does not run: {words_of(owner, trouble)}" if trouble else "does not run") from trouble


def _record(
    owner: "typed.nn.Module",
    forward: Run,
    tree: Given,
    open_axes: Callable[[int], bool] | None,
    rounds: tuple[Round, ...],
) -> Frame:
    leaves, structure = tree_flatten(tree)
    environment: ShapeEnv | None = None
    mode: FakeTensorMode | None = None
    if open_axes is not None:
        shapes: Any = load("torch.fx.experimental.symbolic_shapes", extra="torch")
        fakes: Any = load("torch._subclasses.fake_tensor", extra="torch")
        environment = shapes.ShapeEnv()
        mode = fakes.FakeTensorMode(shape_env=environment, allow_non_fake_inputs=True)
    recorder = FrameRecorder(owner, environment, rounds)
    values = [
        example_like(leaf, mode, open_axes) if is_tensor(leaf) or isinstance(leaf, Shell) else leaf for leaf in leaves
    ]
    tensors = list(filter(is_tensor, values))
    recorder.given(tensors)
    args, kwargs = tree_unflatten(values, structure)
    with (
        kept_generators(),
        untouched(owner) as changed,
        symbols(mode),
        watched(owner, recorder),
        without(owner, {name for one in rounds for edit in one.edits for name in edit.brought}),
        recorder.around.noticed(lambda: is_active(recorder) and not recorder.whole),
        _torch.enable_grad(),  # where it is off, turning it off is no change
        recorder,
    ):
        out = forward(owner, *args, **kwargs)
        recorder.varying.require_no_draws()
    if own := changed.get(""):
        raise Unwritable(f"sets {', '.join(map(repr, own))} on itself")
    if missed := recorder.rounds.missed():
        raise Unwritable(f"does not compute {missed[0]!r}, which was switched")
    results, outputs = tree_flatten(out)
    if any(not isinstance(value, (_torch.Tensor, *_KEPT)) and not is_size(value) for value in results):
        raise Unwritable("gives objects that torch's pytrees do not know")
    recorder.graph.output([recorder.written(value) for value in results])
    unused = {name for one in rounds for edit in one.edits for name in edit.unused}
    _erase_unread(recorder.graph, unused)
    sizes = tuple(((i, axis), int(tensors[i].shape[axis])) for i, axis in sorted(recorder.sizes.held))
    others = tuple(leaf for leaf in leaves if not _is_given(leaf))
    return Frame(
        recorder.graph,
        bool(owner.training),
        (structure, others),
        sizes,
        recorder.sizes.guard(),
        outputs,
        recorder.rounds.orders,
        recorder.around.changes,
    )


JOINING = ("stack", "hstack", "vstack", "dstack", "column_stack", "cat", "concat", "concatenate")
"""Functions that do nothing but put tensors side by side."""


def _erase_unread(graph: "typed.fx.Graph", unused: set[str]) -> None:
    """Take out settings that nothing asks for, joins that only old values read, and submodules said to be unused."""
    for node in reversed(list(graph.nodes)):
        idle = node.op == "call_function" and (node.target is getattr or node.target.__name__ in JOINING)
        if not node.users and (idle or (node.op == "call_module" and node.target in unused)):
            graph.erase_node(node)


def writes_in_place(function: object) -> bool:
    """Whether a torch function is one of those that write into their first argument, by its name."""
    name = str(getattr(function, "__name__", ""))
    return name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))


def _is_given(leaf: object) -> TypeGuard["typed.Tensor | Shell"]:
    return is_tensor(leaf) or isinstance(leaf, Shell)
