"""What `advise` says: a verdict for each merge, with its interval, price, evidence and reason."""

from dataclasses import asdict, dataclass
from typing import Any

from addcat.evidence.result import Evidence
from addcat.merges.price import Price
from addcat.report.page import Page
from addcat.verbs.inspect.result import Inspection


@dataclass(frozen=True, slots=True)
class Gain:
    """Held-out loss of Add minus that of Concatenate at the same widths, in units of the loss, with its 95 % interval.

    Attributes:
        estimate: Positive where Concatenate has the lower loss.
        low: Lower end.
        high: Upper end.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Add or Concatenate at one merge.

    Attributes:
        site: The merge.
        now: "add" or "concat".
        choice: "add", "concat" or "undecided".
        gain: What Concatenate gains over Add; None where no method measured it.
        margin: Gain below which Add is chosen because it is cheaper, in units of the loss.
        loss: Held-out loss of Add, or of the model as it is where Add was not trained.
        price: Cost of the merge now, and with the other one.
        evidence: Every method that was run, in order.
        reason: One sentence.
        path: Why each further method was run, or why no more were.
        command: The command that would make the switch; "" where nothing is to change.
    """

    site: str
    now: str
    choice: str
    gain: Gain | None
    margin: float
    loss: float
    price: Price
    evidence: tuple[Evidence, ...]
    reason: str
    path: tuple[str, ...]
    command: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON has it."""
        return {
            "site": self.site,
            "now": self.now,
            "choice": self.choice,
            "gain": None if self.gain is None else asdict(self.gain),
            "margin": self.margin,
            "loss": self.loss,
            "price": asdict(self.price),
            "evidence": [evidence.to_dict() for evidence in self.evidence],
            "reason": self.reason,
            "path": list(self.path),
            "command": self.command,
        }


@dataclass(frozen=True, slots=True)
class Advice:
    """Verdicts for the merges of one model.

    Attributes:
        model: The model's name.
        verdicts: One for each Add and Concatenate that was asked about, in the order of the model.
        together: All verdicts that ask for a switch, made at once: evidence on the whole set; None for fewer than two.
        inspection: Every merge of the model, for the report.
        notes: What the user should know about data, loss and model.
        loss: Name of the loss and where it comes from.
        examples: How many examples fitted, and how many judged.
        seconds: What the whole took.
    """

    model: str
    verdicts: tuple[Verdict, ...]
    together: Evidence | None
    inspection: Inspection
    notes: tuple[str, ...]
    loss: str
    examples: tuple[int, int]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The advice as JSON has it."""
        return {
            "model": self.model,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "together": None if self.together is None else self.together.to_dict(),
            "notes": list(self.notes),
            "loss": self.loss,
            "examples": {"fit": self.examples[0], "judge": self.examples[1]},
            "seconds": self.seconds,
        }

    def page(self) -> Page:
        """The advice for people."""
        from addcat.verbs.advise.page import advice_page  # noqa: PLC0415  (nouns come before pages)

        return advice_page(self)

    def _repr_html_(self) -> str:
        from addcat.report.html import fragment  # noqa: PLC0415

        return fragment(self.page())
