"""What every rule is held to: the same outputs, true shapes, an untouched input, and reasons that can be read."""

import numpy as np
from graphs import feed
from reference import checked

from addcat.graph import Array, Graph, Refusal
from addcat.rules import RULES, Proposal, Rule


def proposals(rule: Rule, graph: Graph) -> list[Proposal]:
    return [found for found in rule.find(graph) if isinstance(found, Proposal)]


def reasons(rule: Rule, graph: Graph) -> list[str]:
    """The reasons of a rule that refuses a graph everywhere; its code is checked."""
    found = rule.find(graph)
    assert not [one for one in found if isinstance(one, Proposal)], found
    refusals = [one for one in found if isinstance(one, Refusal)]
    assert all(one.code == rule.code and one.site in graph.nodes for one in refusals)
    return [one.reason for one in refusals]


def rewritten(rule: Rule, graph: Graph, site: str = "", inputs: dict[str, Array] | None = None) -> Graph:
    """Apply a rule at its only site, or at `site`: same outputs, shapes as declared, the old graph as it was."""
    (proposal,) = [one for one in proposals(rule, graph) if site in ("", one.site)]
    assert proposal.rule == rule.name
    assert proposal.site in proposal.nodes
    assert all(name in graph.nodes for name in proposal.nodes)
    before = {name: {key: weight.read().copy() for key, weight in n.weights.items()} for name, n in graph.nodes.items()}
    nodes, attrs = dict(graph.nodes), {name: dict(node.attrs) for name, node in graph.nodes.items()}
    result = rule.apply(graph, proposal)
    assert list(graph.nodes.items()) == list(nodes.items()), "the caller's graph was changed"
    for name, node in graph.nodes.items():
        assert dict(node.attrs) == attrs[name]
        for key, array in before[name].items():
            assert np.array_equal(node.weight(key), array), "the caller's weights were changed"
    assert result is not graph
    assert same(graph, result, inputs=inputs)
    dtypes = {tensor.dtype for node in graph.nodes.values() for tensor in node.outputs}
    assert {tensor.dtype for node in result.nodes.values() for tensor in node.outputs} <= dtypes
    return result


def same(graph: Graph, other: Graph, tolerance: float = 1e-10, inputs: dict[str, Array] | None = None) -> bool:
    """Whether two graphs give the same outputs, to a share of the largest."""
    inputs = inputs or feed(graph)
    pairs = zip(checked(graph, inputs), checked(other, inputs), strict=True)
    return all(
        old.shape == new.shape and np.max(np.abs(old - new)) <= tolerance * max(1.0, np.max(np.abs(old)))
        for old, new in pairs
    )


def ops(graph: Graph) -> list[str]:
    """The operations of a graph in order, without its inputs."""
    return [node.op for node in graph.nodes.values() if node.op != "input"]


__all__ = ["RULES", "ops", "proposals", "reasons", "rewritten", "same"]
