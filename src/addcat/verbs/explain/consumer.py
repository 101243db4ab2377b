"""The layer behind a merge: what `dense:N` and `convKxK:N[/stride]` mean, and what they cost.

A dense layer contracts the last axis, as in Keras, and is applied at every position of the others. A convolution
contracts the merge axis, whichever that is, and slides over the others with "same" padding. Both have a bias.

    weights       = taps * channels * features
    multiply-adds = weights * positions of the output
"""

import re
from dataclasses import dataclass
from math import prod

from addcat.errors import OptionError
from addcat.graph import Shape
from addcat.report.rows import counted
from addcat.verbs.explain.result import Arm, LayerCost


@dataclass(frozen=True, slots=True)
class Consumer:
    """A linear layer that reads a merge.

    Attributes:
        text: As it was asked for.
        features: How many channels it gives.
        taps: Size of its kernel on each spatial axis; None for a dense layer.
        stride: Its step on every spatial axis.
    """

    text: str
    features: int
    taps: tuple[int, ...] | None = None
    stride: int = 1

    def contracts(self, rank: int, axis: int) -> int:
        """The axis that it sums over, in a merge of `rank` axes on `axis`."""
        return rank - 1 if self.taps is None else axis


def parse_consumer(text: str) -> Consumer:
    """Read a consumer as people write it.

    Args:
        text: `dense:N`, `convK:N`, `convKxK:N` or `convKxKxK:N`, the last three with a stride or without.

    Returns:
        The consumer.

    Raises:
        OptionError: if the text is none of these.

    Examples:
        >>> parse_consumer("conv3x3:64/2")
        Consumer(text='conv3x3:64/2', features=64, taps=(3, 3), stride=2)
    """
    found = re.fullmatch(
        r"(?:dense|conv(?P<taps>[1-9]\d{0,5}(?:x[1-9]\d{0,5})*)):(?P<features>[1-9]\d{0,8})(?:/(?P<stride>[1-9]\d{0,5}))?",
        text.strip().lower(),
    )
    if found is None or (found["taps"] is None and found["stride"]):
        raise OptionError(
            f"{text!r} is not a consumer. "
            "Write dense:N, or convKxK:N with an optional stride: dense:10, conv3x3:64, conv3x3:64/2."
        )
    taps = None if found["taps"] is None else tuple(map(int, found["taps"].split("x")))
    return Consumer(text.strip(), int(found["features"]), taps, int(found["stride"] or 1))


def check_rank(consumer: Consumer, rank: int, axis: int) -> None:
    """See that a convolution has as many taps as the merge has axes besides its channels.

    Raises:
        OptionError: if it has not; it names the consumer that would fit.
    """
    if consumer.taps is None or len(consumer.taps) == rank - 1:
        return
    stride = f"/{consumer.stride}" if consumer.stride > 1 else ""
    fitting = "x".join([str(consumer.taps[0])] * (rank - 1))
    wanted = f"conv{fitting}:{consumer.features}{stride}" if rank > 1 else f"dense:{consumer.features}"
    raise OptionError(
        f"Consumer {consumer.text!r} slides over {_axes(len(consumer.taps))}, "
        f"and these shapes have {_axes(rank - 1)} besides the merge axis {axis}. Use {wanted}."
    )


def _axes(count: int) -> str:
    return counted(count, "axis", "axes")


def read(consumer: Consumer, shape: Shape, axis: int, projection: LayerCost | None = None) -> Arm:
    """Put the consumer behind a merge.

    Args:
        consumer: The layer.
        shape: What the merge gives, without batch.
        axis: The merge axis, from 0.
        projection: What was spent in front of the merge, if anything.

    Returns:
        The channels it reads, what it gives and what it costs.

    Examples:
        >>> arm = read(parse_consumer("conv3x3:64/2"), (128, 15, 15), 0)
        >>> arm.shape, arm.price.weights == 3 * 3 * 128 * 64, arm.price.multiply_adds == arm.price.weights * 8 * 8
        ((64, 8, 8), True, True)
    """
    contracted = consumer.contracts(len(shape), axis)
    channels = shape[contracted]
    output = tuple(
        consumer.features if n == contracted else size if size is None else -(-size // consumer.stride)
        for n, size in enumerate(shape)
    )
    weights = None if channels is None else prod(consumer.taps or ()) * channels * consumer.features
    positions = [size for n, size in enumerate(output) if n != contracted]
    known = [size for size in positions if size is not None]
    macs = None if weights is None or len(known) < len(positions) else weights * prod(known)
    return Arm(channels, output, LayerCost(weights, consumer.features, macs), projection)


def note_on(consumer: Consumer, rank: int, axis: int) -> str | None:
    """What to beware of where a consumer meets this merge axis."""
    if consumer.taps is None and axis != rank - 1:
        return f"A Dense layer reads the last axis, {rank - 1}; the merge axis is {axis}."
    if consumer.taps is not None and axis not in (0, rank - 1):
        return f"Axis {axis} is counted as the channels; Keras has them first or last, so it would need a Permute."
    return None
