"""What a switch did: every step in order, what it cost and saved, and how far the outputs moved."""

from dataclasses import asdict, dataclass
from typing import Any

from addcat.graph import Graph, Refusal
from addcat.graph.cost import live_peak, parameters, total_multiply_adds
from addcat.report import rows
from addcat.report.page import Bullets, Column, Heading, Page, Paragraph, Table
from addcat.report.printed import Printed


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model costs for one example; None where a size is unknown.

    Attributes:
        parameters: Weights, shared ones once.
        multiply_adds: Of operations with kernels.
        peak: Largest sum of live activations, in bytes.
        merged: Bytes of the tensor at the site.
    """

    parameters: int
    multiply_adds: int | None
    peak: int | None
    merged: int | None


def footprint(graph: Graph, merged: int | None = None) -> Footprint:
    """Measure a graph."""
    return Footprint(parameters(graph), total_multiply_adds(graph)[0], live_peak(graph)[0], merged)


@dataclass(frozen=True, slots=True)
class Step:
    """One merge that was changed.

    Attributes:
        site: The merge.
        was: The rung before.
        now: The rung after, as it was asked for.
        rule: How: "tie", "project", "twice", "equal parts", "absorb", "raise", "lower", "fit", "fresh" or "unchanged".
        exact: Whether the function is the same by algebra.
        removed: Names of nodes that are gone.
        added: Names of nodes that are new.
        changed: Names of nodes with other weights or shapes.
        distortion: For a fitted step, each consumer's share of output variance that is lost.
        before: Cost of the whole model before.
        after: Cost of the whole model after.
        notes: What the user should know, in sentences.
    """

    site: str
    was: str
    now: str
    rule: str
    exact: bool
    removed: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    distortion: dict[str, float]
    before: Footprint
    after: Footprint
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the outputs of the new model are from those of the old one.

    Attributes:
        largest: Largest absolute difference of an output.
        relative: The same, as a share of the largest absolute output.
        tolerance: What an exact switch may show at this precision; None where a step is not exact.
        examples: How many examples were run.
        on: "random inputs" or "data".
    """

    largest: float
    relative: float
    tolerance: float | None
    examples: int
    on: str


@dataclass(frozen=True, slots=True)
class Record(Printed):
    """Everything that a switch did; enough to repeat it.

    Attributes:
        changes: What was asked for, rung by site.
        widen: How narrower branches were widened.
        seed: Of everything drawn.
        fresh: Whether all weights were drawn anew.
        steps: In the order done.
        difference: Of the outputs; None where weights were drawn anew.
        notes: About the whole model, such as its optimiser.
    """

    changes: dict[str, str]
    widen: str
    seed: int
    fresh: bool
    steps: tuple[Step, ...]
    difference: Difference | None
    notes: tuple[str, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the new model computes what the old one did."""
        return not self.fresh and all(step.exact for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON has it."""
        return {**asdict(self), "exact": self.exact}

    def page(self) -> Page:
        """The record for people."""
        columns = (
            Column("site", whole=False),
            Column("was"),
            Column("now"),
            Column("rule"),
            Column("parameters", number=True),
            Column("multiply-adds", number=True, at_least=90),
            Column("peak", number=True, at_least=110),
            Column("distortion", number=True),
        )
        notes = list(dict.fromkeys(note for step in self.steps for note in step.notes)) + list(self.notes)
        return Page.of(
            Heading("Switched"),
            Table(columns, tuple(_row(step) for step in self.steps)),
            Paragraph(self._outcome()),
            Bullets(tuple(notes)) if notes else None,
        )

    def _outcome(self) -> str:
        if self.difference is None:
            return f"All weights were drawn anew with seed {self.seed}; the network has to be trained."
        found = self.difference
        share = f"{rows.decimal(found.relative)} of the largest output"
        moved = f"differ by at most {rows.decimal(found.largest)} ({share})" if found.largest else "are equal"
        ran = f"On {rows.counted(found.examples, 'example')} of {found.on} the outputs {moved}."
        return ran + (" The function is the same." if self.exact else " The function is not the same: fine-tune it.")


def _row(step: Step) -> tuple[str, ...]:
    worst = max(step.distortion.values(), default=None)
    return (
        step.site,
        step.was,
        step.now,
        step.rule,
        _arrow(rows.count(step.before.parameters), rows.count(step.after.parameters)),
        _arrow(rows.count(step.before.multiply_adds), rows.count(step.after.multiply_adds)),
        _arrow(rows.bytes_text(step.before.peak), rows.bytes_text(step.after.peak)),
        rows.NONE if worst is None else rows.percent(worst),
    )


def _arrow(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"
