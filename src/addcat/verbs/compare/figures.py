"""What every trial counts as, pair by pair."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from addcat.trials.trial import Key, Losses, Trial
from addcat.verbs.compare.settings import Settings


@dataclass(frozen=True, slots=True)
class Figures:
    """What every finished trial counts as: lower is better, and a diverged one is worse than the worst.

    Attributes:
        loss: By trial; trials that failed are not there.
        losses: Of single examples, by trial, where all are known.
        seeds: Of the pairs that are complete, in order.
    """

    loss: Mapping[Key, float]
    losses: Mapping[Key, Losses]
    seeds: tuple[int, ...]

    @staticmethod
    def of(settings: Settings, trials: Mapping[Key, Trial], pairs: int) -> "Figures":
        """The figures of some trials.

        A diverged trial counts as the worst finite loss of any trial, plus the distance between the worst and the best
        (at least the size of the worst): so it always counts against its arm.
        """
        finite = [trial.loss for trial in trials.values() if math.isfinite(trial.loss)]
        worst, best = max(finite, default=1.0), min(finite, default=1.0)
        penalty = worst + (max(worst - best, abs(worst)) or 1.0)
        sizes = {len(trial.losses) for trial in trials.values() if trial.losses is not None}
        loss = {key: t.loss if math.isfinite(t.loss) else penalty for key, t in trials.items() if t.finished}
        losses: dict[Key, Losses] = {}
        if len(sizes) == 1:
            size = sizes.pop()
            for key in loss:
                single = trials[key].losses
                losses[key] = np.full(size, penalty) if single is None else single
            if any(trials[key].losses is None and trials[key].status == "done" for key in loss):
                losses = {}
        return Figures(loss, losses, settings.seeds[:pairs])

    def differences(self, base: str, other: str) -> tuple[Losses, Losses | None]:
        """Gains of one arm over another.

        Returns:
            One a pair that has both, (pairs,); and one for each pair and example, (pairs, examples), where known.
        """
        both = [
            (Key(base, seed), Key(other, seed))
            for seed in self.seeds
            if Key(base, seed) in self.loss and Key(other, seed) in self.loss
        ]
        each = np.array([self.loss[first] - self.loss[second] for first, second in both], np.float64)
        if not both or any(key not in self.losses for keys in both for key in keys):
            return each, None
        return each, np.stack([self.losses[first] - self.losses[second] for first, second in both])

    def mean(self, arm: str) -> float:
        """Mean loss of an arm over its pairs; NaN where it has none."""
        found = [self.loss[Key(arm, seed)] for seed in self.seeds if Key(arm, seed) in self.loss]
        return float(np.mean(found)) if found else math.nan


def complete_pairs(settings: Settings, trials: Mapping[Key, Trial]) -> int:
    """How many pairs have ended, counted from the first."""
    for place, seed in enumerate(settings.seeds):
        if any(Key(arm, seed) not in trials for arm in settings.arms_of(place)):
            return place
    return len(settings.seeds)
