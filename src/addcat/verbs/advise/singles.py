"""Single merges from one design: a verdict for each, all of them from the same pairs.

Asked one by one, k merges cost k ladders. A balanced design trains pairs in which every merge is Add in half of the
arms and Concatenate in the other half, so each pair speaks of all of them: in full where the budget allows, else from
the trained branches for a share of the steps. The gain of a merge is then averaged over what the others are, which is
another question than with the others as they stand, and every row says so. The strict rule is for pairs of one
question, so nothing here is certain.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from addcat.errors import DataError, OptionError, RefusedError
from addcat.evidence.design import Design, Found
from addcat.evidence.meter import Meter
from addcat.evidence.pairs import Stage
from addcat.evidence.problem import Problem
from addcat.evidence.readings import read_pairs
from addcat.evidence.result import Evidence
from addcat.evidence.shown import interval_of
from addcat.merges import Merge
from addcat.report import rows
from addcat.verbs.advise.climb import Climber
from addcat.verbs.advise.prepared import Prepared
from addcat.verbs.advise.result import Verdict
from addcat.verbs.advise.verdict import verdict_of

STAGES = (Stage("fresh", 1.0, 0), Stage("warm", 0.2, 0))
"""How the pairs of a design run: the first that the budget pays for."""
PROBES = 0.1
"""Share of what is left that all probes of single merges may take before the design."""
FEWEST = 2


def design_within(problem: Problem, meter: Meter, step: float, first_pass: float) -> tuple[Design, Stage] | str:
    """The design that what is left allows.

    Args:
        problem: The merges, as a family.
        meter: What may be spent.
        step: Seconds of a step of the given network.
        first_pass: Seconds that its first forward pass took.

    Returns:
        The design and how its pairs run, or a sentence on why there is none.
    """
    least = 0.0
    for stage in STAGES:
        try:
            if not meter.affords(0.0, Design.compiling_seconds(len(problem.merges), first_pass)):
                return "The time does not allow to compile the arms of one design for all of them."
            design = Design(problem, stage)
        except (DataError, OptionError, RefusedError) as refused:
            return str(refused)
        least = design.cost()
        if meter.affords(least, design.seconds(step, first_pass)):
            return design, stage
    return (
        f"The budget does not allow one design for all of them, which costs {rows.decimal(least)} trainings at least."
    )


def answer_singles(
    ready: Prepared, merges: Sequence[Merge], share: Meter, tell: Callable[[str], None]
) -> tuple[Verdict, ...] | str:
    """Recommend for each of some merges by one design.

    Args:
        ready: What every question shares.
        merges: Two or more.
        share: What may be spent; charged with what was.
        tell: Called with what is being done.

    Returns:
        A verdict for each merge, or a sentence on why there is no design.
    """
    if ready.asked.match != "widths" or len(merges) < FEWEST:
        return "A design is for two merges or more at equal widths."
    whole = ready.problem(tuple(merges), share, tell)
    step = ready.first.training(ready.recipe) / ready.recipe.steps
    chosen = design_within(whole, _after_probes(share), step, ready.first.seconds)
    if isinstance(chosen, str):
        return chosen
    design, stage = chosen
    climbers = [_probed(ready, merge, share, tell, len(merges)) for merge in merges]
    tell(f"{rows.counted(design.pairs, 'pair')} for {rows.counted(len(merges), 'merge')} together")
    began = time.perf_counter()
    try:
        found = design.run(share, ready.first.loss)
    except DataError as refused:
        return str(refused)
    told = zip(climbers, found, strict=True)
    return tuple(
        _verdict(ready, problem, climber, one, stage, design.pairs, began, merges) for (problem, climber), one in told
    )


def leaves_something(ready: Prepared, verdict: Verdict) -> bool:
    """Whether a family's answer leaves something to gain, and the user's budget something to pay for it with.

    A family for which Concatenate is recommended may owe its gain to some of its members; one whose answer may be wrong
    by more than was asked for may have members that differ. The default budget is for the family alone.
    """
    if not ready.allowed.given or ready.asked.effort != "auto" or len(verdict.sites) < FEWEST or verdict.gain is None:
        return False
    return verdict.choice == "concat" or verdict.regret.share > ready.asked.wanted.regret


def _after_probes(share: Meter) -> Meter:
    return replace(share, spent=share.spent + PROBES * share.left)


def _probed(
    ready: Prepared, merge: Merge, share: Meter, tell: Callable[[str], None], many: int
) -> tuple[Problem, Climber]:
    """What one network says of one merge, without training."""
    part, left = PROBES / many, share.seconds_left
    deadline = share.deadline - (1 - part) * left if math.isfinite(left) else share.deadline
    own = replace(share, trainings=share.spent + part * share.left, deadline=deadline)
    problem = ready.problem((merge,), own, tell)
    climber = ready.climber(problem, own)
    climber.probed()
    share.spent = own.spent
    return problem, climber


def _verdict(
    ready: Prepared,
    problem: Problem,
    climber: Climber,
    found: Found,
    stage: Stage,
    pairs: int,
    began: float,
    merges: Sequence[Merge],
) -> Verdict:
    reading = read_pairs(stage.kind, stage.share, found.contrast, found.way)
    others = tuple(merge.site for merge in merges if merge.site != problem.merge.site)
    gain = replace(interval_of(reading, found.contrast), n=pairs)
    length = "" if stage.share >= 1 else f", {rows.percent(stage.share)} of the steps from the trained branches"
    evidence = Evidence.of(
        gain,
        start=began,
        method="factorial",
        question="trained anew",
        words=f"{rows.counted(pairs, 'pair')} of one design over {rows.counted(len(merges), 'merge')}{length}: "
        f"Concatenate at this one gains {rows.signed(gain.estimate)}; in full "
        f"{rows.interval_text(gain.low, gain.high)}, averaged over the others.",
        reference_loss=found.contrast.add,
        constant_loss=found.constant,
        learnt=found.learnt,
        facts={"pairs": pairs, "merges": len(merges), "share_of_steps": stage.share, "way": found.way},
    )
    made = climber.told("factorial", reading, evidence, found.contrast.add, found.metrics)
    verdict = verdict_of(problem, made, ready.asked.wanted.margin, ready.first.loss)
    return replace(verdict, averaged=others, question=f"{verdict.question}, the others either way")
