"""What `inspect` found: merges with their prices, findings, and totals."""

from dataclasses import asdict, dataclass
from typing import Any

from addcat.graph import Refusal
from addcat.merges import Merge
from addcat.merges.consumers import Consumer
from addcat.merges.oddities import Finding
from addcat.merges.price import Cost, Price
from addcat.report.page import Page
from addcat.report.printed import Printed


@dataclass(frozen=True, slots=True)
class InspectedMerge:
    """A merge, what it costs, and what a switch would need.

    Attributes:
        merge: Where it is and what it does.
        price: Cost now, and of the other merge in a network of its own.
        switch: The exact form of a switch ("tie", "project", ...), or the refusal that says what blocks one.
        switched: Cost after that exact switch; None where it is blocked.
    """

    merge: Merge
    price: Price
    switch: str | Refusal
    switched: Cost | None

    @property
    def site(self) -> str:
        """Unique name of the merge."""
        return self.merge.site

    def to_dict(self) -> dict[str, Any]:
        """The merge as JSON has it."""
        merge, refusal = self.merge, self.switch if isinstance(self.switch, Refusal) else None
        return {
            "site": merge.site,
            "op": merge.op,
            "axis": merge.axis,
            "channel_axis": merge.channel_axis,
            "role": merge.role,
            "calls": merge.calls,
            "branches": [
                {"producer": b.producer, "output": b.output, "shape": list(b.shape), "channels": b.channels}
                for b in merge.branches
            ],
            "shape": list(merge.shape),
            "consumers": [_consumer(consumer) for consumer in merge.consumers],
            "bytes": self.price.now.bytes,
            "price": asdict(self.price),
            "switch": {
                "exact": refusal is None,
                "form": None if refusal else self.switch,
                "cost": None if self.switched is None else asdict(self.switched),
                "blocker": None if refusal is None else {"code": refusal.code, "reason": refusal.reason},
            },
        }


def _consumer(consumer: Consumer) -> dict[str, Any]:
    return {
        "node": consumer.node or None,
        "path": list(consumer.names),
        "offset": consumer.offset,
        "treatment": consumer.treatment,
        "blocker": None
        if consumer.refusal is None
        else {"code": consumer.refusal.code, "reason": consumer.refusal.reason},
    }


@dataclass(frozen=True, slots=True)
class Totals:
    """Cost of the whole model for a batch of one, and what its merges cause; None where a size is unknown.

    Attributes:
        parameters: As `model.count_params()` has them.
        multiply_adds: Of every operation with a kernel.
        uncounted: Layers whose multiply-adds are not counted, because addcat does not look into them.
        activations: Bytes that all operations write.
        peak: Largest sum of live activations, in bytes.
        peak_at: The operation at which it is reached.
        merge_parameters: Weights of consumers that read more than the widest branch of a Concatenate.
        merge_multiply_adds: Multiply-adds of those weights.
        merge_activations: Bytes that merges write.
        peak_without_merges: The peak if the merged tensors took no memory.
    """

    parameters: int
    multiply_adds: int | None
    uncounted: tuple[str, ...]
    activations: int | None
    peak: int | None
    peak_at: str
    merge_parameters: int
    merge_multiply_adds: int | None
    merge_activations: int | None
    peak_without_merges: int | None


@dataclass(frozen=True, slots=True)
class Inspection(Printed):
    """Every merge of a model.

    Attributes:
        model: The model's name.
        merges: In the order of the model.
        findings: What is odd about them, with stable codes.
        totals: Cost of the whole model.
    """

    model: str
    merges: tuple[InspectedMerge, ...]
    findings: tuple[Finding, ...]
    totals: Totals

    def count(self, op: str) -> int:
        """How many merges are of one op.

        Args:
            op: "add", "concat", "multiply", ...
        """
        return sum(inspected.merge.op == op for inspected in self.merges)

    def to_dict(self) -> dict[str, Any]:
        """The inspection as JSON has it."""
        return {
            "model": self.model,
            "merges": [merge.to_dict() for merge in self.merges],
            "findings": [asdict(finding) for finding in self.findings],
            "totals": asdict(self.totals),
        }

    def page(self) -> Page:
        """The inspection for people."""
        from addcat.verbs.inspect.page import inspection_page  # noqa: PLC0415  (nouns come before pages)

        return inspection_page(self)
