"""`inspect`: every merge of a model, hidden ones too, with its price and what a switch would need."""

from dataclasses import replace
from typing import Any

from addcat.doors.base import Prober, door_for
from addcat.errors import ModelError
from addcat.graph import Graph, Refusal, Shape
from addcat.graph.cost import add_up, live_peak, multiply_adds, parameters, tensor_bytes, total_multiply_adds
from addcat.graph.nested import flatten, subgraph
from addcat.merges import Merge, find_merges, is_merge
from addcat.merges.oddities import find_oddities
from addcat.merges.price import price, switched
from addcat.merges.switchability import FITTED, exact_form, widths
from addcat.verbs.inspect.result import InspectedMerge, Inspection, Totals

__all__ = ["InspectedMerge", "Inspection", "Totals", "inspect", "inspect_graph"]


def inspect(model: Any, *, input_shapes: tuple[Shape, ...] = (), example_inputs: Any = None) -> Inspection:
    """Find every merge of a model and price it.

    A bias, a constant, a scalar or a weight that is added to a tensor is not a merge.

    Args:
        model: A built Functional or Sequential Keras model, an ONNX model or a PyTorch module. It is not touched.
        input_shapes: Shapes to price the model at where it leaves sizes open, batch first, one for each input.
        example_inputs: What a PyTorch module is called with: a tuple of arguments, or a dict of keyword arguments.

    Returns:
        The merges, findings and totals; prints as a table in a notebook.

    Raises:
        ModelError: if the model cannot be read, or does not take the input shapes.

    Examples:
        >>> from addcat.frameworks import keras
        >>> x = keras().Input((8,), name="x")
        >>> y = keras().layers.Add(name="link")([x, keras().layers.Dense(8, name="block")(x)])
        >>> found = inspect(keras().Model(x, keras().layers.Dense(3, name="head")(y)))
        >>> [(m.site, m.merge.op, m.merge.role, m.switch) for m in found.merges]
        [('link', 'add', 'residual', 'tie')]
    """
    door = door_for(model, example_inputs=example_inputs)
    graph = door.read(model)
    sized = door.reshape_inputs(graph, input_shapes) if input_shapes else graph
    return inspect_graph(sized, fits=isinstance(door, Prober))


def inspect_graph(graph: Graph, *, fits: bool = True) -> Inspection:
    """Inspect a graph that a door has read; see `inspect`.

    Args:
        graph: The graph.
        fits: Whether the door can look at tensors inside, so that `switch` can fit where no exact switch exists.
    """
    merges = find_merges(graph)
    inspected: list[InspectedMerge] = []
    for merge in merges:
        inside, _ = subgraph(graph, merge.site)
        form = exact_form(inside, merge)
        if isinstance(form, Refusal) and not fits:
            form = replace(form, reason=form.reason.removesuffix(FITTED))
        after = None if isinstance(form, Refusal) else switched(inside, merge, form)
        inspected.append(InspectedMerge(merge, price(inside, merge), form, after))
    return Inspection(graph.name, tuple(inspected), tuple(find_oddities(graph)), _totals(graph, merges))


def _totals(graph: Graph, merges: list[Merge]) -> Totals:
    flat = flatten(graph)
    macs, uncounted = total_multiply_adds(flat)
    peak, where = live_peak(flat)
    merged = [node for node in flat.nodes.values() if is_merge(node)]
    extra = [_extra(*subgraph(graph, merge.site), merge) for merge in merges]
    return Totals(
        parameters=parameters(graph),
        multiply_adds=macs,
        uncounted=uncounted,
        activations=add_up(tensor_bytes(tensor) for node in flat.nodes.values() for tensor in node.outputs),
        peak=peak,
        peak_at=where,
        merge_parameters=sum(count for count, _ in extra),
        merge_multiply_adds=add_up(count for _, count in extra),
        merge_activations=add_up(tensor_bytes(node.outputs[0]) for node in merged),
        peak_without_merges=live_peak(flat, free={node.name for node in merged})[0],
    )


def _extra(graph: Graph, _: str, merge: Merge) -> tuple[int, int | None]:
    """Weights and multiply-adds that the consumers of a Concatenate spend beyond its widest branch."""
    if merge.op != "concat" or merge.axis != merge.channel_axis or any(b.channels is None for b in merge.branches):
        return 0, 0
    share = 1 - max(widths(merge)) / max(sum(widths(merge)), 1)  # branches without channels are possible
    weights, macs = 0, list[int | None]()
    for consumer in merge.consumers:
        nested = any(graph.nodes[name].op == "concat" for name in consumer.names)
        if consumer.refusal is None and not nested:  # else the outer Concatenate counts it
            node = graph.nodes[consumer.node]
            kernels = [w.size for name, w in node.weights.items() if name in ("kernel", "depthwise", "pointwise")]
            count = multiply_adds(graph, node)
            weights += round(sum(kernels) * share)
            macs.append(None if count is None else round(count * share) * merge.calls)
    return weights, add_up(macs)


def parse_input_shapes(texts: list[str]) -> tuple[Shape, ...]:
    """Read `--input 1x224x224x3`: shapes with the batch first.

    Raises:
        ModelError: if a text is not a shape of two sizes or more.
    """
    from addcat.merges.shapes import parse_shape  # noqa: PLC0415

    shapes = tuple(parse_shape(text) for text in texts)
    for text, shape in zip(texts, shapes, strict=True):
        if len(shape) < 2:
            raise ModelError(f"--input {text} has no batch: expected the batch first, then sizes, such as 1x224x224x3.")
    return shapes
