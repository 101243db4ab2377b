"""How a Keras model was trained, read from the optimiser that it carries."""

import copy
from dataclasses import dataclass
from typing import Any

from addcat.doors.recipe import Recipe, assumption
from addcat.frameworks import keras
from addcat.report import rows

STEPS, BATCH, RATE, DECAY = 1500, 128, 2e-3, 1e-3
"""Where a model says nothing: AdamW (Loshchilov and Hutter 2019) with cosine decay."""


def recipe_of(model: Any, *, batch: int | None, examples: int, epochs: int | None = None) -> Recipe:
    """The recipe of a model: its compiled optimiser, and the steps that this has made.

    Args:
        model: A Keras model.
        batch: Examples in a batch where the user or the data say it; a saved model does not keep it.
        examples: How many examples there are to train on.
        epochs: Passes over them, where the user says it.

    Returns:
        The recipe, with words on where it comes from and on what is assumed.
    """
    size = min(batch or BATCH, examples)
    said = None if epochs is None else epochs * max(1, examples // size)
    many = "" if said is None else f"{rows.counted(epochs or 0, 'epoch')}, {rows.counted(said, 'step')}"
    unsaid = None if batch else size
    optimizer = getattr(model, "optimizer", None) if getattr(model, "compiled", False) else None
    if optimizer is None:
        long = f"{STEPS} steps" if said is None else many
        words = f"AdamW, cosine decay over {long} (the model is not compiled)"
        return Recipe(None, said or STEPS, size, words, assumed=assumption(None if said else STEPS, unsaid))
    made = int(optimizer.iterations.numpy())
    name = type(_inner(optimizer)).__name__
    long = many if said else f"{rows.counted(made, 'step')} as it was trained" if made else f"{STEPS} steps"
    unknown = None if said or made else STEPS
    kept = keras().optimizers.serialize(optimizer)
    return Recipe(kept, said or made or STEPS, size, f"{name} as compiled, {long}", assumed=assumption(unknown, unsaid))


@dataclass(slots=True)
class Pace:
    """How fast a schedule of the learning rate runs, and what it is multiplied by.

    A program that is traced with traced numbers serves runs of every length at every learning rate.

    Attributes:
        value: Nominal steps for each step of the run.
        rate: Factor of the learning rate.
    """

    value: Any = 1.0
    rate: Any = 1.0


def pace_of(recipe: Recipe, steps: int) -> float:
    """The pace at which a schedule of `build_optimizer` runs through in `steps`."""
    return (STEPS if recipe.optimizer is None else recipe.steps) / steps


def build_optimizer(recipe: Recipe, steps: int, pace: Pace | None = None) -> Any:
    """A new optimiser for a run of `steps`; a schedule runs through in as many.

    Args:
        recipe: What it is made from.
        steps: Of the run.
        pace: Read by the schedule at every step, so that the caller may change it; set here.

    Returns:
        A Keras optimiser without slots.
    """
    optimizers, pace = keras().optimizers, pace or Pace()
    pace.value, pace.rate = pace_of(recipe, steps), recipe.rate
    if recipe.optimizer is None:
        schedule = optimizers.schedules.CosineDecay(RATE, STEPS)
        return optimizers.AdamW(_stretched(schedule, pace), weight_decay=DECAY)
    optimizer: Any = optimizers.deserialize(copy.deepcopy(recipe.optimizer))  # Keras takes some configs apart
    inner = _inner(optimizer)
    schedule = inner._learning_rate
    if not isinstance(schedule, optimizers.schedules.LearningRateSchedule):
        schedule = _constant(float(keras().ops.convert_to_numpy(inner.learning_rate)))
    inner._learning_rate = _stretched(schedule, pace)
    return optimizer


def _inner(optimizer: Any) -> Any:
    """The optimiser itself, where float16 has put one around it that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _constant(rate: float) -> Any:
    """A schedule that never changes."""
    base: Any = keras().optimizers.schedules.LearningRateSchedule

    class Constant(base):
        def __call__(self, step: Any) -> Any:
            return rate

        def get_config(self) -> dict[str, Any]:
            return {}

    return Constant()


def _stretched(schedule: Any, pace: Pace) -> Any:
    """The same schedule, run through at a pace and multiplied by its rate."""
    base: Any = keras().optimizers.schedules.LearningRateSchedule

    class Stretched(base):
        def __call__(self, step: Any) -> Any:
            return schedule(keras().ops.cast(step, "float32") * pace.value) * pace.rate

        def get_config(self) -> dict[str, Any]:
            return dict(schedule.get_config())

    return Stretched()
