"""What `advise` says: for each question a recommendation with its odds, price, evidence and reason."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from addcat.evidence.measures import MetricGain
from addcat.evidence.result import Evidence
from addcat.merges.price import Price
from addcat.report.page import Page
from addcat.report.printed import Printed
from addcat.verbs.inspect.result import Inspection

Choice = Literal["add", "concat"]


@dataclass(frozen=True, slots=True)
class Gain:
    """Held-out loss of Add minus that of Concatenate, in units of the loss, with its 95 % interval.

    Attributes:
        estimate: Positive where Concatenate has the lower loss.
        low: Lower end.
        high: Upper end.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Odds:
    """What is believed of the gain, held against the margin; the three sum to 1.

    Attributes:
        add: Probability that Add's loss is lower by more than the margin.
        either: Probability that neither is, so that the cheaper one, Add, will do.
        concat: Probability that Concatenate's loss is lower by more than the margin.
    """

    add: float
    either: float
    concat: float


@dataclass(frozen=True, slots=True)
class Regret:
    """Loss that is given away on average by following the recommendation, where it is wrong.

    Attributes:
        loss: In units of the loss.
        share: As a share of Add's loss.
    """

    loss: float
    share: float


@dataclass(frozen=True, slots=True)
class Look:
    """What was believed after one more method: a step of the ladder of evidence.

    Attributes:
        method: What was run.
        trainings: Spent by then, in trainings of the given network.
        seconds: Spent by then.
        choice: What would have been recommended.
        probability: That this is right.
        regret: Expected, as a share of Add's loss.
        certain: Whether the strict rule proved it by then.
        either: Whether both would do, so that Add is taken because it is cheaper.
    """

    method: str
    trainings: float
    seconds: float
    choice: Choice
    probability: float
    regret: float
    certain: bool = False
    either: bool = False


@dataclass(frozen=True, slots=True)
class More:
    """What more evidence would cost.

    Attributes:
        pairs: Further pairs of full runs that would halve the probability of being wrong.
        trainings: What they cost, in trainings of the given network.
        seconds: What they would take on this machine; None where no step was timed.
    """

    pairs: int
    trainings: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class OtherBudget:
    """The same question where something else is alike in both arms.

    Attributes:
        match: "parameters", "widths" or "multiply_adds".
        choice: What would be recommended.
        probability: That this is right.
        certain: Whether the strict rule proves it.
        measured: Whether a ladder of its own was climbed; else it is reckoned from the readings of the first.
    """

    match: str
    choice: Choice
    probability: float
    certain: bool
    measured: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Add or Concatenate, for a family of merges that switch together or for one.

    Attributes:
        site: The merge, or the family's name where it has several.
        sites: The merges that the question is about.
        question: What it asks, in words: "merge 'skip'", "the 4 skip merges together".
        now: "add" or "concat".
        choice: The recommendation, "add" or "concat".
        certain: Whether the strict rule proves it: the interval is clear of the margin, at levels that control error.
        probability: That the recommended merge has the lower loss.
        odds: The same, held against the margin.
        regret: What following it gives away on average.
        more: What more evidence would cost to halve the doubt; None where nothing would.
        gain: What Concatenate gains over Add; None where nothing was measured.
        margin: Gain below which Add will do because it is cheaper, in units of the loss.
        loss: Held-out loss of Add, or of the model as it is where Add was not trained.
        price: Cost of the merges now, and with the other kind.
        evidence: Every method that was run, in order.
        looks: What was believed after each.
        reason: One sentence.
        path: Why each further method was run, or why no more were.
        command: The command that would make the switch; "" where nothing is to change.
        other: The same question under another budget; None where nothing was measured.
        averaged: Merges that were Add in half of the arms and Concatenate in the others, so that the gain is an average
            over them; empty where all other merges stay as they are.
        metrics: Those that were asked for beside the loss; empty where no pair was trained.
    """

    site: str
    sites: tuple[str, ...]
    question: str
    now: str
    choice: Choice
    certain: bool
    probability: float
    odds: Odds
    regret: Regret
    more: More | None
    gain: Gain | None
    margin: float
    loss: float
    price: Price
    evidence: tuple[Evidence, ...]
    looks: tuple[Look, ...]
    reason: str
    path: tuple[str, ...]
    command: str = ""
    other: OtherBudget | None = None
    averaged: tuple[str, ...] = ()
    metrics: tuple[MetricGain, ...] = ()

    @property
    def disagree(self) -> bool:
        """Whether another merge would be recommended under the other budget."""
        return self.other is not None and self.other.choice != self.choice

    @property
    def either(self) -> bool:
        """Whether both will do: Add is recommended because it is cheaper."""
        return self.choice == "add" and self.odds.either >= EITHER

    @property
    def wanting(self) -> bool:
        """Whether no networks that were trained do better than a constant, so that none of them tells anything."""
        trained = [found.learnt for found in self.evidence if found.learnt is not None]
        return bool(trained) and not trained[-1] and not self.certain

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON has it."""
        return {
            "site": self.site,
            "sites": list(self.sites),
            "question": self.question,
            "now": self.now,
            "choice": self.choice,
            "certain": self.certain,
            "either": self.either,
            "probability": self.probability,
            "odds": asdict(self.odds),
            "regret": asdict(self.regret),
            "more": None if self.more is None else asdict(self.more),
            "gain": None if self.gain is None else asdict(self.gain),
            "margin": self.margin,
            "loss": self.loss,
            "price": asdict(self.price),
            "evidence": [evidence.to_dict() for evidence in self.evidence],
            "looks": [asdict(look) for look in self.looks],
            "reason": self.reason,
            "path": list(self.path),
            "command": self.command,
            "other_budget": None if self.other is None else asdict(self.other),
            "averaged": list(self.averaged),
            "metrics": [asdict(one) for one in self.metrics],
        }


EITHER = 0.95
"""Probability that the gain lies within the margin, from which both will do."""


@dataclass(frozen=True, slots=True)
class Advice(Printed):
    """Verdicts for the merges of one model.

    Attributes:
        model: The model's name.
        verdicts: One for each family of merges, or for each merge that was named, in the order of the model.
        inspection: Every merge of the model, for the report.
        notes: What the user should know about data, loss and model.
        loss: Name of the loss and where it comes from.
        examples: How many examples fitted, and how many judged.
        seconds: What the whole took.
        trainings: What was spent, in trainings of the given network (see `addcat.evidence.meter`).
        budget: What might have been spent, in words.
        resample: "data" where the answer is about data of this kind; "" where it is about these.
    """

    model: str
    verdicts: tuple[Verdict, ...]
    inspection: Inspection
    notes: tuple[str, ...]
    loss: str
    examples: tuple[int, int]
    seconds: float
    trainings: float
    budget: str
    resample: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The advice as JSON has it."""
        return {
            "model": self.model,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "notes": list(self.notes),
            "loss": self.loss,
            "examples": {"fit": self.examples[0], "judge": self.examples[1]},
            "seconds": self.seconds,
            "trainings": self.trainings,
            "budget": self.budget,
            "resample": self.resample or "no",
        }

    def page(self) -> Page:
        """The advice for people."""
        from addcat.verbs.advise.page import advice_page  # noqa: PLC0415  (nouns come before pages)

        return advice_page(self)
