"""Findings of a factorial design: one a question, from all pairs, and all questions together."""

import math
from collections.abc import Sequence

import numpy as np

from addcat.statistics import Interval, holm, interactions, main_effects, odds, total_effect
from addcat.statistics.factorial import Effect, Signs
from addcat.trials.trial import Key, Losses
from addcat.verbs.compare.figures import Figures
from addcat.verbs.compare.result import Finding
from addcat.verbs.compare.settings import Factorial, Settings
from addcat.verbs.compare.verdict import verdict_of

Interactions = tuple[tuple[str, Interval, float], ...]


def factorial_findings(settings: Settings, figures: Figures) -> tuple[list[Finding], Finding | None, Interactions]:
    """Read a factorial design.

    Args:
        settings: With a design.
        figures: Of the trials so far.

    Returns:
        A finding a question; all of them at once; and what two do together. Undecided findings without an interval
        where there are not enough pairs yet.
    """
    design = settings.factorial
    assert design is not None  # noqa: S101  (the caller asked)
    rows, mirror, row = _pairs(settings, design, figures)
    base = float(np.mean(np.concatenate([mirror, row]))) if len(rows) else math.nan
    margin = settings.margin * abs(base) if len(rows) else 0.0
    if len(rows) <= len(design.names) or np.linalg.matrix_rank(rows) < len(design.names):
        return [_finding(name, design.choices, None, margin, None) for name in design.names], None, ()
    effects = main_effects(rows, mirror - row)
    adjusted = holm([effect.p for effect in effects])
    findings = [
        _finding(name, design.choices, effect, margin, p)
        for name, effect, p in zip(design.names, effects, adjusted, strict=True)
    ]
    whole = total_effect(rows, mirror - row)
    together = _finding("all together", design.choices, whole, margin, whole.p)
    pairs = interactions(rows, mirror + row, design.names)
    by_two = zip(pairs, holm([effect.p for _, effect in pairs]), strict=True)
    return findings, together, tuple((name, effect.gain, p) for (name, effect), p in by_two)


def _pairs(settings: Settings, design: Factorial, figures: Figures) -> tuple[Signs, Losses, Losses]:
    """Signs of the pairs that are complete, and the losses of the mirror and of the row of each."""
    rows: list[Sequence[int]] = []
    losses: list[tuple[float, float]] = []
    for place, seed in enumerate(figures.seeds):
        mirror, row = (Key(arm, seed) for arm in settings.arms_of(place))
        if mirror in figures.loss and row in figures.loss:
            rows.append(design.rows[place % len(design.rows)])
            losses.append((figures.loss[mirror], figures.loss[row]))
    table = np.array(losses, np.float64).reshape(len(losses), 2)
    return np.array(rows, np.int64).reshape(len(rows), len(design.names)), table[:, 0], table[:, 1]


def _finding(name: str, choices: tuple[str, str], effect: Effect | None, margin: float, p: float | None) -> Finding:
    gain = None if effect is None else effect.gain
    chances = None if effect is None else odds(effect.gain.estimate, effect.noise, margin)
    return Finding(
        name=name,
        choices=choices,
        budget="widths",
        mismatch=0.0,
        pairs=0 if gain is None else gain.n,
        gain=gain,
        sequence=None,
        margin=margin,
        p=p,
        effect=None,
        better=0.5 if chances is None else chances.better,
        beyond=0.5 if chances is None else chances.beyond,
        regret=(math.inf, math.inf) if chances is None else (chances.regret_keep, chances.regret_take),
        verdict=verdict_of(gain, margin, choices),
        differs=gain is not None and gain.excludes(0.0),
        differences=(),
        path=(),
    )
