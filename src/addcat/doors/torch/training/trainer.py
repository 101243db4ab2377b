"""Train one arm in torch: the loop that a user would write, step after step."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays, Examples
from addcat.doors.judged import Judged, Kept
from addcat.doors.recipe import Plan, Recipe, require_shortened
from addcat.doors.torch.devices import kept_generators, seed_all, wait
from addcat.doors.torch.examples import Example, device_of
from addcat.doors.torch.in_memory import is_in_memory
from addcat.doors.torch.losses import TorchLoss
from addcat.doors.torch.measure import assign_state, judged, losses_of, state
from addcat.doors.torch.raised import named
from addcat.doors.torch.stream import Ready, at_hand, default_unpack, of_arrays, of_loader
from addcat.doors.torch.training.frozen import train
from addcat.doors.torch.training.schedule import After
from addcat.doors.torch.training.settings import Training
from addcat.doors.torch.training.together import TOGETHER, Together, runs_together
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
Look = Callable[[int], NDArray[np.float64]]
"""Gives the held-out losses of a run, by its place among those that are trained."""
IN_TURN = threading.Lock()
"""Torch has one global generator: arms that train at once would disturb each other's dropout."""
TRAINED = "in training", "Correct that, or give data that it trains on."
"""What is said where a module raises."""


class TorchTrainer:
    """See `addcat.doors.recipe.ArmTrainer`.

    Args:
        model: A module that nobody else uses; every run starts from the weights that it has now.
        example: What it is called with.
        loss: To train and to judge by.
        recipe: The optimiser and its schedule.
        plan: Steps and evaluations.
        data: To train on, where there is no loader.
        held: To judge on.
    """

    def __init__(
        self,
        model: "typed.nn.Module",
        example: Example,
        loss: TorchLoss,
        recipe: Recipe,
        plan: Plan,
        data: Examples,
        held: Examples,
    ) -> None:
        self._training: Training = recipe.optimizer if isinstance(recipe.optimizer, Training) else Training()
        self._model, self._example, self._loss, self._recipe, self._plan = model, example, loss, recipe, plan
        self._data, self._held = data, held
        self._placed: Examples | None = None
        if self._training.device is not None:
            model.to(self._training.device)
        self._device = device_of(model)
        self._start = state(model)
        self._together: bool | None = None

    def run(self, seed: int, weights: Arrays | None = None, shortened: Plan | None = None) -> NDArray[np.float64]:
        """Train once; see `addcat.doors.recipe.ArmTrainer`."""
        return self.run_many([seed], None if weights is None else [weights], shortened)[0]

    def run_many(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None, shortened: Plan | None = None
    ) -> NDArray[np.float64]:
        """Train several times, side by side where that is faster; see `addcat.doors.recipe.ArmTrainer`."""

        def look(_: int) -> NDArray[np.float64]:
            return losses_of(self._model, self._loss, self._held, self._example)

        return self._all(seeds, weights, shortened, look)

    def run_judged(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None = None, shortened: Plan | None = None
    ) -> list[Judged]:
        """Train several times and keep outputs; see `addcat.doors.recipe.ArmTrainer`."""
        kept = [Kept() for _ in seeds]

        def look(place: int) -> NDArray[np.float64]:
            losses, outputs = judged(self._model, self._loss, self._held, self._example)
            kept[place].look(losses, outputs)
            return losses

        curves = self._all(seeds, weights, shortened, look)
        return [Judged(curve, one.outputs) for curve, one in zip(curves, kept, strict=True)]

    def _all(
        self, seeds: Sequence[int], weights: Sequence[Arrays] | None, shortened: Plan | None, look: Look
    ) -> NDArray[np.float64]:
        """Train every run, as many side by side as may be."""
        plan = require_shortened(self._plan, shortened)
        starts = [self._start] * len(seeds) if weights is None else list(weights)
        size = self.at_once if len(seeds) > 1 else 1
        found: list[NDArray[np.float64]] = []
        for first in range(0, len(seeds), size):
            part = slice(first, first + size)
            places = range(len(seeds))[part]
            if len(places) == 1:
                found.append(self._one(plan, seeds[first], starts[first], lambda first=first: look(first))[None])
            else:
                found.append(self._many(plan, seeds[part], starts[part], lambda at, first=first: look(first + at)))
        return np.concatenate(found)

    def _one(
        self, plan: Plan, seed: int, start: Arrays, look: Callable[[], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Train once, step after step; the curve."""
        with IN_TURN, kept_generators(), named(self._model, *TRAINED):
            assign_state(self._model, start)
            seed_all(seed)
            (step, after), found = self._stepper(plan), list[NDArray[np.float64]]()
            train(self._model)
            with closing(self._batches(plan, seed)) as batches:
                for number in range(plan.steps):
                    plan.require_time()
                    step(number, next(batches))
                    if (number + 1) % plan.per_evaluation == 0:
                        found.append(look())
                        after(number, float(found[-1].mean()))
                        train(self._model)
            return np.stack(found)

    def _many(self, plan: Plan, seeds: Sequence[int], starts: Sequence[Arrays], look: Look) -> NDArray[np.float64]:
        """Train several times side by side; their curves."""
        found: list[list[NDArray[np.float64]]] = [[] for _ in seeds]
        with IN_TURN, kept_generators(), named(self._model, *TRAINED), ExitStack() as stack:
            batches = [stack.enter_context(closing(self._batches(plan, seed))) for seed in seeds]
            runs = Together(self._model, self._training, self._loss, starts, plan.paced, self._recipe.steps)
            step = self._many_stepper(runs)
            train(self._model)
            for number in range(plan.steps):
                plan.require_time()
                step(number, [next(one) for one in batches])
                if (number + 1) % plan.per_evaluation == 0:
                    for place, curve in enumerate(found):
                        runs.put(place)
                        curve.append(look(place))
                    train(self._model)
        return np.stack([np.stack(curve) for curve in found])

    @property
    def at_once(self) -> int:
        """How many runs are trained side by side: 1 where the module does not allow it, or it would be slower."""
        if self._together is None:
            loader = self._training.loader
            self._together = (loader is None or is_in_memory(loader)) and self._tried()
        return TOGETHER if self._together else 1

    def _tried(self) -> bool:
        with IN_TURN, kept_generators(), named(self._model, *TRAINED):
            assign_state(self._model, self._start)
            train(self._model)
            with closing(self._again_and_again(0)) as batches:
                two = [next(batches), next(batches)]
            return runs_together(self._model, self._training, self._loss, two)

    def step_seconds(self) -> float:
        """Time of one step of a run, as runs are trained, measured on a few; their batches fetched too."""
        size, plan = self.at_once, self._plan
        with IN_TURN, kept_generators(), named(self._model, *TRAINED), ExitStack() as stack:
            assign_state(self._model, self._start)
            batches = [stack.enter_context(closing(self._again_and_again(seed))) for seed in range(size)]
            step = self._timed(size)
            train(self._model)
            step(0, [next(batch) for batch in batches])
            wait(self._device)
            start, steps = time.perf_counter(), min(3, plan.steps - 1) or 1
            for number in range(steps):
                step(number, [next(batch) for batch in batches])
            wait(self._device)
            seconds = (time.perf_counter() - start) / steps / size
            assign_state(self._model, self._start)
            return seconds

    def _timed(self, size: int) -> Callable[[int, Sequence[Ready]], None]:
        """A step of so many runs from the weights that the arm has."""
        if size == 1:
            one, _ = self._stepper(self._plan)
            return lambda number, batches: one(number, batches[0])
        starts, paced = [self._start] * size, self._plan.paced
        runs = Together(self._model, self._training, self._loss, starts, paced, self._recipe.steps)
        return self._many_stepper(runs)

    def _again_and_again(self, seed: int) -> Generator[Ready]:
        """The batches of the plan, without end."""
        while True:
            with closing(self._batches(self._plan, seed)) as batches:
                yield from batches

    def _batches(self, plan: Plan, seed: int) -> Generator[Ready]:
        loader = self._training.loader
        if loader is not None:
            return of_loader(loader, seed, self._training.unpack or default_unpack, self._device)
        if self._placed is None:
            self._placed = at_hand(self._data, self._device)
        return of_arrays(self._placed, plan, seed, self._example, self._device)

    def _stepper(self, plan: Plan) -> tuple[Callable[[int, Ready], None], After]:
        """One optimiser step on a batch, for a run of its own, and what wants to know of the looks at it.

        What nobody asked for is not called at all.
        """
        optimizer, after = self._training.made(self._model, plan.paced, self._recipe.steps)
        model, trained, cast = self._model, self._loss.trained, self._training.autocast
        update = self._update(optimizer)

        def step(number: int, batch: Ready) -> None:
            call, target = batch
            optimizer.zero_grad()
            if cast is None:
                value = trained(model(*call.args, **call.kwargs), target)
            else:
                with _torch.autocast(self._device.type, cast):
                    value = trained(model(*call.args, **call.kwargs), target)
            update(value)
            after(number, None)

        return step, after

    def _many_stepper(self, runs: Together) -> Callable[[int, Sequence[Ready]], None]:
        """One optimiser step of runs side by side, on a batch for each."""
        update = self._update(runs.optimizer)

        def step(number: int, batches: Sequence[Ready]) -> None:
            runs.optimizer.zero_grad()
            update(runs.losses(batches).sum())
            runs.after(number, None)

        return step

    def _update(self, optimizer: "typed.optim.Optimizer") -> Callable[[Any], None]:
        """Take a loss backwards, and make the optimiser's step."""
        rate = self._recipe.rate
        scaler = _torch.amp.GradScaler(self._device.type) if self._training.autocast == _torch.float16 else None

        def plainly(value: Any) -> None:
            value.backward()
            optimizer.step()

        def scaled(value: Any) -> None:
            value = value if scaler is None else scaler.scale(value)
            value.backward()
            with _at_rate(optimizer, rate):
                optimizer.step() if scaler is None else scaler.step(optimizer)
            if scaler is not None:
                scaler.update()

        return plainly if scaler is None and rate == 1.0 else scaled


@contextmanager
def _at_rate(optimizer: "typed.optim.Optimizer", factor: float) -> Generator[None]:
    """Within, every learning rate is multiplied: whatever schedule sets it, however it was made."""
    before = [group["lr"] for group in optimizer.param_groups]
    for group, rate in zip(optimizer.param_groups, before, strict=True):
        group["lr"] = rate * factor
    yield
    for group, rate in zip(optimizer.param_groups, before, strict=True):
        group["lr"] = rate
