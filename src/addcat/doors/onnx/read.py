"""An ONNX model becomes a graph; the model itself is not touched.

Initialisers and all that is constant are weights of the nodes that read them, not nodes. Whatever is not understood is
an opaque node that carries its ONNX node; a tensor that a subgraph (If, Loop, Scan) captures is one of its inputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.doors.onnx.reading.channels import with_channel_axes
from addcat.doors.onnx.reading.classify import WHOLE, describe
from addcat.doors.onnx.reading.constants import Constant, Constants, type_of
from addcat.doors.onnx.reading.hidden import hidden_merge, inner_nodes
from addcat.doors.onnx.reading.kernels import attributes, plain_weights
from addcat.doors.onnx.reading.load import infer, load, put_constants
from addcat.doors.onnx.reading.node_view import Look
from addcat.doors.onnx.reading.symbolic import refined
from addcat.graph import Array, Edge, Graph, Node, Shape, Tensor, Weight

if TYPE_CHECKING:
    import onnx_ir
    from onnx_ir import Value

UNKNOWN = Tensor((), "unknown")


@dataclass(frozen=True, slots=True)
class Call:
    """What a node of the graph is in ONNX.

    Attributes:
        node: The `onnx_ir.Node`; for an input of the model its `onnx_ir.Value`.
        positions: For the first edges of the graph's node, the ONNX input that each is.
        captured: For the other edges, the tensor that a subgraph reads from outside.
        outputs: What the node gave when it was read.
    """

    node: Any
    positions: tuple[int, ...] = ()
    captured: "tuple[Value, ...]" = ()
    outputs: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The model behind a graph.

    Attributes:
        model: Our own `onnx_ir.Model`.
        constants: Its constants.
        whole: Whether the graph has the model's inputs and outputs; a part of a model has others.
    """

    model: "onnx_ir.Model"
    constants: Constants
    whole: bool = True


def read(source: Any, shapes: tuple[Shape, ...] | None = None) -> Graph:
    """Read an ONNX model into a graph.

    Args:
        source: A path, an `onnx.ModelProto` or an `onnx_ir.Model`. Opset 13 or later.
        shapes: Other shapes for the model's inputs, one for each; what is written from the graph is fixed to them.

    Returns:
        Its graph; weights are read when somebody asks for them.

    Raises:
        ModelError: if the model cannot be read; the message says why and what to do.
    """
    loaded = load(source, shapes)
    types = infer(loaded)
    learnt: set[str] = set()
    while True:  # what one round learns of shapes, such as the amounts of a Pad, lets the next infer more
        reader = _Reader(loaded.model, types)
        graph = reader.graph()
        now = reader.constants.learnt()
        if now.keys() <= learnt:
            break
        learnt |= now.keys()
        put_constants(loaded, now)
        types = infer(loaded)
    more = refined(loaded, types)
    return graph if more == types else _Reader(loaded.model, more).graph()


class _Reader:
    def __init__(self, model: "onnx_ir.Model", types: dict[str, Tensor]) -> None:
        self.model = model
        self.types = types
        self.constants = Constants(types)
        self.edges: dict[Value, Edge] = {}
        self.nodes: list[Node] = []
        self.operands: dict[str, Constant] = {}
        self.names: set[str] = set()
        opsets = model.graph.opset_imports
        self.opset = int(opsets.get("", opsets.get("ai.onnx", 0)))

    def graph(self) -> Graph:
        graph = self.model.graph
        for value in graph.inputs:
            if value.name not in graph.initializers or self.model.ir_version >= 4:
                self._add_input(value)
        for value in graph.initializers.values():
            if value not in self.edges:
                self.constants.add_initializer(value)
        for position, node in enumerate(graph, len(self.nodes)):
            if not self.constants.add_node(node) and not self._alias(node):
                self._add(node, position)
        outputs = [self._output(value) for value in graph.outputs]
        ranks = {node.name: len(node.shape) for node in self.nodes}
        axes = {name: _varies_along(one, ranks[name]) for name, one in self.operands.items()}
        hints = {name: axis for name, axis in axes.items() if axis is not None}
        inputs = [self.edges[value].node for value in graph.inputs if value in self.edges]
        nodes = [self._with_operand(node) for node in with_channel_axes(_live(self.nodes, inputs, outputs), hints)]
        source = Source(self.model, self.constants)
        return Graph.of(nodes, inputs=inputs, outputs=outputs, name=graph.name or "model", native=source)

    def _name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.names:
            number += 1
            name = f"{wanted}#{number}"
        self.names.add(name)
        return name

    def _add_input(self, value: "Value") -> None:
        tensor = type_of(self.types, value) or UNKNOWN
        name = self._name(value.name or "")
        attrs = {"kind": "Input", "is_layer": False, "optional": value.name in self.model.graph.initializers}
        self.nodes.append(Node(name, "input", outputs=(tensor,), attrs=attrs, native=Call(value, outputs=(tensor,))))
        self.edges[value] = Edge(name)

    def _alias(self, node: "onnx_ir.Node") -> bool:
        """Take an Identity, or a Cast to the type that the tensor has, for the tensor itself."""
        if node.domain not in ("", "ai.onnx") or node.op_type not in ("Identity", "Cast"):
            return False
        (source,), (output,) = node.inputs, node.outputs
        before, after = type_of(self.types, source), type_of(self.types, output)
        same = node.op_type == "Identity" or (before is not None and after is not None and before.dtype == after.dtype)
        if same and source in self.edges and before is not None and before.dtype != "unknown":
            self.edges[output] = self.edges[source]
            return True
        return False

    def _add(self, node: "onnx_ir.Node", position: int) -> None:
        look = Look(node, self.constants, self.types, self.opset)
        found = describe(look)
        positions = look.dynamic if found.positions is None else found.positions
        captured = tuple(self._captured(node))
        outputs = tuple(type_of(self.types, value) or UNKNOWN for value in node.outputs)
        name = self._name(node.name or f"{node.op_type}_{position}")
        inputs = [value for i in positions if (value := node.inputs[i]) is not None] + list(captured)
        attrs = {**found.attrs, "kind": node.op_type, "is_layer": False}
        if found.op == "opaque":
            hidden = hidden_merge(look, self.model.functions)
            attrs |= {**attributes(look), **({"hidden": hidden} if hidden else {})}
        if found.constant is not None:
            self.operands[name] = found.constant
        new = Node(
            name,
            found.op,
            inputs=tuple(self.edges[value] for value in inputs),
            outputs=outputs,
            attrs=attrs,
            weights=found.weights or (plain_weights(look) if found.op in ("opaque", *WHOLE.values()) else {}),
            layer="",
            native=None if found.rebuild else Call(node, positions, captured, outputs),
        )
        self.nodes.append(new)
        self.edges.update({value: Edge(name, i) for i, value in enumerate(node.outputs)})

    def _captured(self, node: "onnx_ir.Node") -> "Iterator[Value]":
        """Tensors of this graph, computed at run time, that the graphs inside a node read."""
        seen: set[Value] = set()
        for inner in inner_nodes(node):
            for value in inner.inputs:
                if value is not None and value in self.edges and value not in seen:
                    seen.add(value)
                    yield value

    def _output(self, value: "Value") -> Edge:
        if value not in self.edges:  # an output that is the same at every run
            constant = self.constants[value]
            tensor = Tensor(constant.shape, constant.dtype)
            name = self._name(value.name or "")
            attrs = {"kind": "Constant", "is_layer": False}
            self.nodes.append(Node(name, "opaque", outputs=(tensor,), attrs=attrs, native=Call(value)))
            self.edges[value] = Edge(name)
        return self.edges[value]

    def _with_operand(self, node: Node) -> Node:
        """Give a shift or gain its value for each channel, where the constant is one."""
        constant = self.operands.get(node.name)
        if constant is None:
            return node
        rank, channels = len(node.shape), node.channels
        padded = (1,) * (rank - len(constant.shape)) + constant.shape
        if prod(padded) == 1:
            shape: tuple[int, ...] = ()
        elif channels is not None and prod(padded) == padded[node.channel_axis or 0] == channels:
            shape = (channels,)
        else:
            return node
        read = constant.read

        def value() -> Array:
            return np.asarray(read()).reshape(shape)

        # not Node.edit: the node is still what its ONNX node says
        return replace(node, weights={"value": Weight(shape, value, constant.key)})


def _live(nodes: list[Node], inputs: list[str], outputs: list[Edge]) -> list[Node]:
    """The nodes that some output depends on, and all inputs: arithmetic on known shapes reads tensors for nothing."""
    live = {*inputs, *(edge.node for edge in outputs)}
    for node in reversed(nodes):
        if node.name in live:
            live.update(edge.node for edge in node.inputs)
    return [node for node in nodes if node.name in live]


def _varies_along(constant: Constant, rank: int) -> int | None:
    """The one axis of a tensor along which a constant operand is not the same."""
    wide = [i + rank - len(constant.shape) for i, size in enumerate(constant.shape) if size != 1]
    return wide[0] if len(wide) == 1 else None
