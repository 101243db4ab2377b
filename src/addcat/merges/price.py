"""What a merge costs now, and what the other merge would cost in its place, at the same branch widths.

Counted are the merged tensor and everything whose size depends on it: the consumers' kernels, the weights of the
channelwise operations between, and the 1x1 layers that a switch has to add.
"""

from dataclasses import dataclass
from math import prod

from addcat.graph import Graph, Node, Shape, Tensor
from addcat.graph.cost import add_up, multiply_adds, size, tensor_bytes
from addcat.merges.consumers import axis_of_channels
from addcat.merges.find import Merge
from addcat.merges.switchability import unswitchable, widths


@dataclass(frozen=True, slots=True)
class Cost:
    """One side of a price, for a batch of one; None where a size is unknown.

    Attributes:
        parameters: Of the consumers, of the channelwise operations before them and of added layers.
        multiply_adds: Of the same.
        bytes: Of the merged tensor.
    """

    parameters: int | None
    multiply_adds: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Price:
    """A merge now and after a switch.

    Attributes:
        now: With the merge that is there.
        after: With the other one; None where there is no other.
        direct: Whether the consumers' own kernels change; otherwise a 1x1 layer behind the merge is added.
    """

    now: Cost
    after: Cost | None
    direct: bool


def price(graph: Graph, merge: Merge) -> Price:
    """Price a merge and its alternative.

    Args:
        graph: The graph in which the merge's node lies.
        merge: Any merge.

    Returns:
        Both costs. The alternative to Add is Concatenate, and the other way round; branches narrower than the widest
        get a 1x1 projection before an Add.
    """
    readers = [graph.nodes[name] for name in dict.fromkeys(c.node for c in merge.consumers if c.refusal is None)]
    between = {name: graph.nodes[name] for c in merge.consumers for name in c.names}
    node = graph.nodes[merge.node]
    now = Cost(
        parameters=sum(_weights(n) for n in (*readers, *between.values())),
        multiply_adds=add_up(multiply_adds(graph, n) for n in (*readers, *between.values())),
        bytes=tensor_bytes(node.outputs[0]),
    )
    if unswitchable(merge) is not None:
        return Price(now, None, merge.direct)
    return Price(now, _after(graph, merge, now, direct=merge.direct), merge.direct)


def switched(graph: Graph, merge: Merge, form: str) -> Cost:
    """What a merge costs after an exact switch; `price` tells what the other merge costs in a network of its own.

    Args:
        graph: The graph in which the merge's node lies.
        merge: A merge that can be switched exactly.
        form: How, as `addcat.merges.switchability.exact_form` has it.

    Returns:
        The cost; it differs from that before by exactly what the model gains.
    """
    now = price(graph, merge).now
    if form == "absorb":
        return _absorbed(graph, merge)
    return _after(graph, merge, now, direct=form != "project")


def _absorbed(graph: Graph, merge: Merge) -> Cost:
    """The consumer is gone: each branch's last layer makes its outputs, with the taps of both, and one has the bias."""
    reader = graph.nodes[merge.consumers[0].node]
    producers = [graph.nodes[branch.producer] for branch in merge.branches]
    outputs = reader.weights["kernel"].shape[0]
    taps = prod(reader.weights["kernel"].shape[2:])
    kernels = sum(taps * outputs * (p.weights["kernel"].size // p.weights["kernel"].shape[0]) for p in producers)
    biases = outputs if any("bias" in node.weights for node in (reader, *producers)) else 0
    before = [multiply_adds(graph, node) for node in producers]
    places = _places(reader.shape, reader.channel_axis)
    counts = [None if places is None else places * kernels, *(None if count is None else -count for count in before)]
    return Cost(
        parameters=kernels + biases - sum(map(_weights, producers)),
        multiply_adds=add_up(counts),
        bytes=tensor_bytes(reader.outputs[0]),
    )


def _weights(node: Node) -> int:
    return sum(weight.size for weight in node.weights.values())


def _after(graph: Graph, merge: Merge, now: Cost, *, direct: bool) -> Cost:
    sizes = widths(merge)
    before, after = (max(sizes), sum(sizes)) if merge.adds else (sum(sizes), max(sizes))
    positions = _places(merge.shape, merge.channel_axis)
    added = 0 if merge.adds else sum(width * after for width in sizes if width != after)
    if not direct:
        added += before * after
    extra = None if positions is None else added * positions
    parameters, macs = now.parameters, now.multiply_adds
    if direct:
        parameters, macs = _scaled(graph, merge, after - before)
    shape = tuple(after if axis == merge.channel_axis else length for axis, length in enumerate(merge.shape))
    return Cost(
        parameters=None if parameters is None else parameters + added,
        multiply_adds=add_up([macs, extra]),
        bytes=tensor_bytes(Tensor(shape, graph.nodes[merge.node].dtype)),
    )


def _scaled(graph: Graph, merge: Merge, more: int) -> tuple[int, int | None]:
    """Parameters and multiply-adds of consumers and paths with `more` input channels."""
    parameters, counts = 0, list[int | None]()
    for name in dict.fromkeys(name for c in merge.consumers for name in c.names):
        node = graph.nodes[name]
        channels = node.channels or 1
        wider = [weight.size for weight in node.weights.values() if axis_of_channels(node, weight.shape) is not None]
        parameters += _weights(node) + sum(wider) // channels * more
        macs = multiply_adds(graph, node)
        counts.append(None if macs is None else macs + macs // channels * more)
    for consumer in merge.consumers:
        node = graph.nodes[consumer.node]
        kernels = {k: w.size for k, w in node.weights.items() if k in ("kernel", "pointwise", "depthwise")}
        channels = _input_channels(node)
        parameters += _weights(node) + sum(kernels.values()) // channels * more
        macs = multiply_adds(graph, node)
        counts.append(None if macs is None else macs + macs // channels * more)
    return parameters, add_up(counts)


def _input_channels(node: Node) -> int:
    if node.op == "separable_conv":
        return node.weights["depthwise"].shape[0] // int(node.attrs["multiplier"])
    return node.weights["kernel"].shape[1]


def _places(shape: Shape, channel_axis: int | None) -> int | None:
    """Positions along every axis but batch and channels; None where one is unknown."""
    return size((None, *(length for axis, length in enumerate(shape) if axis not in (0, channel_axis))))
