"""A Keras model on the bench: read, rewritten, written and verified, but not timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from addcat.doors.bench import Feeds, RunByName, Shapes
from addcat.doors.keras.build import missing
from addcat.doors.keras.read import read
from addcat.doors.keras.run import predictor
from addcat.doors.keras.write import write
from addcat.errors import OptionError
from addcat.graph import Array, Graph, Node, Shape
from addcat.graph.peak import scheduled


@dataclass(frozen=True, slots=True)
class KerasBench:
    """See `Bench`.

    Attributes:
        original: The model that was passed.
        graph: Its graph.
        shapes: Shapes of the inputs at which it is run.
    """

    original: Any
    graph: Graph
    shapes: dict[str, tuple[int, ...]]

    @property
    def framework(self) -> Literal["keras"]:
        """Keras."""
        return "keras"

    @property
    def sized(self) -> Graph:
        """The graph; sizes that a Keras model leaves open stay so."""
        return self.graph

    @property
    def timing(self) -> None:
        """Keras models are not timed."""
        return None

    def missing(self, node: Node) -> str:
        """What Keras has no layer for."""
        return missing(node)

    def write(self, graph: Graph) -> Any:
        """The Keras model of a graph, in the order that keeps least alive."""
        return write(scheduled(graph))

    def read(self, model: Any) -> Graph:
        """The graph of a model."""
        return read(model)

    def runner(self, model: Any, *, optimised: bool = True) -> RunByName:
        """The model as a user calls it."""
        run = predictor(model)
        return lambda feeds: run([feeds[name] for name in self.graph.inputs])

    def feeds(self, seed: int) -> Feeds:
        """Random inputs."""
        generator = np.random.default_rng(seed)
        found: dict[str, Array] = {}
        for name in self.graph.inputs:
            dtype = self.graph.nodes[name].dtype
            drawn = generator.integers(0, 2, self.shapes[name]) if "int" in dtype else None
            found[name] = (generator.standard_normal(self.shapes[name]) if drawn is None else drawn).astype(dtype)
        return found

    def reference(self, model: Any, feeds: Feeds) -> list[Array] | None:
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


def bench_of(
    model: Any, *, runtime: str = "", threads: int = 1, shapes: Shapes = None, passed: Any = None
) -> KerasBench:
    """Put a Keras model on the bench.

    Args:
        model: A built Functional or Sequential model; it is not touched.
        runtime: Does not matter, as nothing is timed.
        threads: Does not matter either.
        shapes: Shapes of the inputs, by name or in order, where the model leaves sizes open. An open batch is 1.
        passed: Does not matter: results are Keras models.

    Raises:
        ModelError: if the model cannot be read.
        OptionError: if there is no such input, or its size is not known.
    """
    graph = read(model)
    if isinstance(shapes, Mapping):
        unknown = [name for name in shapes if name not in graph.inputs]
        if unknown:
            names = ", ".join(map(repr, graph.inputs))
            raise OptionError(f"The model has no input {unknown[0]!r}. Its inputs are {names}.")
        given = dict(shapes)
    else:
        given = dict(zip(graph.inputs, shapes or (), strict=False))
    sizes = {name: _sizes(name, given.get(name, graph.nodes[name].shape)) for name in graph.inputs}
    return KerasBench(model, graph, sizes)
