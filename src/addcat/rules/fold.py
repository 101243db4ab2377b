"""Fold: A x + B x + x = (A + B + I) x, for parallel linear branches of one input that are added.

Kernels are laid into one window (see `aligned`); an identity link is a kernel with a single one, and an affine link
s x + t, such as a batch norm on the link, has s in its place and adds t to the bias (RepVGG, Ding et al. 2021). Other
terms of the sum stay.
"""

from dataclasses import dataclass

import numpy as np

from addcat.algebra import Affine, Linear, affine_after, delta_kernel, fold
from addcat.graph import Blocked, Edge, Graph, Node
from addcat.graph.windows import padding_like
from addcat.rules import building, guards
from addcat.rules.aligned import Window, align
from addcat.rules.base import Plan, Role, Rule

FOLDABLE = ("conv", "dense", "depthwise_conv")


@dataclass(frozen=True, slots=True)
class _Branches:
    """The terms of a sum that read one tensor: linear maps, affine links and bare links."""

    source: Edge
    maps: list[Node]
    norms: list[Node]
    bare: int


def plan(graph: Graph, node: Node) -> Plan | None:
    """Make one linear map of the terms of a sum that are linear in one tensor."""
    if node.op != "add" or len(node.inputs) < 2:
        return None
    for source in dict.fromkeys(_source(graph, edge) for edge in node.inputs):
        found = _branches(graph, node, source) if source is not None else None
        if found is not None:
            break
    else:
        return None
    window = _check(graph, node, found)
    names = [one.name for one in (*found.maps, *found.norms)]
    link = f" and its link to {found.source.node!r}" if found.bare else ""
    words = f"fold {', '.join(map(repr, names))}{link} into one map before {node.name!r}"
    return Plan((node.name, *names), words, lambda: _change(graph, node, found, window))


def _source(graph: Graph, edge: Edge) -> Edge | None:
    node = graph.nodes[edge.node]
    return node.inputs[0] if node.op in FOLDABLE and guards.activation(node) == "linear" else None


def _branches(graph: Graph, node: Node, source: Edge) -> _Branches | None:
    terms = [graph.nodes[edge.node] for edge in node.inputs if edge != source]
    maps = [one for one in terms if one.inputs[:1] == (source,) and _source(graph, Edge(one.name)) is not None]
    norms = [one for one in terms if one.inputs == (source,) and guards.is_affine(one)]
    maps, norms = list({n.name: n for n in maps}.values()), list({n.name: n for n in norms}.values())
    bare = node.inputs.count(source)
    return _Branches(source, maps, norms, bare) if len(maps) + len(norms) + bare > 1 else None


def _check(graph: Graph, node: Node, found: _Branches) -> Window:
    guards.free(graph, node)
    first = found.maps[0]
    for one in (*found.maps, *found.norms):
        guards.free(graph, one)
        guards.only_reader(graph, one, node)
        guards.same_type(graph, one, node)
        if one.shape != node.shape or one.channel_axis != first.channel_axis:
            raise Blocked(f"{node.name!r} broadcasts {one.name!r}")
    for one in found.norms:
        guards.affine(one)
    for one in found.maps[1:]:
        if one.op != first.op or one.attrs.get("groups", 1) != first.attrs.get("groups", 1):
            raise Blocked(f"{first.name!r} and {one.name!r} have different groups or are of different kinds")
    source = graph.tensor(found.source).shape
    if (found.bare or found.norms) and (source != node.shape or node.channels is None):
        raise Blocked(f"{found.source.node!r} has another shape than {node.name!r}, so its link is no identity")
    return align(graph, found.maps, len(found.norms) + found.bare)


def _change(graph: Graph, node: Node, found: _Branches, window: Window) -> Graph:
    first = found.maps[0]
    groups = int(first.attrs.get("groups", 1)) if first.op != "depthwise_conv" else node.channels or 1
    branches = [guards.linear(one) for one in found.maps]
    if found.norms or found.bare:
        channels = node.channels or 0
        delta = delta_kernel(channels, (1,) * len(window.taps), groups, branches[0].kernel.dtype)
        branches += [affine_after(Linear(delta), guards.affine(one)) for one in found.norms]
        branches += [affine_after(Linear(delta), Affine(np.ones(channels), np.zeros(channels)))] * found.bare
    placed = [Linear(window.place(one.kernel, number), one.bias) for number, one in enumerate(branches)]
    folded = fold(*placed)
    attrs = dict(first.attrs)
    if window.taps:
        reach = tuple(d * (k - 1) + 1 for k, d in zip(window.taps, window.dilation, strict=True))
        attrs |= {"padding": padding_like(found.maps, window.padding, reach), "dilation": window.dilation}
    name = graph.fresh_name(f"{node.name}_folded")
    new = building.made(first, name, attrs=attrs, weights=building.linear_weights(folded), outputs=node.outputs)
    gone = {one.name for one in (*found.maps, *found.norms)}
    rest = tuple(edge for edge in node.inputs if edge.node not in gone and edge != found.source)
    put, last = [new], new
    if rest:
        last = building.merge("add", graph.fresh_name(f"{node.name}_rest"), (Edge(name), *rest), node)
        put.append(last)
    return graph.edit(put=put, remove=[node.name, *gone], rewire={Edge(node.name): Edge(last.name)})


FOLD = Rule("fold", "AC317", ("latency", "memory", "parameters"), plan, role=Role.TIDY)
