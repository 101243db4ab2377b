"""What training one arm means to every framework: the recipe, the order of batches, and the curve that comes out.

Two arms are paired when they train by one recipe, see the same batches in the same order, and start alike wherever
their layers are alike. Then differences of their losses, example by example, are the merge's doing and little else's.
"""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays
from addcat.doors.judged import Judged
from addcat.errors import OptionError, OutOfTimeError


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained.

    Attributes:
        optimizer: The framework's own description of an optimiser; None for AdamW with cosine decay.
        steps: Optimiser steps of a whole training.
        batch: Examples in a step.
        source: Where this comes from, in words.
        rate: Factor of the learning rate.
        assumed: A sentence on what neither the model nor the user says, and how to say it; "" where nothing is.
    """

    optimizer: Any
    steps: int
    batch: int
    source: str
    rate: float = 1.0
    assumed: str = ""

    @property
    def words(self) -> str:
        """Where it comes from, and what is assumed."""
        return f"{self.source}. {self.assumed}".rstrip()


def assumption(steps: int | None, batch: int | None) -> str:
    """The sentence on what nobody says of a training.

    Args:
        steps: That are assumed; None where they are known.
        batch: Examples in a step that are assumed; None where they are known.

    Examples:
        >>> print(assumption(None, 128))
        Batches of 128 are assumed: if it was trained by others, say batch_size= (--batch-size).
        >>> assumption(None, None)
        ''
    """
    if steps is None and batch is None:
        return ""
    if steps is None:
        return f"Batches of {batch} are assumed: if it was trained by others, say batch_size= (--batch-size)."
    if batch is None:
        return f"{steps} steps are assumed: if it was trained for longer or shorter, say epochs= (--epochs)."
    return (
        f"{steps} steps of {batch} are assumed: if it was trained otherwise, say epochs= and batch_size= "
        "(--epochs, --batch-size)."
    )


def at_learning_rate(recipe: Recipe, factor: float) -> Recipe:
    """The same recipe, its learning rate or its whole schedule multiplied by a factor."""
    words = f"{recipe.source}, learning rate x{factor:g}" if factor != 1.0 else recipe.source
    return replace(recipe, rate=recipe.rate * factor, source=words)


@dataclass(frozen=True, slots=True)
class Plan:
    """One training run: how many steps, and how often the held-out loss is read.

    Attributes:
        per_evaluation: Steps between two evaluations.
        evaluations: How many evaluations.
        batch: Examples in a step.
        share: Of the examples that a seed draws for itself, to train on no other; 1 takes all.
        begins: Steps of the longer run that this one is the beginning of; 0 where it is a run of its own.
        until: When it is broken off, in seconds of `time.monotonic`; what one program trains in whole is finished.
    """

    per_evaluation: int
    evaluations: int
    batch: int
    share: float = 1.0
    begins: int = 0
    until: float = field(default=math.inf, repr=False, compare=False)

    @property
    def steps(self) -> int:
        """All steps of the run."""
        return self.per_evaluation * self.evaluations

    @property
    def paced(self) -> int:
        """Steps in which a schedule of the learning rate runs through."""
        return self.begins or self.steps

    def require_time(self) -> None:
        """Look at the clock, before each step.

        Raises:
            OutOfTimeError: if the time of the run is over.
        """
        if time.monotonic() > self.until:
            raise OutOfTimeError("The time ended while the network was being trained; a larger budget finishes it.")

    def order(self, examples: int, seed: int) -> NDArray[np.int64]:
        """Which examples each step sees: shuffled anew for every pass over the data.

        Args:
            examples: How many there are.
            seed: The same for both arms of a pair.

        Returns:
            Indices of shape (evaluations, per_evaluation, batch).
        """
        rng = np.random.default_rng([seed, 77])
        drawn = np.arange(examples)
        if self.share < 1.0:
            drawn = np.sort(rng.permutation(examples)[: max(1, round(self.share * examples))])
        batch = min(self.batch, len(drawn))
        per_pass = len(drawn) // batch
        passes = -(-self.steps // per_pass)
        rows = [rng.permutation(drawn)[: per_pass * batch].reshape(per_pass, batch) for _ in range(passes)]
        return np.concatenate(rows)[: self.steps].reshape(self.evaluations, self.per_evaluation, batch)


REDRAWN = 0.9
"""Share of the training examples that each pair draws where the answer is to be about data of this kind."""
MOST_EVALUATIONS = 40
"""Enough to find the best epoch; more would spend the time on evaluating."""
FEWEST_ROOM = 8
"""A trainer has room for so many evaluations, however few its own plan has: short runs are looked at more often."""


KEPT = 0.95
"""Share of the steps that a plan makes at least, however they divide."""


def divided(steps: int, wanted: int, most: int = MOST_EVALUATIONS) -> int:
    """How many evaluations divide a run into equal parts that leave next to nothing over.

    Args:
        steps: Of the run, 1 or more.
        wanted: Evaluations, 1 or more.
        most: Evaluations that there may be.

    Returns:
        The number nearest to what is wanted, as a ratio, whose equal parts make 95 % of the steps or more.

    Examples:
        >>> [(steps, divided(steps, 40)) for steps in (79, 100, 1500)]
        [(79, 39), (100, 33), (1500, 40)]
    """
    fits = [some for some in range(1, min(most, steps) + 1) if steps // some * some >= KEPT * steps]
    return min(fits, key=lambda some: abs(math.log(some / wanted)))


def plan(recipe: Recipe, examples: int, steps: int) -> Plan:
    """Divide a run into evaluations: about one a pass over the data, at most 40.

    Args:
        recipe: Says how many examples make a batch.
        examples: How many there are to train on.
        steps: Of the run, 1 or more; the plan has a few fewer, at most 5 %, where they do not divide evenly.

    Examples:
        >>> plan(Recipe(None, 1500, 128, "given"), 2000, 1500)
        Plan(per_evaluation=37, evaluations=40, batch=128, share=1.0, begins=0)
    """
    per_pass = examples // min(recipe.batch, examples)
    evaluations = divided(steps, min(max(1, round(steps / per_pass)), MOST_EVALUATIONS))
    return Plan(steps // evaluations, evaluations, recipe.batch)


class ArmTrainer(Protocol):
    """Trains one arm, again and again from weights of its own; compiled once where the framework compiles."""

    @property
    def at_once(self) -> int:
        """How many runs one call of `run_many` trains together; called with as many, it always runs one program."""
        ...

    def run(self, seed: int, weights: Arrays | None = None, shortened: Plan | None = None) -> NDArray[np.float64]:
        """Train once.

        Args:
            seed: Of the order of batches.
            weights: Where to start; the arm's own weights where left out.
            shortened: A run with no more steps or evaluations than the trainer's own plan, by the same batches; a
                schedule of the learning rate runs through in its steps, or those of the run that it begins. What was
                compiled serves it too.

        Returns:
            Loss of every held-out example at every evaluation, of shape (evaluations, examples).
        """
        ...

    def run_many(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None, shortened: Plan | None = None
    ) -> NDArray[np.float64]:
        """Train several times, at once where that is faster.

        Args:
            seeds: One for each run.
            weights: Where each run starts; the arm's own weights where left out.
            shortened: As for `run`.

        Returns:
            What `run` returns for each, within the tolerance of its arithmetic, of shape (runs, evaluations, examples).
        """
        ...

    def run_judged(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None, shortened: Plan | None = None
    ) -> list[Judged]:
        """Train as `run_many` does, and keep what the network gives where it is judged.

        Args:
            seeds: One for each run.
            weights: Where each run starts; the arm's own weights where left out.
            shortened: As for `run`.

        Returns:
            The curve of each run, and its outputs.
        """
        ...

    def step_seconds(self) -> float:
        """Time of one step, measured on a few."""
        ...


@runtime_checkable
class Rated(Protocol):
    """A trainer whose programs serve every learning rate."""

    def at_rate(self, recipe: Recipe) -> ArmTrainer:
        """The same trainer by a recipe that differs in its learning rate alone; the two take turns."""
        ...


def one_by_one(
    trainer: ArmTrainer, seeds: Sequence[int], weights: Sequence[Arrays] | None, shortened: Plan | None
) -> NDArray[np.float64]:
    """`run_many` of a trainer that trains one run at a time."""
    starts = [None] * len(seeds) if weights is None else weights
    return np.stack([trainer.run(seed, start, shortened) for seed, start in zip(seeds, starts, strict=True)])


def require_shortened(whole: Plan, shortened: Plan | None) -> Plan:
    """The plan of a run: the trainer's own, or a shorter one that its programs can serve."""
    if shortened is None:
        return whole
    fits = shortened.steps <= whole.steps and shortened.batch == whole.batch
    if not (fits and shortened.evaluations <= max(whole.evaluations, FEWEST_ROOM)):
        raise ValueError(f"{shortened} is no shorter form of {whole}.")
    return shortened


WEIGHTS = ("class_weight", "sample_weight")
"""What Keras' `fit` takes beside the data, and keeps nowhere."""


def require_known(options: Collection[str], known: Collection[str]) -> None:
    """Refuse options of training that do not exist.

    Raises:
        OptionError: if there is one; says how examples are weighed where that was meant.
    """
    for name in options:
        if name in WEIGHTS:
            raise OptionError(
                f"{name}= is not taken: examples are weighed by the loss. Pass loss=, a function that multiplies what "
                "each example loses by its weight, or by that of its class."
            )
        if name not in known:
            raise OptionError(f"{name!r} is no option of training. Expected one of {', '.join(known)}.")
