"""What the structure alone says, without data (math: section 3 of the design).

Equal power: where every branch ends in a linear layer of its own and has at least as many channels as the consumer has
outputs, W_1 E_1 h + W_2 E_2 g = E'_1 h + E'_2 g, so Add and Concatenate represent the same functions.
Blind to order: where branches share their weights, Add cannot tell x + y from y + x.
"""

import time
from collections import Counter

from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.graph import Graph
from addcat.merges import Merge
from addcat.merges.switchability import ends_in_linear, equal_parts, linear_consumers, widths


def structure(problem: Problem) -> Evidence:
    """Read the structural facts of a merge.

    Returns:
        Evidence without an estimate; `equal_power`, `shared_branches` and `disguised` are True or False.
    """
    start = time.perf_counter()
    graph, merge = problem.graph, problem.merge
    power, shared, same = equal_power(graph, merge), shares_weights(graph, merge), disguised(graph, merge)
    return Evidence(
        method="structure",
        question="fact",
        estimate=None,
        low=None,
        high=None,
        level=0.95,
        unit="",
        n=0,
        seconds=time.perf_counter() - start,
        words=_words(equal_power=power, shared_branches=shared, disguised=same),
        equal_power=power,
        shared_branches=shared,
        disguised=same,
    )


def _words(*, equal_power: bool, shared_branches: bool, disguised: bool) -> str:
    said: list[str] = []
    if disguised:
        said.append("the merge already computes what the other one would")
    if equal_power:
        said.append("the branches end in wide enough linear layers for Add to represent all that Concatenate can")
    if shared_branches:
        said.append("the branches share their weights, so Add cannot tell their order")
    if not said:
        return "Concatenate can represent functions that Add cannot."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def equal_power(graph: Graph, merge: Merge) -> bool:
    """Whether Add and Concatenate represent the same functions here, branch widths as they are.

    Examples:
        >>> from addcat.frameworks import keras
        >>> from addcat.doors.keras import read
        >>> from addcat.merges import find_merges
        >>> layers, x, y = keras().layers, keras().Input((8,), name="x"), keras().Input((8,), name="y")
        >>> z = layers.Add(name="sum")([layers.Dense(16, name="e")(x), layers.Dense(16, name="f")(y)])
        >>> graph = read(keras().Model([x, y], layers.Dense(4, name="head")(z)))
        >>> equal_power(graph, find_merges(graph)[0])
        True
    """
    if not linear_consumers(merge) or not all(ends_in_linear(graph, branch) for branch in merge.branches):
        return False
    outputs = sum(graph.nodes[consumer.node].channels or 0 for consumer in merge.consumers)
    pointwise = all(_is_pointwise(graph, consumer.node) for consumer in merge.consumers)
    return pointwise and all(width >= outputs for width in widths(merge))


def _is_pointwise(graph: Graph, name: str) -> bool:
    kernel = graph.nodes[name].weights.get("kernel")
    return kernel is not None and all(tap == 1 for tap in kernel.shape[2:])


def shares_weights(graph: Graph, merge: Merge) -> bool:
    """Whether all branches are computed by the same layers, each as often, from different tensors."""
    if len({branch.edge for branch in merge.branches}) < merge.arity:
        return False
    layers = [_layers(graph, branch.producer) for branch in merge.branches]
    weighty = any(isinstance(layer, str) for layer in layers[0])
    return weighty and all(other == layers[0] for other in layers[1:])


def _layers(graph: Graph, producer: str) -> Counter[str | tuple[str, str]]:
    """What a branch is computed by, from the inputs on: layers with weights by name, others by what they do."""
    chain = [graph.nodes[producer], *(graph.nodes[name] for name in graph.ancestors(producer))]
    return Counter(
        node.layer if node.weights or node.body is not None else (node.op, str(node.attrs.get("function", "")))
        for node in chain
    )


def disguised(graph: Graph, merge: Merge) -> bool:
    """Whether the merge already computes what the other would: one input, or a Concatenate with equal kernel parts."""
    return merge.arity == 1 or (merge.op == "concat" and equal_parts(graph, merge))
