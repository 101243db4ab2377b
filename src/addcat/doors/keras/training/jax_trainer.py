"""Train an arm on JAX: pure functions, compiled once, called for every seed.

Two programs serve. `scan` puts a whole run into one compiled program, which spares Python's share of each small step.
`loop` compiles a single step; convolutions take it, because XLA runs them on one slow path inside a loop on the CPU.
"""

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays, Examples
from addcat.doors.keras.losses import Losses, per_example
from addcat.doors.keras.training.recipes import build_optimizer
from addcat.doors.recipe import Plan, Recipe
from addcat.frameworks import keras, load

MOST_SCANNED = 256 * 2**20
"""Bytes of data that one compiled program may hold."""
BATCH = 1024
"""Held-out examples that one step of `loop` judges at a time."""
OVERHEAD, FLOPS, FLOPS_PER_WEIGHT = 2e-4, 1e10, 6
"""Of a step of a small dense network: seconds whatever its size, operations a second, and operations a weight and
example, two forwards and four back."""


class JaxTrainer:
    """See `addcat.doors.recipe.ArmTrainer`.

    Args:
        model: A Keras model that nobody else uses; its variables are read, never written.
        losses: One for each output.
        recipe: The optimiser.
        plan: Steps and evaluations.
        data: To train on.
        held: To judge on.
    """

    def __init__(self, model: Any, losses: Losses, recipe: Recipe, plan: Plan, data: Examples, held: Examples) -> None:
        self._jax: Any = load("jax", extra="keras")
        self._model, self._losses, self._plan = model, losses, plan
        self._data, self._held = data, held
        self._optimizer = build_optimizer(recipe, plan.steps)
        self._optimizer.build(model.trainable_variables)
        self._slots = [variable.value for variable in self._optimizer.variables]
        self._scan = _fits_in_scan(model, data, held)
        self._programs: tuple[Any, ...] = ()

    def run(self, seed: int, weights: Arrays | None = None) -> NDArray[np.float64]:
        """Train once; see `addcat.doors.recipe.ArmTrainer`."""
        order = self._plan.order(self._data.count, seed)
        state = self._state(weights)
        self._compile()
        if self._scan:
            arrays = (self._data.inputs, self._data.targets, self._held.inputs, self._held.targets)
            return np.asarray(self._programs[0](state, order, *arrays), np.float64)
        step, evaluate = self._programs
        found: list[NDArray[np.float64]] = []
        for rows in order:
            for index in rows:
                batch = self._data.rows(index)
                state = step(state, batch.inputs, batch.targets)
            parts: list[Any] = [evaluate(state, batch.inputs, batch.targets) for batch in self._held.chunks(BATCH)]
            found.append(np.concatenate([np.asarray(part, np.float64) for part in parts]))
        return np.stack(found)

    def step_seconds(self) -> float:
        """Time of one step, measured on a few; a step inside a compiled run is too short for that and is reckoned."""
        if self._scan:
            weights = sum(math.prod(variable.shape) for variable in self._model.trainable_variables)
            return OVERHEAD + FLOPS_PER_WEIGHT * weights * self._plan.batch / FLOPS
        order = self._plan.order(self._data.count, 0)
        batch = self._data.rows(order[0, 0])
        self._compile()
        step = self._programs[0]
        state = self._jax.block_until_ready(step(self._state(None), batch.inputs, batch.targets))
        start = time.perf_counter()
        for _ in range(3):
            state = step(state, batch.inputs, batch.targets)
        self._jax.block_until_ready(state)
        return (time.perf_counter() - start) / 3

    def _state(self, weights: Arrays | None) -> tuple[list[Any], list[Any], list[Any]]:
        """Trainable and other variables, and the optimiser's; copies, because a step may reuse their memory."""
        jnp, model = self._jax.numpy, self._model
        values = [variable.value for variable in model.variables] if weights is None else weights
        by_id = {id(variable): jnp.array(value) for variable, value in zip(model.variables, values, strict=True)}
        trainable = [by_id[id(variable)] for variable in model.trainable_variables]
        other = [by_id[id(variable)] for variable in model.non_trainable_variables]
        return trainable, other, [jnp.array(slot) for slot in self._slots]

    def _compile(self) -> None:
        """Make the programs, once; JAX compiles them when they are first called."""
        jax = self._jax
        if self._programs:
            return
        if not self._scan:
            self._programs = jax.jit(self._step, donate_argnums=0), jax.jit(self._evaluate)
            return

        def whole(state: Any, order: Any, inputs: Any, targets: Any, held: Any, truth: Any) -> Any:
            def one(state: Any, index: Any) -> Any:
                rows = ([a[index] for a in inputs], [a[index] for a in targets])
                return self._step(state, *rows), None

            def part(state: Any, rows: Any) -> Any:
                state, _ = jax.lax.scan(one, state, rows)
                return state, self._evaluate(state, held, truth)

            return jax.lax.scan(part, state, order)[1]

        self._programs = (jax.jit(whole),)

    def _step(self, state: Any, inputs: Any, targets: Any) -> Any:
        trainable, other, slots = state
        (_, other), gradients = self._jax.value_and_grad(self._objective, has_aux=True)(
            trainable, other, slots, inputs, targets
        )
        trainable, slots = self._optimizer.stateless_apply(slots, gradients, trainable)
        return trainable, other, slots

    def _objective(self, trainable: Any, other: Any, slots: Any, inputs: Any, targets: Any) -> Any:
        outputs, other, extra = self._model.stateless_call(
            trainable, other, self._packed(inputs), training=True, return_losses=True
        )
        losses = per_example(self._losses, targets, keras().tree.flatten(outputs))
        loss = keras().ops.mean(losses) + sum(extra)
        with keras().StatelessScope(state_mapping=list(zip(self._optimizer.variables, slots, strict=True))):
            return self._optimizer.scale_loss(loss), other  # under float16 a scale that the optimiser adapts

    def _evaluate(self, state: Any, inputs: Any, targets: Any) -> Any:
        outputs, _ = self._model.stateless_call(state[0], state[1], self._packed(inputs), training=False)
        return per_example(self._losses, targets, keras().tree.flatten(outputs))

    def _packed(self, inputs: Any) -> Any:
        return packed_inputs(self._model, inputs)


def packed_inputs(model: Any, inputs: Any) -> Any:
    """Flat inputs in the structure that a model takes."""
    structure = model.inputs[0] if isinstance(model, keras().Sequential) else model.input
    return keras().tree.pack_sequence_as(structure, list(inputs))


def _fits_in_scan(model: Any, data: Examples, held: Examples) -> bool:
    convolves = any("Conv" in type(layer).__name__ for layer in model._flatten_layers())
    arrays = (*data.inputs, *data.targets, *held.inputs, *held.targets)
    return not convolves and sum(array.nbytes for array in arrays) <= MOST_SCANNED
