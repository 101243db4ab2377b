"""Pairs of what follows a merge alone: the branches stay as they are, and both arms learn from what they give.

What reads the merge, and all behind it, is drawn anew for both arms and trained; what comes before it runs once over
the data and is kept. Frameworks whose models are not cut into parts run it at each step, frozen.

Where branches share their weights, an Add's give a Concatenate what it needs, so heads tell what training both arms
anew would. And they tell it where other short cuts cannot: "are the two alike?" is the same for (x, y) and (y, x), so
the loss is level in W1 - W2 around W1 = W2, and runs that start tied stay there for long. Heads start apart.
"""

from dataclasses import replace
from typing import Any

from addcat.data.examples import Arrays
from addcat.doors.base import Freezer
from addcat.errors import DataError
from addcat.evidence.arms import untrained_arms
from addcat.evidence.meter import Meter, relative_cost
from addcat.evidence.pairs import CAREFUL, Pairs, Stage
from addcat.evidence.problem import Problem
from addcat.evidence.suffix import Suffix, before_merge, cut, suffix_of
from addcat.graph import Graph, Refusal
from addcat.trials.race import Race, race


class Heads(Pairs):
    """Trains pairs of what follows the merge.

    Args:
        problem: A merge that is asked about alone.
        meter: Charged for every run, and once for what comes before the merge.
        first_pass: Seconds that the first forward pass of the given network took, compilation included.

    Raises:
        DataError: if several merges are asked about, the merge lies in a nested model, not every output depends on it,
            or the other merge cannot be built.
    """

    def __init__(self, problem: Problem, meter: Meter, first_pass: float) -> None:
        site = problem.merge.site
        if len(problem.merges) > 1:
            raise DataError(f"{site!r} and others switch together; 'heads' asks one merge.")
        if "/" in site:
            raise DataError(f"{site!r} lies in a nested model; 'heads' cuts only the outermost.")
        suffix = suffix_of(problem.root, problem.merge.node)
        if len(suffix.outputs) < len(problem.root.outputs):
            raise DataError(f"Not every output depends on {site!r}; 'heads' asks merges that all outputs depend on.")
        self._suffix: Suffix | None = None if isinstance(problem.door, Freezer) else suffix
        own = problem if self._suffix is None else replace(problem, root=suffix.graph, graph=suffix.graph, given=None)
        arms = untrained_arms(own)
        if isinstance(arms, Refusal):
            raise DataError(f"Heads of {site!r} cannot be trained with the other merge: {arms.reason}.")
        super().__init__(own, arms, meter, first_pass)
        self._whole = problem
        self.relative = {name: self._relative(graph) for name, graph in arms.items()}

    @property
    def whole(self) -> Problem:
        """The question, with the held-out examples that judge the pairs; not what follows the merge alone."""
        return self._whole

    @property
    def before(self) -> float:
        """Trainings that it costs to run what comes before the merge, once."""
        if self._suffix is None or self._race is not None:
            return 0.0
        return self._meter.passes(self._whole.data.count + self._whole.held.count)

    def cost(self, stage: Stage) -> float:
        """Trainings of the given network that the stage's missing pairs cost."""
        return super().cost(stage) + self.before

    def seconds(self, stage: Stage) -> float:
        """What it is reckoned to take, with what comes before the merge where that is still to be run."""
        given, whole = self._whole.given, self._whole
        passing = given.again * (whole.data.count + whole.held.count) if given is not None and self.before else 0.0
        return super().seconds(stage) + CAREFUL * passing

    def _relative(self, graph: Graph) -> float:
        """Cost of a pass, in passes of the given network; of a frozen one only what is trained runs backwards."""
        if self._suffix is not None:
            return relative_cost(graph, self._whole.root)
        head = relative_cost(suffix_of(graph, self._whole.merge.node).graph, self._whole.root)
        return (relative_cost(graph, self._whole.root) + 2 * head) / 3

    def _made(self) -> Race:
        if self._race is None:
            if self._suffix is not None:
                self._meter.spent += self.before
                self._problem = cut(self._whole, self._suffix)
            p = self._problem
            freeze = self._freeze if self._suffix is None else None
            self._race = race(
                p.door, self._arms, p.recipe, self.plan(1.0), p.data, p.held, p.losses, seed=p.seed, prepare=freeze
            )
        return self._race

    def _freeze(self, model: Any, graph: Graph) -> None:
        door = self._whole.door
        assert isinstance(door, Freezer)  # noqa: S101  (asked where the suffix was left out)
        if not door.freeze(model, graph, before_merge(graph, self._whole.merge.node)):
            raise DataError(f"Nothing behind {self._whole.merge.site!r} has weights to be trained.")

    def _starts(self, stage: Stage, seeds: list[int]) -> dict[str, list[Arrays]]:
        """Branches as they are; what follows is drawn for each arm by itself."""
        return super()._starts(replace(stage, kind="fresh" if self._suffix is not None else "loose"), seeds)
