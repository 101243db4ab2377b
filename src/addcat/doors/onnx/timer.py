"""ONNX models and parts of them, timed against each other."""

import os
import platform
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from addcat.doors.onnx.running.region import regions
from addcat.doors.onnx.running.runtime import input_shapes, process_peak, random_inputs
from addcat.doors.timing import Clock, Ratio, interleave
from addcat.errors import ModelError, OptionError
from addcat.frameworks import load
from addcat.graph import Graph, Node

if TYPE_CHECKING:
    from onnx_ir import Model

    from addcat.doors.onnx.bench import OnnxBench

KEPT = 4
"""Parts that are held ready to run."""


@dataclass(slots=True)
class OnnxTimer:
    """See `Timer`; it keeps what it has cut out and measured.

    Attributes:
        bench: The bench that it stands on.
    """

    bench: "OnnxBench"
    _peaks: dict[int, "tuple[Model, int | None]"] = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]
    _ready: dict[Hashable, tuple[Graph, Callable[[], object]]] = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]
    _parts: dict[tuple[int, int], tuple[Graph, Graph]] = field(default_factory=dict)  # pyright: ignore[reportUnknownVariableType]

    def process_peak(self, model: "Model") -> int | None:
        """Bytes that a process grows by when it loads and runs a model; the least that was seen."""
        peak = process_peak(model, self.bench.feeds(0), threads=self.bench.threads)
        known = self._peaks.get(id(model), (model, None))[1]
        least = peak if known is None or peak is None else min(peak, known)
        self._peaks[id(model)] = model, least
        return least

    def known_peak(self, model: "Model") -> int | None:
        """The same, measured once."""
        return self._peaks[id(model)][1] if id(model) in self._peaks else self.process_peak(model)

    def compare_whole(self, old: "Model", new: "Model", *, limit: float, most: float = inf) -> Ratio:
        """Time two models against each other, over all pairs that the time allows."""
        feeds = self.bench.feeds(0)
        runs = partial(self.bench.as_timed(old)[0], feeds), partial(self.bench.as_timed(new)[0], feeds)
        return interleave(*runs, limit=limit, most=most, clock=self._clock, stop_early=False)

    def elsewhere(self, old: "Model", new: "Model") -> tuple[str, ...]:
        """An ONNX model is timed in the runtime that was asked for alone."""
        return ()

    @property
    def _clock(self) -> Clock:
        return time.process_time if self.bench.threads == 1 else time.perf_counter

    @property
    def conditions(self) -> str:
        """All that a time depends on beside the model: machine, runtime and threads."""
        runtime = load(self.bench.runtime, extra="openvino" if self.bench.runtime == "openvino" else "onnx")
        own = "" if self.bench.precision == "float32" else f", {self.bench.precision} precision"
        return f"{processor()}, {self.bench.runtime} {runtime.__version__}, {self.bench.threads} threads{own}"

    def compare(
        self,
        old: Graph,
        new: Graph,
        *,
        limit: float = 0.8,
        worth: float = 1.0,
        most: float = inf,
        anew: bool = False,
    ) -> Ratio:
        """Time what differs between two graphs; the whole where it cannot be run alone."""
        before, after = self._regions(old, new)
        if anew:
            self._ready.clear()
        try:
            runs = self._part(before), self._part(after)
            return interleave(*runs, limit=limit, most=most, level=0.9, clock=self._clock, worth=worth)
        except (ModelError, OptionError):
            return self.compare_whole(self.bench.write(old), self.bench.write(new), limit=4 * limit, most=most)

    def _regions(self, old: Graph, new: Graph) -> tuple[Graph, Graph]:
        key = (id(old), id(new))
        if key not in self._parts:
            self._parts.clear()
            self._parts[key] = regions(old, new)
        return self._parts[key]

    def _part(self, part: Graph) -> Callable[[], object]:
        """A run of a part; the last few are kept, since rivals are held against the same part."""
        key = tuple((node.name, node.inputs, id(node.weights), id(node.attrs)) for node in part.nodes.values())
        if (key, part.outputs) not in self._ready:
            run = self._run_of(part)
            if len(self._ready) >= KEPT:
                del self._ready[next(iter(self._ready))]
            self._ready[key, part.outputs] = part, run  # the part is held so that no other takes its ids
        return self._ready[key, part.outputs][1]

    def _run_of(self, part: Graph) -> Callable[[], object]:
        model = self.bench.write(self._at_batch(part))
        kinds = {part.nodes[name].dtype for name in part.inputs}
        if not kinds <= {"float32", "float64", "float16"}:
            raise OptionError("A part that reads whole numbers is not run on random ones.")
        feeds = random_inputs(model, input_shapes(model), 0)
        return partial(self.bench.as_timed(model)[0], feeds)

    def _at_batch(self, part: Graph) -> Graph:
        batch = next((shape[0] for shape in self.bench.shapes.values() if shape), 1)
        nodes = [_fixed(node, batch) if node.op == "input" else node for node in part.nodes.values()]
        return Graph.of(nodes, inputs=part.inputs, outputs=part.outputs, name=part.name, native=part.native)

    def signature(self, old: Graph, new: Graph) -> Hashable:
        """A key of what differs between two graphs: operations, settings and sizes, no names and no values."""
        return tuple(_signature(self._at_batch(part)) for part in self._regions(old, new))


def processor() -> str:
    """What the machine calls its processor, and how many of its cores there are."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name} ({os.cpu_count()})"


def _fixed(node: Node, batch: int) -> Node:
    shape = node.shape
    sized = (batch, *shape[1:]) if shape and shape[0] is None else shape
    return replace(node, outputs=(replace(node.outputs[0], shape=sized),))


def _signature(part: Graph) -> Hashable:
    number = {name: i for i, name in enumerate(part.nodes)}
    return tuple(
        (
            node.op,
            node.native is None or node.edited,
            tuple((number[edge.node], edge.output) for edge in node.inputs),
            tuple((tensor.shape, tensor.dtype) for tensor in node.outputs),
            tuple(sorted((name, weight.shape) for name, weight in node.weights.items())) if node.op != "opaque" else (),
            tuple(sorted((name, str(value)) for name, value in node.attrs.items())),
            _own_settings(node),
        )
        for node in part.nodes.values()
    )


def _own_settings(node: Node) -> Hashable:
    """Of an operation that is not looked into: its settings, and the sizes of what it reads, as the model has them."""
    own: Any = node.native.node if node.op == "opaque" and node.native is not None else None
    if not hasattr(own, "op_type"):  # an input or a constant
        return ()
    settings = tuple(sorted((name, str(attribute.value)) for name, attribute in own.attributes.items()))
    return (own.domain, own.op_type, settings, tuple(str(value and value.shape) for value in own.inputs))
