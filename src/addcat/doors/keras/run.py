"""Run a graph: on random inputs to compare two models, or up to some tensors to look at them.

A model runs as a user calls it, model(x). `predict` would pass training=False down to every layer, over what a call
inside the model says: a layer that is called with training=True would be compared as what it is not.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from addcat.doors.keras.build import set_weights
from addcat.doors.keras.read import read
from addcat.doors.keras.said import first_sentence
from addcat.doors.keras.write import Writer, kept_random, tensors_of
from addcat.errors import ModelError
from addcat.frameworks import keras, load
from addcat.graph import Array, Edge, Graph, Node
from addcat.graph.nested import flatten

OPEN_SIZE = 32
"""Size that an unknown axis takes on random inputs: small, and divisible by what networks usually halve."""


def predictor(model: Any, edges: Sequence[Edge] = ()) -> Callable[[list[Array]], list[Array]]:
    """A function from a list of input arrays to a list of output arrays, compiled where the backend does that.

    Args:
        model: A Keras model.
        edges: Tensors inside it, of its outermost graph, that are to follow the outputs.

    Returns:
        The function; it raises ModelError, with what a layer said, where the model does not run.
    """
    tree, structure = keras().tree, _input_structure(model)
    if edges:
        nodes = read(model).nodes
        inside = [nodes[edge.node].native.tensors[edge.output] for edge in edges]
        model = keras().Model(structure, [*tree.flatten(model.outputs), *inside])
    called = as_called(model)

    def predict(inputs: list[Array]) -> list[Array]:
        packed = tree.map_structure(keras().ops.convert_to_tensor, tree.pack_sequence_as(structure, list(inputs)))
        try:
            with full_precision():
                outputs = called(packed)
        except Exception as error:
            raise ModelError(f"The model does not run: {first_sentence(error)}") from error
        return [np.asarray(keras().ops.convert_to_numpy(out)) for out in tree.flatten(outputs)]

    return predict


@contextmanager
def full_precision() -> Generator[None]:
    """Within, float32 is float32: on GPUs JAX, and torch where it convolves, otherwise round factors to TF32."""
    backend = keras().backend.backend()
    if backend == "jax":
        with load("jax", extra="keras").default_matmul_precision("highest"):
            yield
    elif backend == "torch":
        with load("addcat.doors.torch.devices", extra="torch").full_precision():
            yield
    else:
        yield


def as_called(model: Any) -> Callable[[Any], Any]:
    """A model as model(x) runs it, but with no effect on its state.

    Layers that are called with training=True move statistics and the states of random generators with each call.
    Models with equal states draw alike.

    Args:
        model: A Keras model; its weights are read at each call.

    Returns:
        A function from inputs to outputs, nested as the model has them.
    """
    return _jax_call(model) if keras().backend.backend() == "jax" else _restoring_call(model)


def _jax_call(model: Any) -> Callable[[Any], Any]:
    def run(trainable: Any, other: Any, inputs: Any) -> Any:
        return model.stateless_call(trainable, other, inputs)[0]

    compiled = load("jax", extra="keras").jit(run) if model.jit_compile else run

    def call(inputs: Any) -> Any:
        trainable, other = (
            [v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables)
        )
        return compiled(trainable, other, inputs)

    return call


def _restoring_call(model: Any) -> Callable[[Any], Any]:
    def call(inputs: Any) -> Any:
        before = [(v, np.array(keras().ops.convert_to_numpy(v.value))) for v in model.non_trainable_variables]
        try:
            return keras().tree.map_structure(keras().ops.stop_gradient, model(inputs))
        finally:
            for variable, value in before:
                variable.assign(value)

    return call


def _input_structure(model: Any) -> Any:
    return model.inputs[0] if isinstance(model, keras().Sequential) else model.input


@dataclass(frozen=True, slots=True)
class Probed:
    """See `addcat.doors.base.Probed`.

    Attributes:
        run: Takes inputs, gives tensors; reads the weights at each call.
        graph: What runs, nested models laid open.
        writer: Knows its layers.
    """

    run: Callable[[list[Array]], list[Array]]
    graph: Graph
    writer: Writer

    def __call__(self, inputs: list[Array], /) -> list[Array]:
        """The tensors for some inputs."""
        return self.run(inputs)

    def put(self, name: str, node: Node) -> None:
        """Put weights into the layer of a node; nothing where it lies behind all that is probed."""
        if name in self.graph.nodes:
            set_weights(node, self.writer.layer_of(self.graph.nodes[name]))


def probe(graph: Graph, edges: list[Edge]) -> Probed:
    """A function from a list of input arrays to the tensors on some edges.

    Args:
        graph: The graph of a model. Nested models are laid open first.
        edges: Tensors of `flatten(graph)`.

    Returns:
        A compiled function; the arrays come in the order of `edges`.
    """
    flat = flatten(graph)
    needed = set(flat.inputs).union(*(flat.ancestors(edge.node) | {edge.node} for edge in edges))
    part = Graph.of(
        [node for node in flat.nodes.values() if node.name in needed],
        inputs=flat.inputs,
        outputs=edges,
        name="probe",
        native=flat.native,
    )
    writer = Writer(weights=True, rename=True)
    with kept_random():
        tensors = tensors_of(part, writer)
    model = keras().Model([tensors[Edge(name)] for name in part.inputs], [tensors[edge] for edge in edges])
    writer.finish(part)
    return Probed(predictor(model), part, writer)


def random_inputs(graph: Graph, *, examples: int, seed: int) -> list[Array]:
    """Inputs that a model takes: standard normal numbers, or indices that its embeddings know.

    Args:
        graph: The graph of a model.
        examples: Size of the batch.
        seed: Of the draw.

    Returns:
        One array for each input, unknown sizes at 32.
    """
    rng = np.random.default_rng(seed)
    return [_random(graph, name, examples, rng) for name in graph.inputs]


def _random(graph: Graph, name: str, examples: int, rng: np.random.Generator) -> Array:
    node = graph.nodes[name]
    shape = (node.shape[0] or examples, *(size or OPEN_SIZE for size in node.shape[1:]))
    tables = [
        graph.nodes[reader].attrs["input_dim"]
        for reader, _ in graph.readers(Edge(name))
        if graph.nodes[reader].op == "embedding"
    ]
    if tables or "int" in node.dtype:
        return rng.integers(0, min(tables, default=2), shape).astype("int32" if tables else node.dtype)
    return rng.standard_normal(shape).astype("float32" if node.dtype not in ("float64",) else "float64")
