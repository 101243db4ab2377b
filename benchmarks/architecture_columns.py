"""What is measured of one network of `architecture_list.py`: one function a group of columns.

Times are shares of the time of the same graph after onnxsim, both run in turn; a dict with "why" stands where a column
could not be measured.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
from architecture_export import exported, module_of
from architecture_list import ARCHITECTURES
from optimize import OTHERS, simplified

from addcat.doors.onnx.bench import bench_of
from addcat.doors.onnx.running.runtime import input_shapes, random_inputs, start
from addcat.doors.timing import Ratio, interleave
from addcat.rules import rules_for
from addcat.verbs.optimize import optimize
from addcat.verbs.optimize.openings import openings

RUNTIMES = ("onnxruntime", "openvino")
SECONDS, LIMITS = 2.0, {"onnxruntime": 60.0, "openvino": 30.0}
"""Seconds of one comparison, and of a search."""


def by_onnxslim(proto: onnx.ModelProto) -> onnx.ModelProto:
    import onnxslim

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    return onnxslim.slim(copy)


OPTIMISERS: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {**OTHERS, "onnxslim": by_onnxslim}


def runner(proto: Any, runtime: str, threads: int) -> Callable[[], list[np.ndarray]]:
    model = onnx_ir.from_proto(proto)
    feeds = random_inputs(model, input_shapes(model), 7)
    return partial(start(model, runtime=runtime, threads=threads), feeds)


def against(old: Callable[[], Any], new: Callable[[], Any], threads: int, seconds: float = SECONDS) -> dict[str, float]:
    """Time of one run as a share of another's."""
    clock = time.process_time if threads == 1 else time.perf_counter
    ratio = interleave(old, new, limit=seconds, level=0.9, clock=clock, stop_early=False)
    return {name: float(f"{value:.4g}") for name, value in asdict(ratio).items()}


def attempt(measure: Callable[[], Any]) -> Any:
    """What a measurement gives, or why there is none."""
    try:
        return measure()
    except Exception as error:
        words = next(iter(str(error).splitlines()), "")
        return {"why": f"{type(error).__name__}: {words[:160]}".rstrip(": ")}


def difference(one: Any, other: Any) -> float:
    """Largest difference of outputs on inputs that no search has seen, relative to the largest value of each."""
    pairs = zip(runner(one, "onnxruntime", 1)(), runner(other, "onnxruntime", 1)(), strict=True)
    return max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30)) for a, b in pairs)


def searched(base: onnx.ModelProto, runtime: str, **options: Any) -> tuple[dict[str, Any], onnx.ModelProto]:
    """A search, and how its result holds against its input; what is the input again counts as 1."""
    begun = time.perf_counter()
    result = optimize(base, runtime=runtime, cache=False, time_limit=LIMITS[runtime], **options)
    seconds, record = time.perf_counter() - begun, result.record
    kept: dict[str, int] = {}
    for step in record.steps:
        if step.outcome == "kept":
            kept[" + ".join(step.rules)] = kept.get(" + ".join(step.rules), 0) + 1
    changed = record.verification is not None
    found = {
        "search_seconds": round(seconds, 1),
        "time_up": any(step.reason == "the time was up" for step in record.steps),
        "candidates": len(record.steps),
        "kept": kept,
        "wrong": sum(step.outcome == "wrong" for step in record.steps),
        "changed": changed,
        "own_ratio": _rounded(record.ratio),
        "peak": [record.before.peak, record.after.peak],
        "notes": list(record.notes),
        "difference": difference(base, result.model) if changed else 0.0,
    }
    return found, result.model if changed else base


def _rounded(ratio: Ratio | None) -> list[float] | None:
    return None if ratio is None else [round(ratio.estimate, 4), round(ratio.low, 4), round(ratio.high, 4)]


def main_columns(name: str, folder: Path) -> dict[str, Any]:
    """What every network has: both runtimes, one thread, a batch of one, beside other optimisers."""
    path, exporter = exported(name, 1, folder)
    proto = onnx.load(path)
    base = simplified(proto)
    one = ARCHITECTURES[name]
    found: dict[str, Any] = {
        "library": one.library,
        "family": one.family,
        "exporter": exporter,
        "inputs": {k: list(v) for k, v in input_shapes(onnx_ir.from_proto(base)).items()},
        "operations": len(base.graph.node),
        "load": [round(os.getloadavg()[0], 1)],
    }
    for runtime in RUNTIMES:
        found[runtime] = attempt(partial(_with_others, proto, base, runtime))
    found["load"].append(round(os.getloadavg()[0], 1))
    return found


def _with_others(proto: onnx.ModelProto, base: onnx.ModelProto, runtime: str) -> dict[str, Any]:
    found, model = searched(base, runtime)
    plain = runner(base, runtime, 1)
    found["addcat"] = against(plain, runner(model, runtime, 1), 1, SECONDS) if found["changed"] else 1.0
    if runtime == "onnxruntime":
        for other, optimise in OPTIMISERS.items():
            found[other] = attempt(lambda o=optimise: against(plain, runner(o(proto), runtime, 1), 1))
    else:
        found["seconds"] = against(plain, plain, 1, 0.5)["old"]
    return found


def more_columns(name: str, folder: Path) -> dict[str, Any]:
    """Two threads and a batch of eight, each searched for by itself; and torch.compile."""
    found: dict[str, Any] = {"load": [round(os.getloadavg()[0], 1)]}
    for batch, threads in ((1, 2), (8, 1), (8, 2)):
        base = attempt(lambda b=batch: simplified(onnx.load(exported(name, b, folder)[0])))
        for runtime in RUNTIMES:
            key = f"{runtime}, {threads} threads, batch {batch}"
            found[key] = base if isinstance(base, dict) else attempt(partial(_elsewhere, base, runtime, threads))
    found["torch.compile"] = attempt(partial(compiled, name, folder))
    found["load"].append(round(os.getloadavg()[0], 1))
    return found


def _elsewhere(base: onnx.ModelProto, runtime: str, threads: int) -> dict[str, Any]:
    found, model = searched(base, runtime, threads=threads)
    runs = runner(base, runtime, threads), runner(model, runtime, threads)
    found["addcat"] = against(*runs, threads) if found["changed"] else 1.0
    return found


def compiled(name: str, folder: Path) -> dict[str, float]:
    """Time of torch.compile as a share of ONNX Runtime's after onnxsim, one thread, a batch of one."""
    import torch

    if ARCHITECTURES[name].application:
        return {"why": "a Keras model"}  # pyright: ignore[reportReturnType]
    torch.set_num_threads(1)
    module, tensors = module_of(name, 1)
    fast = torch.compile(module)
    base = simplified(onnx.load(exported(name, 1, folder)[0]))
    with torch.no_grad():
        return against(runner(base, "onnxruntime", 1), lambda: fast(*tensors), 1)


def features(name: str, folder: Path) -> dict[str, float]:
    """What a gain is foretold by, of the graph after onnxsim."""
    bench = bench_of(simplified(onnx.load(exported(name, 1, folder)[0])))
    found = openings(bench.sized, rules_for("onnx", "latency"), bench.missing, seconds=60.0)
    return {feature: round(value, 5) for feature, value in found.features.items() if value}
