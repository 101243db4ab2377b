"""Between images and rows of tokens: a Transpose, with a Reshape beside it, that moves channels alone.

An image (batch, channels, *positions) becomes tokens (batch, *positions, channels), or the other way round; a Reshape
may lay the positions out in another number of axes, their order kept. So whatever treats positions alike may be done
on either side.
"""

from dataclasses import dataclass
from math import prod

from addcat.graph import Blocked, Edge, Graph, Node, Shape
from addcat.rules import building, guards

VIEWS = ("permute", "reshape")


@dataclass(frozen=True, slots=True)
class Layout:
    """A change between an image and tokens.

    Attributes:
        nodes: One Transpose, or it and a Reshape, in order.
        to_image: Whether channels are axis 1 behind it; else they are the last.
    """

    nodes: tuple[Node, ...]
    to_image: bool


def layout_at(graph: Graph, last: Node) -> Layout | None:
    """The change between an image, of four axes or more, and tokens that ends in a node; None where none does."""
    if last.op not in VIEWS:
        return None
    before = guards.producer(graph, last)
    if {before.op, last.op} == set(VIEWS):
        for to_image in (True, False):
            if _pair(graph, before, last, to_image=to_image):
                return Layout((before, last), to_image)
    if last.op == "permute" and len(last.shape) >= 4:
        for to_image in (True, False):
            if _moves(last, to_image=to_image):
                return Layout((last,), to_image)
    return None


def _moves(node: Node, *, to_image: bool) -> bool:
    """Whether a Transpose takes the last axis to the second place, or the second to the last."""
    rank = len(node.shape)
    order = (0, rank - 1, *range(1, rank - 1)) if to_image else (0, *range(2, rank), 1)
    return tuple(node.attrs["order"]) == order


def _pair(graph: Graph, first: Node, second: Node, *, to_image: bool) -> bool:
    source = graph.tensor(first.inputs[0]).shape
    image = second.shape if to_image else source
    if len(image) < 4 or not source or source[0] != second.shape[0]:
        return False
    permute, reshape = (first, second) if first.op == "permute" else (second, first)
    channels_first = (permute is first) == to_image  # at the Reshape
    old, new = graph.tensor(reshape.inputs[0]).shape, reshape.shape
    return _moves(permute, to_image=to_image) and _regroups(old, new, 1 if channels_first else -1)


def _regroups(old: Shape, new: Shape, channels: int) -> bool:
    """Whether a Reshape keeps the batch and the channels, and only lays positions out anew."""
    if min(len(old), len(new)) < 3 or old[channels] is None or old[channels] != new[channels] or old[0] != new[0]:
        return False
    positions = [shape[2:] if channels == 1 else shape[1:-1] for shape in (old, new)]
    if any(None in sizes for sizes in positions):
        return False
    before, after = (prod(size or 0 for size in sizes) for sizes in positions)
    return before == after


def channels_axis(layout: Layout, node: Node, *, behind: bool) -> int:
    """The axis of channels of what comes out of a node of the change, or of what goes in."""
    done = layout.nodes.index(node) + behind
    moved = any(one.op == "permute" for one in layout.nodes[:done])
    return 1 if moved == layout.to_image else -1


def rebuilt(graph: Graph, layout: Layout, source: Edge, channels: int | None, behind: Node) -> list[Node]:
    """The change once more, for a tensor of another width.

    Args:
        graph: The graph that it is in.
        layout: The change.
        source: What it shall read.
        channels: How wide that is.
        behind: The node after which the copies are named.

    Returns:
        New nodes in order.
    """
    made: list[Node] = []
    for one in layout.nodes:
        axis = channels_axis(layout, one, behind=True) % len(one.shape)
        tensor = building.sized(one.outputs[0], axis, channels)
        name = graph.fresh_name(f"{behind.name}_{one.op}")
        if one.op == "permute":
            made.append(building.moved(one, name, inputs=(source,), outputs=(tensor,), channel_axis=axis))
        else:
            made.append(reshape(name, source, tensor.shape, one, axis))
        source = Edge(name)
    return made


def reshape(name: str, source: Edge, shape: Shape, like: Node, channel_axis: int | None) -> Node:
    """A Reshape that keeps the first axis.

    Raises:
        Blocked: if a size of the others is unknown.
    """
    if None in shape[1:]:
        raise Blocked(f"the sizes of {like.name!r} are unknown")
    outputs = (building.shaped(like.outputs[0], shape),)
    return Node(name, "reshape", (source,), outputs, {"shape": (0, *shape[1:])}, channel_axis=channel_axis)
