"""Metrics beside what decides: means and differences with intervals, for each question."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from addcat.statistics import Interval, combined_interval, main_effects
from addcat.trials.trial import Key, Trial
from addcat.verbs.compare.result import Measured
from addcat.verbs.compare.settings import Factorial, Settings
from addcat.verbs.compare.verdict import LEVEL, noises

Values = NDArray[np.float64]


def measures(settings: Settings, trials: Mapping[Key, Trial], pairs: int) -> list[Measured]:
    """Read the metrics of trials.

    Args:
        settings: What was asked.
        trials: By key.
        pairs: That are complete.

    Returns:
        One for each question and metric, of the pairs both of whose trials have a finite value; none where no pair has.
    """
    names = dict.fromkeys(name for trial in trials.values() for name in trial.metrics)
    if settings.factorial is not None:
        return [one for name in names for one in _of_design(settings, settings.factorial, trials, pairs, name)]
    found: list[Measured] = []
    for contrast in settings.contrasts:
        arms = [(contrast.base, contrast.other)] * pairs
        for name in names:
            _, values = _values(settings, arms, trials, name)
            if len(values):
                base, other = values.mean(axis=0)
                difference = _interval(values[:, 1] - values[:, 0], settings.redrawn)
                found.append(Measured(contrast.name, name, float(base), float(other), difference))
    return found


def _values(
    settings: Settings, arms: Sequence[tuple[str, str]], trials: Mapping[Key, Trial], name: str
) -> tuple[list[int], Values]:
    """Which pairs have finite values of a metric, and these, of shape (pairs, 2)."""
    both = [
        [trials[Key(arm, seed)].metrics.get(name, math.nan) for arm in two]
        for seed, two in zip(settings.seeds, arms, strict=False)
    ]
    values = np.array(both, np.float64).reshape(len(both), 2)
    whole = np.isfinite(values).all(axis=1)
    return list(map(int, np.flatnonzero(whole))), values[whole]


def _interval(differences: Values, redrawn: float) -> Interval | None:
    if len(differences) < 2:
        return None
    sources = noises(differences, None, redrawn)
    return combined_interval(float(differences.mean()), sources, n=len(differences), level=LEVEL)


def _of_design(
    settings: Settings, design: Factorial, trials: Mapping[Key, Trial], pairs: int, name: str
) -> list[Measured]:
    """A metric under each question of a design: its mean with either choice, and the main effect."""
    arms = [design.pair(place) for place in range(pairs)]
    places, values = _values(settings, arms, trials, name)
    rows = np.array([design.rows[place % len(design.rows)] for place in places], np.int64)
    if not places or len(rows) <= len(design.names) or np.linalg.matrix_rank(rows) < len(design.names):
        return []
    effects = main_effects(rows, values[:, 1] - values[:, 0])
    found: list[Measured] = []
    for column, (question, effect) in enumerate(zip(design.names, effects, strict=True)):
        second = np.where(rows[:, column] > 0, values[:, 1], values[:, 0])
        first = values.sum(axis=1) - second
        found.append(Measured(question, name, float(first.mean()), float(second.mean()), effect.gain))
    return found


def notes_of_measures(trials: Sequence[Trial]) -> list[str]:
    """What is missing among the metrics, and why."""
    notes: list[str] = []
    for name in dict.fromkeys(name for trial in trials for name in trial.metrics):
        missing = [trial for trial in trials if not math.isfinite(trial.metrics.get(name, 0.0))]
        if missing:
            why = next((trial.detail for trial in missing if trial.detail), "its value is no finite number")
            notes.append(
                f"{name} has no value in {len(missing)} of {len(trials)} trials, and their pairs are left out of it: "
                f"{why.rstrip('.')}."
            )
    return notes
