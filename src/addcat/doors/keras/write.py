"""A graph becomes a new Keras model that shares nothing with the one it was read from.

Untouched nodes are made again from their own layers: class, config, name, weights, trainable flags and dtype policy.
"""

import random
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from addcat.doors.keras.build import changed_layer, new_layer, set_weights
from addcat.doors.keras.calls import filled_in
from addcat.doors.keras.classify import class_of, is_layer
from addcat.doors.keras.clone import clone_operation, copy_flags, copy_state, stays
from addcat.doors.keras.read import Call
from addcat.errors import ModelError
from addcat.frameworks import keras
from addcat.graph import Edge, Graph, Node


@dataclass(slots=True)
class Writer:
    """What has been made so far: layers by the layer they replace, models by their body.

    Attributes:
        weights: Whether values of weights are carried over.
        rename: Whether layers take the names of their nodes, as a graph needs whose nested models were laid open.
        seed: Where weights are drawn anew: what each layer's draw depends on, together with its name.
    """

    weights: bool
    rename: bool = False
    seed: int | None = None
    operations: dict[int | str, Any] = field(default_factory=dict[int | str, Any])
    models: dict[int, Any] = field(default_factory=dict[int, Any])

    def layer_of(self, node: Node) -> Any:
        """What a node without a body has become."""
        return self.operations[_key(node)]

    def finish(self, graph: Graph) -> None:
        """Carry weights and flags over, once the layers of a graph are built."""
        for node in graph.nodes.values():
            _finish(node, self)


def write(graph: Graph, *, weights: bool = True, seed: int | None = None) -> Any:
    """Make a new Keras model of a graph.

    Args:
        graph: What `read` gave, edited or not.
        weights: Whether to carry weights over; without, every layer that training changes keeps what its initialisers
            draw.
        seed: Makes those draws repeatable. Each depends on the seed and the layer's name alone, so layers of the same
            name and shape start alike in every model of one seed. Initialisers with a seed of their own keep it.

    Returns:
        A Keras model of the same class, compiled as the original is (with a fresh optimiser).

    Raises:
        ModelError: if a layer cannot be made again from its config.
    """
    with kept_random():
        model = _write(graph, Writer(weights, seed=seed))
        compile_like(graph.native, model)
    return model


def _write(graph: Graph, writer: Writer) -> Any:
    if id(graph) in writer.models:
        return writer.models[id(graph)]
    old = graph.native
    model = _sequential(graph, writer) if _is_chain(graph) else _functional(graph, tensors_of(graph, writer))
    writer.models[id(graph)] = model
    writer.finish(graph)
    _match_trainable(old, model)
    return model


def tensors_of(graph: Graph, writer: Writer) -> dict[Edge, Any]:
    """Call every operation of a graph on symbolic tensors, in order."""
    tensors: dict[Edge, Any] = {}
    for node in graph.nodes.values():
        with drawn_by(node.layer, writer.seed):
            outputs = keras().tree.flatten(_call(node, [tensors[edge] for edge in node.inputs], writer))
        tensors.update({Edge(node.name, index): tensor for index, tensor in enumerate(outputs)})
    return tensors


@contextmanager
def kept_random() -> Generator[None]:
    """Within, Python's own generator may be drawn from, as Keras does for each layer's seed; it is put back after."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def drawn_by(layer: str, seed: int | None) -> Generator[None]:
    """Within, initialisers draw by this seed and layer: Python's own generator seeds them."""
    if seed is None:
        yield
        return
    with kept_random():
        random.seed(f"{seed} {layer}")
        yield


def _functional(graph: Graph, tensors: dict[Edge, Any]) -> Any:
    """A Functional model with inputs and outputs nested as the original's are; flat where there is no original."""
    old, pack = graph.native, keras().tree.pack_sequence_as
    if old is None:
        inputs, outputs = [tensors[Edge(name)] for name in graph.inputs], [tensors[edge] for edge in graph.outputs]
        return keras().Model(inputs, outputs, name=graph.name)
    one = isinstance(old, keras().Sequential)  # has lists of one, but takes and gives bare tensors
    inputs = pack(old.inputs[0] if one else old.input, [tensors[Edge(name)] for name in graph.inputs])
    outputs = pack(old.outputs[0] if one else old.output, [tensors[edge] for edge in graph.outputs])
    with warnings.catch_warnings():  # the original was built with the same names, and has warned
        warnings.filterwarnings("ignore", message="When providing `inputs` as a dict")
        return _model_class(old)(inputs=inputs, outputs=outputs, name=old.name)


def _model_class(old: Any) -> Any:
    """The class to call: the user's own where it only adds training methods to a Functional model."""
    cls = class_of(old)
    if isinstance(old, keras().Sequential):
        return keras().Model
    if "__init__" in vars(cls) and not cls.__module__.startswith("keras."):
        raise ModelError(
            f"{cls.__name__} {old.name!r} has its own __init__, so it cannot be made again from inputs and outputs. "
            "Pass keras.Model(model.inputs, model.outputs) instead."
        )
    return cls


def _is_chain(graph: Graph) -> bool:
    """Whether the graph is a Sequential model still: layers in a row, each called once."""
    if not isinstance(graph.native, keras().Sequential) or len(graph.outputs) != 1:
        return False
    nodes = list(graph.nodes.values())
    in_a_row = all(b.inputs == (Edge(a.name),) for a, b in pairwise(nodes))
    return in_a_row and all(n.native is not None and n.attrs.get("is_layer") for n in nodes)


def _sequential(graph: Graph, writer: Writer) -> Any:
    made = keras().Sequential(name=graph.native.name)
    for node in graph.nodes.values():
        with drawn_by(node.layer, writer.seed):
            made.add(_operation(node, writer))
    return made


def _operation(node: Node, writer: Writer) -> Any:
    """The new layer of a node; the same one for every call site of a shared layer."""
    if node.body is not None:
        return _write(node.body, writer)
    key = _key(node)
    if key not in writer.operations:
        if node.native is None:
            writer.operations[key] = new_layer(node)
        elif node.edited:
            writer.operations[key] = changed_layer(node, rename=writer.rename)
        else:
            name = {"name": node.layer.replace("/", ".")} if writer.rename and node.attrs.get("is_layer") else {}
            writer.operations[key] = clone_operation(node.native.operation, name)
    return writer.operations[key]


def _key(node: Node) -> int | str:
    """The same for all call sites of a layer."""
    return node.name if node.native is None else id(node.native.operation)


def _call(node: Node, tensors: list[Any], writer: Writer) -> Any:
    if node.native is None and node.attrs.get("as_function"):
        return _function(node, tensors)
    operation = _operation(node, writer)
    if node.op == "input":
        return operation.output
    if node.native is None:
        return operation(tensors if len(tensors) > 1 or node.attrs.get("takes_list") else tensors[0])
    call: Call = node.native
    args, kwargs = filled_in(call.arguments, tensors)
    return operation(*args, **kwargs)


def _function(node: Node, tensors: list[Any]) -> Any:
    """A merge as a function of `keras.ops`: unlike a layer it never passes masks on."""
    ops = keras().ops
    if node.op == "pad_channels":
        out = ops.pad(tensors[0], node.attrs["pads"])
    elif node.op == "concat":
        out = ops.concatenate(tensors, axis=node.attrs["axis"])
    else:
        out = tensors[0]
        for tensor in tensors[1:]:
            out = ops.add(out, tensor)
    out._keras_history.operation.name = node.name
    return out


def _finish(node: Node, writer: Writer) -> None:
    """Carry weights and flags over, once a layer is built."""
    key = _key(node)
    if node.body is not None or key not in writer.operations:
        return
    layer = writer.operations[key]
    if node.native is not None and not node.edited:
        copy_state(node.native.operation, layer, weights=writer.weights)
    elif is_layer(layer):
        if writer.weights or (node.native is not None and stays(node.native.operation)):
            set_weights(node, layer)
        if node.native is not None:
            copy_flags(node.native.operation, layer)


def _match_trainable(old: Any, new: Any) -> None:
    """The model's own flag; setting it would set every layer's, so theirs are put back."""
    if old is not None and new.trainable != old.trainable:
        flags = [(layer, layer.trainable) for layer in new._flatten_layers(include_self=False)]
        new.trainable = old.trainable
        for layer, flag in flags:
            layer.trainable = flag


def compile_like(old: Any, new: Any) -> bool:
    """Compile a new model as the old one is: same optimiser settings, loss and metrics, fresh slots.

    Args:
        old: The original model.
        new: The model made from it.

    Returns:
        Whether the new model is compiled now.
    """
    arguments = getattr(old, "_compile_config", None)
    if not getattr(old, "compiled", False) or arguments is None or class_of(old).compile is not keras().Model.compile:
        return False
    new.compile(**keras().tree.map_structure(_fresh, dict(arguments.config)))
    return True


def _fresh(setting: Any) -> Any:
    """An argument of compile() that keeps state is made again; names, numbers and functions are taken as they are."""
    kinds: Any = (keras().optimizers.Optimizer, keras().losses.Loss, keras().metrics.Metric)
    if not isinstance(setting, kinds):
        return setting
    cls = class_of(setting)
    schedule = getattr(setting, "_learning_rate", None)
    with keras().saving.custom_object_scope({type(schedule).__name__: type(schedule)}):
        return cls.from_config(setting.get_config())
