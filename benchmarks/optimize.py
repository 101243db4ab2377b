"""How much time and memory do exact rewrites around merges save, beside what other optimisers do?

Each row is one network; each time is a share of the time of the same graph after onnxsim, both run interleaved on one
thread (median of pairs). Below 1 is faster. The peak of live activations is a share of the original's.

    python benchmarks/optimize.py [--runtime openvino] [--beside SRC] [NETWORK ...]

Each search is a process of its own, so with `--beside` other code is asked as well, such as that of another commit by
its folder `src`. Its result runs beside the same original, and then in turn with this code's ("of the other").
"""

import argparse
import json
import logging
import os
import subprocess
import sys
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

SECONDS = 12.0
SRC = Path(__file__).parent.parent / "src"

_SEARCH = """
import json, logging, sys, warnings
import onnx
from addcat.verbs.optimize import optimize
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
path, out, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
result = optimize(onnx.load(path), **options)
onnx.save(result.model, out)
record = result.record
print(json.dumps({"seconds": record.seconds, "peak": record.after.peak / record.before.peak}))
"""


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


def searched(path: Path, source: Path, **options: Any) -> tuple[onnx.ModelProto, dict[str, float]]:
    """What the code in a folder makes of a file, its seconds, and its peak as a share of the file's."""
    out = path.with_name(f"searched-{path.name}")
    command = [sys.executable, "-c", _SEARCH, str(path), str(out), json.dumps(options)]
    said = subprocess.run(  # noqa: S603
        command, check=True, env={**os.environ, "PYTHONPATH": str(source)}, stdout=subprocess.PIPE, text=True
    )
    return onnx.load(out), json.loads(said.stdout.splitlines()[-1])


def row(name: str, runtime: str, folder: Path, limit: float, beside: Path | None) -> list[str]:
    path = build(name, folder)
    proto = onnx.load(path)
    base = simplified(proto)
    cells: list[str] = []
    for other in OTHERS.values():
        try:
            cells.append(share(base, other(proto), runtime))
        except Exception as error:  # an optimiser that fails is a result too
            cells.append(type(error).__name__)
    found, said = searched(path, SRC, runtime=runtime, time_limit=limit, cache=False)
    lean = searched(path, SRC, goal="memory", runtime=runtime, time_limit=limit, measure=False)[1]
    cells += [share(base, found, runtime), f"{said['peak']:.2f}", f"{lean['peak']:.2f}", f"{said['seconds']:.0f}"]
    if beside is not None:
        earlier, was = searched(path, beside, runtime=runtime, time_limit=limit)
        cells += [share(base, earlier, runtime), f"{was['peak']:.2f}", f"{was['seconds']:.0f}"]
        cells.append(share(earlier, found, runtime))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=NAMES)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--time-limit", type=float, default=120.0)
    parser.add_argument("--beside", type=Path, help="the folder src of other code, to be asked as well")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    titles = [*OTHERS, "addcat", "peak", "peak (memory)", "seconds"]
    titles += ["other code", "its peak", "its seconds", "of the other"] if arguments.beside else []
    print(f"Time as a share of onnxsim's, {arguments.runtime}, one thread")
    print(f"{'network':18s}", *(f"{title:>14s}" for title in titles))
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks:
            cells = row(name, arguments.runtime, Path(folder), arguments.time_limit, arguments.beside)
            print(f"{name:18s}", *(f"{cell:>14s}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
