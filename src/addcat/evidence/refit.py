"""Branches frozen: the consumer and what follows, tied against untied, from one warm start.

What comes before the merge runs once and is kept; a framework whose models are not cut into parts runs it at each step,
frozen. Both arms then train with the same steps, order and recipe, and are judged on the same held-out examples, each
half of them at the evaluation that was best on the other half. From an Add network this understates what Concatenate
could reach, because the branches have adapted to being summed.
"""

import time
from dataclasses import replace

import numpy as np

from addcat.doors.base import Freezer
from addcat.doors.judged import cross_fitted
from addcat.doors.recipe import Plan, plan
from addcat.errors import DataError
from addcat.evidence.baseline import constant_losses, learnt, mean_of
from addcat.evidence.decision import require_trained
from addcat.evidence.meter import STEP, relative_cost, run_cost
from addcat.evidence.problem import Problem, batches
from addcat.evidence.result import Evidence
from addcat.evidence.suffix import before_merge, cut, suffix_of
from addcat.graph import Graph, Refusal
from addcat.report import rows
from addcat.statistics import t_interval
from addcat.switches.apply import Setting, switch_site
from addcat.switches.ladder import Rung

PASSES = 20
"""Passes over the data, as the design's prototypes had them."""


def refit(problem: Problem) -> Evidence:
    """Train what follows the merge twice, and compare.

    Args:
        problem: The merge; it must lie in the outermost model.

    Returns:
        Evidence whose estimate is the held-out loss of the tied arm minus that of the untied one.

    Raises:
        DataError: if the merge lies in a nested model, nothing behind it has weights, or activations are not finite.
    """
    start = time.perf_counter()
    if isinstance(problem.door, Freezer):
        return compare_from_here(problem, "refit", PASSES, start, freezer=problem.door)
    if "/" in problem.merge.site:
        raise DataError(
            f"{problem.merge.site!r} lies in a nested model; 'refit' cuts only the outermost. Use 'finetune'."
        )
    suffix = suffix_of(problem.root, problem.merge.node)
    inner = cut(problem, suffix)
    found = compare_from_here(inner, "refit", PASSES, start, given=problem.root)
    if len(suffix.outputs) == len(problem.root.outputs):
        return found
    # outputs that do not depend on the merge cost both arms the same; a share of the loss is a share of the whole
    whole, part = problem.losses_on(problem.held), inner.losses_on(inner.held)
    assert found.reference_loss is not None  # noqa: S101  (both arms were trained)
    return replace(found, reference_loss=found.reference_loss + float((whole - part).mean()))


def compare_from_here(
    problem: Problem,
    method: str,
    passes: int,
    start: float,
    *,
    given: Graph | None = None,
    freezer: Freezer | None = None,
) -> Evidence:
    """Switch the merge with as little loss as can be, train both arms equally, and compare them.

    Args:
        problem: The merge, in the network that is to be trained.
        method: Name of the method.
        passes: Passes over the data.
        start: When the method began, for its seconds.
        given: The network whose training is the unit of cost; the one that is trained where left out.
        freezer: Leaves what comes before the merge as it is.

    Returns:
        Evidence with the paired gain of Concatenate over Add; what it cost, in trainings, is among its facts.

    Raises:
        DataError: if the merge cannot be switched, or training went to NaN.
    """
    arms, rule = _arms(problem)
    steps = max(1, passes * problem.data.count // problem.recipe.batch)
    run = plan(problem.recipe, problem.data.count, min(steps, max(problem.recipe.steps, 1)))
    losses: dict[str, np.ndarray] = {}
    for name, graph in arms.items():
        problem.tell(f"{method}: training {name}")
        model = problem.door.write(graph)
        if freezer is not None and not freezer.freeze(model, graph, before_merge(graph, problem.merge.node)):
            raise DataError(f"Nothing behind {problem.merge.site!r} has weights to be trained. Use 'finetune'.")
        trainer = problem.door.trainer(model, problem.losses, problem.recipe, run, problem.data, problem.held)
        losses[name] = cross_fitted(trainer.run(problem.seed))
        require_trained(losses[name], problem.merge.site)
    baseline = constant_losses(problem)
    gain = t_interval(losses["add"] - losses["concat"])
    words = (
        f"{'Branches frozen' if method == 'refit' else 'Nothing frozen'}, {run.steps} steps from here: "
        f"Add {rows.decimal(float(losses['add'].mean()))}, Concatenate {rows.decimal(float(losses['concat'].mean()))}, "
        f"a gain of {rows.signed(gain.estimate)} {rows.interval_text(gain.low, gain.high)}."
    )
    return Evidence.of(
        gain,
        start=start,
        method=method,
        question="from here",
        words=words,
        reference_loss=float(losses["add"].mean()),
        constant_loss=mean_of(baseline),
        learnt=learnt(losses.values(), baseline),
        facts={"steps": run.steps, "start": rule, "trainings": _cost(problem, run, arms, given or problem.root)},
    )


def _cost(problem: Problem, run: Plan, arms: dict[str, Graph], given: Graph) -> float:
    """Trainings of the given network that both runs cost; what ran once before them is a pass over all examples."""
    held, recipe = problem.held.count, problem.recipe
    both = sum(run_cost(run, held, recipe, relative_cost(graph, given)) for graph in arms.values())
    once = 0 if given is problem.root else problem.data.count + held
    return both + once / (STEP * recipe.steps * recipe.batch)


def _arms(problem: Problem) -> tuple[dict[str, Graph], str]:
    """The network as it is, and with the merge switched: exactly where that can be, else fitted to the data."""
    other = "concat" if problem.now == "add" else "add"
    setting = Setting(problem.door, tuple(batches(problem.data)[:64]), "project", problem.seed)
    outcome = switch_site(problem.root, problem.merge.site, Rung(other), setting)
    if isinstance(outcome, Refusal):
        raise DataError(f"{problem.merge.site!r} cannot be switched: {outcome.reason}.")
    return {problem.now: problem.root, other: outcome.graph}, outcome.rule
