"""A PyTorch module on the bench as it is: rewritten in its own code, run in eager mode or under `torch.compile`."""

import copy
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from addcat.doors.bench import Feeds, RunByName
from addcat.doors.inputs import Inputs, Shapes, Wanted, given_inputs, sizes_of_run
from addcat.doors.torch import read as reading
from addcat.doors.torch.build import new_module
from addcat.doors.torch.devices import full_precision, name_of
from addcat.doors.torch.examples import Example, array_of, device_of, example_of
from addcat.doors.torch.modules import why_opaque
from addcat.doors.torch.plan import plan
from addcat.doors.torch.raised import named
from addcat.doors.torch.record import record
from addcat.doors.torch.tables import named_modules
from addcat.doors.torch.tensors import tensors_in
from addcat.doors.torch.timer import TorchTimer, compiled, on_threads
from addcat.doors.torch.write import write
from addcat.errors import ModelError
from addcat.frameworks import torch
from addcat.graph import Array, Graph, Node
from addcat.graph.cost import total_multiply_adds

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
Runtime = Literal["torch", "torch.compile"]
RUNTIMES: tuple[Runtime, ...] = ("torch", "torch.compile")
MULTIPLY_ADDS = 2_000_000_000
"""Models that multiply so often at most are evaluated in float64 too."""


@dataclass(slots=True)
class ModuleBench:
    """See `Bench`.

    Attributes:
        original: The module that was passed.
        example: What it is called with, at the shapes of the run.
        graph: Its graph, as it was recorded: without nested models.
        shapes: Shapes of the inputs at which it is run.
        runtime: "torch", which is eager mode, or "torch.compile".
        threads: How many threads a run may use.
        given: Inputs that were given; the others are drawn at random.
        notes: What there is to say of the module as it was read.
        timing: Measures it.
    """

    original: "typed.nn.Module"
    example: Example
    graph: Graph
    shapes: dict[str, tuple[int, ...]]
    runtime: Runtime
    threads: int
    given: Feeds
    notes: tuple[str, ...]
    timing: TorchTimer = field(init=False)

    def __post_init__(self) -> None:
        self.timing = TorchTimer(self.call, self.write, self.runtime, self.threads, name_of(device_of(self.original)))

    @property
    def framework(self) -> Literal["torch"]:
        """PyTorch."""
        return "torch"

    @property
    def sized(self) -> Graph:
        """The graph; its sizes are those of the run, but for the batch."""
        return self.graph

    @property
    def unwritable(self) -> Callable[[Graph], str]:
        """What cannot be done to the module's own code, or would be done behind its hooks."""
        return self._unwritable

    def _unwritable(self, graph: Graph) -> str:
        try:
            todo = plan(self.graph, graph)
            for node in todo.replaced.values():
                if node is not None:
                    new_module(node, _torch.zeros(()))
        except ModelError as error:
            return str(error).rstrip(".")
        paths = [*todo.passed, *todo.replaced, *(path for node in todo.changed if (path := node.native.path))]
        return next((reason for path in paths if (reason := _hooked(self.original, path))), "")

    def missing(self, node: Node) -> str:
        """Nothing that `unwritable` would not say."""
        return ""

    def write(self, graph: Graph) -> "typed.nn.Module":
        """A copy of the module, rewritten."""
        return write(graph)

    def read(self, model: "typed.nn.Module") -> Graph:
        """The graph of a module at the shapes of the run."""
        return reading.graph_of(record(model, self.example))

    def call(self, model: "typed.nn.Module", feeds: Feeds | None = None) -> Callable[[], Any]:
        """A function that calls a module on these inputs, or those of seed 0."""
        feeds = self.feeds(0) if feeds is None else feeds
        call = example_of(self.example, [feeds[name] for name in self.graph.inputs], model)

        def run() -> Any:
            with _torch.no_grad():
                return model(*call.args, **call.kwargs)

        return run

    def runner(self, model: "typed.nn.Module", *, optimised: bool = True) -> RunByName:
        """The module as a user calls it; without its fast kernels where `optimised` is off."""
        made = compiled(model) if self.runtime == "torch.compile" and optimised else model

        def run(feeds: Feeds) -> list[Array]:
            plain = nullcontext() if optimised else _without_fast_kernels()
            with named(model, *self.example.trouble), on_threads(self.threads), plain, full_precision():
                out = self.call(made, feeds)()
            return [array_of(tensor) for tensor in tensors_in(out)]

        return run

    def as_timed(self, model: "typed.nn.Module") -> tuple[RunByName, str]:
        """The same, in the module's own types."""
        return self.runner(model), "float32"

    def feeds(self, seed: int) -> Feeds:
        """Inputs: random where none are given; every second seed has a batch of two where all inputs have one."""
        generator, names = np.random.default_rng(seed), self.graph.inputs
        sizes = {shape[0] if shape else 0 for shape in self.shapes.values()}
        times = 2 if seed % 2 and not self.given and len(sizes) == 1 and 0 not in sizes else 1
        tensors = zip(names, self.example.tensors, strict=True)
        return {**{name: _drawn(tensor, times, generator) for name, tensor in tensors}, **self.given}

    def reference(self, model: "typed.nn.Module", feeds: Feeds) -> list[Array] | None:
        """Outputs in float64, for models of moderate size."""
        count = total_multiply_adds(self.graph)[0]
        batch = max((shape[0] for shape in self.shapes.values() if shape), default=1)
        if count is None or count * batch > MULTIPLY_ADDS:
            return None
        wide = copy.deepcopy(model).double()
        call = example_of(self.example, [feeds[name] for name in self.graph.inputs], wide)
        call = call.filled([t.double() if t.is_floating_point() else t for t in call.tensors])
        try:
            with _torch.no_grad():
                return [array_of(tensor) for tensor in tensors_in(wide(*call.args, **call.kwargs))]
        except Exception:  # code of the user's own that knows one type
            return None

    def give(self, model: "typed.nn.Module") -> "typed.nn.Module":
        """The module."""
        return model


@contextmanager
def _without_fast_kernels() -> Generator[None]:
    """Within, sums run in another order, on CPUs and on GPUs: what differs then is rounding alone."""
    before, cudnn = _torch._C._get_mkldnn_enabled(), _torch.backends.cudnn.enabled
    _torch._C._set_mkldnn_enabled(False)
    _torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        _torch._C._set_mkldnn_enabled(before)
        _torch.backends.cudnn.enabled = cudnn


def _drawn(tensor: "typed.Tensor", times: int, generator: np.random.Generator) -> Array:
    """Standard normal numbers in the shape and type of a tensor, so many times the batch; other types are repeated."""
    array = array_of(tensor)
    if not tensor.is_floating_point():
        return np.concatenate([array] * times) if times > 1 else array
    shape = (times * array.shape[0], *array.shape[1:]) if array.ndim else ()
    return np.asarray(generator.standard_normal(shape), array.dtype)


def bench_of(
    module: "typed.nn.Module",
    example: Example,
    *,
    runtime: Runtime,
    threads: int,
    shapes: Shapes = None,
    inputs: Inputs = None,
) -> ModuleBench:
    """Put a PyTorch module on the bench as it is.

    Args:
        module: A module in eval mode; it is not touched.
        example: What it is called with. Its sizes are those of the run where `shapes` and `inputs` say nothing, and
            its tensors of other types than real ones are the inputs: indices and flags cannot be drawn.
        runtime: "torch" or "torch.compile".
        threads: How many threads a run may use.
        shapes: Shapes of the inputs, by name or in order.
        inputs: Arrays by name.

    Raises:
        ModelError: if it is in training mode, does not run on the example, or cannot be compiled.
        OptionError: if a given shape does not fit.
        DataError: if a given input does not fit.
    """
    _require_inference(module)
    graph = reading.graph_of(record(module, example))
    tensors = dict(zip(graph.inputs, example.tensors, strict=True))
    wanted = {name: Wanted((None,) * t.ndim, str(t.dtype).removeprefix("torch.")) for name, t in tensors.items()}
    given = given_inputs(inputs, wanted)
    own = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes is None or isinstance(shapes, Mapping):
        shapes = {**{name: shape for name, shape in own.items() if name not in given}, **(shapes or {})}
    sizes = sizes_of_run(wanted, shapes, given, channels_first=True)
    fixed = {name: array_of(t) for name, t in tensors.items() if not t.is_floating_point() and sizes[name] == own[name]}
    if sizes != own:
        filled = [_torch.from_numpy(given[n]) if n in given else t.new_zeros(sizes[n]) for n, t in tensors.items()]
        example = example.filled(filled)
        graph = reading.graph_of(record(module, example))
    bench = ModuleBench(module, example, graph, sizes, runtime, threads, {**fixed, **given}, _notes(module))
    if runtime == "torch.compile":
        _require_compiler(bench)
    return bench


def _require_inference(module: "typed.nn.Module") -> None:
    """A module that is optimised as it is computes in eval mode alone what it did."""
    path = next((path for path, one in named_modules(module) if one.training), None)
    if path is not None:
        who = f"its {path!r}" if path else "the module"
        raise ModelError(
            f"{type(module).__name__} cannot be optimised as a module while {who} is in training mode, where a batch "
            "norm goes by the batch and can be folded into nothing. Call model.eval() before; or take the runtime "
            "'onnxruntime', for which it is exported at inference."
        )


def _require_compiler(bench: ModuleBench) -> None:
    try:
        bench.runner(bench.original)(bench.feeds(0))
    except ModelError as error:
        raise ModelError(
            f"torch.compile does not run the module: {error} Take the runtime 'torch', eager mode."
        ) from error


def _notes(module: "typed.nn.Module") -> tuple[str, ...]:
    name = type(module).__name__
    found = [f"{name} stays a module: a copy in eval mode, with the same classes, is what comes out."]
    parts = {id(part) for one in module.modules() if hasattr(one, "parametrizations") for part in one.modules()}
    for path, one in named_modules(module):
        inside = id(one) in parts and not hasattr(one, "parametrizations")
        if not inside and (reason := why_opaque(one)):
            found.append(f"{type(one).__name__} {path!r} {reason}, so nothing is folded into it.")
    return tuple(found)


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _hooked(module: "typed.nn.Module", path: str) -> str:
    """Why a module of the original may not change; "" where it may."""
    one = dict(named_modules(module)).get(path)
    if one is not None and any(getattr(one, name) for name in _HOOKS):
        return f"{type(one).__name__} {path!r} has hooks, which would see other numbers"
    return ""
