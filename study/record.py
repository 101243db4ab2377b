"""One task through `addcat.compare`, and what is kept of it: nothing is dropped."""

import gc
import hashlib
import json
import math
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import addcat
from addcat.doors.base import door_for
from addcat.frameworks import keras
from addcat.verbs.compare import Comparison, Finding
from addcat.verbs.compare.prepared import digest_of_graph
from study.data import Data, split
from study.networks import mean_of_targets
from study.task import Task
from study.tasks import TASKS

PAIRS, RATES, BUDGETS = 8, (0.5, 1, 2), ("widths", "parameters")
FORMAT = 1
HEAD = ("kernel", "bias")
Json = dict[str, Any]


def measured(name: str, folder: Path) -> Json:
    """The record of a task: read where there is one of the same task, else made.

    Args:
        name: Of the task.
        folder: Keeps the trials as `NAME.db` and the record as `NAME.json`.
    """
    task = TASKS[name]
    folder.mkdir(parents=True, exist_ok=True)
    stem = stem_of(name)
    fit, held = split(task.data())
    model = task.build(fit)
    digest = digest_of(task, model, fit, held)
    path = folder / f"{stem}.json"
    if (found := read(path)) is not None and found["digest"] == digest:
        return found
    start = time.perf_counter()
    comparison = compared(task, model, fit, held, folder / f"{stem}-{digest}.db")
    record = record_of(task, comparison, fit, held)
    if not fit.classes:
        record["starts_at"] = mean_of_targets(fit)
    record |= {"digest": digest, "seconds": round(time.perf_counter() - start, 1)}
    write(path, record)
    return record


def compared(task: Task, model: Any, fit: Data, held: Data, store: Path | None, **options: Any) -> Comparison:
    """A task's comparison, as the study asks it; `options` change what a test wants otherwise."""
    asked: Json = {"pairs": PAIRS, "budgets": BUDGETS, "learning_rates": RATES, "steps": task.steps, "store": store}
    asked |= {"sites": task.site, "metric": psnr if task.metric == "psnr" else task.metric, "validation": held.pair}
    return addcat.compare(model, batches(fit, task.batch), **asked | options)


def forget() -> None:
    """Let go of what the frameworks keep of networks that are gone: compiled programs, and names that are taken."""
    keras().utils.clear_session()
    if (jax := sys.modules.get("jax")) is not None:
        jax.clear_caches()
    gc.collect()


def psnr(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Peak signal over noise of pictures from 0 to 1, in decibels: -10 log10 of the mean squared error."""
    return float(-10 * np.log10(np.mean((y_true - y_pred) ** 2)))


def batches(data: Data, size: int) -> Any:
    """Examples as Keras reads them, some at a time."""
    base: Any = keras().utils.PyDataset

    class Batches(base):
        batch_size = size

        def __len__(self) -> int:
            return math.ceil(len(data) / size)

        def __getitem__(self, place: int) -> Any:
            return data.rows(np.arange(len(data))[place * size : (place + 1) * size]).pair

    return Batches()


def digest_of(task: Task, model: Any, fit: Data, held: Data) -> str:
    """What a record depends on: the network, the examples, the recipe and what is asked."""
    recipe = {key: value for key, value in model.optimizer.get_config().items() if key != "name"}
    network = digest_of_graph(door_for(model, needs="write").read(model))
    asked = (FORMAT, task.site, task.metric, task.steps, task.batch, PAIRS, RATES, BUDGETS, model.loss, recipe, network)
    found = hashlib.sha256(repr(asked).encode())
    if not fit.classes:  # classifiers start as Keras starts them
        head = model.get_layer("head")
        drawn = [getattr(head, f"{weight}_initializer") for weight in HEAD]
        found.update(repr([(type(one).__name__, one.get_config()) for one in drawn]).encode())
    for data in (fit, held):
        for values in (*data.inputs, data.targets):
            found.update(values.tobytes())
    return found.hexdigest()[:16]


def record_of(task: Task, comparison: Comparison, fit: Data, held: Data) -> Json:
    """What is kept of a comparison."""
    seeds = sorted({trial.seed for trial in comparison.trials})
    return {
        "name": task.name,
        "family": task.family,
        "site": task.site,
        "data": fit.source.title,
        "package": fit.source.package,
        "licence": fit.source.licence,
        "generated": fit.source.generated,
        "examples": [len(fit), len(held)],
        "classes": fit.classes,
        "metric": task.metric,
        "steps": task.steps,
        "batch": task.batch,
        "margin": comparison.settings.margin,
        "seeds": seeds,
        "arms": {arm.name: _arm(comparison, arm) for arm in comparison.settings.arms},
        "budgets": {finding.budget: _finding(comparison, finding) for finding in comparison.findings},
        "notes": list(comparison.notes),
        "versions": comparison.trials[0].versions if comparison.trials else {},
    }


def _arm(comparison: Comparison, arm: Any) -> Json:
    mine = [trial for trial in comparison.trials if trial.arm == arm.name]
    finite = [trial.loss for trial in mine if math.isfinite(trial.loss)]
    return {
        "parameters": arm.parameters,
        "multiply_adds": arm.multiply_adds,
        "learning_rate": _rate(comparison, arm.name),
        "loss": sum(finite) / len(finite) if finite else None,
        "losses": [_limited(trial.loss) for trial in mine],
        "metrics": [{name: _limited(value) for name, value in trial.metrics.items()} for trial in mine],
        "statuses": [trial.status for trial in mine],
        "diverged": sum(trial.status == "diverged" for trial in mine),
        "seconds": sum(trial.seconds for trial in mine),
    }


def _rate(comparison: Comparison, arm: str) -> float | None:
    """The factor of the learning rate that tuning chose for an arm, as the comparison's note says it."""
    note = next((note for note in comparison.notes if note.startswith("Learning rates tuned")), "")
    found = re.search(rf"[:,] {re.escape(arm)} x([0-9.]+)[,.]", note)
    return float(found[1].rstrip(".")) if found else None


def _finding(comparison: Comparison, finding: Finding) -> Json:
    found = finding.to_dict()
    kept = ("gain", "margin", "verdict", "mismatch", "p", "effect", "regret", "differences", "lean")
    return {key: found[key] for key in kept} | {
        "probability": finding.better,
        "beyond": finding.beyond,
        "metrics": [one.to_dict() for one in comparison.measured if one.finding == finding.name],
    }


def _limited(value: float) -> float | None:
    return value if math.isfinite(value) else None


def assemble(folder: Path, output: Path) -> None:
    """All records of a folder in one file, in the order of the tasks; written whole or not at all."""
    records = [read(folder / f"{stem_of(name)}.json") for name in TASKS]
    tasks = [record for record in records if record is not None]
    write(output, {"format": FORMAT, "addcat": addcat.__version__, "tasks": tasks})


def stem_of(name: str) -> str:
    """The name of a task in names of files."""
    return name.replace("/", "-")


def read(path: Path) -> Json | None:
    """A record, where there is one."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write(path: Path, content: Json) -> None:
    """JSON to a temporary name, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)
