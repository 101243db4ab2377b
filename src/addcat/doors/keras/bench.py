"""A Keras model on the bench: read, rewritten, written and verified, but not timed."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from addcat.doors.bench import Feeds, RunByName
from addcat.doors.inputs import Inputs, Shapes, Wanted, given_inputs, sizes_of_run
from addcat.doors.keras.build import missing
from addcat.doors.keras.read import read
from addcat.doors.keras.run import predictor
from addcat.doors.keras.write import write
from addcat.graph import Array, Graph, Node
from addcat.graph.peak import scheduled


@dataclass(frozen=True, slots=True)
class KerasBench:
    """See `Bench`.

    Attributes:
        original: The model that was passed.
        graph: Its graph.
        shapes: Shapes of the inputs at which it is run.
        given: Inputs that were given; the others are drawn at random.
    """

    original: Any
    graph: Graph
    shapes: dict[str, tuple[int, ...]]
    given: Feeds

    @property
    def framework(self) -> Literal["keras"]:
        """Keras."""
        return "keras"

    @property
    def sized(self) -> Graph:
        """The graph; sizes that a Keras model leaves open stay so."""
        return self.graph

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing: all that is not read is refused."""
        return ()

    @property
    def timing(self) -> None:
        """Keras models are not timed."""
        return None

    @property
    def unwritable(self) -> None:
        """A model can be made of every graph whose nodes have forms."""
        return

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

    def as_timed(self, model: Any) -> tuple[RunByName, str]:
        """The same: nothing is timed."""
        return self.runner(model), "float32"

    def feeds(self, seed: int) -> Feeds:
        """Inputs: random where none are given."""
        generator = np.random.default_rng(seed)
        found: dict[str, Array] = {}
        for name in self.graph.inputs:
            dtype = self.graph.nodes[name].dtype
            drawn = generator.integers(0, 2, self.shapes[name]) if "int" in dtype else None
            found[name] = (generator.standard_normal(self.shapes[name]) if drawn is None else drawn).astype(dtype)
        return {**found, **self.given}

    def reference(self, model: Any, feeds: Feeds) -> list[Array] | None:
        """Keras has no float64 evaluation of a float32 model."""
        return None

    def give(self, model: Any) -> Any:
        """The Keras model."""
        return model


def bench_of(
    model: Any,
    *,
    runtime: str = "",
    threads: int = 1,
    shapes: Shapes = None,
    inputs: Inputs = None,
    passed: Any = None,
    precision: str = "float32",
) -> KerasBench:
    """Put a Keras model on the bench.

    Args:
        model: A built Functional or Sequential model; it is not touched.
        runtime: Does not matter, as nothing is timed.
        threads: Does not matter either.
        shapes: Shapes of the inputs, by name or in order, where the model leaves sizes open. An open batch is 1.
        inputs: Arrays by name, for inputs on which random ones will not do; their shapes count as given.
        passed: Does not matter: results are Keras models.
        precision: Does not matter either.

    Raises:
        ModelError: if the model cannot be read.
        OptionError: if there is no such input, or its size is not known.
        DataError: if a given input does not fit.
    """
    graph = read(model)
    wanted = {name: Wanted(graph.nodes[name].shape, graph.nodes[name].dtype) for name in graph.inputs}
    given = given_inputs(inputs, wanted)
    return KerasBench(model, graph, sizes_of_run(wanted, shapes, given, channels_first=False), given)
