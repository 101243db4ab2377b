"""Train an arm on torch: the same run, one eager step after another."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays, Examples
from addcat.doors.judged import Judged, Kept
from addcat.doors.keras.losses import Losses, per_example
from addcat.doors.keras.training.jax_trainer import packed_inputs
from addcat.doors.keras.training.recipes import averages_of, build_optimizer
from addcat.doors.recipe import Plan, Recipe, one_by_one, require_shortened
from addcat.frameworks import keras, load

BATCH = 1024


class TorchTrainer:
    """See `addcat.doors.recipe.ArmTrainer`.

    Args:
        model: A Keras model that nobody else uses; every run starts from the weights that it has now.
        losses: One for each output.
        recipe: The optimiser.
        plan: Steps and evaluations.
        data: To train on.
        held: To judge on.
    """

    def __init__(self, model: Any, losses: Losses, recipe: Recipe, plan: Plan, data: Examples, held: Examples) -> None:
        self._torch: Any = load("torch", extra="torch")
        self._model, self._losses, self._recipe, self._plan = model, losses, recipe, plan
        self._data, self._held = data, held
        self._start = [variable.numpy().copy() for variable in model.variables]

    @property
    def at_once(self) -> int:
        """One run at a time."""
        return 1

    def run(self, seed: int, weights: Arrays | None = None, shortened: Plan | None = None) -> NDArray[np.float64]:
        """Train once; see `addcat.doors.recipe.ArmTrainer`."""
        return self._run(seed, weights, shortened, None)

    def _run(self, seed: int, weights: Arrays | None, shortened: Plan | None, kept: Kept | None) -> NDArray[np.float64]:
        plan = require_shortened(self._plan, shortened)
        self._reset(weights)
        optimizer = build_optimizer(self._recipe, plan.paced)
        optimizer.build(self._model.trainable_variables)
        found: list[NDArray[np.float64]] = []
        for rows in plan.order(self._data.count, seed):
            for index in rows:
                plan.require_time()
                self._step(optimizer, self._data.rows(index))
            found.append(self._ended(optimizer, kept))
        return np.stack(found)

    def run_many(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None, shortened: Plan | None = None
    ) -> NDArray[np.float64]:
        """Train several times, one after the other; see `addcat.doors.recipe.ArmTrainer`."""
        return one_by_one(self, seeds, weights, shortened)

    def run_judged(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None, shortened: Plan | None = None
    ) -> list[Judged]:
        """Train several times and keep outputs; see `addcat.doors.recipe.ArmTrainer`."""
        found: list[Judged] = []
        for place, seed in enumerate(seeds):
            kept = Kept()
            curve = self._run(seed, None if weights is None else weights[place], shortened, kept)
            found.append(Judged(curve, kept.outputs))
        return found

    def step_seconds(self) -> float:
        """Time of one step, measured on a few."""
        optimizer = build_optimizer(self._recipe, self._plan.steps)
        optimizer.build(self._model.trainable_variables)
        batch = self._data.rows(self._plan.order(self._data.count, 0)[0, 0])
        self._step(optimizer, batch)
        start = time.perf_counter()
        for _ in range(3):
            self._step(optimizer, batch)
        return (time.perf_counter() - start) / 3

    def _reset(self, weights: Arrays | None) -> None:
        for variable, value in zip(self._model.variables, self._start if weights is None else weights, strict=True):
            variable.assign(np.asarray(value))

    def _judge(self, batch: Examples, *, training: bool) -> tuple[Any, list[Any]]:
        """Losses and outputs of a batch."""
        outputs = keras().tree.flatten(self._model(packed_inputs(self._model, batch.inputs), training=training))
        return per_example(self._losses, batch.targets, outputs), outputs

    def _step(self, optimizer: Any, batch: Examples) -> None:
        self._model.zero_grad()
        loss = self._judge(batch, training=True)[0].mean() + sum(self._model.losses)
        optimizer.scale_loss(loss).backward()
        variables = self._model.trainable_variables
        with self._torch.no_grad():
            optimizer.apply([variable.value.grad for variable in variables], variables)

    def _ended(self, optimizer: Any, kept: Kept | None) -> NDArray[np.float64]:
        """Judge as if the training ended: with the averages of the weights, where the optimiser keeps them."""
        averages, trained = averages_of(optimizer), self._model.trainable_variables
        if not averages:
            return self._evaluate(kept)
        with self._torch.no_grad():
            weights = [keras().ops.copy(variable.value) for variable in trained]
            for variable, average in zip(trained, averages, strict=True):
                variable.assign(average)
            found = self._evaluate(kept)
            for variable, value in zip(trained, weights, strict=True):
                variable.assign(value)
        return found

    def _evaluate(self, kept: Kept | None) -> NDArray[np.float64]:
        parts: list[NDArray[np.float64]] = []
        given: list[list[Any]] = []
        with self._torch.no_grad():
            for batch in self._held.chunks(BATCH):
                losses, outputs = self._judge(batch, training=False)
                parts.append(np.asarray(keras().ops.convert_to_numpy(losses), np.float64))
                if kept is not None:
                    given.append([keras().ops.convert_to_numpy(output) for output in outputs])
        found = np.concatenate(parts)
        if kept is not None:
            kept.look(found, [np.concatenate(part) for part in zip(*given, strict=True)])
        return found
