"""Evidence becomes a verdict, and one sentence that a colleague would say.

The rule is small, and the same for every network:

1. Add is the cheaper merge, so it is chosen unless Concatenate gains more than the margin, a share of Add's loss.
2. A verdict is given where the interval of the gain lies on one side of the margin (levels:
   `addcat.evidence.decision`).
3. Only networks trained anew show what training both would. Where that is out of reach, what a switch would gain from
   here speaks, and only for Concatenate: no gain from an Add network is no evidence for Add, since a network that has
   fitted its data shows no wish for more.
4. A merge that already computes what the other would is decided by price alone.
"""

from addcat.evidence.baseline import nothing_learnt
from addcat.evidence.decision import beyond, side
from addcat.evidence.problem import Problem
from addcat.evidence.result import Evidence
from addcat.merges.price import Price, price
from addcat.report import rows
from addcat.statistics import Interval
from addcat.verbs.advise.climb import Climb
from addcat.verbs.advise.result import Gain, Verdict

DECIDING = ("retrain", "finetune", "refit", "score")
"""The methods that estimate the gain, the most faithful first."""


def verdict_of(problem: Problem, made: Climb, margin: float, loss: float) -> Verdict:
    """Decide one merge.

    Args:
        problem: The merge.
        made: What was measured.
        margin: Share of the loss below which a gain does not count.
        loss: Held-out loss of the network as it is.

    Returns:
        The verdict.
    """
    cost = price(problem.graph, problem.merge)
    best = next((found for name in DECIDING if (found := made.get(name)) is not None), None)
    reference = loss if best is None or best.reference_loss is None else best.reference_loss
    choice = _choice(made, best, margin * abs(reference), reference, problem.door.lowest_loss(problem.losses))
    return Verdict(
        site=problem.merge.site,
        now=problem.now,
        choice=choice,
        gain=None if best is None else _gain(best),
        margin=margin * abs(reference),
        loss=reference,
        price=cost,
        evidence=tuple(made.evidence),
        reason=_reason(problem, made, best, choice, margin * abs(reference), reference, cost),
        path=tuple(made.path),
        command=_command(problem, choice),
    )


def _gain(found: Evidence) -> Gain:
    assert found.estimate is not None  # noqa: S101  (deciding methods estimate)
    assert found.low is not None  # noqa: S101
    assert found.high is not None  # noqa: S101
    return Gain(found.estimate, found.low, found.high)


def _interval(found: Evidence) -> Interval:
    gain = _gain(found)
    return Interval(gain.estimate, gain.low, gain.high, found.level, found.n)


def _choice(made: Climb, best: Evidence | None, margin: float, loss: float, lowest: float) -> str:
    if made.evidence[0].disguised:
        return "add"
    if best is None:
        return "undecided"
    if best.learnt is False or beyond(best, loss, lowest):
        return "undecided"
    if best.choice is not None:
        return best.choice
    return "concat" if side(_interval(best), margin) == "concat" else "undecided"


def _command(problem: Problem, choice: str) -> str:
    if choice in ("undecided", problem.now):
        return ""
    return f"addcat switch MODEL --set {problem.merge.site}={choice} -o switched.keras"


def _reason(
    problem: Problem, made: Climb, best: Evidence | None, choice: str, margin: float, loss: float, cost: Price
) -> str:
    if made.evidence[0].disguised:
        return f"This {problem.merge.label} already computes an Add, and Add is the cheaper way to write it."
    if best is None:
        why = made.path[-1] if made.path else "Only facts were asked for, and facts alone do not decide."
        return f"Undecided. {why}"
    if best.learnt is False:
        return f"Undecided: {nothing_learnt(best)}"
    gain = _gain(best)
    if beyond(best, loss, problem.door.lowest_loss(problem.losses)):
        return (
            f"Undecided: the estimate by {best.method}, {rows.signed(gain.estimate)}, is more than all of Add's loss, "
            f"{rows.decimal(loss)}, which cannot go below zero; so it says nothing."
        )
    figures = f"{rows.signed(gain.estimate)} {rows.interval_text(gain.low, gain.high)}"
    share = rows.percent(gain.estimate / loss) if loss else ""
    anew = best.question == "trained anew"
    basis = f"trained anew over {best.n} pairs" if anew else f"from here ({best.method})"
    if choice == "concat":
        lowers = f"Concatenate lowers the loss by {figures}, {share} of Add's {rows.decimal(loss)}"
        return f"{lowers}, {basis}{_more(problem, cost)}."
    against = f"{figures} against a margin of {rows.decimal(margin)}"
    if choice == "add":
        worse = "Concatenate does worse" if gain.high < 0 else "Concatenate gains too little to pay for itself"
        return f"{worse}, {against}, {basis}{_saved(problem, cost)}."
    hint = "more time (time_limit) would narrow it" if anew else "that is no evidence for Add either"
    return f"Undecided: Concatenate gains {against}, {basis}; {hint}."


def _parameters(problem: Problem, cost: Price) -> int | None:
    """Parameters that Concatenate has beyond Add; None where that is not known."""
    if cost.after is None or cost.after.parameters is None or cost.now.parameters is None:
        return None
    more = cost.after.parameters - cost.now.parameters
    return more if problem.now == "add" else -more


def _more(problem: Problem, cost: Price) -> str:
    more = _parameters(problem, cost)
    return f", for {rows.count(more)} parameters more" if more is not None and more > 0 else ""


def _saved(problem: Problem, cost: Price) -> str:
    more = _parameters(problem, cost)
    if more is None or more <= 0:
        return ""
    words = "Add saves" if problem.now == "concat" else "Concatenate would cost"
    return f"; {words} {rows.count(more)} parameters"
