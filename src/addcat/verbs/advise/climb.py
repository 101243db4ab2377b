"""Climb the ladder of methods for one merge, only as far as the verdict needs.

structure and forward cost next to nothing and are always read. Branches that share weights are swapped. Then both arms
are trained anew, which is what the question is about; where the time does not allow that, what a switch would do from
here is measured instead, the cheaper method first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from addcat.errors import DataError
from addcat.evidence.finetune import finetune
from addcat.evidence.forward import forward
from addcat.evidence.problem import Problem
from addcat.evidence.refit import refit
from addcat.evidence.result import METHODS, Evidence
from addcat.evidence.retrain import LOOKS, retrain
from addcat.evidence.score import score
from addcat.evidence.structure import structure
from addcat.evidence.swap import swap

EFFORTS = ("auto", *METHODS)


@dataclass(slots=True)
class Climb:
    """What was measured at one merge, and why it went on.

    Attributes:
        evidence: In the order measured.
        path: One sentence for each decision to go on or to stop.
    """

    evidence: list[Evidence] = field(default_factory=list[Evidence])
    path: list[str] = field(default_factory=list[str])

    def get(self, method: str) -> Evidence | None:
        """The evidence of one method, where it was run."""
        return next((one for one in self.evidence if one.method == method), None)


def climb(problem: Problem, effort: str, margin: float, *, named: bool = True) -> Climb:
    """Measure one merge.

    Args:
        problem: The merge.
        effort: One of `EFFORTS`.
        margin: Share of the loss below which a gain does not count.
        named: Whether the user named this merge; a method that does not apply to it is then an error.

    Returns:
        The evidence and the path.

    Raises:
        DataError: if a method that was asked for by name does not apply.
    """
    made = Climb()
    made.evidence.append(structure(problem))
    if effort == "auto":
        _automatic(problem, margin, made)
    elif effort != "structure":
        made.path.append(f"Only {effort} was asked for.")
        if named:
            made.evidence.append(_named(problem, effort, margin))
        else:
            _try(problem, made, lambda p: _named(p, effort, margin))
    return made


def _named(problem: Problem, effort: str, margin: float) -> Evidence:
    methods: dict[str, Callable[[Problem], Evidence]] = {
        "forward": forward,
        "score": score,
        "swap": swap,
        "refit": refit,
        "finetune": finetune,
    }
    problem.tell(f"{problem.merge.site}: {effort}")
    return retrain(problem, margin) if effort == "retrain" else methods[effort](problem)


def _automatic(problem: Problem, margin: float, made: Climb) -> None:
    known = made.evidence[0]
    if known.disguised:
        made.path.append("The merge already computes what the other one would, so nothing had to be measured.")
        return
    _try(problem, made, forward)
    if known.shared_branches and problem.now == "concat":
        _try(problem, made, swap)
    _try(problem, made, lambda p: retrain(p, margin))
    retrained = made.get("retrain")
    if retrained is not None:
        made.path.append("Training both arms anew answers the question itself. " + _stopped(retrained, problem))
        return
    made.path.append("So what a switch would do from here is measured instead.")
    for method in (score, refit, finetune) if problem.now == "add" else (refit, finetune):
        if problem.left <= 0:
            made.path.append("The time limit is reached.")
            return
        _try(problem, made, method)


def _stopped(found: Evidence, problem: Problem) -> str:
    if found.n >= LOOKS[-1] and found.choice == "undecided":
        return f"All {found.n} pairs are used up."
    if found.choice == "undecided":
        return f"The time limit came after {found.n} pairs."
    return f"It was decided after {found.n} pairs."


def _try(problem: Problem, made: Climb, method: Callable[[Problem], Evidence]) -> None:
    """Run a method; one that does not apply here leaves a sentence instead of evidence."""
    problem.tell(problem.merge.site)
    try:
        made.evidence.append(method(problem))
    except DataError as refused:
        made.path.append(str(refused))
