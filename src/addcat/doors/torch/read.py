"""A recorded run becomes a graph: a node for each call that depends on the model's inputs."""

from typing import TYPE_CHECKING, Any, NoReturn

from addcat.doors.torch.calls import Call
from addcat.doors.torch.edits import Site
from addcat.doors.torch.examples import Example
from addcat.doors.torch.functions import describe_function
from addcat.doors.torch.merging import HIDDEN, merged, unstacked
from addcat.doors.torch.modules import describe_module, weight_of, weights_of
from addcat.doors.torch.nested import nested
from addcat.doors.torch.record import Recording, record
from addcat.doors.torch.tables import named_modules, parameters_of
from addcat.doors.torch.ways import IN_TRAINING, way_of
from addcat.errors import ModelError
from addcat.frameworks import torch
from addcat.graph import Graph, Node, Shape, Weight
from addcat.graph.channels import first_of_images, with_channel_axes
from addcat.graph.operations import OPS

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()


def read(model: "typed.nn.Module", example: Example) -> Graph:
    """Read a model by running it once, in eval mode.

    Args:
        model: Any `nn.Module`; it is not touched.
        example: What to call it with.

    Returns:
        Its graph, each node named after its place: the path of a module of `torch.nn`, or the path of the module whose
        code calls a function, and the function ("up1.cat", "layers.0.add#2"). A module with merges that is called
        several times is a nested model ("block/add").

    Raises:
        ModelError: if the model does not run on the example.
    """
    recording = record(model, example)
    return nested(graph_of(recording), recording)


def graph_of(recording: Recording) -> Graph:
    """The flat graph of a recorded run."""
    shared = _shared_names(recording)
    nodes = unstacked([_node(call, recording, shared) for call in recording.calls])
    return Graph.of(
        [_with_obstacle(node, recording) for node in with_channel_axes(nodes, default=first_of_images)],
        inputs=recording.inputs,
        outputs=recording.outputs,
        name=type(recording.model).__name__,
        native=recording,
    )


def _node(call: Call, recording: Recording, shared: dict[int, str]) -> Node:
    common: dict[str, Any] = {"outputs": call.outputs, "native": call}
    if call.name in recording.inputs:
        return Node(call.name, "input", attrs={"kind": "Input", "is_layer": True}, **common)
    inputs = tuple(operand.edge for operand in call.operands if operand.edge is not None)
    says: dict[str, Any] = {"kind": call.word, "is_layer": True}
    if call.module is not None:
        source = call.operands[0].tensor.shape if call.operands else ()
        op, attrs = describe_module(call.module, len(source), source)
        if OPS[op].merge and len(inputs) < 2 and op != "concat":
            op, attrs = "opaque", {}
        weights = weights_of(call.module, op, call.path)
        layer = next((shared[w.key] for w in weights.values() if w.key in shared), call.path)
        return Node(call.name, op, inputs, attrs={**attrs, **says}, weights=weights, layer=layer, **common)
    found = merged(call)
    if found is not None:
        weights = {**found.weights, **_parameters(call, found.op)}
        layer = call.name if weights else ""
        return Node(
            call.name, found.op, found.inputs, attrs={**found.attrs, **says}, weights=weights, layer=layer, **common
        )
    op, attrs = describe_function(call)
    if call.word in HIDDEN and len(inputs) > 1:
        attrs = {**attrs, "hidden": HIDDEN[call.word]}
    weights = _parameters(call, op)
    layer = next((shared[w.key] for w in weights.values() if w.key in shared), call.name if weights else "")
    return Node(call.name, op, inputs, attrs={**attrs, **says}, weights=weights, layer=layer, **common)


def _parameters(call: Call, op: str) -> dict[str, Weight]:
    """Parameters that a function reads, by canonical name where it is a linear layer, else by path."""
    if op in ("dense", "conv", "depthwise_conv"):
        held = [operand.value for operand in call.operands if operand.path and operand.value is not None]
        return {name: weight_of(value) for name, value in zip(("kernel", "bias"), held, strict=False)}
    return {path: weight_of(value) for operand in call.operands for path, value in operand.sources}


def _shared_names(recording: Recording) -> dict[int, str]:
    """For each parameter that several places hold, one name for all of them."""
    holders: dict[int, list[str]] = {}
    for path, module in named_modules(recording.model):
        for tensor in parameters_of(module).values():
            if tensor is not None:
                holders.setdefault(id(tensor), []).append(path)
    for call in recording.calls:
        for operand in call.operands:
            if operand.path and call.module is None:
                holders.setdefault(id(operand.value), []).append(call.name)
    shared: dict[int, str] = {}
    for key, places in holders.items():
        functions = [place for place in places[1:] if place != places[0]]
        if functions:
            shared[key] = places[0]
    return shared


def _with_obstacle(node: Node, recording: Recording) -> Node:
    """A merge that cannot be written anew carries the reason."""
    call: Call = node.native
    if not OPS[node.op].merge or call.module is not None:
        return node
    reason = obstacle(call, recording)
    return node.edit(attrs={"obstacle": reason}, edited=False) if reason else node


def obstacle(call: Call, recording: Recording) -> str:
    """Why the code around a call cannot be written anew; "" where it can."""
    path = call.place.owner
    owner = recording.owners.get(path)
    who = f"{type(recording.model.get_submodule(path)).__name__} {path!r}" if path else "the model"
    if call.place.hook:
        return f"a hook of a module in {who} computes it"
    if call.name in recording.seen_late:
        return f"{who} writes it in place into a part of another tensor"
    if owner is None:
        return f"it lies outside of the code of {who}"
    if owner.problems:
        return f"{who} {owner.problems[0]}"
    if call.name in recording.seen_old:
        return f"{who} adds into a tensor that it reads again under its old name (write x = x + y)"
    way = way_of(recording.model.get_submodule(path), owner)
    if way.problem:
        return f"{who} {way.problem}"
    trained = way.trained is None or Site(call.place.order, call.word) in way.trained
    return "" if trained else f"{who} does not compute it {IN_TRAINING}"


def reshape_inputs(graph: Graph, shapes: tuple[Shape, ...]) -> Graph:
    """Run the model on inputs of other shapes.

    Args:
        graph: A graph that `read` gave.
        shapes: One shape for each input, batch first.

    Raises:
        ModelError: if the number of shapes is wrong, or the model does not take them.
    """
    recording: Recording = graph.native
    tensors = recording.example.tensors
    if len(shapes) != len(tensors):
        raise ModelError(
            f"{graph.name!r} has {len(tensors)} input{'s' if len(tensors) > 1 else ''}, got {len(shapes)} "
            f"shape{'s' if len(shapes) > 1 else ''}. Give one shape for each input."
        )
    made = [
        _torch.zeros([size or old for size, old in zip(shape, tensor.shape, strict=True)], dtype=tensor.dtype)
        if len(shape) == tensor.ndim
        else _wrong_rank(graph.name, shape, tensor)
        for shape, tensor in zip(shapes, tensors, strict=True)
    ]
    return read(recording.model, recording.example.filled(made))


def _wrong_rank(name: str, shape: Shape, tensor: "typed.Tensor") -> NoReturn:
    raise ModelError(
        f"{name!r} was read with an input of shape {tuple(tensor.shape)}, got {shape}. Give as many sizes, batch first."
    )
