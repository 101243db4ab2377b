"""From trials to findings, by arithmetic alone: what the store holds can be read again at any time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from addcat.report.rows import counted
from addcat.statistics import Noise, combined_interval, effect_size, holm, odds, satterthwaite, sign_flip
from addcat.trials.trial import Key, Losses, Trial
from addcat.verbs.compare.designs import factorial_findings
from addcat.verbs.compare.figures import Figures, complete_pairs
from addcat.verbs.compare.measures import measures, notes_of_measures
from addcat.verbs.compare.result import ArmResult, Comparison, Finding
from addcat.verbs.compare.settings import FEWEST, Contrast, Settings
from addcat.verbs.compare.verdict import LEVEL, noises, sequence_interval, verdict_of


def conclude(settings: Settings, trials: Mapping[Key, Trial], *, store: str = "") -> Comparison:
    """Read a comparison's trials.

    Args:
        settings: What was asked.
        trials: As many as have ended. Pairs count in their order, up to the first that is not complete, so that the
            answer does not depend on who was quicker; a sequence that has decided takes no more of them.
        store: Where they are kept.

    Returns:
        The comparison so far.
    """
    most = complete_pairs(settings, trials)
    for pairs in range(FEWEST, most) if settings.stop == "sequential" else ():
        found = _conclude(settings, trials, pairs, store)
        if found.decided:
            return found
    return _conclude(settings, trials, most, store)


def _conclude(settings: Settings, trials: Mapping[Key, Trial], pairs: int, store: str) -> Comparison:
    used = [
        trials[Key(arm, seed)] for place, seed in enumerate(settings.seeds[:pairs]) for arm in settings.arms_of(place)
    ]
    by_key = {trial.key: trial for trial in used}
    figures = Figures.of(settings, by_key, pairs)
    if settings.factorial is not None:
        findings, together, together_by_two = factorial_findings(settings, figures)
    else:
        findings = _adjusted([_finding(settings, contrast, figures) for contrast in settings.contrasts])
        together, together_by_two = None, ()
    return Comparison(
        settings=settings,
        findings=tuple(findings),
        together=together,
        interactions=together_by_two,
        measured=tuple(measures(settings, by_key, pairs)),
        arms=tuple(_arm_results(settings, used)),
        cheapest=_cheapest(settings, figures),
        pairs=pairs,
        trials=tuple(used),
        notes=(*settings.notes, *_notes(settings, used, pairs)),
        seconds=sum(trial.seconds for trial in used),
        store=store,
    )


def _finding(settings: Settings, contrast: Contrast, figures: Figures) -> Finding:
    each, single = figures.differences(contrast.base, contrast.other)
    base = figures.mean(contrast.base)
    margin = settings.margin * abs(base) if math.isfinite(base) else 0.0
    gain = sequence = None
    chances = odds(0.0, Noise(0.0, 1.0), margin)
    if len(each) > 1:
        sources = noises(each, single, settings.redrawn)
        gain = combined_interval(float(each.mean()), sources, n=len(each), level=LEVEL)
        chances = odds(gain.estimate, satterthwaite(*sources), margin)
        sequence = sequence_interval(each, single, settings.redrawn)
    deciding = sequence if settings.stop == "sequential" else gain
    return Finding(
        name=contrast.name,
        choices=contrast.choices,
        budget=contrast.budget,
        mismatch=contrast.mismatch,
        pairs=len(each),
        gain=gain,
        sequence=sequence,
        margin=margin,
        p=sign_flip(each) if len(each) else None,
        effect=effect_size(each) if len(each) > 1 else None,
        better=chances.better,
        beyond=chances.beyond,
        regret=(chances.regret_keep, chances.regret_take),
        verdict=verdict_of(deciding, margin, contrast.choices),
        differs=deciding is not None and deciding.n >= FEWEST and deciding.excludes(0.0),
        differences=tuple(map(float, each)),
        path=tuple(_path(each, single, settings.redrawn)),
    )


def _path(each: Losses, single: Losses | None, redrawn: float) -> list[tuple[int, float, float, float]]:
    """The sequence after each pair."""
    looks = [
        sequence_interval(each[:n], None if single is None else single[:n], redrawn) for n in range(1, len(each) + 1)
    ]
    return [(look.n, look.estimate, look.low, look.high) for look in looks]


def _adjusted(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with p values adjusted for their number."""
    known = [finding for finding in findings if finding.p is not None]
    adjusted = dict(zip(map(id, known), holm([f.p for f in known if f.p is not None]), strict=True))
    return [replace(finding, p=adjusted.get(id(finding))) for finding in findings]


def _arm_results(settings: Settings, trials: Sequence[Trial]) -> list[ArmResult]:
    names = dict.fromkeys([arm.name for arm in settings.arms] + [trial.arm for trial in trials])
    found: list[ArmResult] = []
    for name in names:
        mine = [trial for trial in trials if trial.arm == name]
        finite = [trial.loss for trial in mine if math.isfinite(trial.loss)]
        mean = float(np.mean(finite)) * (1 if settings.lower else -1) if finite else None
        found.append(
            ArmResult(
                name=name,
                loss=mean,
                trials=len(mine),
                diverged=sum(trial.status == "diverged" for trial in mine),
                failed=sum(not trial.finished for trial in mine),
                seconds=float(np.mean([trial.seconds for trial in mine])) if mine else 0.0,
            )
        )
    return found


def _cheapest(settings: Settings, figures: Figures) -> str:
    """Name the cheapest of more than two arms that is shown to be worse than the best by no more than the margin.

    "" where costs are not known or there are too few pairs.
    """
    priced = [arm for arm in settings.arms if arm.parameters is not None]
    if settings.factorial is not None or len(settings.arms) < 3 or len(priced) < len(settings.arms):
        return ""
    best = min(settings.arms, key=lambda arm: figures.mean(arm.name))
    for arm in sorted(priced, key=lambda arm: arm.parameters or 0):
        if arm is best:
            return arm.name
        each, single = figures.differences(arm.name, best.name)
        if len(each) < FEWEST:
            return ""
        gain = combined_interval(float(each.mean()), noises(each, single, settings.redrawn), n=len(each), level=LEVEL)
        if gain.high < settings.margin * abs(figures.mean(arm.name)):
            return arm.name
    return ""


def _notes(settings: Settings, trials: Sequence[Trial], pairs: int) -> list[str]:
    notes: list[str] = []
    measured = any(trial.metrics for trial in trials)
    for arm in dict.fromkeys(trial.arm for trial in trials):
        mine = [trial for trial in trials if trial.arm == arm]
        diverged = sum(trial.status == "diverged" for trial in mine)
        if diverged:
            notes.append(
                f"{arm} diverged in {diverged} of {counted(len(mine), 'trial')}; each counts against it, as worse than "
                "the worst"
                f"{', and is left out of the metrics' if measured else ''}."
            )
        lost = [trial for trial in mine if not trial.finished]
        if lost:
            ends = ", ".join(dict.fromkeys(trial.status for trial in lost))
            notes.append(
                f"{arm} gave no figure in {len(lost)} of {counted(len(mine), 'trial')} ({ends}); their pairs are left "
                "out, and the same command runs them again."
            )
    notes += notes_of_measures(trials)
    if 0 < pairs < FEWEST:
        notes.append(f"Fewer than {FEWEST} pairs decide nothing.")
    return notes
