"""Train arms against each other in this process: the one way in which addcat trains a pair.

The arms of one seed start alike in every layer that they share, see the same batches in the same order, and are read
at the same steps on the same held-out examples. A trainer is made once an arm and runs every seed, so what a framework
compiles is compiled once.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays, Examples
from addcat.doors.base import Laboratory
from addcat.doors.recipe import ArmTrainer, Plan, Recipe
from addcat.graph import Graph

Curve = NDArray[np.float64]
"""Losses of one run, of shape (evaluations, examples)."""

AT_ONCE = 2
"""Arms trained at the same time: compiled code runs outside of Python's lock."""


@runtime_checkable
class ManyTrainer(Protocol):
    """A trainer that can run many seeds as one program."""

    def run_many(self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None) -> NDArray[np.float64]:
        """Losses of shape (runs, evaluations, examples); each run as `ArmTrainer.run` would have made it."""
        ...


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

    def run(self, seed: int) -> dict[str, Curve]:
        """Train every arm once.

        Args:
            seed: Of the starts and of the order of batches, the same for all arms.

        Returns:
            For each arm its losses, of shape (evaluations, examples).
        """
        # networks are built in this thread: frameworks keep names and seeds in global state
        starts = {name: self.start(name, seed) for name in self.arms}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs = {name: pool.submit(self.trainers[name].run, seed, starts[name]) for name in self.arms}
            return {name: running.result() for name, running in runs.items()}

    def run_many(self, seeds: Sequence[int]) -> dict[str, list[Curve]]:
        """Train every arm for every seed, as one program where the door offers that.

        Args:
            seeds: One run of each arm for each.

        Returns:
            For each arm one curve a seed, in their order.
        """
        if len(seeds) > 1 and all(isinstance(trainer, ManyTrainer) for trainer in self.trainers.values()):
            found: dict[str, list[Curve]] = {}
            for name, trainer in self.trainers.items():
                assert isinstance(trainer, ManyTrainer)  # noqa: S101  (just asked)
                found[name] = list(trainer.run_many(seeds, [self.start(name, seed) for seed in seeds]))
            return found
        runs = [self.run(seed) for seed in seeds]
        return {name: [run[name] for run in runs] for name in self.arms}

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

    Returns:
        The race.
    """
    recipes = {name: recipe if isinstance(recipe, Recipe) else recipe[name] for name in arms}
    trainers = {
        name: door.trainer(door.write(graph, weights=False, seed=seed), losses, recipes[name], run, data, held)
        for name, graph in arms.items()
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
