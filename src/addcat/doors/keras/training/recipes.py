"""How a Keras model was trained, read from the optimiser that it carries."""

import copy
from dataclasses import dataclass
from typing import Any

from addcat.doors.keras.classify import class_of
from addcat.doors.keras.training.rates import Rates, rate_words, recorded
from addcat.doors.recipe import Recipe, assumption
from addcat.frameworks import keras
from addcat.report import rows

STEPS, BATCH, RATE, DECAY = 1500, 128, 2e-3, 1e-3
"""Where a model says nothing: AdamW (Loshchilov and Hutter 2019) with cosine decay."""
USUAL_BATCHES = (32, 64, 128, 256)
"""Keras' own first."""

TRAINING = ("fit", "train_step", "compute_loss", "stateless_compute_loss")
"""Methods of a model by which a class of the user's may train it in another way."""


def recipe_of(
    model: Any, *, batch: int | None, examples: int, epochs: int | None = None, learning_rate: float | None = None
) -> Recipe:
    """The recipe of a model: its compiled optimiser, the steps that this has made, and at which learning rates.

    Args:
        model: A Keras model.
        batch: Examples in a batch where the user or the data say it; a saved model does not keep it.
        examples: How many there are to train on.
        epochs: Passes over them, where the user says it.
        learning_rate: Of the whole training, where the user says it.

    Returns:
        The recipe, with words on where it comes from and on what is assumed.
    """
    optimizer = getattr(model, "optimizer", None) if getattr(model, "compiled", False) else None
    made = 0 if optimizer is None else int(_inner(optimizer)._iterations.numpy())
    scheduled = 0 if optimizer is None else _scheduled(_inner(optimizer))
    known = made or scheduled
    size = min(batch or (batch_of(known, examples) if known else BATCH), examples)
    said = None if epochs is None else epochs * max(1, examples // size)
    many = "" if said is None else f"{rows.counted(epochs or 0, 'epoch')}, {rows.counted(said, 'step')}"
    unsaid, own = None if batch else size, _own_training(model)
    if optimizer is None:
        long = f"{STEPS} steps" if said is None else many
        start = "" if learning_rate is None else f" from {rate_words(learning_rate)}"
        words = f"AdamW, cosine decay{start} over {long} (the model is not compiled)"
        factor = 1.0 if learning_rate is None else learning_rate / RATE
        return Recipe(
            None, said or STEPS, size, words, factor, _sentences(assumption(None if said else STEPS, unsaid), own)
        )
    if said:
        steps, long = said, many
    elif made:
        steps, long = made, f"{rows.counted(made, 'step')} as it was trained"
    elif scheduled:
        steps, long = scheduled, f"{rows.counted(scheduled, 'step')} as its schedule runs"
    else:
        steps, long = STEPS, f"{STEPS} steps"
    unknown = None if said or known else STEPS
    kept, rate = _at_rates(model, optimizer, made, steps, learning_rate)
    name = type(_inner(optimizer)).__name__
    return Recipe(
        kept, steps, size, f"{name} as compiled, {rate}, {long}", assumed=_sentences(assumption(unknown, unsaid), own)
    )


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _own_training(model: Any) -> str:
    """A sentence on training code of the user's class, which is not run; "" where it trains as Keras does."""
    cls = class_of(model)
    own = [name for name in TRAINING if getattr(cls, name, None) is not getattr(keras().Model, name, None)]
    if not own:
        return ""
    it = "it is" if len(own) == 1 else "they are"
    return (
        f"{cls.__name__} has its own {' and '.join(own)}, and {it} not run: networks are trained on the loss as "
        "Keras' fit does. Where that is another training, compare takes your own code."
    )


def _at_rates(model: Any, optimizer: Any, made: int, steps: int, said: float | None) -> tuple[Any, str]:
    """The config of an optimiser at the learning rates of the whole training, and these in words."""
    kept, inner = keras().optimizers.serialize(optimizer), _inner(optimizer)
    scheduled = isinstance(inner._learning_rate, keras().optimizers.schedules.LearningRateSchedule)
    if said is None and scheduled:
        return kept, f"learning rate by {type(inner._learning_rate).__name__}"
    rates = recorded(model, made) if said is None else Rates((), (said,))
    if rates is None:
        return kept, rate_words(float(keras().ops.convert_to_numpy(inner.learning_rate)))
    settings = kept["config"] if inner is optimizer else kept["config"]["inner_optimizer"]["config"]
    rate = rates.schedule(steps)
    settings["learning_rate"] = rate if isinstance(rate, float) else keras().optimizers.schedules.serialize(rate)
    return kept, rates.words


def batch_of(steps: int, examples: int) -> int:
    """The batch of a training whose steps are known: the smallest usual one that makes whole passes of them.

    Args:
        steps: That were made.
        examples: How many there are.

    Returns:
        The batch; Keras' own where none makes whole passes.

    Examples:
        >>> [batch_of(steps, 2000) for steps in (630, 640, 816, 1001)]
        [32, 64, 128, 32]
    """
    fits = (size for size in USUAL_BATCHES if steps % -(-examples // size) == 0)
    return next(fits, USUAL_BATCHES[0])


def _scheduled(optimizer: Any) -> int:
    """Steps after which a schedule of the learning rate has run through; 0 where there is none that ends."""
    schedules, schedule = keras().optimizers.schedules, optimizer._learning_rate
    ends = isinstance(schedule, schedules.CosineDecay | schedules.PolynomialDecay)
    if not ends or getattr(schedule, "cycle", False):
        return 0
    updates = int(schedule.decay_steps) + int(getattr(schedule, "warmup_steps", 0) or 0)
    return updates * int(optimizer.gradient_accumulation_steps or 1)


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


def averages_of(optimizer: Any) -> list[Any]:
    """The moving averages that `fit` puts in the place of the weights when it ends; none where none are kept.

    Args:
        optimizer: One that is built.

    Returns:
        Variables, one for each that is trained.
    """
    inner = _inner(optimizer)
    return list(inner._model_variables_moving_average) if inner.use_ema else []


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
