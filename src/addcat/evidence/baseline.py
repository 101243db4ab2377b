"""Is there anything to decide? Networks held against the best constant output, which needs no inputs at all.

Where neither arm does better than that, the data show no difference between them that would matter: the one that
overfits less has the lower loss, and that is all that a comparison would say.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Examples
from addcat.doors.base import Laboratory
from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.report import rows
from addcat.statistics import crossed_interval, t_interval

Losses = NDArray[np.float64]

UNTAUGHT, NEVER_TAUGHT = {"add": 0.7, "concat": 0.98}, 0.99
"""Probability that there is nothing to learn, where the network does no better than a constant (an Add may be the
reason, a Concatenate is none); and where neither arm does when trained anew."""
EQUAL = 1e-6
"""By how much losses of the same outputs and targets may differ."""


def constant_losses(problem: Problem) -> Losses:
    """Loss of every held-out example where each output is the best constant, of shape (examples,)."""
    if problem.given is not None:
        return problem.given.constant
    model = problem.door.write(problem.root)
    return np.asarray(problem.door.constant_losses(model, problem.losses, problem.data, problem.held), np.float64)


def learnt(arms: Iterable[Losses], constant: Losses) -> bool:
    """Whether one of the arms does better than a constant, beyond noise.

    Args:
        arms: Held-out losses of each, of shape (runs, examples) or (examples,).
        constant: Of the best constant, of shape (examples,).

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> constant = rng.chisquare(1, 200)
        >>> learnt([constant + rng.normal(0.3, 0.5, (4, 200))], constant), learnt([0.5 * constant], constant)
        (False, True)
    """
    return mean_of(constant) is None or any(_beyond_noise(constant - arm) for arm in arms)


def worse_than_constant(arms: Iterable[Losses], constant: Losses) -> bool:
    """Whether every arm does worse than a constant, beyond noise."""
    return mean_of(constant) is not None and all(_beyond_noise(arm - constant) for arm in arms)


def mean_of(constant: Losses) -> float | None:
    """Mean loss of the best constant; None where the loss of none is finite, so that any that is does better."""
    mean = float(constant.mean())
    return mean if math.isfinite(mean) else None


def _beyond_noise(lower: Losses) -> bool:
    """Whether losses are lower on average, or in every run by itself: the spread of two runs is hardly known."""
    if lower.ndim == 1 or len(lower) == 1:
        return t_interval(lower.ravel()).low > 0
    return crossed_interval(lower).low > 0 or all(t_interval(run).low > 0 for run in lower)


def nothing_learnt(found: Evidence) -> str:
    """The sentence of a verdict on evidence whose networks did not learn anything.

    Args:
        found: Evidence with `learnt` False.
    """
    assert found.reference_loss is not None  # noqa: S101  (whoever sets `learnt` trained Add)
    assert found.estimate is not None  # noqa: S101
    add, concat = found.reference_loss, found.reference_loss - found.estimate
    share = float(found.facts.get("share_of_steps", 1.0))
    pairs = rows.counted(found.n, "pair")
    how = f"trained anew over {pairs}" if found.question == "trained anew" else "trained from here"
    how += f" for {rows.percent(share)} of the steps" if share < 1 else ""
    constant = found.constant_loss
    better = _better(found)
    reached = f"Add reaches {rows.decimal(add)}, Concatenate {rows.decimal(concat)}, the constant "
    reached += rows.decimal(constant)
    if better and found.n > 1:
        more = "More pairs would tell." if share == 1 else "More pairs, or longer ones, would tell."
        return f"networks {how} differ too much to say that they do better than a constant output: {reached}. {more}"
    does = "does better than a constant output beyond noise" if better else "does better than a constant output"
    then = "More pairs would tell." if better else "There is nothing to decide here."
    then = "Longer trainings would tell." if share < 1 else then
    return f"neither network, {how}, {does}: {reached}. {then}"


def _better(found: Evidence) -> bool:
    """Whether one of the arms does better than a constant on average, though not beyond the noise of so few."""
    constant, add, gain = found.constant_loss, found.reference_loss, found.estimate
    return constant is not None and add is not None and gain is not None and min(add, add - gain) < constant


def doubt(loss: float, evidence: Iterable[Evidence], blind: str = "") -> str:
    """What to say of a network that would do no worse with the labels shuffled.

    Args:
        loss: Its held-out loss.
        evidence: All that was measured.
        blind: The site of an Add whose branches share their weights, where there is one.

    Returns:
        Two sentences.
    """
    trained = [found for found in evidence if found.question == "trained anew" and found.learnt is not None]
    said = f"The model's loss of {rows.decimal(loss)} would be no higher with the labels shuffled"
    if blind:
        said += (
            f". Add {blind!r} joins branches that share their weights and cannot tell their order: a target that "
            "depends on it is out of reach of any training."
        )
    else:
        said += ", so it is untrained, or the targets do not depend on what it can see."
    if not trained:
        return f"{said} What is measured from here says little."
    if any(found.learnt for found in trained):
        return f"{said} What is measured from here says little; networks trained anew do learn."
    if any(_better(found) for found in trained):
        return f"{said} Whether networks trained anew learn more is lost in their noise."
    return f"{said} Networks trained anew learn no more."


def beats_constant(door: Laboratory, model: Any, losses: Any, held: Examples) -> tuple[float, bool]:
    """Whether a network does better with each example's own output than with another example's.

    The outputs stay what they are and the targets change places, so a network that ignores its inputs loses nothing.

    Args:
        door: Runs the model.
        model: The network.
        losses: Of its outputs.
        held: Examples that it was not fitted on.

    Returns:
        Its mean loss, and whether that is lower than the loss with shuffled targets, beyond noise. A loss that takes
        none of these targets, as one that the model computes of its inputs, cannot tell and is taken to be lower.
    """
    own = door.losses_of(model, losses, held)
    order = np.random.default_rng(0).permutation(held.count)
    other = door.losses_of(model, losses, _with_targets(held, order))
    difference = other - own
    if np.allclose(own, other, rtol=EQUAL, atol=0.0):
        alike = door.losses_of(model, losses, _with_targets(held, np.zeros_like(order)))
        if np.allclose(own, alike, rtol=EQUAL, atol=0.0):
            return float(own.mean()), True
    error = float(difference.std(ddof=1)) / len(difference) ** 0.5
    return float(own.mean()), bool(difference.mean() > 2 * error)


def _with_targets(examples: Examples, order: NDArray[np.int64]) -> Examples:
    """The same inputs with the targets of other examples."""
    return Examples(examples.inputs, tuple(np.asarray(target)[order] for target in examples.targets))
