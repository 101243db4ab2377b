"""Which starts fall silent: one network from many starts, its head started in three ways.

    python -m study.starts

A head that is linear reads a few channels behind a ReLU. Where all of its weights are drawn below zero, and targets
are above, each step pushes the channels down; when none passes anything on, the network gives one number for ever.
The narrow network of the task below has four such channels. The learning rate is the one that tuning chose for it.
"""

import sys
from collections.abc import Mapping
from typing import Any

from addcat.frameworks import keras
from addcat.trials.engine import run_trials
from addcat.trials.trial import Key
from addcat.verbs.compare.options import Options
from addcat.verbs.compare.tuning import at_factors
from addcat.verbs.compare.ways import prepare
from study.again import STARTS, silent
from study.agreement import committed
from study.data import Data, split
from study.networks import at_the_mean
from study.record import batches, write
from study.tasks import TASKS

TASK, ARM = "skips/deblur-coffee", "concat, same parameters"
SEEDS = (*range(1, 33), *range(100_001, 100_009), *range(200_001, 200_009))
"""The first of three comparisons, of user seeds 0, 1 and 2."""
HEADS: Mapping[str, tuple[str, ...]] = {
    # what of the head starts as `at_the_mean` says; the rest as Keras starts it
    "drawn": (),
    "bias": ("bias",),
    "kernel and bias": ("kernel", "bias"),
}


def main() -> int:
    """Train the network from all starts, with each head."""
    rate = committed()[TASK]["arms"][ARM]["learning_rate"]
    fit, held = split(TASKS[TASK].data())
    losses = dict[str, dict[str, float | None]]()
    for head, weights in HEADS.items():
        losses[head] = of_starts(network(fit, weights), fit, held, rate)
        print(f"{head}: {len(silent(losses[head]))} of {len(losses[head])} fell silent", flush=True)
    write(STARTS, {"task": TASK, "arm": ARM, "learning_rate": rate, "losses": losses})
    return 0


def network(fit: Data, weights: tuple[str, ...]) -> Any:
    """The task's network, with its head started in one of the ways."""
    model, kept, usual = TASKS[TASK].build(fit), at_the_mean(fit), keras().layers.Conv2D(1, 1)
    for weight in ("kernel", "bias"):
        name = f"{weight}_initializer"
        chosen = keras().initializers.get(kept[name]) if weight in weights else getattr(usual, name)
        setattr(model.get_layer("head"), name, chosen)
    return model


def of_starts(
    model: Any, fit: Data, held: Data, rate: float, seeds: tuple[int, ...] = SEEDS
) -> dict[str, float | None]:
    """The loss of every start, by its seed; None where it diverged."""
    task = TASKS[TASK]
    options = Options(
        arms=("add", "concat"),
        pairs=2,
        margin=0.02,
        stop="fixed",
        budgets=("parameters",),
        lower=True,
        resample="",
        design="factorial",
        rates=(),
        steps=task.steps,
        seed=0,
        self_check=False,
        command="",
    )
    prepared = prepare(model, batches(fit, task.batch), options, validation=held.pair, sites=task.site)
    execute = at_factors(prepared, {ARM: rate}).execute
    trials = run_trials([Key(ARM, seed) for seed in seeds], execute)
    return {str(trial.seed): trial.loss if trial.status == "done" else None for trial in trials}


if __name__ == "__main__":
    sys.exit(main())
