"""Train arms against each other in this process: the one way in which addcat trains a pair.

The arms of one seed start alike in every layer that they share, see the same batches in the same order, and are read
at the same steps on the same held-out examples. A trainer is made once an arm and runs every seed, so what a framework
compiles is compiled once.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from addcat.data.examples import Arrays, Examples
from addcat.doors.base import Laboratory
from addcat.doors.judged import Curve, Judged
from addcat.doors.recipe import ArmTrainer, Plan, Recipe
from addcat.graph import Graph

AT_ONCE = 2
"""Arms trained at the same time: compiled code runs outside of Python's lock."""


@dataclass(frozen=True, slots=True)
class Race:
    """Arms that are ready to train.

    Attributes:
        door: Writes and trains.
        arms: Architectures by name; their weights do not matter.
        trainers: One for each arm.
        plan: The run that each seed makes.
    """

    door: Laboratory
    arms: Mapping[str, Graph]
    trainers: Mapping[str, ArmTrainer]
    plan: Plan

    @property
    def at_once(self) -> int:
        """How many runs of an arm one program trains together; 1 where an arm trains one by one."""
        return min(trainer.at_once for trainer in self.trainers.values())

    def run(self, seed: int) -> dict[str, Curve]:
        """Train every arm once.

        Args:
            seed: Of the starts and of the order of batches, the same for all arms.

        Returns:
            For each arm its losses, of shape (evaluations, examples).
        """
        return {name: curves[0] for name, curves in self.run_many([seed]).items()}

    def run_many(
        self,
        seeds: Sequence[int],
        starts: Mapping[str, Sequence[Arrays]] | None = None,
        shortened: Plan | None = None,
    ) -> dict[str, list[Curve]]:
        """Train every arm for every seed, as one program where that is faster.

        Args:
            seeds: One run of each arm for each.
            starts: Weights of each arm for each seed; drawn anew where left out.
            shortened: A shorter run than the plan's; what was compiled serves it too.

        Returns:
            For each arm one curve a seed, in their order.
        """
        starts = self._starts(seeds, starts)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs = {
                name: pool.submit(self.trainers[name].run_many, seeds, starts[name], shortened) for name in self.arms
            }
            return {name: list(running.result()) for name, running in runs.items()}

    def run_judged(
        self,
        seeds: Sequence[int],
        starts: Mapping[str, Sequence[Arrays]] | None = None,
        shortened: Plan | None = None,
    ) -> dict[str, list[Judged]]:
        """Train as `run_many` does, and keep what each network gives where it is judged.

        Args:
            seeds: One run of each arm for each.
            starts: Weights of each arm for each seed; drawn anew where left out.
            shortened: A shorter run than the plan's.

        Returns:
            For each arm one run a seed, in their order.
        """
        starts = self._starts(seeds, starts)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs = {
                name: pool.submit(self.trainers[name].run_judged, seeds, starts[name], shortened) for name in self.arms
            }
            return {name: running.result() for name, running in runs.items()}

    def _starts(
        self, seeds: Sequence[int], starts: Mapping[str, Sequence[Arrays]] | None
    ) -> Mapping[str, Sequence[Arrays]]:
        """Networks are built in this thread: frameworks keep names and seeds in global state."""
        return starts or {name: [self.start(name, seed) for seed in seeds] for name in self.arms}

    def start(self, arm: str, seed: int) -> Arrays:
        """Weights drawn anew, as every arm of one seed draws them."""
        return self.door.state(self.door.write(self.arms[arm], weights=False, seed=seed))

    def step_seconds(self) -> dict[str, float]:
        """Time of one step of each arm, measured on a few."""
        return {name: trainer.step_seconds() for name, trainer in self.trainers.items()}


def race(
    door: Laboratory,
    arms: Mapping[str, Graph],
    recipe: Recipe | Mapping[str, Recipe],
    run: Plan,
    data: Examples,
    held: Examples,
    losses: Any,
    *,
    seed: int = 0,
    prepare: Callable[[Any, Graph], None] | None = None,
) -> Race:
    """Make arms ready to train.

    Args:
        door: Writes and trains.
        arms: Architectures by name.
        recipe: How they are trained; one for each arm by name where they differ.
        run: Steps and evaluations.
        data: To train on.
        held: To judge on.
        losses: Of the outputs, as the door understands them.
        seed: Of the weights that a trainer holds before its first run.
        prepare: Called with each written model and its graph before it is trained, as to freeze a part.

    Returns:
        The race.
    """

    def written(graph: Graph) -> Any:
        model = door.write(graph, weights=False, seed=seed)
        if prepare is not None:
            prepare(model, graph)
        return model

    recipes = {name: recipe if isinstance(recipe, Recipe) else recipe[name] for name in arms}
    trainers = {
        name: door.trainer(written(graph), losses, recipes[name], run, data, held) for name, graph in arms.items()
    }
    return Race(door, arms, trainers, run)


def train_pairs(
    door: Laboratory,
    arms: Mapping[str, Graph],
    recipe: Recipe,
    run: Plan,
    data: Examples,
    held: Examples,
    losses: Any,
    seeds: Sequence[int],
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, list[Curve]]:
    """Train arms for some seeds and give every held-out loss.

    Args:
        door: Writes and trains.
        arms: Architectures by name.
        recipe: How they are trained.
        run: Steps and evaluations.
        data: To train on.
        held: To judge on.
        losses: Of the outputs, as the door understands them.
        seeds: One run of each arm for each seed.
        tell: Called with what is being done.

    Returns:
        For each arm one curve a seed, of shape (evaluations, examples), in the order of `seeds`.
    """
    tell(f"training {len(seeds)} x {', '.join(arms)}")
    return race(door, arms, recipe, run, data, held, losses).run_many(seeds)
