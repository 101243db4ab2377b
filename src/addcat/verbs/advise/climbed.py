"""What a climb is to reach, and what came of it."""

import math
from dataclasses import dataclass, field

from addcat.evidence.decision import proven
from addcat.evidence.measures import MetricGain
from addcat.evidence.readings import prior
from addcat.evidence.result import Evidence
from addcat.statistics.belief import Belief, Reading
from addcat.verbs.advise.result import EITHER, Choice, Look, Odds


@dataclass(frozen=True, slots=True)
class Wanted:
    """How far to climb.

    Attributes:
        margin: Share of the loss below which a gain does not count.
        regret: Expected regret, as a share of the loss, that is small enough.
        certainty: Seconds that may be spent to make a verdict certain whose regret is small enough already.
    """

    margin: float = 0.02
    regret: float = 0.005
    certainty: float = 0.0


@dataclass(slots=True)
class Climb:
    """What was measured for one question, and why it went on.

    Attributes:
        evidence: In the order measured.
        path: One sentence for each decision to go on or to stop.
        looks: What was believed after each method.
        belief: What is believed after all.
        proved: The side that the strict rule proves; None where it proves neither.
        loss: Held-out loss of Add; None where it was not trained.
        pair_cost: Trainings that a pair of full runs costs; None where no arm could be built.
        pair_seconds: Seconds of the same; None where no step was timed.
        seeds: Variance of one full pair's gain between seeds; None where none was measured.
        readings: What each method says of the gain, under the budget of the question.
        metrics: What was asked for beside the loss, of the longest runs.
    """

    evidence: list[Evidence] = field(default_factory=list[Evidence])
    path: list[str] = field(default_factory=list[str])
    looks: list[Look] = field(default_factory=list[Look])
    belief: Belief = field(default_factory=prior)
    proved: Choice | None = None
    loss: float | None = None
    pair_cost: float | None = None
    pair_seconds: float | None = None
    seeds: float | None = None
    readings: dict[str, Reading] = field(default_factory=dict[str, Reading])
    metrics: tuple[MetricGain, ...] = ()

    def get(self, method: str) -> Evidence | None:
        """The evidence of one method, where it was run."""
        return next((one for one in reversed(self.evidence) if one.method == method), None)

    def sure(self, choice: Choice) -> float:
        """Probability that a choice has the lower loss; a proof of full pairs outweighs what doubted it before."""
        full, sure = self.get("retrain"), self.belief.sure(choice)
        return sure if full is None or self.proved != "concat" else max(sure, proven(full.n))

    def recommended(self, margin: float) -> Choice:
        """What is proved; else Add where both will do, because it is cheaper; else what gives less away on average."""
        return self.proved or recommended(self.belief, margin)

    def look(self, method: str, trainings: float, seconds: float, margin: float) -> None:
        """Note what is believed after a method."""
        choice, proved = self.recommended(margin), self.proved is not None
        either = choice == "add" and not proved and odds_of(self.belief, margin).either >= EITHER
        sure, regret = self.sure(choice), self.belief.regret(choice)
        self.looks.append(Look(method, trainings, seconds, choice, sure, regret, proved, either))


def odds_of(belief: Belief, margin: float) -> Odds:
    """What is believed of the gain, held against a margin, which is a share of the loss."""
    limit = -math.log1p(-margin)
    no_less, more = belief.above(-limit), belief.above(limit)
    return Odds(1 - no_less, max(no_less - more, 0.0), more)  # sums of shares that should be alike may round apart


def recommended(belief: Belief, margin: float) -> Choice:
    """The choice without a proof: Add where both will do, because it is cheaper; else what gives less away."""
    return "add" if odds_of(belief, margin).either >= EITHER else lean(belief)


def lean(belief: Belief) -> Choice:
    """The choice that gives less away on average."""
    return "concat" if belief.regret("concat") < belief.regret("add") else "add"
