"""What could foretell the answer of each task before pairs are trained: `addcat advise`, and zero-cost proxies.

    python -m study.foretell                 all tasks that results.json has, in an order drawn by a fixed seed
    python -m study.foretell --budget-seconds 1200

From a network that adds and one that concatenates, each trained once: what `advise` recommends for a tenth of a
training. From networks as they are drawn, over three seeds: proxies that rank whole networks (Abdelfattah et al. 2021),
to choose the merge whose network scores higher. What has been done is in `foretold.json` and is not done again.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
OUTPUT = HERE / "foretold.json"
SEED, STARTS, BATCH = 101, (201, 202, 203), 64
"""None of them is a seed of the study's pairs."""
BUDGET = "0.1x"
PROXIES = ("grad_norm", "snip", "naswot")
Json = dict[str, Any]


def main(words: Sequence[str] | None = None) -> int:
    """Foretell what is left to foretell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--budget-seconds", type=float, default=float("inf"), help="begin no task after so many seconds"
    )
    parser.add_argument("--tasks", nargs="+", metavar="NAME")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(words)
    from study.record import write  # noqa: PLC0415  (help needs no framework)
    from study.tasks import TASKS  # noqa: PLC0415

    names = options.tasks or [list(TASKS)[index] for index in np.random.default_rng(SEED).permutation(len(TASKS))]
    found: Json = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
    start = time.monotonic()
    for name in names:
        if name not in found and time.monotonic() - start <= options.budget_seconds:
            found[name] = foretold(TASKS[name])
            print(name, json.dumps(found[name]["advise"]), flush=True)
            write(options.output, {key: found[key] for key in TASKS if key in found})
    return 0


def foretold(task: Any) -> Json:
    """What is known of a task before its pairs.

    Args:
        task: Of the study.

    Returns:
        For each merge that a network starts with, what `advise` says; and for each proxy its mean for each arm.
    """
    from addcat.doors.base import door_for  # noqa: PLC0415
    from addcat.trials.arms import arm_graph  # noqa: PLC0415
    from addcat.verbs.compare.questions import questions_of  # noqa: PLC0415
    from study.data import split  # noqa: PLC0415

    start = time.perf_counter()
    fit, held = split(task.data())
    model = task.build(fit)
    door = door_for(model, needs="write")
    graph = door.read(model)
    (question,) = questions_of(graph, task.site)
    advised: Json = {}
    proxies: Json = {name: {} for name in PROXIES}
    for arm in ("add", "concat"):
        made = arm_graph(door, graph, dict.fromkeys(question.sites, arm))
        networks = [_ready(door.write(made, weights=False, seed=seed), model) for seed in (SEED, *STARTS)]
        for name, value in _proxies(networks[1:], fit).items():
            proxies[name][arm] = value
        advised[arm] = _advised(networks[0], fit, held, question.sites, task)
    return {"advise": advised, "proxies": proxies, "seconds": round(time.perf_counter() - start, 1)}


def _ready(network: Any, like: Any) -> Any:
    """The network, compiled as the task's is."""
    network.compile(type(like.optimizer).from_config(like.optimizer.get_config()), like.loss)
    return network


def _advised(network: Any, fit: Any, held: Any, sites: Sequence[str], task: Any) -> Json:
    """Train a network once and ask about its merges; the answer on several is that on their family."""
    import addcat  # noqa: PLC0415
    from study.record import batches  # noqa: PLC0415

    epochs = max(1, round(task.steps * task.batch / len(fit)))
    network.fit(*fit.pair, batch_size=task.batch, epochs=epochs, verbose=0)
    advice = addcat.advise(network, batches(fit, task.batch), validation=held.pair, budget=BUDGET)
    verdict = next(one for one in advice.verdicts if set(sites) <= set(one.sites))
    return {
        "choice": verdict.choice,
        "probability": verdict.probability,
        "looks": [look.method for look in verdict.looks],
        "trainings": round(advice.trainings, 4),
    }


def _proxies(networks: Sequence[Any], fit: Any) -> Mapping[str, float]:
    """The mean over starts of each proxy on the first examples."""
    part = fit.rows(np.arange(min(BATCH, len(fit))))
    each = [_proxy_values(network, part) for network in networks]
    return {name: float(np.mean([values[name] for values in each])) for name in PROXIES}


def _proxy_values(network: Any, part: Any) -> dict[str, float]:
    """Norm of the gradient; SNIP, the sum of |weight x gradient|; NASWOT, how differently ReLUs see examples."""
    import jax  # noqa: PLC0415

    from addcat.frameworks import keras  # noqa: PLC0415

    x, y = part.pair
    loss: Callable[..., Any] = keras().losses.get(network.loss)

    def objective(weights: Any) -> Any:
        outputs, _ = network.stateless_call(weights, network.non_trainable_variables, x, training=False)
        return keras().ops.mean(loss(y, outputs))

    weights = [variable.value for variable in network.trainable_variables]
    slopes = jax.grad(objective)(weights)
    grad_norm = float(sum(float((slope**2).sum()) for slope in slopes)) ** 0.5
    snip = float(sum(float(abs(weight * slope).sum()) for weight, slope in zip(weights, slopes, strict=True)))
    return {"grad_norm": grad_norm, "snip": snip, "naswot": _naswot(network, x)}


def _naswot(network: Any, x: Any) -> float:
    """Logarithm of |det K|, K = share of ReLU units that treat two examples alike (Mellor et al. 2021)."""
    from addcat.frameworks import keras  # noqa: PLC0415

    units = [
        layer.output
        for layer in network.layers
        if getattr(getattr(layer, "activation", None), "__name__", "") == "relu"
    ]
    values = keras().Model(network.inputs, units)(x)
    on = np.concatenate(
        [
            np.asarray(value).reshape(len(np.asarray(value)), -1) > 0
            for value in (values if len(units) > 1 else [values])
        ],
        axis=1,
    ).astype(float)
    kernel = (on @ on.T + (1 - on) @ (1 - on).T) / on.shape[1]
    return float(np.linalg.slogdet(kernel + 1e-6 * np.eye(len(kernel)))[1])


if __name__ == "__main__":
    sys.exit(main())
