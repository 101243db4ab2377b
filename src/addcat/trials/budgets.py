"""Budgets: the same widths, the same parameters or the same multiply-adds in both arms.

Concatenate needs a wider kernel to read it, so at the same widths it has more parameters. To ask whether its gain is
more than theirs, the readers of the merges are made narrower in the larger arm, all by the same share, until the totals
match: a reader's outputs, whatever is channelwise behind them, and the input channels of whoever reads those. A reader
whose outputs go into another merge, or out of the model, keeps its width; then the totals match as near as can be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from addcat.errors import OptionError
from addcat.graph import Array, Graph, Node
from addcat.graph.cost import BYTES, parameters, total_multiply_adds
from addcat.graph.nested import subgraph, walk, with_subgraph
from addcat.merges import Merge, describe_merge
from addcat.merges.consumers import Consumer
from addcat.switches.widths import resized, with_channels

BUDGETS = ("widths", "parameters", "multiply_adds")
NEAR = 0.01
"""Totals this close count as equal."""
NARROWS = ("dense", "conv")
"""Readers that can be made narrower here."""


@dataclass(frozen=True, slots=True)
class Matched:
    """An arm that was brought to a total.

    Attributes:
        graph: Its architecture.
        widths: The outputs of every reader that was narrowed, by site name.
        total: What it has now.
        target: What was asked for.
    """

    graph: Graph
    widths: Mapping[str, int]
    total: int
    target: int

    @property
    def mismatch(self) -> float:
        """How far it is from the target, as a share of it, with sign."""
        return (self.total - self.target) / self.target


def check_budget(budget: str) -> None:
    """Refuse a budget that does not exist.

    Raises:
        OptionError: if it does not.
    """
    if budget not in BUDGETS:
        raise OptionError(f"budget {budget!r} does not exist. Expected one of {', '.join(BUDGETS)}.")


def total(graph: Graph, budget: str) -> int | None:
    """What an architecture spends; None where a size is unknown."""
    return parameters(graph) if budget == "parameters" else total_multiply_adds(graph)[0]


def matched(graph: Graph, sites: tuple[str, ...], target: int, budget: str) -> Matched:
    """Narrow the readers of some merges until the totals match.

    Args:
        graph: The larger arm.
        sites: The merges that differ between the arms.
        target: The total of the smaller arm.
        budget: "parameters" or "multiply_adds".

    Returns:
        The arm whose total is nearest to the target, at or below its present widths.

    Raises:
        OptionError: if a size is unknown, so that there is no total.
    """
    now = total(graph, budget)
    if now is None:
        raise OptionError(
            f"The arms cannot be matched by {budget}: a size is unknown. Give the model fixed input sizes."
        )
    whole = {name: width for site in sites for name, width in _narrowable(graph, site).items()}
    best = Matched(graph, {}, now, target)
    if not whole or now <= target:
        return best
    low, high = 0.0, 1.0
    for _ in range(40):  # the total falls with the share: halve until no width changes any more
        share = (low + high) / 2
        widths = {name: max(1, round(share * width)) for name, width in whole.items()}
        tried = narrowed(graph, widths)
        spent = total(tried, budget) or 0
        if abs(spent - target) < abs(best.total - target):
            best = Matched(tried, widths, spent, target)
        low, high = (share, high) if spent < target else (low, share)
    return best


def narrowed(graph: Graph, widths: Mapping[str, int]) -> Graph:
    """An architecture with the outputs of some layers made narrower; what their weights are does not matter.

    Args:
        graph: The outermost graph.
        widths: New numbers of outputs by site name.
    """
    for path, width in widths.items():
        inside, name = subgraph(graph, path)
        graph = with_subgraph(graph, path, _narrowed(inside, name, width))
    return graph


def _narrowable(graph: Graph, site: str) -> dict[str, int]:
    """Outputs of the readers of a merge that can be narrowed, by site name."""
    inside, name = subgraph(graph, site)
    prefix = site[: len(site) - len(name)] if site.endswith(name) else ""
    merge = describe_merge(inside, inside.nodes[name])
    found: dict[str, int] = {}
    for consumer in merge.consumers:
        node = inside.nodes.get(consumer.node)
        if node is None or consumer.refusal is not None or node.op not in NARROWS or len(inside.calls(node)) > 1:
            continue
        if int(node.attrs.get("groups", 1)) == 1 and node.channels and _as_merge(inside, node).direct:
            found[prefix + node.name] = node.channels
    return found


def _as_merge(graph: Graph, node: Node) -> Merge:
    """A layer's outputs as `switches.widths` sees merged channels: what reads them can follow their number."""
    return describe_merge(graph, node)


def _narrowed(graph: Graph, name: str, width: int) -> Graph:
    node = graph.nodes[name]

    def kernels(_: Consumer, parts: list[Array]) -> list[Array]:
        return [part[:, :width] for part in parts]

    def path(_: str, part: Array) -> Array:
        return part[:width]

    weights = {key: np.ascontiguousarray(node.weight(key)[:width]) for key in node.weights}
    behind = resized(graph, _as_merge(graph, node), width, kernels=kernels, path=path)
    return graph.edit(put=[node.edit(weights=weights, outputs=with_channels(node, width)), *behind])


def weight_bytes(graph: Graph) -> int:
    """Bytes of all weights as they are stored, shared ones once."""
    found = {
        w.key: prod(w.shape) * BYTES.get(node.dtype, 4) for _, node, _ in walk(graph) for w in node.weights.values()
    }
    return sum(found.values())
