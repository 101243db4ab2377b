"""The readers of a merge fitted one behind the other, each to what it computed before the switch.

A reader may lie behind another one, so each is fitted in the network that holds the fits before it. Both networks are
made into programs once, with the tensors of all readers as outputs, and a fit is put into the second program as values:
making a program takes far longer than running it.
"""

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np

from addcat.doors.base import Probed, Prober
from addcat.graph import Array, Edge, Graph, Node
from addcat.graph.nested import calls_of, flatten, with_subgraph
from addcat.switches.collapse import Collapsed
from addcat.switches.fit import Probe, apply_fit, fit_kernel

MOST_ELEMENTS = 2**26
"""Numbers that both programs may give for one batch, 256 MB of them; batches are cut where they would give more."""


class OutOfTime(Exception):  # noqa: N818  (a signal to who set the time, not an error)
    """Fitting would end too late, going by the readers before."""


def fit_targets(
    root: Graph,
    site: str,
    graph: Graph,
    collapsed: Collapsed,
    door: Prober,
    batches: Sequence[list[Array]],
    *,
    seed: int = 0,
    until: float = math.inf,
) -> tuple[Graph, dict[str, float]]:
    """Fit the readers of one merge.

    Args:
        root: The outermost graph before the switch.
        site: Of the merge.
        graph: The graph in which it lies, before the switch.
        collapsed: The same with a narrower merge, and its readers.
        door: Runs graphs.
        batches: Of model inputs.
        seed: Of the positions that are drawn.
        until: When to end, in seconds of `time.monotonic`.

    Returns:
        The outermost graph, and the distortion of each reader.

    Raises:
        OutOfTime: where fitting would end later.
    """
    targets, inside = collapsed.targets, _with_biases(collapsed)
    old = [target if collapsed.form == "direct" else None for target in targets]
    programs = _Programs(root, with_subgraph(root, site, inside), site, list(zip(old, targets, strict=True)), door)
    cut = list(programs.cut(batches))
    if len(targets) > 1:
        programs.start(cut)
    distortion, longest = dict[str, float](), 0.0
    for place, target in enumerate(targets):
        begun = time.monotonic()
        if place and begun + (len(targets) - place) * longest > until:
            raise OutOfTime
        before = graph.nodes[target] if collapsed.form == "direct" else _identity_like(inside.nodes[target])
        fit = fit_kernel(before, inside.nodes[target], programs.of(place), cut, seed=seed)
        inside = apply_fit(inside, fit)
        if place + 1 < len(targets):
            programs.put(place, inside.nodes[target])
        distortion[target] = fit.distortion
        longest = max(longest, time.monotonic() - begun)
    return with_subgraph(root, site, inside), distortion


def _with_biases(collapsed: Collapsed) -> Graph:
    """Readers that have none get a bias of zeros, where their fits will put one."""
    bare = [
        collapsed.graph.nodes[name] for name in collapsed.targets if "bias" not in collapsed.graph.nodes[name].weights
    ]
    put = [node.edit(weights={"bias": np.zeros(node.weights["kernel"].shape[0])}) for node in bare]
    return collapsed.graph.edit(put=put)


class _Programs:
    """Both networks, up to what each reader reads, at every call of the nested model that they lie in.

    Args:
        old: The outermost graph before the switch.
        new: The same after it.
        site: Of the merge.
        readers: Names before and after; None before, where the merged tensor itself is what was read.
        door: Runs graphs.
    """

    def __init__(
        self, old: Graph, new: Graph, site: str, readers: Sequence[tuple[str | None, str]], door: Prober
    ) -> None:
        prefix = site[: site.rfind("/") + 1]
        flat_old, flat_new = flatten(old), flatten(new)
        self._calls = [calls_of(new, prefix + name) for _, name in readers]
        before = [
            [
                flat_old.nodes[name].inputs[0] if own else Edge(name)
                for name in calls_of(old, prefix + own if own else site)
            ]
            for own, _ in readers
        ]
        after = [[flat_new.nodes[name].inputs[0] for name in calls] for calls in self._calls]
        self._elements = _elements(flat_old, before) + _elements(flat_new, after)
        self._old, self._before = _program(door, old, before)
        self._new, self._after = _program(door, new, after)

    def cut(self, batches: Sequence[list[Array]]) -> Iterator[list[Array]]:
        """Batches, as small as they have to be."""
        size = max(1, MOST_ELEMENTS // max(self._elements, 1))
        for batch in batches:
            for start in range(0, len(batch[0]), size):
                yield [array[start : start + size] for array in batch]

    def start(self, batches: Sequence[list[Array]]) -> None:
        """Run both once, so that what they take is known from the first reader on."""
        for batch in batches[:1]:
            self._old(batch)
            self._new(batch)

    def of(self, place: int) -> Probe:
        """What one reader reads in both networks."""

        def probe(batch: list[Array]) -> tuple[Array, Array]:
            old, new = self._old(batch), self._new(batch)
            return (
                np.concatenate([old[index] for index in self._before[place]]),
                np.concatenate([new[index] for index in self._after[place]]),
            )

        return probe

    def put(self, place: int, node: Node) -> None:
        """Put the weights of a reader into the second network."""
        for name in self._calls[place]:
            self._new.put(name, node)


def _program(door: Prober, graph: Graph, readers: Sequence[Sequence[Edge]]) -> tuple[Probed, list[list[int]]]:
    """A program for all tensors, each once, and which of them are whose."""
    edges = list(dict.fromkeys(edge for group in readers for edge in group))
    return door.probe(graph, edges), [[edges.index(edge) for edge in group] for group in readers]


def _elements(flat: Graph, readers: Sequence[Sequence[Edge]]) -> int:
    """Numbers that a program gives for one example, as far as shapes are known."""
    edges = {edge for group in readers for edge in group}
    return sum(math.prod(size or 1 for size in flat.tensor(edge).shape[1:]) for edge in edges)


def _identity_like(new: Node) -> Node:
    """The old merged tensor as a consumer of itself, for a layer that rebuilds it."""
    out = new.weights["kernel"].shape[0]
    kernel = np.eye(out).reshape(out, out, *(1,) * (len(new.weights["kernel"].shape) - 2))
    return new.edit(weights={"kernel": kernel})
