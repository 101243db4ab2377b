"""Train one arm in torch: the loop that a user would write, step after step."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from addcat.data.examples import Arrays, Examples
from addcat.doors.judged import Judged, Kept
from addcat.doors.recipe import Plan, Recipe, one_by_one, require_shortened
from addcat.doors.torch.devices import kept_generators, seed_all, wait
from addcat.doors.torch.examples import Example, device_of
from addcat.doors.torch.losses import TorchLoss
from addcat.doors.torch.measure import assign_state, judged, losses_of, state
from addcat.doors.torch.raised import named
from addcat.doors.torch.stream import Ready, at_hand, default_unpack, of_arrays, of_loader
from addcat.doors.torch.training.frozen import train
from addcat.doors.torch.training.schedule import After
from addcat.doors.torch.training.settings import Training
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
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

    def run(self, seed: int, weights: Arrays | None = None, shortened: Plan | None = None) -> NDArray[np.float64]:
        """Train once; see `addcat.doors.recipe.ArmTrainer`."""
        return self._run(seed, weights, shortened, self._losses)

    def _run(
        self, seed: int, weights: Arrays | None, shortened: Plan | None, look: Callable[[], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Train once; `look` gives the losses at an evaluation."""
        plan = require_shortened(self._plan, shortened)
        with IN_TURN, kept_generators(), named(self._model, *TRAINED):
            assign_state(self._model, self._start if weights is None else weights)
            seed_all(seed)
            (step, after), found = self._stepper(plan), list[NDArray[np.float64]]()
            train(self._model)
            with closing(self._batches(plan, seed)) as batches:
                for number in range(plan.steps):
                    step(number, next(batches))
                    if (number + 1) % plan.per_evaluation == 0:
                        found.append(look())
                        after(number, float(found[-1].mean()))
                        train(self._model)
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

            def look(kept: Kept = kept) -> NDArray[np.float64]:
                losses, outputs = judged(self._model, self._loss, self._held, self._example)
                kept.look(losses, outputs)
                return losses

            curve = self._run(seed, None if weights is None else weights[place], shortened, look)
            found.append(Judged(curve, kept.outputs))
        return found

    def _losses(self) -> NDArray[np.float64]:
        return losses_of(self._model, self._loss, self._held, self._example)

    @property
    def at_once(self) -> int:
        """One run at a time."""
        return 1

    def step_seconds(self) -> float:
        """Time of one step, measured on a few, their batches fetched too."""
        with IN_TURN, kept_generators(), named(self._model, *TRAINED):
            assign_state(self._model, self._start)
            step, _ = self._stepper(self._plan)
            train(self._model)
            with closing(self._again_and_again(0)) as batches:
                step(0, next(batches))
                wait(self._device)
                start, steps = time.perf_counter(), min(3, self._plan.steps - 1) or 1
                for number in range(steps):
                    step(number, next(batches))
                wait(self._device)
                seconds = (time.perf_counter() - start) / steps
            assign_state(self._model, self._start)
            return seconds

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
