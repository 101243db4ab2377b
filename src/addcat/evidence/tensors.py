"""Tensors of a nested model's graph, found in the flattened graph at each of its calls."""

import re

from addcat.evidence.problem import Problem
from addcat.flatten import flatten
from addcat.graph import Edge, Graph


def flat_edges(problem: Problem, edges: list[Edge]) -> list[list[Edge]]:
    """Where some tensors of the merge's graph are once nested models are laid open.

    Args:
        problem: The merge.
        edges: Tensors of `problem.graph`.

    Returns:
        For each call of the nested model that holds the merge (one, where it is not nested) the edges in
        `flatten(problem.root)`.
    """
    site = problem.merge.site
    prefix = site[: len(site) - len(problem.merge.node)]
    if not prefix:
        return [_resolved(problem.root, edges)]
    flat = flatten(problem.root)
    calls = [name[: -len(problem.merge.node)] for name in flat.nodes if _plain(name) == site]
    # an input of the nested model is no node of the flattened graph: there, its caller's tensor takes its place
    return [[_in_call(flat, problem, call, edge) for edge in edges] for call in calls]


def _plain(name: str) -> str:
    return re.sub(r"#\d+(?=/)", "", name)


def _resolved(root: Graph, edges: list[Edge]) -> list[Edge]:
    """Outermost edges; the outputs of nested models are found where these compute them."""
    flat = flatten(root)
    merge_inputs: dict[Edge, Edge] = {}
    for name, node in root.nodes.items():
        if name in flat.nodes:
            merge_inputs.update(zip(node.inputs, flat.nodes[name].inputs, strict=True))
    return [merge_inputs.get(edge, edge) for edge in edges]


def _in_call(flat: Graph, problem: Problem, call: str, edge: Edge) -> Edge:
    merge = flat.nodes[call + problem.merge.node]
    inputs = problem.graph.nodes[problem.merge.node].inputs
    return merge.inputs[inputs.index(edge)] if edge in inputs else Edge(call + edge.node, edge.output)
