"""Train an arm on JAX: pure functions, compiled once, called for every seed.

Two programs serve. `scan` puts whole runs into one compiled program, several at once (vmap over their weights and
orders), which spares Python's share of each small step. `loop` compiles a single step; convolutions take it, because
XLA runs them on one slow path inside a loop on the CPU, and on another where several runs are batched.

Both take the number of steps, the evaluations, the pace of the learning rate's schedule and its factor as arguments, so
that runs of every length and at every learning rate share one compilation.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays, Examples
from addcat.doors.judged import Judged, Kept, choosing_means
from addcat.doors.keras.losses import Losses, per_example
from addcat.doors.keras.training.recipes import Pace, averages_of, build_optimizer, pace_of
from addcat.doors.keras.training.reckoned import work_of
from addcat.doors.recipe import FEWEST_ROOM, Plan, Recipe, one_by_one, require_shortened
from addcat.frameworks import keras, load

MOST_SCANNED = 256 * 2**20
"""Bytes of data that one compiled program may hold."""
BATCH = 1024
"""Held-out examples that one step of `loop` judges at a time."""
TOGETHER = 8
"""Runs that one program trains at once. Compiling costs more than some short runs, so there is one such program, and
one for a single run: two are trained one after the other, more are filled up to eight."""
LOOKING = 0.5
"""Seconds after which a run that may be broken off waits for the steps that were begun."""
MOST_TOGETHER = 512 * 2**20
"""Bytes that the runs of one program may hold."""


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
        self._recipe, self._pace = recipe, Pace()
        self._optimizer = build_optimizer(recipe, plan.steps, self._pace)
        self._optimizer.build(model.trainable_variables)
        self._slots = [variable.value for variable in self._optimizer.variables]
        places = {id(variable): place for place, variable in enumerate(self._optimizer.variables)}
        self._averages = [places[id(average)] for average in averages_of(self._optimizer)]
        self._scan = _fits_in_scan(model, data, held)
        self._programs: dict[str, Any] = {}

    @property
    def at_once(self) -> int:
        """How many runs one call of `run_many` trains together; the same number every time gives the same numbers."""
        return self._size(TOGETHER) if self._scan else 1

    def at_rate(self, recipe: Recipe) -> "JaxTrainer":
        """The same trainer by a recipe that differs in its learning rate alone; what is compiled serves both.

        The two read one network while they are traced, so they may not run at the same time.
        """
        other = copy.copy(self)
        other._recipe = recipe
        return other

    def run(self, seed: int, weights: Arrays | None = None, shortened: Plan | None = None) -> NDArray[np.float64]:
        """Train once; see `addcat.doors.recipe.ArmTrainer`."""
        if self._scan:
            return self.run_many([seed], None if weights is None else [weights], shortened)[0]
        return self._loop(seed, weights, require_shortened(self._plan, shortened), None)

    def _loop(self, seed: int, weights: Arrays | None, plan: Plan, kept: Kept | None) -> NDArray[np.float64]:
        """Train once, one step after the other."""
        step, judge = self._program("step"), self._program("evaluate" if kept is None else "judge")
        pace, state, seen = self._pace_of(plan), self._state(weights), time.monotonic()
        found: list[NDArray[np.float64]] = []
        for rows in plan.order(self._data.count, seed):
            for index in rows:
                plan.require_time()
                batch = self._data.rows(index)
                state = step(state, pace, batch.inputs, batch.targets)
                if time.monotonic() - seen > LOOKING and math.isfinite(plan.until):
                    self._jax.block_until_ready(state)  # steps are begun ahead of what was done
                    seen = time.monotonic()
            parts: list[Any] = [judge(state, batch.inputs, batch.targets) for batch in self._held.chunks(BATCH)]
            losses = parts if kept is None else [part for part, _ in parts]
            found.append(np.concatenate([np.asarray(part, np.float64) for part in losses]))
            if kept is not None:
                outputs = zip(*(given for _, given in parts), strict=True)
                kept.look(found[-1], [np.concatenate(part) for part in outputs])
        return np.stack(found)

    def run_many(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None, shortened: Plan | None = None
    ) -> NDArray[np.float64]:
        """Train several times at once; see `addcat.doors.recipe.ArmTrainer`."""
        if not self._scan:
            return one_by_one(self, seeds, weights, shortened)
        plan, program = require_shortened(self._plan, shortened), self._program("runs")
        parts: list[NDArray[np.float64]] = []
        for part in _parts(len(seeds), self._size(len(seeds))):
            plan.require_time()
            parts.append(np.asarray(self._together(program, part, seeds, weights, plan)[0], np.float64))
        return np.concatenate(parts)[: len(seeds), : plan.evaluations]

    def run_judged(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None, shortened: Plan | None = None
    ) -> list[Judged]:
        """Train several times and keep outputs; see `addcat.doors.recipe.ArmTrainer`."""
        plan, found = require_shortened(self._plan, shortened), list[Judged]()
        if not self._scan:
            for place, seed in enumerate(seeds):
                kept = Kept()
                curve = self._loop(seed, None if weights is None else weights[place], plan, kept)
                found.append(Judged(curve, kept.outputs))
            return found
        program = self._program("judged runs")
        for part in _parts(len(seeds), self._size(len(seeds))):
            plan.require_time()
            curves, outputs = self._together(program, part, seeds, weights, plan)
            given = [np.asarray(output) for output in outputs]
            found += [
                Judged(np.asarray(curve[: plan.evaluations], np.float64), [output[place] for output in given])
                for place, curve in enumerate(curves)
            ]
        return found[: len(seeds)]

    def _together(
        self, program: Any, part: list[int], seeds: Sequence[int], weights: Sequence[Arrays] | None, plan: Plan
    ) -> tuple[Any, list[Any]]:
        """Train the runs at some places of `seeds` by one call of the program; curves with room, and outputs."""
        states = [self._state(None if weights is None else weights[place], np.asarray) for place in part]
        state = self._jax.tree.map(_stacked, *states)
        orders = np.stack([plan.order(self._data.count, seeds[place]) for place in part])
        orders = orders.reshape(len(part), plan.steps, -1).astype(np.int32)
        room = np.zeros((len(part), self._plan.steps - plan.steps, orders.shape[2]), np.int32)
        arrays = (self._data.inputs, self._data.targets, self._held.inputs, self._held.targets)
        lengths = np.int32(plan.per_evaluation), np.int32(plan.evaluations), self._pace_of(plan)
        return program(state, np.concatenate([orders, room], axis=1), *lengths, *arrays)

    def _size(self, runs: int) -> int:
        """How many runs to train by one call: one, or as many as are compiled together where memory allows."""
        model, batch = self._model, self._plan.batch
        weights = sum(math.prod(variable.shape) for variable in (*model.variables, *self._optimizer.variables))
        at_once = max(self._held.count, 3 * batch)  # outputs of every layer, and what the gradient keeps of them
        room = max(self._plan.evaluations, FEWEST_ROOM) * self._held.count
        bytes_each = 4 * (3 * weights + at_once * _activations(model) + room)
        return 1 if runs <= 2 or TOGETHER * bytes_each > MOST_TOGETHER else TOGETHER

    def _pace_of(self, plan: Plan) -> Any:
        return np.array([pace_of(self._recipe, plan.paced), self._recipe.rate], np.float32)

    def step_seconds(self) -> float:
        """Time of one step, measured on a few; a step inside a compiled run is too short for that and is reckoned."""
        order = self._plan.order(self._data.count, 0)
        batch = self._data.rows(order[0, 0])
        if self._scan:
            trainable, other, _ = self._state(None, np.asarray)
            work = work_of(self._jax.make_jaxpr(self._forward)(trainable, other, batch.inputs).jaxpr)
            return work.step_seconds(sum(weights.size for weights in trainable))
        step = self._program("step")
        pace = self._pace_of(self._plan)
        state = self._jax.block_until_ready(step(self._state(None), pace, batch.inputs, batch.targets))
        start = time.perf_counter()
        for _ in range(3):
            state = step(state, pace, batch.inputs, batch.targets)
        self._jax.block_until_ready(state)
        return (time.perf_counter() - start) / 3

    def _state(
        self, weights: Arrays | None, array: Callable[[Any], Any] | None = None
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Trainable and other variables, and the optimiser's.

        Args:
            weights: Of the network; its own where left out.
            array: Makes the arrays; on the device and copied where left out, because a step may reuse their memory.
        """
        model = self._model
        made: Callable[[Any], Any] = array or self._jax.numpy.array
        values = [variable.value for variable in model.variables] if weights is None else weights
        by_id = {id(variable): made(value) for variable, value in zip(model.variables, values, strict=True)}
        trainable = [by_id[id(variable)] for variable in model.trainable_variables]
        other = [by_id[id(variable)] for variable in model.non_trainable_variables]
        return trainable, other, [made(slot) for slot in self._slots]

    def _program(self, name: str) -> Any:
        """One of the programs, made once; JAX compiles it when it is first called."""
        if name not in self._programs:
            jax = self._jax
            makers: dict[str, Callable[[], Any]] = {
                "step": lambda: jax.jit(self._step, donate_argnums=0),
                "evaluate": lambda: jax.jit(self._evaluate),
                "judge": lambda: jax.jit(self._judge),
                "runs": lambda: jax.jit(partial(self._whole, keep=False)),
                "judged runs": lambda: jax.jit(partial(self._whole, keep=True)),
            }
            self._programs[name] = makers[name]()
        return self._programs[name]

    def _whole(
        self, states: Any, orders: Any, steps: Any, evaluations: Any, pace: Any, *arrays: Any, keep: bool
    ) -> tuple[Any, Any]:
        """Runs side by side; loops of traced length, since nothing is differentiated through them.

        A step is mapped over the runs inside of the loops: mapped as a whole, a loop is traced several times over.

        Returns:
            Their curves, with room; and their outputs where they are to be kept.
        """
        jax, jnp = self._jax, self._jax.numpy
        inputs, targets, held, truth = arrays
        step = jax.vmap(self._step, in_axes=(0, None, 0, 0))
        judge = jax.vmap(self._judge, in_axes=(0, None, None))
        look = jax.vmap(partial(_kept, jnp), in_axes=(None, 0, 0, 0))

        def one(place: Any, states: Any) -> Any:
            rows = ([a[orders[:, place]] for a in inputs], [a[orders[:, place]] for a in targets])
            return step(states, pace, *rows)

        def part(place: Any, carried: Any) -> Any:
            states, found, kept = carried
            states = jax.lax.fori_loop(place * steps, (place + 1) * steps, one, states)
            losses, outputs = judge(states, held, truth)
            found = found.at[:, place].set(losses.astype(found.dtype))
            return states, found, look(place, losses, outputs, kept) if keep else kept

        runs, room = len(orders), max(self._plan.evaluations, FEWEST_ROOM)
        kept: Any = ()
        if keep:
            shapes = jax.eval_shape(judge, states, held, truth)[1]
            kept = jnp.full((runs, 2), jnp.inf), [jnp.zeros(one.shape, one.dtype) for one in shapes]
        found = jnp.zeros((runs, room, self._held.count), "float32")
        _, found, kept = jax.lax.fori_loop(0, evaluations, part, (states, found, kept))
        return found, kept[1] if keep else []

    def _step(self, state: Any, pace: Any, inputs: Any, targets: Any) -> Any:
        trainable, other, slots = state
        (_, other), gradients = self._jax.value_and_grad(self._objective, has_aux=True)(
            trainable, other, slots, inputs, targets
        )
        self._pace.value, self._pace.rate = pace[0], pace[1]  # read by the schedule while the step is traced
        trainable, slots = self._optimizer.stateless_apply(slots, gradients, trainable)
        return trainable, other, slots

    def _forward(self, trainable: Any, other: Any, inputs: Any) -> Any:
        return self._model.stateless_call(trainable, other, self._packed(inputs), training=True)[0]

    def _objective(self, trainable: Any, other: Any, slots: Any, inputs: Any, targets: Any) -> Any:
        outputs, other, extra = self._model.stateless_call(
            trainable, other, self._packed(inputs), training=True, return_losses=True
        )
        losses = per_example(self._losses, targets, keras().tree.flatten(outputs))
        loss = keras().ops.mean(losses) + sum(extra)
        with keras().StatelessScope(state_mapping=list(zip(self._optimizer.variables, slots, strict=True))):
            return self._optimizer.scale_loss(loss), other  # under float16 a scale that the optimiser adapts

    def _evaluate(self, state: Any, inputs: Any, targets: Any) -> Any:
        return self._judge(state, inputs, targets)[0]

    def _judge(self, state: Any, inputs: Any, targets: Any) -> tuple[Any, list[Any]]:
        """Losses and outputs at inference, as if the training ended; outputs of half precision are widened."""
        weights = [state[2][place] for place in self._averages] or state[0]
        given, _ = self._model.stateless_call(weights, state[1], self._packed(inputs), training=False)
        outputs = keras().tree.flatten(given)
        jnp = self._jax.numpy
        wide = [one.astype("float32") if jnp.issubdtype(one.dtype, jnp.floating) else one for one in outputs]
        return per_example(self._losses, targets, outputs), wide

    def _packed(self, inputs: Any) -> Any:
        return packed_inputs(self._model, inputs)


def _kept(jnp: Any, place: Any, losses: Any, outputs: list[Any], kept: Any) -> Any:
    """As `addcat.doors.judged.Kept.look`, inside a program."""
    best, before = kept
    means = jnp.stack(choosing_means(losses)).astype(best.dtype)
    better = means < best
    take = (better | (place == 0))[jnp.arange(losses.shape[0]) % 2]
    after = [
        jnp.where(take.reshape(-1, *(1,) * (new.ndim - 1)), new, old) for new, old in zip(outputs, before, strict=True)
    ]
    return jnp.where(better, means, best), after


def packed_inputs(model: Any, inputs: Any) -> Any:
    """Flat inputs in the structure that a model takes."""
    structure = model.inputs[0] if isinstance(model, keras().Sequential) else model.input
    return keras().tree.pack_sequence_as(structure, list(inputs))


def _stacked(*values: NDArray[Any]) -> NDArray[Any]:
    return np.stack(values)


def _parts(runs: int, size: int) -> list[list[int]]:
    """Places of runs, `size` at a time; the last part is filled up with the last run."""
    return [[min(place, runs - 1) for place in range(start, start + size)] for start in range(0, runs, size)]


def _activations(model: Any) -> int:
    """Numbers that the layers of a network give for one example; an unknown size counts as one."""
    nodes = [node for layer in model._flatten_layers(include_self=False) for node in layer._inbound_nodes]
    tensors = [tensor for node in nodes for tensor in node.output_tensors]
    return sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in tensors)


def _fits_in_scan(model: Any, data: Examples, held: Examples) -> bool:
    convolves = any("Conv" in type(layer).__name__ for layer in model._flatten_layers())
    arrays = (*data.inputs, *data.targets, *held.inputs, *held.targets)
    return not convolves and sum(array.nbytes for array in arrays) <= MOST_SCANNED
