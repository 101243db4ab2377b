"""Train both arms anew, over a few paired seeds, and stop once it is decided.

Seed by seed the two arms start alike in every layer that they share, see the same batches in the same order, and are
judged on the same examples, each half of them at the evaluation that was best on the other half. What differs between
seeds (starts, orders) and between examples are crossed sources of noise, and the interval holds both.

Pairs are looked at after 4, 8, 16 and 32 of them, so that few looks have to share the error.
"""

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from addcat.doors.recipe import Plan, plan
from addcat.errors import DataError
from addcat.evidence.arms import untrained_arms
from addcat.evidence.baseline import constant_losses, learnt, worse_than_constant
from addcat.evidence.decision import choose, require_trained
from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.graph import Graph, Refusal
from addcat.report import rows
from addcat.statistics import crossed_interval
from addcat.trials.race import Race, race
from addcat.trials.trial import cross_fitted

Losses = NDArray[np.float64]

LOOKS = (4, 8, 16, 32)
WANTED_PAIRS = 8
"""Pairs for which steps are given up, where the time does not allow so many of full length."""
SPENT = 0.8
"""Share of the time that these may take; the rest is for compiling."""
BOTH = 0.7
"""Time of two arms at once, as a share of one after the other, on two cores."""
FEWEST_PAIRS = 2
"""Fewer show no noise between seeds; they are trained even past the deadline."""
SHORTEST = 1 / 3
"""Share of the steps below which a run says little about the whole training."""


def retrain(problem: Problem, margin: float) -> Evidence:
    """Train both arms from scratch until the verdict is clear, the seeds are used up, or the time is.

    Args:
        problem: The merge.
        margin: Share of Add's loss below which a gain does not count.

    Returns:
        Evidence whose estimate is the gain of Concatenate over Add, in units of the loss; `choice` is the side of the
        margin on which it lies.

    Raises:
        DataError: if the arms cannot be built, if the time does not allow two pairs of a third of the steps, or if
            training went to NaN.
    """
    arms = untrained_arms(problem)
    if isinstance(arms, Refusal):
        raise DataError(f"{problem.merge.site!r} cannot be trained anew with the other merge: {arms.reason}.")
    return compare_anew(problem, arms, margin)


def compare_anew(problem: Problem, arms: dict[str, Graph], margin: float) -> Evidence:
    """Train two architectures from scratch, paired, as `retrain` does.

    Args:
        problem: Data, losses, recipe and deadline.
        arms: The architectures by "add" and "concat".
        margin: As for `retrain`.

    Returns:
        Evidence as `retrain` gives it.
    """
    start = time.perf_counter()
    ready = _ready(problem, arms)
    run = ready.plan
    baseline = constant_losses(problem)
    add, concat = _train(problem, ready, margin, baseline)
    taught = learnt((add, concat), baseline)
    loss, gain = float(add.mean()), crossed_interval(add - concat)
    share = run.steps / problem.recipe.steps
    words = (
        f"Trained anew, {len(add)} pairs of {run.steps} steps: Add {rows.decimal(loss)}, "
        f"Concatenate {rows.decimal(loss - gain.estimate)}, a gain of {rows.signed(gain.estimate)} "
        f"{rows.interval_text(gain.low, gain.high)}."
    )
    return Evidence.of(
        replace(gain, n=len(add)),
        start=start,
        method="retrain",
        question="trained anew",
        words=words,
        choice=choose(add, concat, margin) if taught else "undecided",
        reference_loss=loss,
        constant_loss=float(baseline.mean()),
        learnt=taught,
        facts={
            "pairs": len(add),
            "steps": run.steps,
            "share_of_steps": share,
            "differences": [float(difference) for difference in (add - concat).mean(axis=1)],
        },
    )


def _ready(problem: Problem, arms: dict[str, Graph]) -> Race:
    """Trainers for as many of the recipe's steps as the time allows for eight pairs, at least a third of them."""
    wanted = problem.recipe.steps
    whole = plan(problem.recipe, problem.data.count, wanted)
    ready = _race(problem, arms, whole)
    if problem.left == float("inf"):
        return ready
    seconds = BOTH * len(arms) * ready.trainers["concat"].step_seconds()
    if FEWEST_PAIRS * SHORTEST * wanted * seconds > problem.left:
        needed = rows.seconds_text(FEWEST_PAIRS * SHORTEST * wanted * seconds)
        raise DataError(f"{problem.merge.site!r}: training both arms anew takes {needed} at least, more than is left.")
    steps = min(SPENT * problem.left / (WANTED_PAIRS * seconds), wanted)
    run = plan(problem.recipe, problem.data.count, round(max(steps, SHORTEST * wanted, 1)))
    return ready if run == whole else _race(problem, arms, run)


def _race(problem: Problem, arms: dict[str, Graph], run: Plan) -> Race:
    p = problem
    return race(p.door, arms, p.recipe, run, p.data, p.held, p.losses, seed=p.seed)


def _train(problem: Problem, ready: Race, margin: float, baseline: Losses) -> tuple[Losses, Losses]:
    """Held-out losses of both arms, (pairs, examples)."""
    losses: dict[str, list[Losses]] = {"add": [], "concat": []}
    longest = 0.0
    for pair in range(LOOKS[-1]):
        if pair >= FEWEST_PAIRS and problem.left < longest:
            break
        began = time.monotonic()
        problem.tell(f"{problem.merge.site}: training pair {pair + 1}")
        for name, curve in ready.run(problem.seed * LOOKS[-1] + pair + 1).items():
            losses[name].append(cross_fitted(curve))
            require_trained(losses[name][-1], problem.merge.site)
        # the first pair compiles, so it says little about how long the next will take
        longest = time.monotonic() - began if pair < 2 else max(longest, time.monotonic() - began)
        if pair + 1 in LOOKS and _settled(np.stack(losses["add"]), np.stack(losses["concat"]), margin, baseline):
            break
    return np.stack(losses["add"]), np.stack(losses["concat"])


def _settled(add: Losses, concat: Losses, margin: float, baseline: Losses) -> bool:
    """Whether more pairs would change nothing: one side is clear, or neither arm learns anything."""
    return choose(add, concat, margin) != "undecided" or worse_than_constant((add, concat), baseline)
