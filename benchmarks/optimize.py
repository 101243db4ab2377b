"""How much time and memory do exact rewrites around merges save, beside what other optimisers do?

Each row is one network; each time is a share of the time of the same graph after onnxsim, both run interleaved on one
thread (median of pairs). Below 1 is faster. The peak of live activations is a share of the original's.

    python benchmarks/optimize.py [--runtime openvino] [NETWORK ...]
"""

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import onnx_ir
from networks import NAMES, build

from addcat.doors.onnx.running.runtime import input_shapes, random_inputs, start
from addcat.doors.timing import interleave
from addcat.verbs.optimize import optimize

SECONDS = 15.0


def simplified(proto: onnx.ModelProto) -> onnx.ModelProto:
    import onnxsim

    return onnxsim.simplify(proto)[0]


def by_onnxoptimizer(proto: onnx.ModelProto) -> onnx.ModelProto:
    import onnxoptimizer

    return onnxoptimizer.optimize(proto, onnxoptimizer.get_fuse_and_elimination_passes())


def by_onnxscript(proto: onnx.ModelProto) -> onnx.ModelProto:
    from onnxscript import optimizer

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    return optimizer.optimize(copy)


OTHERS: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "plain": lambda proto: proto,
    "onnxoptimizer": by_onnxoptimizer,
    "onnxscript": by_onnxscript,
}


def runner(proto: Any, runtime: str) -> Callable[[], object]:
    model = onnx_ir.from_proto(proto)
    feeds = random_inputs(model, input_shapes(model), 0)
    return partial(start(model, runtime=runtime), feeds)


def share(base: onnx.ModelProto, other: onnx.ModelProto, runtime: str) -> str:
    runs = runner(base, runtime), runner(other, runtime)
    ratio = interleave(*runs, limit=SECONDS, level=0.9, clock=time.process_time, stop_early=False)
    return f"{ratio.estimate:.3f}"


def row(name: str, runtime: str, folder: Path, limit: float) -> list[str]:
    proto = onnx.load(build(name, folder))
    base = simplified(proto)
    cells: list[str] = []
    for other in OTHERS.values():
        try:
            cells.append(share(base, other(proto), runtime))
        except Exception as error:  # an optimiser that fails is a result too
            cells.append(type(error).__name__)
    result = optimize(proto, runtime=runtime, time_limit=limit)
    record = result.record
    cells.append(share(base, result.model, runtime))
    lean = optimize(proto, goal="memory", runtime=runtime, time_limit=limit, measure=False).record
    peaks = [after / before for before, after in ((r.before.peak, r.after.peak) for r in (record, lean))]
    return [*cells, *(f"{peak:.2f}" for peak in peaks), f"{record.seconds:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=NAMES)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--time-limit", type=float, default=120.0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    titles = [*OTHERS, "addcat", "peak", "peak (memory)", "seconds"]
    print(f"Time as a share of onnxsim's, {arguments.runtime}, one thread")
    print(f"{'network':18s}", *(f"{title:>14s}" for title in titles))
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks:
            cells = row(name, arguments.runtime, Path(folder), arguments.time_limit)
            print(f"{name:18s}", *(f"{cell:>14s}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
