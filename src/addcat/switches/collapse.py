"""A merge becomes an Add, or one branch, whatever that loses: the start from which kernels are fitted or drawn anew.

Where every reader is a Dense or convolution behind channelwise operations (direct), their kernels shrink: to the mean
of their parts, which is the best tied kernel for branches of equal covariance. Elsewhere a 1x1 layer behind the sum
rebuilds the tensor that was there, so nothing else changes.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from addcat import algebra
from addcat.graph import Array, Edge, Graph
from addcat.merges import Merge
from addcat.merges.consumers import Consumer
from addcat.merges.switchability import widths
from addcat.switches.nodes import linear_node, merge_node, settings_of, widened
from addcat.switches.to_concat import blocks
from addcat.switches.widths import resized

FITTED = ("dense", "conv")


@dataclass(frozen=True, slots=True)
class Collapsed:
    """A graph whose merge has become narrower.

    Attributes:
        graph: The new graph; it computes something close at best.
        form: "direct", or "rebuild" where a 1x1 layer gives the old tensor back.
        targets: The linear nodes whose kernels are to be fitted, in order.
    """

    graph: Graph
    form: str
    targets: tuple[str, ...]


def collapse_to_add(graph: Graph, merge: Merge, *, widen: str, force_direct: bool = False) -> Collapsed:
    """Add the branches of a Concatenate or of a rung of the ladder.

    Args:
        graph: The graph that holds the merge.
        merge: The merge.
        widen: How narrower branches are widened: "project" or "pad".
        force_direct: Take the direct form for other linear consumers too, whose kernels nobody will fit.
    """
    sizes, channels = widths(merge), max(widths(merge))
    extra, edges = widened(graph, merge, channels, widen)
    add = merge_node(graph, merge, "add", edges, channels)
    if not _is_direct(graph, merge, force_direct):
        old = graph.nodes[merge.node]
        kernel = np.mean(blocks(old, channels), axis=0) if merge.adds else _membership(sizes, channels)
        return _rebuilt(graph.edit(put=[*extra, add]), merge, Edge(merge.node), kernel)
    if merge.adds:
        targets = tuple(consumer.node for consumer in merge.consumers)
        return Collapsed(graph.edit(put=[*extra, add]), "direct", targets)

    def mean(_: Consumer, kernels: list[Array]) -> list[Array]:
        return [np.swapaxes(_joined(k.swapaxes(0, 1), sizes, channels, mean=True), 0, 1) for k in kernels]

    def along(name: str, array: Array) -> Array:
        return _joined(array, sizes, channels, mean=name not in ("mean", "variance"))

    changed = resized(graph, merge, channels, kernels=mean, path=along)
    targets = tuple(consumer.node for consumer in merge.consumers)
    return Collapsed(graph.edit(put=[*extra, add, *changed]), "direct", targets)


def collapse_to_branch(graph: Graph, merge: Merge, *, force_direct: bool = False) -> Collapsed:
    """Keep the main branch, the one that most operations lead to, and drop the others."""
    place = main_branch(graph, merge)
    branch = merge.branches[place]
    channels, source = branch.channels or 0, Edge(merge.node)
    if not _is_direct(graph, merge, force_direct):
        kernel = np.eye(merge.shape[merge.channel_axis] or 0, channels)
        return _pruned(_rebuilt(graph, merge, branch.edge, kernel, remove=(merge.node,)))
    targets = tuple(consumer.node for consumer in merge.consumers)
    if merge.adds:
        return _pruned(Collapsed(graph.edit(remove=[merge.node], rewire={source: branch.edge}), "direct", targets))
    start = sum(widths(merge)[:place])

    def own(_: Consumer, kernels: list[Array]) -> list[Array]:
        times = [kernel.shape[1] // sum(widths(merge)) for kernel in kernels]
        return [k[:, start * t : (start + channels) * t] for k, t in zip(kernels, times, strict=True)]

    def slice_of(_: str, array: Array) -> Array:
        return array[start : start + channels]

    changed = resized(graph, merge, channels, kernels=own, path=slice_of)
    moved = [replace(n, inputs=tuple(branch.edge if e == source else e for e in n.inputs)) for n in changed]
    edited = graph.edit(put=moved, remove=[merge.node], rewire={source: branch.edge})
    return _pruned(Collapsed(edited, "direct", targets))


def main_branch(graph: Graph, merge: Merge) -> int:
    """Index of the branch that most operations lead to; the first of equals."""
    depth = [len(graph.ancestors(branch.producer)) for branch in merge.branches]
    return depth.index(max(depth))


def _is_direct(graph: Graph, merge: Merge, force: bool) -> bool:
    return merge.direct and (force or all(graph.nodes[c.node].op in FITTED for c in merge.consumers))


def _membership(sizes: list[int], channels: int) -> NDArray[np.float64]:
    """Which merged channels fall on which channel of the sum, (sum of sizes, channels), ones and zeros."""
    return np.concatenate([algebra.widen(np.eye(size), inputs=channels) for size in sizes])


def _joined(array: Array, sizes: list[int], channels: int, *, mean: bool) -> NDArray[np.float64]:
    """Merged channels on axis 0 joined as Add joins them: summed, or averaged, over the branches that have each.

    A kernel may hold several inputs a channel (a separable convolution's multiplier), one behind the other.
    """
    times = len(array) // sum(sizes)
    total, count = np.zeros((channels * times, *array.shape[1:])), np.zeros(channels * times)
    start = 0
    for size in sizes:
        total[: size * times] += array[start : start + size * times]
        count[: size * times] += 1
        start += size * times
    return total / count.reshape(-1, *(1,) * (array.ndim - 1)) if mean else total


def _rebuilt(graph: Graph, merge: Merge, source: Edge, kernel: Array, *, remove: tuple[str, ...] = ()) -> Collapsed:
    """Put a 1x1 layer behind the narrower tensor that gives one of the old width to all its readers."""
    name = graph.fresh_name(f"{merge.node}_rebuild")
    settings = settings_of(graph, graph.nodes[merge.node])
    node = linear_node(name, source, graph.tensor(source), kernel, merge.channel_axis, settings)
    edited = graph.edit(put=[node], remove=remove, rewire={Edge(merge.node): Edge(name)})
    return Collapsed(edited, "rebuild", (name,))


def _pruned(collapsed: Collapsed) -> Collapsed:
    """Take out what no output depends on any more; inputs stay."""
    graph = collapsed.graph
    needed = {edge.node for edge in graph.outputs} | set(graph.inputs)
    for edge in graph.outputs:
        needed |= graph.ancestors(edge.node)
    return replace(collapsed, graph=graph.edit(remove=[name for name in graph.nodes if name not in needed]))
