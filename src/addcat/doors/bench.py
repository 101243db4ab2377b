"""The model that is optimised, behind one face: ONNX with a runtime to measure in, or Keras, which is only counted."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from addcat.doors.keras.read import read as read_keras
from addcat.doors.keras.write import write as write_keras
from addcat.doors.onnx.read import read as read_onnx
from addcat.doors.onnx.reading.load import ir, load
from addcat.doors.onnx.running.reference import run_float64
from addcat.doors.onnx.running.region import regions
from addcat.doors.onnx.running.runtime import input_shapes, process_peak, random_inputs, start
from addcat.doors.onnx.simplify.simplify import normalise
from addcat.doors.onnx.write import PROTO_LIMIT, put_in_order, to_proto
from addcat.doors.onnx.write import write as write_onnx
from addcat.doors.timing import Clock, Ratio, interleave
from addcat.errors import ModelError, OptionError
from addcat.frameworks import keras
from addcat.graph import Array, Graph, Node, Shape
from addcat.graph.cost import total_multiply_adds
from addcat.graph.peak import memory, scheduled

Shapes = Mapping[str, Shape] | Sequence[Shape] | None
Run = Callable[[Mapping[str, Array]], list[Array]]
REFERENCE_ELEMENTS, REFERENCE_MULTIPLY_ADDS = 30_000_000, 2_000_000_000
"""Models whose tensors hold up to so many elements in all, and that multiply so often, are evaluated in float64 too."""


class Subject(Protocol):
    """What the search and the verification ask of a model.

    Attributes:
        graph: Its graph.
        sized: The same with the sizes at which it is run, where `graph` leaves more of them open than the batch: the
            search counts and measures there, and what it finds is done to `graph`.
        original: The model as it was passed.
        shapes: Shapes of the inputs at which it is run.
        can_run: Whether it can be timed.
    """

    graph: Graph
    sized: Graph
    original: Any
    shapes: dict[str, tuple[int, ...]]
    can_run: bool

    def write(self, graph: Graph) -> Any:
        """The model of a graph."""
        ...

    def read(self, model: Any) -> Graph:
        """The graph of a model, with sizes as they are at the shapes where it is run."""
        ...

    def runner(self, model: Any, *, optimised: bool = True) -> Run:
        """A function that runs a model on inputs by name."""
        ...

    def feeds(self, seed: int) -> Mapping[str, Array]:
        """Random inputs; other sizes for other seeds where they are free."""
        ...

    def reference(self, model: Any, feeds: Mapping[str, Array]) -> list[Array] | None:
        """Outputs in float64; None where the model is too large or not known."""
        ...

    def give(self, model: Any) -> Any:
        """The model in the form in which it was passed."""
        ...


@dataclass
class OnnxSubject:
    """An ONNX model, at some input shapes, in some runtime."""

    original: Any
    graph: Graph
    sized: Graph
    shapes: dict[str, tuple[int, ...]]
    runtime: str
    threads: int
    as_ir: bool
    can_run: bool = True
    _peaks: dict[int, tuple[Any, int | None]] = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]
    _parts: dict[tuple[int, int], tuple[Graph, Graph]] = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]

    @staticmethod
    def of(source: Any, *, runtime: str, threads: int, shapes: Shapes) -> "OnnxSubject":
        """Read a model from memory or a file."""
        original = load(source).model
        chosen = input_shapes(original, shapes)
        simple = normalise(original)
        graph = sized = read_onnx(simple)
        if any(None in tensor.shape[1:] for node in graph.nodes.values() for tensor in node.outputs):
            sized = read_onnx(simple, tuple(chosen.values()))
        return OnnxSubject(original, graph, sized, chosen, runtime, threads, isinstance(source, ir().Model))

    def write(self, graph: Graph) -> Any:
        """The model of a graph, in the order that keeps least alive at the sizes of the run."""
        model = write_onnx(scheduled(graph))
        if graph.native.whole and self.sized is not self.graph:
            found = memory(self.read(model))
            put_in_order(model, [] if found is None else list(found.graph.nodes))
        return model

    def read(self, model: Any) -> Graph:
        """The graph of a model at the shapes where it is run."""
        return read_onnx(model, tuple(self.shapes.values()))

    def runner(self, model: Any, *, optimised: bool = True) -> Run:
        """A session of the runtime."""
        runtime = self.runtime if optimised else "onnxruntime"
        return start(model, runtime=runtime, threads=self.threads, optimised=optimised)

    def feeds(self, seed: int) -> Mapping[str, Array]:
        """Random inputs; every second seed has a batch of two where the batch is free."""
        shapes = dict(self.shapes)
        if seed % 2 and self._free_batch():
            shapes = {name: (2 * shape[0], *shape[1:]) for name, shape in shapes.items()}
        return random_inputs(self.original, shapes, seed)

    def _free_batch(self) -> bool:
        inputs = [value for value in self.original.graph.inputs if value.name in self.shapes]
        return all(
            value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int) for value in inputs
        )

    def reference(self, model: Any, feeds: Mapping[str, Array]) -> list[Array] | None:
        """Outputs in float64, for models of moderate size."""
        elements = sum(prod(size or 1 for size in t.shape) for n in self.sized.nodes.values() for t in n.outputs)
        count = total_multiply_adds(self.sized)[0]
        small = elements <= REFERENCE_ELEMENTS and count is not None and count <= REFERENCE_MULTIPLY_ADDS
        return run_float64(model, feeds) if small else None

    def give(self, model: Any) -> Any:
        """An `onnx.ModelProto`, or an `onnx_ir.Model` where one was passed or the model is too large for the other."""
        size = sum(value.const_value.nbytes for value in model.graph.initializers.values())
        return model if self.as_ir or size > PROTO_LIMIT else to_proto(model)

    def process_peak(self, model: Any) -> int | None:
        """Bytes that a process grows by when it loads and runs a model; the least that was seen."""
        peak = process_peak(model, self.feeds(0), threads=self.threads)
        known = self._peaks.get(id(model), (model, None))[1]
        least = peak if known is None or peak is None else min(peak, known)
        self._peaks[id(model)] = model, least
        return least

    def known_peak(self, model: Any) -> int | None:
        """The same, measured once."""
        return self._peaks[id(model)][1] if id(model) in self._peaks else self.process_peak(model)

    def compare_whole(self, old: Any, new: Any, *, limit: float) -> Ratio:
        """Time two models against each other, over all pairs that the time allows."""
        feeds = self.feeds(0)
        runs = partial(self.runner(old), feeds), partial(self.runner(new), feeds)
        return interleave(*runs, limit=limit, clock=self._clock, stop_early=False)

    @property
    def _clock(self) -> Clock:
        return time.process_time if self.threads == 1 else time.perf_counter

    def compare(self, old: Graph, new: Graph, *, limit: float = 0.8) -> Ratio:
        """Time what differs between two graphs; the whole where it cannot be run alone."""
        before, after = self._regions(old, new)
        try:
            return interleave(self._part(before), self._part(after), limit=limit, level=0.9, clock=self._clock)
        except (ModelError, OptionError):
            return self.compare_whole(self.write(old), self.write(new), limit=4 * limit)

    def _regions(self, old: Graph, new: Graph) -> tuple[Graph, Graph]:
        key = (id(old), id(new))
        if key not in self._parts:
            self._parts.clear()
            self._parts[key] = regions(old, new)
        return self._parts[key]

    def _part(self, part: Graph) -> Callable[[], object]:
        model = self.write(self._at_batch(part))
        kinds = {part.nodes[name].dtype for name in part.inputs}
        if not kinds <= {"float32", "float64", "float16"}:
            raise OptionError("A part that reads whole numbers is not run on random ones.")
        feeds = random_inputs(model, input_shapes(model), 0)
        return partial(self.runner(model), feeds)

    def _at_batch(self, part: Graph) -> Graph:
        batch = next((shape[0] for shape in self.shapes.values() if shape), 1)
        nodes = [self._fixed(node, batch) if node.op == "input" else node for node in part.nodes.values()]
        return Graph.of(nodes, inputs=part.inputs, outputs=part.outputs, name=part.name, native=part.native)

    @staticmethod
    def _fixed(node: Node, batch: int) -> Node:
        shape = node.shape
        sized = (batch, *shape[1:]) if shape and shape[0] is None else shape
        return replace(node, outputs=(replace(node.outputs[0], shape=sized),))

    def signature(self, old: Graph, new: Graph) -> object:
        """A key of what differs between two graphs: operations, settings and sizes, no names and no values."""
        return tuple(_signature(part) for part in self._regions(old, new))


def _signature(part: Graph) -> object:
    number = {name: i for i, name in enumerate(part.nodes)}
    return tuple(
        (
            node.op,
            node.native is None or node.edited,
            tuple((number[edge.node], edge.output) for edge in node.inputs),
            tuple((tensor.shape, tensor.dtype) for tensor in node.outputs),
            tuple(sorted((name, weight.shape) for name, weight in node.weights.items())) if node.op != "opaque" else (),
            tuple(sorted((name, str(value)) for name, value in node.attrs.items())),
        )
        for node in part.nodes.values()
    )


@dataclass
class KerasSubject:
    """A Keras model: read, rewritten, written and verified, but not timed."""

    original: Any
    graph: Graph
    sized: Graph
    shapes: dict[str, tuple[int, ...]]
    can_run: bool = False

    @staticmethod
    def of(model: Any, *, shapes: Shapes) -> "KerasSubject":
        """Read a Keras model."""
        graph = read_keras(model)
        if isinstance(shapes, Mapping):
            unknown = [name for name in shapes if name not in graph.inputs]
            if unknown:
                names = ", ".join(map(repr, graph.inputs))
                raise OptionError(f"The model has no input {unknown[0]!r}. Its inputs are {names}.")
            given = dict(shapes)
        else:
            given = dict(zip(graph.inputs, shapes or (), strict=False))
        sizes = {name: _sizes(name, given.get(name, graph.nodes[name].shape)) for name in graph.inputs}
        return KerasSubject(model, graph, graph, sizes)

    def write(self, graph: Graph) -> Any:
        """The Keras model of a graph, in the order that keeps least alive."""
        return write_keras(scheduled(graph))

    def read(self, model: Any) -> Graph:
        """The graph of a model."""
        return read_keras(model)

    def runner(self, model: Any, *, optimised: bool = True) -> Run:
        """The model at inference."""

        def run(feeds: Mapping[str, Array]) -> list[Array]:
            arrays = [feeds[name] for name in self.graph.inputs]
            structure = model.inputs[0] if len(arrays) == 1 else model.input
            outputs = model(keras().tree.pack_sequence_as(structure, arrays), training=False)
            return [keras().ops.convert_to_numpy(output) for output in keras().tree.flatten(outputs)]

        return run

    def feeds(self, seed: int) -> Mapping[str, Array]:
        """Random inputs."""
        generator = np.random.default_rng(seed)
        found: dict[str, Array] = {}
        for name in self.graph.inputs:
            dtype = self.graph.nodes[name].dtype
            drawn = generator.integers(0, 2, self.shapes[name]) if "int" in dtype else None
            found[name] = (generator.standard_normal(self.shapes[name]) if drawn is None else drawn).astype(dtype)
        return found

    def reference(self, model: Any, feeds: Mapping[str, Array]) -> list[Array] | None:
        """Keras has no float64 evaluation of a float32 model."""
        return None

    def give(self, model: Any) -> Any:
        """The Keras model."""
        return model


def _sizes(name: str, shape: Shape) -> tuple[int, ...]:
    sizes = [1 if size is None and axis == 0 else size for axis, size in enumerate(shape)]
    if None in sizes:
        raise OptionError(
            f"Input {name!r} has the shape {tuple(shape)}, so its size is not known. "
            f"Pass one, such as shapes={{{name!r}: (1, 224, 224, 3)}}, or --shape {name}=1x224x224x3."
        )
    return tuple(size for size in sizes if size is not None)


def subject_of(model: Any, *, runtime: str, threads: int, shapes: Shapes) -> Subject:
    """Take a model in by the door that it belongs to.

    Args:
        model: A path of an .onnx or .keras file, an `onnx.ModelProto`, an `onnx_ir.Model` or a Keras model.
        runtime: Where an ONNX model is measured.
        threads: On how many threads.
        shapes: Shapes of inputs whose sizes are free.

    Raises:
        ModelError: if it is none of those, or cannot be read.
    """
    if isinstance(model, str | Path) and Path(model).suffix == ".keras":
        if not Path(model).is_file():
            raise ModelError(f"There is no file {str(model)!r}. Pass the path of an existing .keras file.")
        try:
            model = keras().saving.load_model(model, compile=False)
        except Exception as error:
            said = str(error).strip().splitlines()[0]
            raise ModelError(f"{str(model)!r} cannot be loaded by Keras: {said}") from None
    if _is_keras(model):
        return KerasSubject.of(model, shapes=shapes)
    if isinstance(model, str | Path) or type(model).__module__.startswith(("onnx.", "onnx_ir", "onnx_ml")):
        return OnnxSubject.of(model, runtime=runtime, threads=threads, shapes=shapes)
    kind = f"{type(model).__module__}.{type(model).__name__}"
    raise ModelError(f"{kind} is no model that can be optimised. Pass an ONNX model, a Keras model, or a path of one.")


def _is_keras(model: Any) -> bool:
    return any(cls.__module__.startswith("keras.") for cls in type(model).__mro__)
