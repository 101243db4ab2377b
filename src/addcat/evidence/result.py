"""One measured fact about a merge."""

import time
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from addcat.statistics import Interval

METHODS = (
    "structure", "forward", "order", "swap", "kernel", "score", "tie", "heads", "refit", "finetune", "retrain"
)  # fmt: skip
"""From the cheapest to the dearest."""
Question = Literal["fact", "from here", "trained anew"]

DECIDING = {
    "choice": "choice",
    "reference_loss": "loss_add",
    "equal_power": "equal_power",
    "shared_branches": "shared_branches",
    "constant_loss": "loss_constant",
    "learnt": "learnt",
    "disguised": "disguised",
}
"""Fields of `Evidence` that a verdict reads, and the names that they have among the "facts" in JSON."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one method found about one merge.

    Attributes:
        method: One of `METHODS`; "warm", "tied" or "short" for pairs that ran from another start or not in full;
            "other arm" for runs of that alone; or "factorial" for pairs of several merges at once.
        question: What it speaks of: a "fact" about the network, what a switch would do "from here", or what the other
            network would reach if "trained anew".
        estimate: The figure; None where the method gives facts only. Positive speaks for Concatenate.
        low: Lower end of its interval.
        high: Upper end of its interval.
        level: Confidence of the interval.
        unit: What the figure is in, such as "loss" or "share of variance".
        n: Examples (or pairs of trainings) that it rests on.
        seconds: What it took.
        words: One sentence.
        choice: The side of the margin that it speaks for, "add", "concat" or "undecided"; None where it does not say.
        reference_loss: Held-out loss of Add, of which a margin is a share; None where Add was not trained.
        constant_loss: Held-out loss of the best constant output; None where no network was trained.
        learnt: Whether a trained network does better than that constant, beyond noise.
        equal_power: Whether Add represents all that Concatenate can; None, as below, where the method does not look.
        shared_branches: Whether the branches share their weights.
        disguised: Whether the merge already computes what the other one would.
        facts: Further figures by name, which decide nothing.
    """

    method: str
    question: Question
    estimate: float | None
    low: float | None
    high: float | None
    level: float
    unit: str
    n: int
    seconds: float
    words: str
    choice: str | None = None
    reference_loss: float | None = None
    constant_loss: float | None = None
    learnt: bool | None = None
    equal_power: bool | None = None
    shared_branches: bool | None = None
    disguised: bool | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, figure: Interval, *, start: float, unit: str = "loss", **rest: Any) -> Self:
        """Evidence whose figure is an interval.

        Args:
            figure: Estimate, interval, level and n.
            start: When the method began, in seconds of `time.perf_counter`.
            unit: Of the figure.
            **rest: The other fields.

        Examples:
            >>> gain = Interval(0.3, 0.1, 0.5, 0.95, 8)
            >>> found = Evidence.of(gain, start=0.0, method="score", question="from here", words="It gains.")
            >>> found.estimate, found.n, found.unit
            (0.3, 8, 'loss')
        """
        ends = {"estimate": figure.estimate, "low": figure.low, "high": figure.high}
        return cls(**ends, level=figure.level, unit=unit, n=figure.n, seconds=time.perf_counter() - start, **rest)

    @property
    def judges(self) -> bool:
        """Whether a belief may rest on its figure: one of the loss, or of what the branches tell as they are."""
        return self.estimate is not None and (self.unit == "loss" or self.method in ("order", "kernel"))

    @classmethod
    def refused(cls, method: str, reason: str) -> Self:
        """The place of a method that does not apply.

        Args:
            method: Its name.
            reason: One sentence.
        """
        return cls(method, "from here", None, None, None, 0.95, "", 0, 0.0, reason)

    def to_dict(self) -> dict[str, Any]:
        """The evidence as JSON has it: all facts in one place."""
        known = {name: getattr(self, field) for field, name in DECIDING.items() if getattr(self, field) is not None}
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in DECIDING}
        return {**plain, "facts": {**known, **self.facts}}
