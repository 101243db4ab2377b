"""What `compare` says: for each question a gain with its interval, odds, a verdict, and always a lean."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from addcat.report import rows
from addcat.report.page import Page
from addcat.report.printed import Printed
from addcat.statistics import Interval
from addcat.trials.trial import Trial
from addcat.verbs.compare.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.

    A gain is what the second choice has over the first, positive where it is better, in the unit of what decides.

    Attributes:
        name: The question.
        choices: The two merges, such as ("add", "concat").
        budget: "widths", "parameters" or "multiply_adds".
        mismatch: How far the totals of the two are apart under that budget, as a share of the first's.
        pairs: Pairs that count.
        gain: Mean and interval for the number of pairs that was fixed beforehand; None for fewer than two.
        sequence: The same, valid however often one looked; None where the design gives none.
        margin: The gain that is asked for, in the unit of the gain.
        p: Exact sign-flip p value of "no difference" (from t in a factorial design); adjusted by Holm's rule where
            there are several questions.
        effect: Mean over standard deviation of the pairs (Hedges); None in a factorial design.
        better: Probability that the second choice is better.
        beyond: Probability that its gain is above the margin.
        regret: Expected loss given away by each choice.
        verdict: One of the choices, "equal" or "undecided".
        differs: Whether the interval that decides excludes zero.
        differences: The gain of each pair, in order.
        path: The sequence after each pair: pairs, estimate, low, high.
    """

    name: str
    choices: tuple[str, str]
    budget: str
    mismatch: float
    pairs: int
    gain: Interval | None
    sequence: Interval | None
    margin: float
    p: float | None
    effect: float | None
    better: float
    beyond: float
    regret: tuple[float, float]
    verdict: str
    differs: bool
    differences: tuple[float, ...]
    path: tuple[tuple[int, float, float, float], ...]

    @property
    def lean(self) -> str:
        """The choice that is more likely better; the first where the odds are even."""
        return self.choices[self.better > 0.5]

    @property
    def probability(self) -> float:
        """Probability that the lean is right, from 0.5 to 1."""
        return max(self.better, 1 - self.better)

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON has it; what is without limit is null."""
        return {
            "name": self.name,
            "choices": list(self.choices),
            "budget": self.budget,
            "mismatch": self.mismatch,
            "pairs": self.pairs,
            "gain": _interval(self.gain),
            "sequence": _interval(self.sequence),
            "margin": self.margin,
            "p": self.p,
            "effect": _limited(self.effect),
            "probability_better": self.better,
            "probability_beyond_margin": self.beyond,
            "regret": dict(zip(self.choices, map(_limited, self.regret), strict=True)),
            "verdict": self.verdict,
            "differs": self.differs,
            "lean": self.lean,
            "lean_probability": self.probability,
            "differences": list(self.differences),
            "path": [[n, estimate, _limited(low), _limited(high)] for n, estimate, low, high in self.path],
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """A further metric: what the second choice has more of it than the first, whatever its good direction.

    Attributes:
        finding: Name of the question.
        metric: Its name.
        base: Mean of the first choice.
        other: Mean of the second.
        difference: Second minus first, over pairs; None for fewer than two.
    """

    finding: str
    metric: str
    base: float
    other: float
    difference: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """The metric as JSON has it."""
        return {**asdict(self), "difference": _interval(self.difference)}


@dataclass(frozen=True, slots=True)
class ArmResult:
    """How the trials of one arm ended.

    Attributes:
        name: The arm.
        loss: Mean of what decides over its finished trials, in its own direction; None where none is finite.
        trials: How many ended.
        diverged: How many gave no finite number; each counts as worse than the worst that any arm reached.
        failed: How many gave none at all: crashed, timed out, or printed no metric.
        seconds: Mean of a trial.
    """

    name: str
    loss: float | None
    trials: int
    diverged: int
    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison(Printed):
    """A comparison, as far as its trials go.

    Attributes:
        settings: What was asked, of which arms.
        findings: One answer a question; first those that were asked for, in their order.
        together: In a factorial design, all merges at the second choice against all at the first; else None.
        interactions: In a factorial design, what two merges do together: name, gain, p.
        measured: Further metrics.
        arms: How each arm's trials ended.
        cheapest: With more than two arms, the cheapest that is not worse than the best by more than the margin; "".
        pairs: Pairs that are complete.
        trials: Every trial, in order.
        notes: What the user should know.
        seconds: What all trials took, added up.
        store: The file that holds them; "" where they were not kept.
    """

    settings: Settings
    findings: tuple[Finding, ...]
    together: Finding | None
    interactions: tuple[tuple[str, Interval, float], ...]
    measured: tuple[Measured, ...]
    arms: tuple[ArmResult, ...]
    cheapest: str
    pairs: int
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    seconds: float
    store: str = ""

    def __repr__(self) -> str:
        listed = [f"{f.name}: {f.verdict}, lean {f.lean} {rows.probability(f.probability)}" for f in self.findings[:3]]
        more = [] if len(self.findings) <= len(listed) else [f"{len(self.findings) - len(listed)} more"]
        pairs, trials = rows.counted(len(self.settings.seeds), "pair"), rows.counted(len(self.trials), "trial")
        done = f"{self.pairs} of {pairs}, {trials}"
        return f"<Comparison of {self.settings.title!r}, {done}; {'; '.join([*listed, *more])}>"

    @property
    def verdict(self) -> str:
        """The verdict of the only question, or of the first."""
        return self.findings[0].verdict if self.findings else "undecided"

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train: every pair is there, or a sequence has decided."""
        return self.pairs >= len(self.settings.seeds) or self.decided

    @property
    def decided(self) -> bool:
        """Whether a sequence has decided every question, so that no more pairs are wanted."""
        return self.settings.stop == "sequential" and all(f.verdict != "undecided" for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON has it."""
        return {
            "settings": self.settings.to_dict(),
            "findings": [finding.to_dict() for finding in self.findings],
            "together": None if self.together is None else self.together.to_dict(),
            "interactions": [{"name": n, "gain": _interval(g), "p": p} for n, g, p in self.interactions],
            "metrics": [one.to_dict() for one in self.measured],
            "arms": [{**asdict(arm), "loss": _limited(arm.loss)} for arm in self.arms],
            "cheapest": self.cheapest,
            "pairs": self.pairs,
            "trials": [trial_dict(trial) for trial in self.trials],
            "notes": list(self.notes),
            "seconds": self.seconds,
            "store": self.store,
        }

    def page(self) -> Page:
        """The comparison for people."""
        from addcat.verbs.compare.page import comparison_page  # noqa: PLC0415  (nouns come before pages)

        return comparison_page(self)


def trial_dict(trial: Trial) -> dict[str, Any]:
    """A trial as JSON has it; losses of single examples are left to the store."""
    return {
        "arm": trial.arm,
        "seed": trial.seed,
        "status": trial.status,
        "loss": _limited(trial.loss),
        "curve": [_limited(float(value)) for value in trial.curve],
        "metrics": {name: _limited(value) for name, value in trial.metrics.items()},
        "seconds": trial.seconds,
        "host": trial.host,
        "versions": trial.versions,
        "detail": trial.detail,
    }


def _limited(value: float | None) -> float | None:
    """A number that JSON knows; None for infinity and NaN."""
    return value if value is not None and math.isfinite(value) else None


def _interval(found: Interval | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "estimate": found.estimate,
        "low": _limited(found.low),
        "high": _limited(found.high),
        "level": found.level,
        "n": found.n,
    }
