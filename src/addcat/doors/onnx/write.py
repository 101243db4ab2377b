"""A graph becomes an ONNX model: untouched nodes by their own ONNX nodes, the others built anew.

The model shares tensors with the one that was read, and nothing that could be changed. Names of inputs, outputs and of
every tensor that is still there stay; so do opsets, functions and metadata.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from addcat.doors.onnx.build import Attributes, Builder, Operands, build, is_moved, numpy_type
from addcat.doors.onnx.external import with_own_tensors
from addcat.doors.onnx.read import Call, Source
from addcat.doors.onnx.reading.hidden import inner_nodes
from addcat.doors.onnx.reading.load import ir
from addcat.graph import Array, Edge, Graph, Node, Tensor

if TYPE_CHECKING:
    import onnx
    import onnx_ir
    from onnx_ir import Value

PROTO_LIMIT = 2**31 - 2**20
"""Protocol buffers end at 2 GiB; larger models keep their weights in a file beside them."""


def write(graph: Graph) -> "onnx_ir.Model":
    """Write a graph as an ONNX model.

    Args:
        graph: A graph that `read` gave, or one made from it.

    Returns:
        An `onnx_ir.Model`; `to_proto` and `save_onnx` take it on.

    Raises:
        ModelError: if a changed node has no ONNX form.
    """
    return _Writer(graph).model()


def put_in_order(model: "onnx_ir.Model", names: Sequence[str]) -> None:
    """Put the nodes of a model in another order.

    Args:
        model: An `onnx_ir.Model` of our own.
        names: Names of nodes in the order wanted. What they need comes before them, all others at the end.
    """
    by_name = {node.name: node for node in model.graph}
    placed: dict[onnx_ir.Node, None] = {}
    for name in (*names, *by_name):
        stack = [by_name[name]] if name in by_name else []
        while stack:
            waiting = [one for one in _needed(stack[-1]) if one not in placed]
            if waiting:
                stack.append(waiting[0])
            else:
                placed[stack.pop()] = None
    model.graph.extend(placed)


def _needed(node: "onnx_ir.Node") -> "list[onnx_ir.Node]":
    """The nodes whose values a node, or a graph inside it, reads."""
    own = node.graph
    producers = [value.producer() for one in (node, *inner_nodes(node)) for value in one.inputs if value is not None]
    return [one for one in producers if one is not None and one.graph is own]


def to_proto(model: "onnx_ir.Model") -> "onnx.ModelProto":
    """An `onnx_ir.Model` below 2 GiB as an `onnx.ModelProto` with its weights inside."""
    proto = ir().to_proto(with_own_tensors(model))
    weights = {tensor.name for tensor in proto.graph.initializer}
    others = [info for info in proto.graph.value_info if info.name not in weights]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(others)
    return proto


class _Writer:
    def __init__(self, graph: Graph) -> None:
        source: Source = graph.native
        self.graph = graph
        self.source = source.model
        self.constants = source.constants
        stored = (value for value in self.source.graph.initializers.values() if value in source.constants)
        self.by_key = {source.constants[value].key: value for value in stored}
        self.values: dict[Edge, Value] = {}
        self.kept: dict[Value, Value] = {}
        self.arrays: dict[int, tuple[Array, Value]] = {}
        self.nodes: list[onnx_ir.Node] = []
        self.initializers: list[Value] = []
        self.reserved = _names(self.source)
        self.used: set[str] = set()
        self.node_names: set[str] = set()
        self.wanted: dict[Edge, str] = {}
        self.outputs = self._outputs(source)
        for edge, value in zip(graph.outputs, self.outputs, strict=True):
            self.wanted.setdefault(edge, value.name or "")
        self.output_names = {value.name for value in self.outputs}

    def _outputs(self, source: Source) -> "list[Value]":
        """The model's outputs as they were declared; outputs of a part of it as their tensors say."""
        if source.whole:
            return list(self.source.graph.outputs)
        return [_declared(f"output{i}", self.graph.tensor(edge)) for i, edge in enumerate(self.graph.outputs)]

    def model(self) -> "onnx_ir.Model":
        live = set(self.graph.inputs).union(*({e.node} | self.graph.ancestors(e.node) for e in self.graph.outputs))
        inputs = [self._input(self.graph.nodes[name]) for name in self.graph.inputs]
        for node in self.graph.nodes.values():
            if node.name in live and node.op != "input":
                self._node(node)
        outputs = [self._output(e, v) for e, v in zip(self.graph.outputs, self.outputs, strict=True)]
        old = self.source
        graph = ir().Graph(
            inputs,
            outputs,
            nodes=self.nodes,
            initializers=self.initializers,
            doc_string=old.graph.doc_string,
            opset_imports=dict(old.graph.opset_imports),
            name=old.graph.name,
        )
        graph.metadata_props.update(old.graph.metadata_props)
        model = ir().Model(
            graph,
            ir_version=max(old.ir_version, 4),  # before 4, initialisers had to be inputs too
            producer_name=old.producer_name,
            producer_version=old.producer_version,
            domain=old.domain,
            model_version=old.model_version,
            doc_string=old.doc_string,
            functions=[function.clone() for function in old.functions.values()],
        )
        model.metadata_props.update(old.metadata_props)
        return model

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self.reserved or name in self.used:
            number += 1
            name = f"{wanted}_{number}"
        self.used.add(name)
        return name

    def _own_name(self, value: "Value | None", edge: Edge, fallback: str) -> str:
        """The name of a node's output: that of the model's output, else its old one, else a new one."""
        if edge in self.wanted and self.wanted[edge] not in self.used:
            self.used.add(self.wanted[edge])
            return self.wanted[edge]
        old = None if value is None else value.name
        if old and old not in self.used and old not in self.output_names:
            self.used.add(old)
            return old
        return self._fresh(fallback)

    def _input(self, node: Node) -> "Value":
        if node.native is None:
            value = self.values[Edge(node.name)] = _declared(self._fresh(node.name), node.outputs[0])
            return value
        old = node.native.node
        value = ir().Value(name=old.name, type=old.type, shape=old.shape, doc_string=old.doc_string)
        value.metadata_props.update(old.metadata_props)
        self.used.add(old.name)
        if node.attrs.get("optional"):
            value.const_value = old.const_value
            self.initializers.append(value)
        self.values[Edge(node.name)] = value
        return value

    def _node(self, node: Node) -> None:
        if node.native is not None and not node.edited and not is_moved(node):
            outputs = self._again(node)
        else:
            operands = [self.values[edge] for edge in node.inputs]
            outputs = build(node, operands, Builder(self._emitter(node), self._array, self._stored))
            for index, value in enumerate(outputs):
                old = node.native.node.outputs[index] if isinstance(node.native, Call) else None
                value.name = self._own_name(old, Edge(node.name, index), node.name)
        self.values.update({Edge(node.name, index): value for index, value in enumerate(outputs)})

    def _again(self, node: Node) -> "list[Value]":
        """Write an untouched node by its own ONNX node."""
        call: Call = node.native
        old = call.node
        if not hasattr(old, "op_type"):  # an output of the model that is constant
            return [self._constant(old)]
        operands = [self._constant(v) if v is not None and v in self.constants else None for v in old.inputs]
        for position, edge in zip(call.positions, node.inputs, strict=False):
            operands[position] = self.values[edge]
        captured = node.inputs[len(call.positions) :]
        outer = {value: self.values[edge] for value, edge in zip(call.captured, captured, strict=True)}
        new = ir().Node(
            old.domain,
            old.op_type,
            operands,
            [self._attribute(attribute, outer) for attribute in old.attributes.values()],
            overload=old.overload,
            num_outputs=len(old.outputs),
            name=self._node_name(node.name),
            doc_string=old.doc_string,
            metadata_props=dict(old.metadata_props),
        )
        same = node.outputs == call.outputs
        for index, (before, after) in enumerate(zip(old.outputs, new.outputs, strict=True)):
            after.name = self._own_name(before, Edge(node.name, index), node.name) if before.name else ""
            after.type, after.shape = before.type, before.shape if same else None
        self.nodes.append(new)
        return list(new.outputs)

    def _attribute(self, attribute: "onnx_ir.Attr", outer: "Mapping[Value, Value]") -> "onnx_ir.Attr":
        kind = attribute.type.name
        if kind == "GRAPH":
            return ir().AttrGraph(attribute.name, self._subgraph(attribute.as_graph(), outer))
        if kind == "GRAPHS":
            return ir().AttrGraphs(attribute.name, [self._subgraph(graph, outer) for graph in attribute.as_graphs()])
        return attribute

    def _subgraph(self, graph: "onnx_ir.Graph", outer: "Mapping[Value, Value]") -> "onnx_ir.Graph":
        """A copy of a graph inside a node, reading the new tensors of the graph around it."""
        copy = graph.clone(allow_outer_scope_values=True)
        for node in copy.all_nodes():
            for position, value in enumerate(node.inputs):
                if value is not None and value in outer:
                    node.replace_input_with(position, outer[value])
                elif value is not None and value in self.constants:
                    node.replace_input_with(position, self._constant(value))
        return copy

    def _constant(self, value: "Value") -> "Value":
        """A constant of the model that was read, as an initialiser of the new one."""
        if value not in self.kept:
            tensor = value.const_value
            if tensor is None or not value.is_initializer():
                array = np.asarray(self.constants[value].read(), order="C")
                tensor = ir().Tensor(array, name=value.name)
            new = ir().Value(
                name=value.name, const_value=tensor, shape=tensor.shape, type=ir().TensorType(tensor.dtype)
            )
            self.used.add(value.name or "")
            self.initializers.append(new)
            self.kept[value] = new
        return self.kept[value]

    def _array(self, array: Array, name: str) -> "Value":
        """An array of ours as an initialiser; one for all that share it."""
        known = self.arrays.get(id(array))
        if known is None:
            tensor = ir().Tensor(np.asarray(array, order="C"), name=self._fresh(name))
            value = ir().Value(
                name=tensor.name, const_value=tensor, shape=tensor.shape, type=ir().TensorType(tensor.dtype)
            )
            self.initializers.append(value)
            known = self.arrays[id(array)] = (array, value)
        return known[1]

    def _stored(self, key: int, array: Array) -> "Value | None":
        """The constant that a weight was read from, if that is what is to be written: others may read it as well."""
        value = self.by_key.get(key)
        if value is None:
            return None
        stored = self.constants[value].read()
        same = stored.shape == array.shape and stored.dtype == array.dtype and np.array_equal(stored, array)
        return self._constant(value) if same else None

    def _emitter(self, node: Node) -> "Callable[[str, Operands, Attributes, int], list[Value]]":
        def emit_all(op_type: str, inputs: Operands, attributes: Attributes, outputs: int) -> "list[Value]":
            while inputs and inputs[-1] is None:
                inputs = inputs[:-1]
            attrs = ir().convenience.convert_attributes(attributes)
            new = ir().Node("", op_type, inputs, attrs, num_outputs=outputs)
            new.name = self._node_name(node.name)
            for value in new.outputs:
                value.name = self._fresh(f"{node.name}.out")
            self.nodes.append(new)
            return list(new.outputs)

        return emit_all

    def _node_name(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self.node_names or (number and name in self.graph.nodes):
            number += 1
            name = f"{wanted}.{number}"
        self.node_names.add(name)
        return name

    def _output(self, edge: Edge, old: "Value") -> "Value":
        value = self.values[edge]
        if value.name != old.name:  # an input, a constant, or one tensor under two names
            copy = ir().Node("", "Identity", [value], num_outputs=1, name=self._node_name(f"{old.name}.copy"))
            copy.outputs[0].name = old.name
            self.nodes.append(copy)
            value = copy.outputs[0]
        value.type = old.type or value.type
        value.shape = old.shape if old.shape is not None else value.shape
        return value


def _declared(name: str, tensor: Tensor) -> "Value":
    kind = ir().TensorType(ir().DataType.from_numpy(numpy_type(tensor.dtype)))
    return ir().Value(name=name, type=kind, shape=ir().Shape(list(tensor.shape)))


def _names(model: "onnx_ir.Model") -> set[str]:
    """Every name of a tensor in a model, of graphs inside nodes too."""
    names: set[str] = set()
    for graph in (model.graph, *model.graph.subgraphs()):
        names.update(value.name or "" for value in graph.inputs)
        names.update(graph.initializers)
        names.update(value.name or "" for node in graph for value in node.outputs)
    return names
