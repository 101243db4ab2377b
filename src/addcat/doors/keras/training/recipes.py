"""How a Keras model was trained, read from the optimiser that it carries."""

import copy
from typing import Any

from addcat.doors.recipe import Recipe
from addcat.frameworks import keras

STEPS, BATCH, RATE, DECAY = 1500, 128, 2e-3, 1e-3
"""Where a model says nothing: AdamW (Loshchilov and Hutter 2019) with cosine decay."""


def recipe_of(model: Any, *, batch: int | None, examples: int) -> Recipe:
    """The recipe of a model: its compiled optimiser, and the steps that this has made.

    Args:
        model: A Keras model.
        batch: Examples in a batch where the data say it.
        examples: How many examples there are to train on.

    Returns:
        The recipe, with words on where it comes from.
    """
    size = min(batch or BATCH, examples)
    optimizer = getattr(model, "optimizer", None) if getattr(model, "compiled", False) else None
    if optimizer is None:
        return Recipe(None, STEPS, size, f"AdamW, cosine decay over {STEPS} steps (the model is not compiled)")
    made = int(optimizer.iterations.numpy())
    name = type(_inner(optimizer)).__name__
    words = f"{name} as compiled, {made} steps as it was trained" if made else f"{name} as compiled, {STEPS} steps"
    return Recipe(keras().optimizers.serialize(optimizer), made or STEPS, size, words)


def build_optimizer(recipe: Recipe, steps: int) -> Any:
    """A new optimiser for a run of `steps`; a schedule runs through in as many.

    Args:
        recipe: What it is made from.
        steps: Of the run.

    Returns:
        A Keras optimiser without slots.
    """
    optimizers = keras().optimizers
    if recipe.optimizer is None:
        return optimizers.AdamW(optimizers.schedules.CosineDecay(RATE, steps), weight_decay=DECAY)
    optimizer: Any = optimizers.deserialize(copy.deepcopy(recipe.optimizer))  # Keras takes some configs apart
    inner = _inner(optimizer)
    schedule = inner._learning_rate
    if isinstance(schedule, optimizers.schedules.LearningRateSchedule):
        inner._learning_rate = _stretched(schedule, recipe.steps / steps)
    return optimizer


def _inner(optimizer: Any) -> Any:
    """The optimiser itself, where float16 has put one around it that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _stretched(schedule: Any, ratio: float) -> Any:
    """The same schedule, run through `ratio` times as fast."""
    base: Any = keras().optimizers.schedules.LearningRateSchedule

    class Stretched(base):
        def __call__(self, step: Any) -> Any:
            return schedule(keras().ops.cast(step, "float32") * ratio)

        def get_config(self) -> dict[str, Any]:
            return {**schedule.get_config(), "ratio": ratio}

    return Stretched()
