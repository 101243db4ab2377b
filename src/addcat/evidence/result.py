"""One measured fact about a merge."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

METHODS = ("structure", "forward", "score", "swap", "refit", "finetune", "retrain")
"""From the cheapest to the dearest."""
SECONDS = 60.0
"""Time that one merge may take where methods are chosen automatically and no limit is given; most take far less."""

Question = Literal["fact", "from here", "trained anew"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one method found about one merge.

    Attributes:
        method: "structure", "forward", "score", "swap", "refit", "finetune" or "retrain".
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
        facts: Further figures by name.
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
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        """The evidence as JSON has it."""
        return asdict(self)
