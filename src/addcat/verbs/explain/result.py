"""What `explain` gives: for each merge whether it is possible, what comes out and what it costs."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from addcat.graph import Shape
from addcat.report.page import Page
from addcat.report.printed import Printed

AxisReason = Literal["given", "differs", "last"]


def _ratio(above: int | None, below: int | None) -> float | None:
    return None if above is None or not below else above / below


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What a linear layer costs, for one example.

    Attributes:
        weights: Elements of its kernel; None where a size is unknown.
        bias: Elements of its bias.
        multiply_adds: Products summed, the bias not counted; None where a size is unknown.
    """

    weights: int | None
    bias: int
    multiply_adds: int | None

    @property
    def parameters(self) -> int | None:
        """Weights and bias together."""
        return None if self.weights is None else self.weights + self.bias

    def __add__(self, other: "LayerCost") -> "LayerCost":
        weights = None if self.weights is None or other.weights is None else self.weights + other.weights
        both = (self.multiply_adds, other.multiply_adds)
        return LayerCost(
            weights, self.bias + other.bias, None if both[0] is None or both[1] is None else both[0] + both[1]
        )

    def to_dict(self) -> dict[str, Any]:
        """The price as JSON has it."""
        return {
            "parameters": self.parameters,
            "weights": self.weights,
            "bias": self.bias,
            "multiply_adds": self.multiply_adds,
        }


@dataclass(frozen=True, slots=True)
class Way:
    """A way out where a merge is not possible.

    Attributes:
        kind: "project", "pad", "concat", "fit" (crop, pad or resize), "axis" or "reshape".
        text: What to do, in one sentence.
        price: What it adds to the network; None where that depends on how it is done.
    """

    kind: str
    text: str
    price: LayerCost | None = None

    def to_dict(self) -> dict[str, Any]:
        """The way as JSON has it."""
        return {"kind": self.kind, "text": self.text, "price": self.price.to_dict() if self.price else None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a merge makes of the shapes.

    Attributes:
        possible: Whether it can merge them.
        shape: Of the result, without batch; None where it is not possible.
        reason: Why it is not possible; None where it is.
        bytes: Memory of the result for one example in float32; None where it is not known.
        note: What to beware of though it is possible, such as silent broadcasting.
        ways_out: What to do where it is not possible.
    """

    possible: bool
    shape: Shape | None
    reason: str | None
    bytes: int | None
    note: str | None = None
    ways_out: tuple[Way, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
        return {
            "possible": self.possible,
            "shape": None if self.shape is None else list(self.shape),
            "reason": self.reason,
            "bytes": self.bytes,
            "note": self.note,
            "ways_out": [way.to_dict() for way in self.ways_out],
        }


@dataclass(frozen=True, slots=True)
class Arm:
    """A merge with its consumer behind it.

    Attributes:
        channels: Size of the axis that the consumer contracts.
        shape: What the consumer gives, without batch.
        consumer: LayerCost of the consumer, bias included.
        projection: LayerCost of the projections that make an Add possible; None where there are none.
    """

    channels: int | None
    shape: Shape
    consumer: LayerCost
    projection: LayerCost | None = None

    @property
    def price(self) -> LayerCost:
        """Of consumer and projections together."""
        return self.consumer + self.projection if self.projection else self.consumer

    def to_dict(self) -> dict[str, Any]:
        """The arm as JSON has it; the projections are counted in, and also given apart."""
        projection = self.projection.to_dict() if self.projection else None
        return {"channels": self.channels, "shape": list(self.shape), **self.price.to_dict(), "projection": projection}


@dataclass(frozen=True, slots=True)
class Consumers:
    """The same consumer behind each merge.

    Attributes:
        text: The consumer as it was asked for, such as "conv3x3:64/2".
        stride: Its step on every spatial axis.
        contracts: The axis, without batch, whose sizes it sums over.
        add: Behind Add; None where Add is not possible.
        projected_add: Behind an Add of branches brought to one width; None where that is not needed or not enough.
        concat: Behind Concatenate; None where that is not possible.
        note: What to beware of.
    """

    text: str
    stride: int
    contracts: int
    add: Arm | None
    projected_add: Arm | None
    concat: Arm | None
    note: str | None = None

    def ratio(self) -> dict[str, Any] | None:
        """Concatenate's price over that of Add, or of the projected Add where Add alone is not possible."""
        other = self.add or self.projected_add
        if other is None or self.concat is None:
            return None
        above, below = self.concat.price, other.price
        return {
            "to": "add" if self.add else "projected_add",
            "parameters": _ratio(above.parameters, below.parameters),
            "weights": _ratio(above.weights, below.weights),
            "multiply_adds": _ratio(above.multiply_adds, below.multiply_adds),
        }

    def to_dict(self) -> dict[str, Any]:
        """The consumers as JSON has them."""
        arms = {"add": self.add, "projected_add": self.projected_add, "concat": self.concat}
        return {
            "text": self.text,
            "padding": "same",
            "stride": self.stride,
            "bias": True,
            "contracts": self.contracts,
            **{name: arm.to_dict() if arm else None for name, arm in arms.items()},
            "ratio": self.ratio(),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class GuideLine:
    """What the guide says of a kind of shapes.

    Attributes:
        case: Name of the kind, such as "vectors".
        what: The kind in words.
        text: What the guide says, in a few sentences.
        heading: The heading of docs/answer.md that says more; "" where there is none.
    """

    case: str
    what: str
    text: str
    heading: str

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Explanation(Printed):
    """What Add and Concatenate make of some shapes. Print it to read it.

    Attributes:
        shapes: The branches, without batch; None for unknown sizes.
        axis: The axis that Concatenate joins, from 0, counted on these shapes.
        axis_reason: "given"; "differs" (the only axis on which the sizes differ); or "last" (Keras' default).
        add: What Add makes of them.
        concat: What Concatenate makes of them.
        consumer: The layer behind them, where one was asked for.
        identity: What the choice means for these shapes, in sentences.
        guide: The line of the guide that fits them.
    """

    shapes: tuple[Shape, ...]
    axis: int
    axis_reason: AxisReason
    add: Outcome
    concat: Outcome
    consumer: Consumers | None
    identity: tuple[str, ...]
    guide: GuideLine

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON has it."""
        return {
            "shapes": [list(shape) for shape in self.shapes],
            "axis": self.axis,
            "axis_reason": self.axis_reason,
            "keras_axis": self.axis + 1,
            "add": self.add.to_dict(),
            "concat": self.concat.to_dict(),
            "consumer": self.consumer.to_dict() if self.consumer else None,
            "identity": list(self.identity),
            "guide": self.guide.to_dict(),
        }

    def page(self) -> Page:
        """The explanation for people."""
        from addcat.verbs.explain.page import page_of  # noqa: PLC0415  (the page reads these nouns)

        return page_of(self)
