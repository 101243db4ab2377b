"""The rungs between Add and Concatenate, up and down.

drop < add < scale < channel_scale < low_rank:R < concat. Each holds the ones below. Upwards from Add a rung starts at
exactly Add: scales of 1, projections I + U V with U = 0. Downwards the sum M_1 x_1 + ... + M_k x_k becomes a plain Add
where the matrices fold into the layers before it: M (E h + b) = (M E) h + M b, and diag(s) into a batch norm too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from addcat.errors import OptionError
from addcat.graph import Array, Edge, Graph, Node, Refusal, Weight
from addcat.merges import Branch, Merge
from addcat.merges.consumers import Consumer
from addcat.merges.switchability import is_private_linear, linear_consumers
from addcat.switches.nodes import settings_of
from addcat.switches.to_concat import blocks
from addcat.switches.widths import resized

RUNGS = ("drop", "add", "scale", "channel_scale", "low_rank", "concat")
OP_OF = {"add": "add", "scale": "scaled_add", "channel_scale": "channel_scaled_add", "low_rank": "projected_add"}


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the ladder.

    Attributes:
        name: One of `RUNGS`.
        rank: Of the projections of low_rank; 0 otherwise.
    """

    name: str
    rank: int = 0

    @property
    def text(self) -> str:
        """As a user writes it: "add", "low_rank:8"."""
        return f"{self.name}:{self.rank}" if self.rank else self.name


def parse_rung(text: str) -> Rung:
    """Read a rung.

    Args:
        text: "drop", "add", "scale", "channel_scale", "low_rank:R" or "concat".

    Raises:
        OptionError: if it is none of these.

    Examples:
        >>> parse_rung("low_rank:8")
        Rung(name='low_rank', rank=8)
    """
    name, _, rank = text.partition(":")
    if name == "low_rank" and rank.isdecimal() and int(rank) > 0:
        return Rung(name, int(rank))
    if name in RUNGS and name != "low_rank" and not rank:
        return Rung(name)
    raise OptionError(
        f"{text!r} is not a rung. Expected drop, add, scale, channel_scale, low_rank:R (R = 1, 2, ...) or concat."
    )


def mask_refusal(node: Node, site: str, rung: Rung) -> Refusal | None:
    """Why a merge that is a function cannot become a layer of the ladder: the layer would pass masks on."""
    masks = node.attrs.get("masks", ())
    if rung.name not in OP_OF or rung.name == "add" or node.attrs.get("is_layer", True) or not (masks and all(masks)):
        return None
    reason = f"{node.name!r} is a function and drops the inputs' masks; {rung.text} is a layer, which passes them on"
    return Refusal("AC113", site, f"{reason}. Make it a keras.layers.Add first")


def raise_to(graph: Graph, merge: Merge, rung: Rung, *, seed: int) -> Graph:
    """Put a rung in the place of a plain Add; it computes the same sum.

    Args:
        graph: The graph that holds the Add.
        merge: A plain Add of branches of equal width.
        rung: "add", "scale", "channel_scale" or "low_rank".
        seed: For the projections that start at random (their partners start at zero).
    """
    node = graph.nodes[merge.node]
    if rung.name == "add":
        return graph
    arity, channels = merge.arity, merge.branches[0].channels or 0
    weights: dict[str, Array] = {}
    if rung.name == "low_rank":
        draw = np.random.default_rng(seed).standard_normal((arity, rung.rank, channels)) / np.sqrt(channels)
        weights = {"down": draw, "up": np.zeros((arity, channels, rung.rank))}
    else:
        weights = {"scale": np.ones((arity, channels) if rung.name == "channel_scale" else (arity,))}
    attrs = {**settings_of(graph, node), "takes_list": True}
    if rung.name == "low_rank":
        attrs["rank"] = rung.rank
    wrapped = {name: Weight.of(array) for name, array in weights.items()}
    new = replace(node, op=OP_OF[rung.name], attrs=attrs, weights=wrapped, native=None, edited=False)
    return graph.edit(put=[new])


def plain_add(graph: Graph, merge: Merge) -> Graph:
    """An Add in the place of a rung, whatever its scales are."""
    node = graph.nodes[merge.node]
    attrs = {**settings_of(graph, node), "takes_list": True}
    return graph.edit(put=[replace(node, op="add", attrs=attrs, weights={}, native=None, edited=False)])


def lower_to_add(graph: Graph, merge: Merge) -> Graph | Refusal:
    """Write a rung above Add as a plain Add, where its matrices fold into what is before or behind it.

    Returns:
        The new graph, or the refusal that names the branch in the way.
    """
    node, channels = graph.nodes[merge.node], merge.branches[0].channels or 0
    matrices = blocks(node, channels)
    plain = plain_add(graph, merge).nodes[merge.node]
    shared = _common_scale(matrices)
    if shared is not None and shared != 1.0 and linear_consumers(merge):

        def times(_: Consumer, kernels: list[Array]) -> list[Array]:
            return [*kernels[:-1], shared * kernels[-1]]  # of a separable convolution the pointwise one alone

        return graph.edit(put=[plain, *resized(graph, merge, channels, kernels=times, path=_same)])
    changed: list[Node] = []
    for branch, matrix in zip(merge.branches, matrices, strict=True):
        if np.array_equal(matrix, np.eye(channels)):
            continue
        folded = _folded(graph, branch, matrix)
        if folded is None:
            reason = f"branch {branch.producer!r} does not end in a linear layer of its own that could take its scale"
            return Refusal("AC112", merge.site, f"{reason}: give data, and the closest Add is fitted")
        changed.append(folded)
    return graph.edit(put=[plain, *changed])


def _same(_: str, array: Array) -> Array:
    return array


def _common_scale(matrices: Sequence[Array]) -> float | None:
    """S where every matrix is s I, the same s."""
    scale = float(matrices[0][0, 0])
    return scale if all(np.array_equal(matrix, scale * np.eye(len(matrix))) for matrix in matrices) else None


def _folded(graph: Graph, branch: Branch, matrix: Array) -> Node | None:
    node = graph.nodes[branch.producer]
    diagonal = np.array_equal(matrix, np.diag(np.diag(matrix)))
    alone = len(graph.readers(Edge(node.name))) == 1 and len(graph.calls(node)) == 1
    if diagonal and node.op == "batch_norm" and alone and not graph.is_output(branch.edge):
        if not {"scale", "offset"} <= set(node.weights):
            return None
        scale = np.diag(matrix)
        return node.edit(weights={name: scale * node.weight(name) for name in ("scale", "offset")})
    if not is_private_linear(graph, node) or int(node.attrs.get("groups", 1)) > 1:
        return None
    if (node.channels or 0) != len(matrix):
        return None
    kernel = "pointwise" if node.op == "separable_conv" else "kernel"
    weights = {kernel: np.tensordot(matrix, np.asarray(node.weight(kernel), np.float64), axes=1)}
    if "bias" in node.weights:
        weights["bias"] = matrix @ np.asarray(node.weight("bias"), np.float64)
    return node.edit(weights=weights)
