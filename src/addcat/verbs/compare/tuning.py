"""Fair tuning: every arm tries the same learning rates on the same seeds, and keeps the one that suits it.

A part of the training examples chooses, which those trials do not train on; the examples that judge are not looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from addcat.data.held import FEWEST_FIT, FEWEST_HELD, require_enough
from addcat.data.stored import split
from addcat.doors.recipe import Recipe, at_learning_rate
from addcat.errors import OptionError
from addcat.report import rows
from addcat.trials.engine import run_trials
from addcat.trials.model import ModelTrial
from addcat.trials.store import Store
from addcat.trials.trial import Key
from addcat.trials.workers import Workers
from addcat.verbs.compare.prepared import Prepared

SEEDS = 2
"""Pairs whose seeds are used to tune."""
SHARE = 0.2
"""Of the training examples, so many choose."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found.

    Attributes:
        prepared: The comparison with every arm at its own factor.
        factors: Of each arm.
    """

    prepared: Prepared
    factors: dict[str, float]


def tuned(prepared: Prepared, factors: Sequence[float], workers: Workers, store: Store | None) -> Tuned:
    """Choose a factor of the learning rate for every arm.

    Args:
        prepared: A comparison of a model and data.
        factors: To try.
        workers: Where the trials run.
        store: Where they are kept.

    Returns:
        The comparison with its arms at the factors of lowest mean loss over the first two seeds; an arm that diverges
        at a factor does not get it.

    Raises:
        OptionError: if the training data come from a loader.
        DataError: if they are too few.
    """
    execute, recipe = _untuned(prepared)
    if getattr(recipe.optimizer, "loader", None) is not None:
        raise OptionError(
            "learning_rates are tuned on a part of the training data, and a loader is iterated as it is. Pass arrays, "
            "or leave learning_rates out."
        )
    fit, choosing = split(execute.data, SHARE, prepared.settings.seeds[0])
    require_enough(fit, "to fit on while learning rates are tuned", FEWEST_FIT)
    require_enough(choosing, "to tune learning rates on", FEWEST_HELD)
    recipes = {factor: at_learning_rate(recipe, factor) for factor in factors}
    names = {(arm, factor): f"{arm}, learning rate x{factor:g}" for arm in execute.arms for factor in factors}
    trying = execute.trained_by(
        {name: recipes[factor] for (_, factor), name in names.items()},
        arms={name: execute.arms[arm] for (arm, _), name in names.items()},
        data=fit,
        held=choosing,
        metrics=(),
    )
    keys = [Key(name, seed) for seed in prepared.settings.seeds[:SEEDS] for name in names.values()]
    found = {trial.key: trial for trial in run_trials(keys, trying, store=store, workers=workers)}

    def mean(arm: str, factor: float) -> float:
        losses = [found[Key(names[arm, factor], seed)].loss for seed in prepared.settings.seeds[:SEEDS]]
        return float(np.mean([loss if np.isfinite(loss) else np.inf for loss in losses]))

    chosen = {arm: min(factors, key=lambda factor: mean(arm, factor)) for arm in execute.arms}
    listed = ", ".join(f"{arm} x{factor:g}" for arm, factor in chosen.items())
    note = (
        f"Learning rates tuned alike for every arm on {rows.integer(SEEDS)} seeds, "
        f"of x{', x'.join(f'{factor:g}' for factor in factors)}, by {rows.count(choosing.count)} of the examples to "
        f"train on: {listed}."
    )
    noted = replace(prepared, settings=replace(prepared.settings, notes=(*prepared.settings.notes, note)))
    return Tuned(at_factors(noted, chosen), chosen)


def at_factors(prepared: Prepared, factors: Mapping[str, float]) -> Prepared:
    """A comparison with every arm at a factor of its own of the learning rate.

    Args:
        prepared: A comparison of a model and data, at one learning rate.
        factors: Of each arm.
    """
    execute, recipe = _untuned(prepared)
    recipes = {arm: at_learning_rate(recipe, factor) for arm, factor in factors.items()}
    return replace(prepared, execute=execute.trained_by(recipes))


def _untuned(prepared: Prepared) -> tuple[ModelTrial, Recipe]:
    execute = prepared.execute
    assert isinstance(execute, ModelTrial)  # noqa: S101  (options refuse the others)
    assert isinstance(execute.recipe, Recipe)  # noqa: S101  (nothing was tuned before)
    return execute, execute.recipe
