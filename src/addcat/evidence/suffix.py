"""A network cut at a merge: what comes before it runs once, and only what follows is trained."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from addcat.data import Batch, Dataset, materialise
from addcat.data.examples import Examples
from addcat.evidence.problem import Problem
from addcat.evidence.tensors import require_finite
from addcat.graph import Edge, Graph, Node

BATCH = 256


@dataclass(frozen=True, slots=True)
class Suffix:
    """A merge and everything that depends on it, as a network of its own.

    Attributes:
        graph: Its inputs are the tensors that it reads from before the cut. Nested models behind it stay nested.
        crossing: Those tensors in the whole network, in the order of the inputs.
        outputs: Which of the whole network's outputs it computes.
    """

    graph: Graph
    crossing: tuple[Edge, ...]
    outputs: tuple[int, ...]


def before_merge(root: Graph, name: str) -> list[str]:
    """Names of the nodes that neither are a merge nor depend on it."""
    return [node for node in root.nodes if node != name and name not in root.ancestors(node)]


def suffix_of(root: Graph, name: str) -> Suffix:
    """Cut a network before a merge.

    Args:
        root: The graph of the network.
        name: Name of the merge in `root`.

    Returns:
        The suffix.
    """
    before = set(before_merge(root, name))
    kept = [node for node in root.nodes.values() if node.name not in before]
    inside = {node.name for node in kept}
    crossing = list(dict.fromkeys(edge for node in kept for edge in node.inputs if edge.node not in inside))
    sources = {edge: _input(root, place, edge) for place, edge in enumerate(crossing)}
    moved = [
        replace(node, inputs=tuple(Edge(sources[e].name) if e in sources else e for e in node.inputs)) for node in kept
    ]
    outputs = tuple(place for place, edge in enumerate(root.outputs) if edge.node in inside)
    graph = Graph.of(
        [*sources.values(), *moved],
        inputs=[node.name for node in sources.values()],
        outputs=[root.outputs[place] for place in outputs],
        name="suffix",
    )
    return Suffix(graph, tuple(crossing), outputs)


def _input(root: Graph, place: int, edge: Edge) -> Node:
    tensor = root.tensor(edge)
    name = f"crossing_{place}"
    axis = root.nodes[edge.node].channel_axis if edge.output == 0 else None
    return Node(name, "input", (), (tensor,), {"is_layer": True}, channel_axis=axis, layer=name)


def crossing_examples(problem: Problem, suffix: Suffix, examples: Examples) -> Examples:
    """Run what comes before the cut once, and keep what crosses it; in a file where memory would not hold it.

    Args:
        problem: The merge.
        suffix: The cut.
        examples: To run.

    Returns:
        Inputs and targets of the suffix.

    Raises:
        DataError: if an activation is not finite.
    """
    run = problem.door.predictor(problem.door.write(problem.root), suffix.crossing)
    first = len(problem.root.outputs)
    targets = tuple(examples.targets[place] for place in suffix.outputs)

    def once() -> Iterator[Batch]:
        for start in range(0, examples.count, BATCH):
            rows = np.arange(start, min(start + BATCH, examples.count))
            tensors = run(list(examples.rows(rows).inputs))[first:]
            for edge, tensor in zip(suffix.crossing, tensors, strict=True):
                require_finite(edge, tensor)
            yield Batch(tuple(tensors), tuple(target[rows] for target in targets))

    return materialise(Dataset(suffix.graph.inputs, True, examples.count, None, once))


def cut(problem: Problem, suffix: Suffix) -> Problem:
    """The same question about what follows the cut alone, on the tensors that cross it.

    Args:
        problem: The merge; it must lie in the outermost model.
        suffix: The cut.

    Returns:
        A problem whose network is the suffix.

    Raises:
        DataError: if an activation is not finite.
    """
    return replace(
        problem,
        root=suffix.graph,
        graph=suffix.graph,
        data=crossing_examples(problem, suffix, problem.data),
        held=crossing_examples(problem, suffix, problem.held),
        losses=selected(problem.losses, suffix.outputs),
        given=None,
    )


def selected(values: Iterable[object], places: tuple[int, ...]) -> tuple[object, ...]:
    """Those of some values that stand at some places."""
    listed = list(values)
    return tuple(listed[place] for place in places)
