"""An ONNX model on the bench: at some input shapes, in some runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

from addcat.doors.bench import Feeds, RunByName
from addcat.doors.inputs import Inputs, Shapes, given_inputs, item_bytes, memory_bytes, sizes_of_run
from addcat.doors.onnx.external import weight_bytes
from addcat.doors.onnx.read import read
from addcat.doors.onnx.reading.load import STORED_OPSET, infer, ir, load
from addcat.doors.onnx.reading.opsets import OLDEST_OPSET
from addcat.doors.onnx.running.reference import run_float64
from addcat.doors.onnx.running.runtime import RunError, random_inputs, start, start_as_it_likes, wanted_inputs
from addcat.doors.onnx.simplify.simplify import normalise
from addcat.doors.onnx.timer import OnnxTimer
from addcat.doors.onnx.write import PROTO_LIMIT, put_in_order, to_proto, write
from addcat.errors import ModelError, OptionError
from addcat.graph import Array, Graph, Node, Tensor
from addcat.graph.cost import total_multiply_adds
from addcat.graph.peak import memory, scheduled
from addcat.merges.oddities import about_model

PRECISIONS = ("float32", "default")
REFERENCE_ELEMENTS, REFERENCE_MULTIPLY_ADDS = 30_000_000, 2_000_000_000
"""Models whose tensors hold up to so many elements in all, and that multiply so often, are evaluated in float64 too."""


@dataclass(slots=True)
class OnnxBench:
    """See `Bench`.

    Attributes:
        original: The `onnx_ir.Model` that was read.
        graph: Its graph.
        sized: The same with the sizes of the run.
        shapes: Shapes of the inputs at which it is run.
        runtime: Where it is run.
        threads: How many threads a run may use.
        precision: What it is timed in: "float32", or "default" for the runtime's own; it is verified in float32.
        as_ir: Whether results are given as `onnx_ir.Model`.
        given: Inputs that were given; the others are drawn at random.
        notes: What there is to say of the model as it was read.
        timing: Measures it.
    """

    original: Any
    graph: Graph
    sized: Graph
    shapes: dict[str, tuple[int, ...]]
    runtime: str
    threads: int
    precision: str
    as_ir: bool
    given: Feeds
    notes: tuple[str, ...]
    timing: OnnxTimer = field(init=False)

    def __post_init__(self) -> None:
        self.timing = OnnxTimer(self)

    @property
    def framework(self) -> Literal["onnx"]:
        """ONNX."""
        return "onnx"

    @property
    def unwritable(self) -> None:
        """A model can be made of every graph whose nodes have forms."""
        return

    def missing(self, node: Node) -> str:
        """Nothing: ONNX has a form for whatever the rules make."""
        return ""

    def write(self, graph: Graph) -> Any:
        """The model of a graph, in the order that keeps least alive at the sizes of the run."""
        model = write(scheduled(graph))
        if graph.native.whole and self.sized is not self.graph:
            found = memory(self.read(model))
            put_in_order(model, [] if found is None else list(found.graph.nodes))
        return model

    def read(self, model: Any) -> Graph:
        """The graph of a model at the shapes where it is run."""
        return read(model, tuple(self.shapes.values()))

    def runner(self, model: Any, *, optimised: bool = True) -> RunByName:
        """A session of the runtime."""
        runtime = self.runtime if optimised else "onnxruntime"
        return start(model, runtime=runtime, threads=self.threads, optimised=optimised)

    def as_timed(self, model: Any) -> tuple[RunByName, str]:
        """A session in the precision that is asked for, and the type that it computes in."""
        if self.precision == "float32":
            return self.runner(model), "float32"
        return start_as_it_likes(model, threads=self.threads)

    def feeds(self, seed: int) -> Feeds:
        """Inputs: random where none are given; every second seed has a batch of two where the batch is free."""
        shapes = dict(self.shapes)
        if seed % 2 and not self.given and self._free_batch():
            shapes = {name: (2 * shape[0], *shape[1:]) for name, shape in shapes.items()}
        return {**random_inputs(self.original, shapes, seed), **self.given}

    def _free_batch(self) -> bool:
        inputs = [value for value in self.original.graph.inputs if value.name in self.shapes]
        return all(
            value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int) for value in inputs
        )

    def reference(self, model: Any, feeds: Feeds) -> list[Array] | None:
        """Outputs in float64, for models of moderate size."""
        elements = sum(prod(size or 1 for size in t.shape) for n in self.sized.nodes.values() for t in n.outputs)
        count = total_multiply_adds(self.sized)[0]
        small = elements <= REFERENCE_ELEMENTS and count is not None and count <= REFERENCE_MULTIPLY_ADDS
        return run_float64(model, feeds) if small else None

    def give(self, model: Any) -> Any:
        """An `onnx.ModelProto`, or an `onnx_ir.Model` where one was passed or the model is too large for the other."""
        return model if self.as_ir or weight_bytes(model) > PROTO_LIMIT else to_proto(model)


def bench_of(
    model: Any,
    *,
    runtime: str = "onnxruntime",
    threads: int = 1,
    shapes: Shapes = None,
    inputs: Inputs = None,
    passed: Any = None,
    precision: str = "float32",
) -> OnnxBench:
    """Put an ONNX model on the bench.

    Args:
        model: An `onnx.ModelProto` or an `onnx_ir.Model`; it is not touched.
        runtime: Where it is measured and verified: "onnxruntime" or "openvino".
        threads: How many threads a run may use.
        shapes: Shapes of the inputs, by name or in order, where the model leaves sizes open. An open batch is 1.
        inputs: Arrays by name, for inputs on which random ones will not do; their shapes count as given.
        passed: What stood for the model where that was not the model itself, such as its path; results are given back
            as an `onnx_ir.Model` only where one was passed.
        precision: "float32", or "default" to be timed in what OpenVINO chooses on this processor.

    Raises:
        ModelError: if the model cannot be read, or does not run on these inputs.
        OptionError: if a size of an input is not known, a given shape does not fit, or the runtime has no precision of
            its own.
        DataError: if a given input does not fit.
    """
    _check_precision(precision, runtime)
    loaded = load(model)
    original, wanted = loaded.model, wanted_inputs(loaded.model)
    given = given_inputs(inputs, wanted)
    chosen = sizes_of_run(wanted, shapes, given, channels_first=True)
    _require_memory(infer(loaded))
    simple = normalise(original)
    graph = sized = read(simple)
    if any(None in tensor.shape[1:] for node in graph.nodes.values() for tensor in node.outputs):
        sized = read(simple, tuple(chosen.values()))
    as_ir = isinstance(model if passed is None else passed, ir().Model)
    notes = _notes(original, graph)
    bench = OnnxBench(original, graph, sized, chosen, runtime, threads, precision, as_ir, given, notes)
    _require_run(bench)
    return bench


def _check_precision(precision: str, runtime: str) -> None:
    if precision not in PRECISIONS:
        raise OptionError(f"precision must be one of {', '.join(map(repr, PRECISIONS))}. Got {precision!r}.")
    if precision == "default" and runtime == "onnxruntime":
        raise OptionError(
            "precision 'default' is what OpenVINO chooses; ONNX Runtime computes in the types of the model. Take the "
            "runtime 'openvino', or leave precision out."
        )


def _notes(model: Any, graph: Graph) -> tuple[str, ...]:
    found = [f"{finding.words[0].upper()}{finding.words[1:]}" for finding in about_model(graph)]
    if STORED_OPSET in model.meta:
        found.append(
            f"The model was stored with opset {model.meta[STORED_OPSET]}; what comes out is of opset {OLDEST_OPSET}."
        )
    return tuple(found)


def _require_memory(types: Mapping[str, Tensor]) -> None:
    most = memory_bytes()
    for name, tensor in types.items():
        known = prod(1 if size is None else size for size in tensor.shape) * item_bytes(tensor.dtype)
        if most is not None and known > most // 2:
            raise ModelError(
                f"The tensor {name!r} of the shape {tensor.shape} takes more than half of this machine's memory, so "
                "the model is not run here."
            )


def _require_run(bench: OnnxBench) -> None:
    """Run the original once, before any work."""
    try:
        bench.runner(bench.original)(bench.feeds(0))
    except RunError as error:
        if set(bench.given) == set(bench.shapes):
            raise ModelError(f"The model does not run on the inputs that were given: {error}") from None
        drawn = [f"{name!r} {shape}" for name, shape in bench.shapes.items() if name not in bench.given]
        raise ModelError(
            f"The model does not run on random inputs: {error} Sizes, indices and flags have to be given: "
            f"--inputs file.npz, or inputs= in Python, with an array for each input by its name. "
            f"Drawn at random {'were' if len(drawn) > 1 else 'was'} {', '.join(drawn)}."
        ) from None
