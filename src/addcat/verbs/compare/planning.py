"""`--plan`: what would be run, what it would cost, and how wide the interval would be. Nothing is trained."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from addcat.report import rows
from addcat.report.page import Column, Page, Table
from addcat.report.plans import plan_page
from addcat.report.printed import Printed
from addcat.statistics.few_pairs import few_pairs_bound
from addcat.statistics.interval import t_quantile
from addcat.trials.model import ModelTrial
from addcat.trials.workers import Workers
from addcat.verbs.compare.prepared import Prepared
from addcat.verbs.compare.settings import Settings
from addcat.verbs.compare.verdict import LEVEL

NOISE = 0.04
"""Standard deviation of a pair's difference as a share of the loss: what 42 small networks had. Yours may differ."""
ARMS = (
    Column("arm", whole=False),
    Column("parameters", number=True),
    Column("mult-adds", number=True),
    Column("a step", number=True),
    Column("a trial", number=True),
)


@dataclass(frozen=True, slots=True)
class Planned(Printed):
    """A comparison before it runs.

    Attributes:
        settings: What would be asked.
        trials: How many trainings.
        steps: Steps of each; None where they are not ours.
        seconds: What all would take with these workers, from a few timed steps; None where steps are not ours. Without
            compiling, and as if workers did not disturb one another.
        half_width: Half of the interval to expect, as a share of the loss, if pairs vary by `NOISE`.
    """

    settings: Settings
    trials: int
    steps: int | None
    seconds: float | None
    half_width: float

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return asdict(self)

    def page(self) -> Page:
        """The plan for people."""
        listed = [
            (
                arm.name,
                rows.NONE if arm.parameters is None else rows.count(arm.parameters),
                rows.NONE if arm.multiply_adds is None else rows.count(arm.multiply_adds),
                rows.NONE if arm.step_seconds is None else rows.seconds_text(arm.step_seconds),
                rows.NONE
                if arm.step_seconds is None or self.steps is None
                else rows.seconds_text(arm.step_seconds * self.steps),
            )
            for arm in self.settings.arms
        ]
        pairs = rows.counted(len(self.settings.seeds), "pair")
        cost = "unknown before the first trial" if self.seconds is None else f"about {rows.seconds_text(self.seconds)}"
        sentences = (
            f"{pairs}, {rows.counted(self.trials, 'trial')}; time: {cost}.",
            f"Interval to expect: +-{rows.percent(self.half_width)} of the loss, if pairs vary by "
            f"{rows.percent(NOISE)} of it, as small networks do.",
        )
        return plan_page(self.settings.question, sentences, Table(ARMS, tuple(listed)), self.settings.notes)


def planned(prepared: Prepared, workers: Workers) -> Planned:
    """Reckon what a comparison would take.

    Args:
        prepared: The comparison.
        workers: Where it would run.

    Returns:
        The plan.
    """
    settings, execute = prepared.settings, prepared.execute
    trials, pairs = len(settings.keys()), len(settings.seeds)
    steps = execute.plan.steps if isinstance(execute, ModelTrial) else None
    known = [arm.step_seconds for arm in settings.arms if arm.step_seconds is not None]
    seconds = None
    if steps is not None and known:
        seconds = trials * steps * sum(known) / len(known) / workers.count
    sequential = settings.stop == "sequential"
    bound = few_pairs_bound(pairs, LEVEL) if sequential else t_quantile(LEVEL, pairs - 1)
    return Planned(settings, trials, steps, seconds, bound * NOISE / math.sqrt(pairs))
