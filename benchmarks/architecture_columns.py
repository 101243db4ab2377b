"""What is measured of one network of `architecture_list.py`: one function a group of columns.

Times are shares of the time of the same graph after onnxsim, both run in turn; a dict with "why" stands where a column
could not be measured.
"""

import importlib
import time
from collections import Counter
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
SECONDS, LONGER, SESSIONS = 2.0, 12.0, 3
"""Seconds of one comparison, and of those of a search's result with its input, in so many sessions."""
LIMIT = 150.0
"""Seconds of a search; many, since on busy cores most of them pass in waiting."""
SIX = 0.4
"""Of all these times, what each of six searches of one network takes."""
FINAL = 25.0
confirming = importlib.import_module("addcat.verbs.optimize.confirm")  # the package has a function of that name


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


def in_sessions(base: Any, other: Any, runtime: str, threads: int, seconds: float) -> dict[str, float]:
    """The middle of three ratios in sessions of their own: where a model lies in memory makes a percent or two."""
    ratios = [
        against(runner(base, runtime, threads), runner(other, runtime, threads), threads, seconds / SESSIONS)
        for _ in range(SESSIONS)
    ]
    return sorted(ratios, key=lambda ratio: ratio["estimate"])[SESSIONS // 2]


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


def searched(base: onnx.ModelProto, runtime: str, threads: int = 1, share: float = 1.0) -> dict[str, Any]:
    """A search, and how its result holds against its input; a result that is the input again counts as 1.

    Both may take a share of the usual seconds; with less than all a search ends early where nothing is to be expected,
    as it does for users. Seconds are those of the clock and those of the processor: on busy
    cores only the second say what a search costs.
    """
    confirming.FINAL_SECONDS = share * FINAL
    begun, worked = time.perf_counter(), time.process_time()
    options = {"time_limit": share * LIMIT, "threads": threads, "thorough": share == 1}
    result = optimize(base, runtime=runtime, cache=False, **options)
    seconds, work, record = time.perf_counter() - begun, time.process_time() - worked, result.record
    changed = record.verification is not None
    found = {
        "seconds": round(seconds, 1),
        "processor_seconds": round(work, 1),
        "time_up": any(step.reason == "the time was up" for step in record.steps),
        "candidates": len(record.steps),
        "kept": Counter(" + ".join(step.rules) for step in record.steps if step.outcome == "kept"),
        "wrong": sum(step.outcome == "wrong" for step in record.steps),
        "changed": changed,
        "own_ratio": _rounded(record.ratio),
        "peak": [record.before.peak, record.after.peak],
        "notes": list(record.notes),
        "difference": difference(base, result.model) if changed else 0.0,
        "noise": record.verification.noise if record.verification else 0.0,
        "ratio": 1.0,
    }
    if changed:
        found["ratio"] = in_sessions(base, result.model, runtime, threads, share * LONGER)
    return found


def _rounded(ratio: Ratio | None) -> list[float] | None:
    return None if ratio is None else [round(ratio.estimate, 4), round(ratio.low, 4), round(ratio.high, 4)]


def _simplified(name: str, batch: int, folder: Path) -> onnx.ModelProto:
    return simplified(onnx.load(exported(name, batch, folder)[0]))


def onnxruntime(name: str, folder: Path) -> dict[str, Any]:
    """The search for ONNX Runtime on one thread, at a batch of one, and the file that it works on."""
    base = _simplified(name, 1, folder)
    inputs = {k: list(v) for k, v in input_shapes(onnx_ir.from_proto(base)).items()}
    about = {"exporter": exported(name, 1, folder)[1], "inputs": inputs, "operations": len(base.graph.node)}
    return {**about, **searched(base, "onnxruntime")}


def openvino(name: str, folder: Path) -> dict[str, Any]:
    """The same for OpenVINO."""
    return searched(_simplified(name, 1, folder), "openvino")


def others(name: str, folder: Path) -> dict[str, Any]:
    """What other optimisers make of the exported file, under ONNX Runtime."""
    proto = onnx.load(exported(name, 1, folder)[0])
    plain = runner(simplified(proto), "onnxruntime", 1)
    return {
        other: attempt(lambda o=optimise: against(plain, runner(o(proto), "onnxruntime", 1), 1))
        for other, optimise in OPTIMISERS.items()
    }


def compiled(name: str, folder: Path) -> dict[str, Any]:
    """Time of torch.compile as a share of ONNX Runtime's after onnxsim."""
    import torch

    if ARCHITECTURES[name].application:
        return {"why": "a Keras model"}
    plain = runner(_simplified(name, 1, folder), "onnxruntime", 1)
    module, tensors = module_of(name, 1)
    fast = torch.compile(module)
    with torch.no_grad():
        return {"torch.compile": against(plain, lambda: fast(*tensors), 1)}


def elsewhere(name: str, folder: Path) -> dict[str, Any]:
    """Two threads and a batch of eight, each searched for by itself."""
    found: dict[str, Any] = {}
    for batch, threads in ((1, 2), (8, 1), (8, 2)):
        for runtime in RUNTIMES:
            key = f"{runtime}, {threads} {'thread' if threads == 1 else 'threads'}, batch {batch}"
            base = partial(_simplified, name, batch, folder)
            found[key] = attempt(lambda b=base, r=runtime, t=threads: searched(b(), r, t, SIX))
    return found


def features(name: str, folder: Path) -> dict[str, Any]:
    """What a gain is foretold by, of the graph after onnxsim."""
    bench = bench_of(_simplified(name, 1, folder))
    found = openings(bench.sized, rules_for("onnx", "latency"), bench.missing, seconds=60.0)
    return {"features": {feature: round(value, 5) for feature, value in found.features.items() if value}}


COLUMNS: dict[str, Callable[[str, Path], dict[str, Any]]] = {
    one.__name__: one for one in (onnxruntime, openvino, others, compiled, elsewhere, features)
}
