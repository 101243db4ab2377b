"""What `optimize` returns: the model, and a record of what was tried, kept and refused."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from addcat.doors.timing import Ratio
from addcat.graph import Refusal
from addcat.report.page import Page
from addcat.report.printed import Printed

KEPT, REFUSED, SKIPPED = "kept", "refused", "not measured"
WRONG, UNWRITTEN, UNSURE = "wrong", "not written", "not verified"
OUTCOMES: Mapping[str, str] = {
    KEPT: "it improves the goal",
    REFUSED: "it does not improve the goal, by measurement or by count",
    SKIPPED: "it was not tried, or not to the end: expected to lose, or the time was up",
    WRONG: "the outputs changed with it, so it was dropped",
    UNWRITTEN: "the model with it cannot be written or run, so it was dropped",
    UNSURE: "it or another changed the outputs, and the time was up before it was seen which, so all were dropped",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate, tried.

    Attributes:
        site: The node where it begins.
        rules: The rules that it applies, in order.
        words: What each step does, for people.
        outcome: A key of `OUTCOMES`.
        ratio: Time of the part of the model that it changes, as a share of before; None where not measured.
        reason: Why it came out so.
    """

    site: str
    rules: tuple[str, ...]
    words: tuple[str, ...]
    outcome: str
    ratio: Ratio | None
    reason: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What a model costs.

    Attributes:
        nodes: Operations.
        parameters: Elements of weights, shared ones once.
        multiply_adds: For a batch of one; None where a size is unknown.
        peak: Largest sum of live activations in bytes, for a batch of one; None where a size is unknown.
        process: Growth of a process at its peak in bytes when it loads and runs the model; None where not measured.
    """

    nodes: int
    parameters: int
    multiply_adds: int | None
    peak: int | None
    process: int | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """How far the new model's outputs are from the original's, relative to their largest value.

    Attributes:
        precision: The type that the model computes in.
        error: Largest difference to the original in the runtime.
        noise: What the original itself shows: its largest difference to itself with other kernels, and to a float64
            evaluation where that was asked, as it is before a model is refused.
        allowed: The tolerance, and what the original shows.
        reference: Difference of the new model to a float64 evaluation, where it exceeds the original's by most; None
            where the model is too large.
        reference_original: The original's on the same inputs.
        runs: How many sets of inputs were run.
        given: Names of the inputs that were given; the others were drawn at random.
    """

    precision: str
    error: float
    noise: float
    allowed: float
    reference: float | None
    reference_original: float | None
    runs: int
    given: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the outputs are the same."""
        if self.reference is not None and self.reference_original is not None:
            return self.error <= self.allowed and self.reference <= self.reference_original + self.allowed
        return self.error <= self.allowed


@dataclass(frozen=True, slots=True)
class Point:
    """One model that no other found is better than in everything.

    Attributes:
        goal: The goal under which it was found; "original" for the input.
        ratio: Time as a share of the original's; None where not measured.
        price: What it costs.
        model: The model.
    """

    goal: str
    ratio: Ratio | None
    price: Totals
    model: Any


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewrite that a result holds.

    Attributes:
        rule: The rule's name.
        site: The node where it was done.
        biased: Nodes that it changed or made which have a bias: whether they need one depends on weights.
    """

    rule: str
    site: str
    biased: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Precision:
    """What a runtime computes in where it is left to choose, and what that costs.

    Attributes:
        used: The type, as it says: "float32", "bfloat16" or "float16".
        difference: How far the model's outputs are from the original's in float32, relative to their largest value.
        original: The same of the original.
    """

    used: str
    difference: float
    original: float


@dataclass(frozen=True, slots=True)
class OptimizeRecord:
    """What was done and measured.

    Attributes:
        goal: What was to improve.
        runtime: Where it was measured.
        threads: On how many threads.
        shapes: At which input shapes.
        before: Totals of the original.
        after: Totals of the result.
        ratio: Time of the result as a share of the original's; None where not measured.
        steps: Every candidate tried.
        verification: How the result was checked.
        refusals: Near misses of the rules on the original graph.
        seconds: How long it all took.
        notes: What else there is to say.
        rewrites: What the result holds, in the order done, from which `addcat.apply` makes a PyTorch module again.
        precision: What it was timed in where the runtime chose; None where it computed in float32 as asked.
    """

    goal: str
    runtime: str
    threads: int
    shapes: Mapping[str, tuple[int, ...]]
    before: Totals
    after: Totals
    ratio: Ratio | None
    steps: tuple[Attempt, ...]
    verification: Verification | None
    refusals: tuple[Refusal, ...]
    seconds: float
    notes: tuple[str, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    precision: Precision | None = None

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON has it."""
        found = asdict(self)
        found["shapes"] = {name: list(shape) for name, shape in self.shapes.items()}
        return found


@dataclass(frozen=True, slots=True)
class Optimized(Printed):
    """The result of `optimize`.

    Attributes:
        model: The new model, of the kind that was passed; the original where nothing improved it.
        record: What was tried and measured.
        pareto: Under the goal "all", every model that no other found is better than in everything.
    """

    model: Any
    record: OptimizeRecord
    pareto: tuple[Point, ...] = ()

    def page(self) -> Page:
        """The record for people."""
        from addcat.verbs.optimize.page import page_of  # noqa: PLC0415  (the page is wanted only when printed)

        return page_of(self)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON has it, with the Pareto set without its models."""
        points = [
            {"goal": p.goal, "ratio": None if p.ratio is None else asdict(p.ratio), "price": asdict(p.price)}
            for p in self.pareto
        ]
        return {**self.record.to_dict(), "pareto": points}
