"""A built Functional or Sequential Keras model becomes a graph; the model itself is not touched."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from addcat.doors.keras.calls import constants_of, filled_in, flat, in_training, is_graph, records_of
from addcat.doors.keras.classify import describe, is_keras, is_layer, weights_of
from addcat.doors.keras.own_calls import own_code
from addcat.doors.keras.said import first_sentence
from addcat.errors import ModelError
from addcat.frameworks import keras
from addcat.graph import Edge, Graph, Node, Shape, Tensor
from addcat.graph.channels import with_channel_axes
from addcat.report.rows import counted


@dataclass(frozen=True, slots=True)
class Call:
    """What a node of the graph is in Keras: an operation, and the arguments of one call of it.

    Attributes:
        operation: The layer, operation or nested model.
        arguments: Keras' record of the call, tensors among them.
        tensors: What the call gave, symbolic.
    """

    operation: Any
    arguments: Any
    tensors: tuple[Any, ...]

    @property
    def settings(self) -> str:
        """What a layer was made with, names aside, which count by themselves; "" for what is none or does not say."""
        layer, nested = self.operation, keras().Model
        if not isinstance(layer, keras().layers.Layer) or isinstance(layer, nested):  # its layers are in its body
            return ""
        try:
            config = layer.get_config()
        except Exception:  # a layer of the user's may raise anything
            return ""
        return json.dumps(_nameless(config), sort_keys=True, default=str)


def _nameless(value: Any) -> Any:
    """The same without names, which count the layers of a process."""
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(key): _nameless(inner) for key, inner in items if key != "name"}
    if isinstance(value, list | tuple):
        return [_nameless(inner) for inner in cast("Sequence[Any]", value)]
    return value


@dataclass(frozen=True, slots=True)
class _Reading:
    """What reading a model and those nested in it shares.

    Attributes:
        training: Identities of the operations that some call runs in training mode, whatever the model is called with.
        bodies: Graphs of nested models by the model's identity.
    """

    training: frozenset[int]
    bodies: dict[int, Graph]


def read(model: Any) -> Graph:
    """Read a Keras model into a graph.

    Args:
        model: A built Functional or Sequential model, nested models, shared layers and `keras.ops` included.

    Returns:
        Its graph. A nested model is one node for each call, all with the same `body`.

    Raises:
        ModelError: if the model is subclassed or not built; the message says what to do.
    """
    _require_graph(model)
    return _read(model, _Reading(frozenset(in_training(model)), {}))


def _read(model: Any, reading: _Reading) -> Graph:
    if id(model) not in reading.bodies:
        reading.bodies[id(model)] = _graph(model, reading)
    return reading.bodies[id(model)]


def _require_graph(model: Any) -> None:
    if is_graph(model):
        return
    name = getattr(model, "name", type(model).__name__)
    if not isinstance(model, keras().Model):
        raise ModelError(
            f"{type(model).__module__}.{type(model).__name__} is not a Keras model. "
            "Pass a built keras.Sequential or a Functional keras.Model(inputs, outputs)."
        )
    if isinstance(model, keras().Sequential):
        raise ModelError(
            f"Sequential model {name!r} is not built, so its shapes are unknown. "
            "Start it with keras.Input(shape), or call model.build(input_shape)."
        )
    raise ModelError(
        f"{type(model).__name__} {name!r} is a subclassed model: its call() is code, and Keras keeps no graph of it. "
        "Rebuild it as a Functional model: inputs = keras.Input(shape); "
        f"keras.Model(inputs, {type(model).__name__}.call's layers applied to inputs)."
    )


def _graph(model: Any, reading: _Reading) -> Graph:
    calls = records_of(model)
    names = _names(calls)
    edges = {
        id(tensor): Edge(name, index)
        for name, node in zip(names, calls, strict=True)
        for index, tensor in enumerate(node.output_tensors)
    }
    nodes = [_node(name, node, edges, reading) for name, node in zip(names, calls, strict=True)]
    return Graph.of(
        with_channel_axes(nodes),
        inputs=[edges[id(tensor)].node for tensor in flat(model.inputs)],
        outputs=[edges[id(tensor)] for tensor in flat(model.outputs)],
        name=model.name,
        native=model,
    )


def _names(calls: list[Any]) -> list[str]:
    """The operation's name; `#2`, `#3`, ... for its later calls, in the order in which they were made."""
    sites: dict[int, list[Any]] = {}
    for record in calls:
        sites.setdefault(id(record.operation), []).append(record)
    number: dict[int, int] = {}
    for records in sites.values():
        made = [id(record) for record in records[0].operation._inbound_nodes]
        for place, record in enumerate(sorted(records, key=lambda r: made.index(id(r)))):
            number[id(record)] = place + 1
    taken = {record.operation.name for record in calls}
    return [_numbered(r.operation.name, number[id(r)], taken) for r in calls]


def _numbered(name: str, call: int, taken: set[str]) -> str:
    site = name if call == 1 else f"{name}#{call}"
    while call > 1 and site in taken:  # a layer that is called like our second call of another
        site += "#"
    return site


def _node(name: str, record: Any, edges: dict[int, Edge], reading: _Reading) -> Node:
    operation, arguments = record.operation, record.arguments
    inputs = tuple(edges[id(tensor)] for tensor in arguments.keras_tensors)
    common: dict[str, Any] = {
        "inputs": inputs,
        "outputs": tuple(Tensor(tuple(t.shape), str(t.dtype)) for t in record.output_tensors),
        "layer": operation.name if is_layer(operation) else "",
        "native": Call(operation, arguments, tuple(record.output_tensors)),
    }
    if is_graph(operation):
        body = _read(operation, reading)
        return Node(name, "model", attrs={"kind": type(operation).__name__, "is_layer": True}, body=body, **common)
    op, attrs = describe(operation, len(inputs), constants_of(operation, arguments))
    reason = _unlike_its_kind(op, record, reading)
    if reason:
        op, attrs = "opaque", {**attrs, "reason": reason}
    attrs["masks"] = tuple(getattr(t, "_keras_mask", None) is not None for t in arguments.keras_tensors)
    attrs |= _within(record)
    return Node(name, op, attrs=attrs, weights=weights_of(operation, op), **common)


def _unlike_its_kind(op: str, record: Any, reading: _Reading) -> str:
    """Why this call computes something else than its layer's kind says; "" where it does not."""
    if op in ("batch_norm", "dropout") and id(record.operation) in reading.training:
        return "is called with training=True, so what it computes depends on the batch or on chance"
    if op in ("shift", "gain"):
        before, after = record.arguments.keras_tensors[0].shape, record.output_tensors[0].shape
        # Keras says that a layer's result has the batch of its constant, which is 1
        if after[1:] != before[1:] or after[:1] not in (before[:1], (1,)):
            return "has a constant that broadcasts the tensor to another shape"
    return ""


def _within(record: Any) -> dict[str, str]:
    """What is known of merges within a layer that the graph does not show."""
    if hidden := hidden_merge(record.operation):
        return {"hidden": hidden}
    own = own_code(record)
    if not own.merges and (held := _held_merge(record.operation)):
        return {"hidden": held}
    return {name: words for name, words in (("own_merges", own.merges), ("own_unseen", own.unseen)) if words}


def hidden_merge(operation: Any) -> str:
    """How a layer merges tensors inside itself, where the graph does not show it.

    Args:
        operation: A Keras layer or operation.

    Returns:
        A few words, such as "adds its two inputs, the second one scaled"; "" where there is none that we know.
    """
    kind = type(operation).__name__
    if kind == "CustomScaleLayer":
        return "adds its two inputs, the second one scaled"
    if kind == "Bidirectional" and operation.merge_mode is not None:
        words = {"sum": "adds", "concat": "concatenates", "ave": "averages", "mul": "multiplies"}
        return f"{words[operation.merge_mode]} its two directions"
    if kind in ("MultiHeadAttention", "GroupQueryAttention") and is_keras(operation):
        return "concatenates its heads before the output projection"
    return ""


def _held_merge(operation: Any) -> str:
    inner = [child for child in _inner_layers(operation) if is_graph(child) or type(child).__name__ in _MERGES]
    if inner:
        return f"holds {type(inner[0]).__name__} {inner[0].name!r}, whose merges are not looked into"
    return ""


_MERGES = {"Add", "Concatenate", "Average", "Multiply", "Maximum", "Minimum", "Subtract", "Dot"}


def _inner_layers(operation: Any) -> list[Any]:
    return list(operation._flatten_layers(include_self=False)) if hasattr(operation, "_flatten_layers") else []


def reshape_inputs(graph: Graph, shapes: tuple[Shape, ...]) -> Graph:
    """Infer every shape of a graph anew from other input shapes.

    Args:
        graph: A graph that `read` gave.
        shapes: One shape for each input, batch first.

    Returns:
        The graph with new shapes; its weights and operations are the same.

    Raises:
        ModelError: if the number of shapes is wrong, or the model does not take them.
    """
    if len(shapes) != len(graph.inputs):
        raise ModelError(
            f"{graph.name!r} has {counted(len(graph.inputs), 'input')}, got {counted(len(shapes), 'shape')}. "
            "Give one shape for each input."
        )
    tensors: dict[Edge, Any] = {}
    nodes: list[Node] = []
    for node in graph.nodes.values():
        if node.op == "input":
            specs = [keras().KerasTensor(shapes[graph.inputs.index(node.name)], dtype=node.dtype)]
        else:
            specs = _specs(node, [tensors[edge] for edge in node.inputs])
        tensors.update({Edge(node.name, i): spec for i, spec in enumerate(specs)})
        outputs = tuple(Tensor(tuple(spec.shape), str(spec.dtype)) for spec in specs)
        body = node.body and reshape_inputs(node.body, tuple(tuple(tensors[e].shape) for e in node.inputs))
        nodes.append(node.edit(outputs=outputs, body=body))
    return Graph.of(nodes, inputs=graph.inputs, outputs=graph.outputs, name=graph.name, native=graph.native)


def _specs(node: Node, inputs: list[Any]) -> list[Any]:
    call: Call = node.native
    args, kwargs = filled_in(call.arguments, inputs)
    try:
        if is_layer(call.operation) and args:  # shape inference alone does not look at the number of channels
            call.operation._assert_input_compatibility(args[0])
        return flat(call.operation.compute_output_spec(*args, **kwargs))
    except Exception as error:
        found = ", ".join(str(tuple(spec.shape)) for spec in inputs)
        raise ModelError(
            f"{node.kind} {node.name!r} does not take inputs of shape {found}: {first_sentence(error)} "
            "Pass input shapes that the model was built for."
        ) from None
