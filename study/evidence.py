"""What can be known of a task before both of its networks are trained: what `advise` says early, and zero-cost proxies.

The Add network is trained once, by the recipe of the comparison at the learning rate that tuning chose for it, and
`addcat.advise` may spend as much again; what it believed after each of its methods is kept, with what had been spent.
The proxies see both networks at fresh weights: more parameters, the norm of the gradient, SNIP (Lee et al. 2019) and
synflow (Tanaka et al. 2020). Their heads are drawn, as Keras draws them: behind the zeros with which heads of
regressions start (`networks.at_the_mean`) there is no gradient yet.

    python -m study.evidence --part 1/2
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import addcat
from addcat.doors.base import door_for
from addcat.frameworks import keras
from addcat.verbs.compare.questions import questions_of
from benchmarks.advise import gradient_norm, snip, synflow
from study.data import Data, split
from study.record import Json, assemble, batches, digest_of, forget, read, stem_of, write
from study.task import Task

BUDGET, SEED = "1x", 1
PROXIES = {"gradient norm": gradient_norm, "SNIP": snip, "synflow": synflow}


def gathered(task: Task, folder: Path) -> Json | None:
    """Early evidence on a task, added to its record; None where there is no record of this task yet."""
    fit, held = split(task.data())
    model = task.build(fit)
    path = folder / f"{stem_of(task.name)}.json"
    record = read(path)
    if record is None or record["digest"] != digest_of(task, model, fit, held):
        return None
    if "evidence" not in record:
        start = time.perf_counter()
        record["evidence"] = _evidence(task, model, fit, held, record["arms"]["add"]["learning_rate"])
        record["evidence"]["seconds"] = round(time.perf_counter() - start, 1)
        write(path, record)
    return record["evidence"]


def _evidence(task: Task, model: Any, fit: Data, held: Data, rate: float) -> Json:
    sites = questions_of(door_for(model, needs="write").read(model), task.site)[0].sites
    keras().utils.set_random_seed(SEED)
    arms = {rung: _arm(_with_head_drawn(task.build(fit)), sites, rung) for rung in ("add", "concat")}
    proxies = {"parameters": {rung: arm.count_params() for rung, arm in arms.items()}}
    for name, score in PROXIES.items():
        proxies[name] = {rung: score(arm, model, fit.pair) for rung, arm in arms.items()}
    add = _arm(model, sites, "add")
    trained(add, model, fit, task, rate)
    named = list(sites) if len(sites) == 1 else None
    advice = addcat.advise(add, batches(fit, task.batch), validation=held.pair, sites=named, budget=BUDGET)
    return {"proxies": proxies, "advise": _said(advice, sites)}


def _with_head_drawn(model: Any) -> Any:
    """The same network, its head to be drawn as Keras draws one that nothing is said of."""
    head, usual = model.get_layer("head"), keras().layers.Dense(1)
    head.kernel_initializer, head.bias_initializer = usual.kernel_initializer, usual.bias_initializer
    return model


def _arm(model: Any, sites: Sequence[str], rung: str) -> Any:
    return addcat.switch(model, dict.fromkeys(sites, rung), fresh=True, seed=SEED).model


def trained(arm: Any, model: Any, fit: Data, task: Task, rate: float) -> None:
    """Train an arm in place, once, by the task's recipe."""
    optimizer = keras().optimizers.Adam(float(model.optimizer.learning_rate) * rate)
    arm.compile(optimizer, model.loss)
    x, y = fit.pair
    per_pass = -(-len(fit) // task.batch)
    arm.fit(x, y, batch_size=task.batch, epochs=max(1, round(task.steps / per_pass)), verbose=0)


def _said(advice: Any, sites: Sequence[str]) -> Json:
    found = next(verdict for verdict in advice.verdicts if set(verdict.sites) == set(sites))
    return {
        "budget": BUDGET,
        "choice": found.choice,
        "probability": found.probability,
        "certain": found.certain,
        "regret": found.regret.share,
        "trainings": advice.trainings,
        "looks": [asdict(look) for look in found.looks],
    }


def main(words: Sequence[str] | None = None) -> int:
    """Gather evidence on every task that has been run, in an order that is drawn: as far as it goes it is a sample."""
    from study.run import parser  # noqa: PLC0415
    from study.tasks import TASKS  # noqa: PLC0415

    options = parser(__doc__ or "").parse_args(words)
    part, parts = (int(number) for number in options.part.split("/"))
    missing = 0
    names = [str(name) for name in np.random.default_rng(SEED).permutation(list(TASKS))]
    for name in options.tasks or names[part - 1 :: parts]:
        found = gathered(TASKS[name], options.folder)
        missing += found is None
        said = "not run yet" if found is None else f"{found['advise']['choice']}, {found['advise']['probability']:.0%}"
        print(f"{name}: {said}", flush=True)
        forget()
    assemble(options.folder, options.output)
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
